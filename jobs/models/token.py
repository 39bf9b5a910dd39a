import hashlib
import secrets
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from jobs.core.access import SCOPES


class ApiToken(models.Model):
    """A program's key to the REST API. Only its hash is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    #: SHA-256 of the token: it has 256 random bits, so a slow hash would protect nothing more.
    hash = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=5, choices=[(scope, scope) for scope in SCOPES], default="write")
    created = models.DateTimeField(default=timezone.now)
    last_used = models.DateTimeField(null=True, blank=True)
    expires = models.DateTimeField(null=True, blank=True)
    revoked = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"

    @staticmethod
    def hash_of(token: str) -> str:
        return hashlib.sha256(token.encode()).hexdigest()

    @classmethod
    def make(cls, user: Any, name: str, scope: str = "write", expires: Any = None) -> tuple["ApiToken", str]:
        """A new token and its text, which is not to be had again."""
        text = "jst_" + secrets.token_urlsafe(32)
        token = cls.objects.create(user=user, name=name, scope=scope, expires=expires, hash=cls.hash_of(text))
        return token, text

    @property
    def is_valid(self) -> bool:
        return self.revoked is None and (self.expires is None or self.expires > timezone.now()) and self.user.is_active
