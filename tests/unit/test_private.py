"""Nothing that Jobsite keeps is open to other users of the machine."""

import os
import stat
import subprocess
import sys
from pathlib import Path

from django.core.files.base import ContentFile

from jobs.core import private
from tests.unit.test_edge_command import ROOT


def open_to_others(folder: Path) -> list[str]:
    found = [folder, *folder.rglob("*")]
    modes = {path: path.lstat().st_mode for path in found}
    return [f"{oct(mode)} {path}" for path, mode in modes.items() if mode & 0o077 and not stat.S_ISLNK(mode)]


def test_an_installation_of_before_is_closed_and_what_links_lead_to_is_not(tmp_path):
    elsewhere, var = tmp_path / "elsewhere", tmp_path / "var"
    for folder in (elsewhere, var, var / "files" / "inputs"):
        folder.mkdir(mode=0o755, parents=True)
    for file in (elsewhere / "page.html", var / "jobsite.sqlite3", var / "files" / "inputs" / "a.csv"):
        file.write_text("x")
        file.chmod(0o664)
    (var / "script").write_text("x")
    (var / "script").chmod(0o755)
    (var / "link").symlink_to(elsewhere)
    (var / "gone").symlink_to(tmp_path / "nowhere")
    elsewhere.chmod(0o755)
    assert private.tighten(var) == []
    assert open_to_others(var) == []
    assert stat.S_IMODE((var / "script").stat().st_mode) == 0o700
    assert stat.S_IMODE((elsewhere / "page.html").stat().st_mode) == 0o664
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


def test_what_prepare_makes_and_finds_is_for_its_user_alone(tmp_path):
    var = tmp_path / "var"
    (var / "files").mkdir(parents=True)
    (var / "files" / "old.txt").write_text("x")
    for path in (var, var / "files", var / "files" / "old.txt"):
        path.chmod(0o755)
    environment = {**os.environ, "VAR_DIR": str(var), "DATABASE_URL": "", "DJANGO_SETTINGS_MODULE": "jobsite.settings"}
    done = subprocess.run(
        ["sh", "-c", 'umask 000; exec "$0" manage.py prepare', sys.executable],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (var / "jobsite.sqlite3").exists() and (var / "static" / "staticfiles.json").exists()
    assert open_to_others(var) == []


def test_files_of_jobs_are_for_their_user_alone(tmp_path, settings):
    from django.core.files.storage import FileSystemStorage

    from jobs.conf import _storages

    settings.VAR_DIR, settings.STORAGES = tmp_path, {}
    # In a project of somebody else's, whose own setting lets everybody read.
    settings.FILE_UPLOAD_PERMISSIONS = 0o644
    storage = FileSystemStorage(**_storages()["jobs"]["OPTIONS"])
    before = os.umask(0o022)
    try:
        storage.save("inputs/ab/a.txt", ContentFile(b"x"))
    finally:
        os.umask(before)
    tmp_path.chmod(0o700)
    assert open_to_others(tmp_path / "files" / "inputs") == []
