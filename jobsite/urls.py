from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    # The admin's own form would let its field of the old password be guessed at any speed.
    path("admin/password_change/", RedirectView.as_view(pattern_name="password_change")),
    path("admin/", admin.site.urls),
    path("", include("jobs.web.urls")),
]

handler400 = "jobs.web.outages.bad_request"
handler500 = "jobs.web.outages.server_error"
