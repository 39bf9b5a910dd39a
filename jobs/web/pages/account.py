"""Logging in and out, and changing one's password: Django's own views in our templates, slow for who guesses."""

from django.contrib.auth import views
from django.urls import path

from jobs.web.login.doors import Login, PasswordChange

urlpatterns = [
    path("login", Login.as_view(), name="login"),
    path("logout", views.LogoutView.as_view(), name="logout"),
    path("password", PasswordChange.as_view(), name="password_change"),
    path("password/done", views.PasswordChangeDoneView.as_view(), name="password_change_done"),
]
