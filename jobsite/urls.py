from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("jobs.web.urls")),
]

handler400 = "jobs.web.outages.bad_request"
handler500 = "jobs.web.outages.server_error"
