import pytest
from hypothesis import settings as hypothesis_settings

# How long one example takes is the machine's matter.
hypothesis_settings.register_profile("unit", deadline=None)
hypothesis_settings.load_profile("unit")


@pytest.fixture(autouse=True)
def clean_redis():
    """Each test finds Redis empty."""
    from jobs.wire.connection import redis_client

    redis_client().flushall()
    yield


@pytest.fixture
def storage(settings, tmp_path):
    """The files of jobs lie in a folder of the test's own."""
    settings.STORAGES = {
        **settings.STORAGES,
        "jobs": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}},
    }


@pytest.fixture(autouse=True)
def fast_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
