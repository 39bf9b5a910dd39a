"""Every environment variable is parsed, or refused with one line that names it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

WRONG = [
    ("PORT", "eighty", "a port from 1 to 65535"),
    ("PORT", "0", "a port from 1 to 65535"),
    ("PORT", "65536", "a port from 1 to 65535"),
    ("BASE_URL", "ftp://example.org", "an http(s) URL"),
    ("BASE_URL", "example.org", "an http(s) URL"),
    ("DEBUG", "maybe", "true or false"),
    ("TIME_ZONE", "Mars/Olympus", "a time zone such as"),
    ("DATABASE_URL", "mysql://host/db", "postgresql://"),
    ("DATABASE_URL", "postgresql://host:port/db", "postgresql://"),
    ("DATABASE_URL", "sqlite:////home/u/C#/jobsite.sqlite3", "(write %23 for #)"),
    ("REDIS_URL", "http://127.0.0.1", "redis://"),
    ("REDIS_URL", "sentinel://127.0.0.1:26379/0", "sentinel is not supported"),
    ("REDIS_URL", "redis://127.0.0.1:many/0", "redis://"),
    ("EMAIL_URL", "imap://host", "smtp://"),
    ("EMAIL_URL", "smtp://:25", "smtp://"),
    ("EMAIL_URL", "smtp://host?tls=maybe", "?tls=true for STARTTLS"),
    ("EMAIL_URL", "smtp://host?tls", "?tls=true for STARTTLS"),
    ("EMAIL_URL", "smtp://host?ssl=true", "(smtp:// takes no ssl)"),
    ("EMAIL_URL", "smtps://host?tls=true", "(smtps:// takes no tls)"),
    ("ALLOWED_SENDERS", "news@example.org, example.org", "addresses or @DOMAINs"),
    ("STORAGE_URL", "s3://bucket", "file:///FOLDER"),
    ("STORAGE_URL", "file://data/files", "file:///FOLDER"),
    ("STORAGE_URL", "file:///data/what?/files", "(write %3F for ?)"),
    ("IO_POOL", "prefork", "eventlet, gevent or threads"),
    ("IO_CONCURRENCY", "0", "a whole number from 1 to 10000"),
    ("IO_CONCURRENCY", "many", "a whole number from 1 to 10000"),
    ("CPU_CONCURRENCY", "-1", "a whole number from 1 to 1024"),
    ("CPU_CONCURRENCY", "2.5", "a whole number from 1 to 1024"),
    ("IO_PROCESSES", "0", "a whole number from 1 to 256"),
    ("WEB_PROCESSES", "0", "a whole number from 1 to 64"),
    ("CONNECTIONS_PER_ADDRESS", "7", "a whole number from 8"),
    ("CPU_MAX_TASKS", "0", "a whole number from 1"),
    ("CPU_MAX_MEMORY", "49", "megabytes from 50"),
    ("LOOP_BLOCK_THRESHOLD", "49", "milliseconds from 50 to 60000"),
    ("LOOP_BLOCK_MOVES", "-1", "a whole number, 0 for never"),
    ("TRUSTED_PROXIES", "everybody", "addresses or networks"),
    ("ALLOW_PRIVATE_URLS", "maybe", "true or false"),
    ("RETENTION_DAYS", "forever", "a number of days"),
    ("RETENTION_DAYS", "0", "a number of days"),
]


def settings(tmp_path, expression="None", under=(), **environment):
    """Import the settings in a process of their own, and print an expression over them.

    under: a command that runs the process, such as nice.
    """
    return python(
        tmp_path, "-c", f"from jobsite import settings as s; print(({expression}))", under=under, **environment
    )


def python(tmp_path, *words, under=(), **environment):
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [*under, sys.executable, *words],
        cwd=ROOT,
        env={**inherited, "VAR_DIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("name", "value", "right"), WRONG)
def test_a_wrong_value_stops_the_start_with_one_line(tmp_path, name, value, right):
    refused = settings(tmp_path, **{name: value})
    assert refused.returncode == 1
    lines = refused.stderr.strip().splitlines()
    assert len(lines) == 1, refused.stderr
    assert lines[0].startswith(f"{name}={value!r} cannot be used: expected ")
    assert right in lines[0]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DATABASE_URL", "mysql://u:hush@host/db", "'mysql://u:***@host/db' cannot"),
        ("DATABASE_URL", "mysql://u:hush@host/db", "(scheme must be one of sqlite, postgres, postgresql)"),
        ("REDIS_URL", "redis://:hu/sh@host/0", "'redis://:***@host/0' cannot"),
        ("EMAIL_URL", "smtp://u:hu@sh@host?ssl=true", "'smtp://u:***@host?ssl=true' cannot"),
    ],
)
def test_what_is_told_of_a_wrong_value_holds_no_password(tmp_path, name, value, told):
    line = settings(tmp_path, **{name: value}).stderr
    assert told in line and not any(part in line for part in ("hush", "hu/", "'hu", "sh@"))


def test_a_database_that_cannot_be_used_is_told_with_one_line(tmp_path):
    url = f"sqlite:///{tmp_path}/none/jobsite.sqlite3"
    refused = python(tmp_path, "manage.py", "createtoken", "admin", DATABASE_URL=url)
    assert refused.returncode == 1
    assert refused.stderr == "The database cannot be used: unable to open database file\n"


def test_a_disk_without_room_for_the_secret_key_is_told_with_one_line(tmp_path):
    refused = settings(tmp_path, under=("prlimit", "--fsize=0"))
    assert refused.returncode == 1
    assert refused.stderr == f"{tmp_path}/secret_key cannot be written: File too large\n"


def test_a_var_dir_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    refused = settings(tmp_path, VAR_DIR=str(tmp_path / "file" / "below"))
    assert refused.returncode == 1
    assert refused.stderr.startswith("VAR_DIR=") and len(refused.stderr.strip().splitlines()) == 1


def test_a_var_dir_that_cannot_be_written_is_told(tmp_path):
    # root may write everywhere, unless it lacks the capability to pass over the rights of files.
    powerless = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()
    (tmp_path / "tmp").mkdir()
    tmp_path.chmod(0o500)
    refused = settings(tmp_path, under=powerless)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"VAR_DIR={str(tmp_path)!r} cannot be used: expected a folder that can be written")
    assert len(refused.stderr.strip().splitlines()) == 1


def test_the_database_and_the_files_lie_in_var_dir_whatever_its_name(tmp_path):
    folder = tmp_path / "C# 100%41?" / "var"
    answer = settings(
        tmp_path, "s.DATABASES['default']['NAME'], s.STORAGES['jobs']['OPTIONS']['location']", VAR_DIR=str(folder)
    )
    assert answer.stdout.strip() == str((str(folder / "jobsite.sqlite3"), str(folder / "files"))), answer.stderr


def test_a_storage_url_is_unquoted(tmp_path):
    answer = settings(tmp_path, "s.STORAGES['jobs']['OPTIONS']['location']", STORAGE_URL="file:///a%20b/C%23")
    assert answer.stdout.strip() == "/a b/C#", answer.stderr


def test_empty_means_unset(tmp_path):
    names = {name for name, _, _ in WRONG} | {"HOST", "SECRET_KEY", "ALLOWED_HOSTS", "DEFAULT_FROM_EMAIL"}
    answer = settings(tmp_path, "s.PORT, s.IO_POOL, s.DEBUG, s.EMAIL_IS_CAUGHT", **dict.fromkeys(names, ""))
    assert answer.stdout.strip() == "(8000, 'eventlet', False, True)", answer.stderr


def test_the_secret_key_is_made_once_and_kept_private(tmp_path):
    first, second = (settings(tmp_path, "s.SECRET_KEY").stdout for _ in range(2))
    assert first == second and len(first.strip()) > 50
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert settings(tmp_path, "s.SECRET_KEY", SECRET_KEY="given").stdout.strip() == "given"


def test_the_embedded_redis_is_found_through_var_dir_unless_one_is_named(tmp_path):
    (tmp_path / "redis.url").write_text("redis://:secret@127.0.0.1:7777/0\n")
    assert settings(tmp_path, "s.REDIS_URL").stdout.strip() == "redis://:secret@127.0.0.1:7777/0"
    assert settings(tmp_path, "s.REDIS_URL", REDIS_URL="redis://r/1").stdout.strip() == "redis://r:6379/1"


def test_a_mail_server_is_taken_apart(tmp_path):
    expression = "s.EMAIL_HOST, s.EMAIL_PORT, s.EMAIL_HOST_USER, s.EMAIL_HOST_PASSWORD, s.EMAIL_USE_SSL"
    answer = settings(tmp_path, expression, EMAIL_URL="smtps://me%40example.org:p%2Fw@mail.example.org")
    assert answer.stdout.strip() == "('mail.example.org', 465, 'me@example.org', 'p/w', True)"


@pytest.mark.parametrize(
    ("query", "tls"),
    [("", False), *((f"?tls={word}", True) for word in ("true", "True", "1", "yes")), ("?tls=0", False)],
)
def test_starttls_is_asked_for_in_any_word_for_yes(tmp_path, query, tls):
    answer = settings(tmp_path, "s.EMAIL_USE_TLS", EMAIL_URL=f"smtp://mail.example.org{query}")
    assert answer.stdout.strip() == str(tls), answer.stderr


READ = set(re.findall(r'env\(\s*"(\w+)"', (ROOT / "jobsite" / "settings.py").read_text()))


def test_every_variable_that_can_be_wrong_is_tried_here():
    any_text = {"HOST", "SECRET_KEY", "ALLOWED_HOSTS", "DEFAULT_FROM_EMAIL", "VAR_DIR"}
    assert {name for name, _, _ in WRONG} == READ - any_text


def test_the_readme_names_every_variable():
    told = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "README.md").read_text(), re.M))
    assert told == READ | {"JOBSITE_ADMIN_PASSWORD"}
