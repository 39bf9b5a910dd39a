"""The addresses of a project that has no admin."""

from django.urls import include, path

urlpatterns = [path("", include("jobs.web.urls"))]
