from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("shop", lambda request: HttpResponse("The shop")),
    path("", include("jobs.web.urls")),
]
