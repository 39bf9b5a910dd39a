"""What the app reads from settings has a value in every project that does not define it."""

import ast
from pathlib import Path

import pytest
from django.conf import UserSettingsHolder, global_settings, settings
from django.core.exceptions import ImproperlyConfigured

from jobs import conf

ROOT = Path(__file__).resolve().parents[2]
#: Django's own in every project, though its global defaults have no such name.
OF_EVERY_PROJECT = {"SETTINGS_MODULE"}


def read_by(path):
    """Names of all settings that a module reads: settings.NAME and getattr(settings, "NAME")."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "settings":
            yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            target, name = node.args[0], node.args[1]
            if isinstance(target, ast.Name) and target.id == "settings" and isinstance(name, ast.Constant):
                yield name.value


def read():
    paths = [path for path in (ROOT / "jobs").rglob("*.py") if "migrations" not in path.parts]
    return {name: path.relative_to(ROOT) for path in paths for name in read_by(path) if name.isupper()}


def test_every_setting_that_is_read_has_a_default():
    known = {*dir(global_settings), *conf.DEFAULTS, *OF_EVERY_PROJECT, "CELERY_BROKER_URL", "CELERY_BROKER_USE_SSL"}
    missing = {name: str(path) for name, path in read().items() if name not in known}
    assert not missing, f"give them a value in jobs/conf.py and a line in docs/embedding.md: {missing}"


def test_every_default_is_read_and_explained():
    text = (ROOT / "docs" / "embedding.md").read_text()
    assert not set(conf.DEFAULTS) - set(read())
    assert not [name for name in conf.DEFAULTS if f"`{name}`" not in text]


def test_the_brokers_tls_is_followed_or_refused_in_one_line(monkeypatch, tmp_path):
    project = UserSettingsHolder(global_settings)
    project.SETTINGS_MODULE, project.BASE_DIR = "shop.settings", tmp_path
    project.CELERY_BROKER_URL, project.CELERY_BROKER_USE_SSL = "redis://there:1/2", {"ssl_cert_reqs": "none"}
    monkeypatch.setattr(conf, "settings", project)
    conf.fill_in()
    assert project.REDIS_URL.startswith("rediss://there:1/2?ssl_cert_reqs=none")
    del project.REDIS_URL
    project.CELERY_BROKER_USE_SSL = {"keyfile": "/k"}
    with pytest.raises(ImproperlyConfigured, match="cannot be used: keyfile after the"):
        conf.fill_in()


def test_what_a_project_defines_stays_and_the_rest_follows_from_it(monkeypatch, tmp_path):
    project = UserSettingsHolder(global_settings)
    project.SETTINGS_MODULE, project.BASE_DIR = "shop.conf.settings", tmp_path
    project.CELERY_BROKER_URL, project.RETENTION_DAYS = "redis://there:1/2", 7
    project.WSGI_APPLICATION = "shop.wsgi.application"
    monkeypatch.setattr(conf, "settings", project)
    conf.fill_in()
    assert (project.RETENTION_DAYS, project.REDIS_URL) == (7, "redis://there:1/2")
    assert (project.JOBSITE_CELERY_APP, project.ASGI_APPLICATION) == ("shop", "shop.asgi.application")
    assert tmp_path / "var" == project.VAR_DIR and project.VAR_DIR.is_dir()
    assert project.STORAGES["jobs"]["OPTIONS"]["location"] == str(tmp_path / "var" / "files")
    assert project.STORAGES["default"] == global_settings.STORAGES["default"]


def test_our_own_site_defines_its_celery_app():
    assert settings.JOBSITE_CELERY_APP == "jobsite"
