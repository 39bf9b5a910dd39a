import pytest


@pytest.fixture(autouse=True)
def clean_redis():
    """Each test finds Redis empty."""
    from jobs.wire.connection import redis_client

    redis_client().flushall()
    yield


@pytest.fixture(autouse=True)
def fast_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
