"""Where one web process puts what is uploaded until it is stored.

What a process that was killed has left there is removed by the next one.
"""

from pathlib import Path
from typing import Any

from django.conf import settings

from jobs.core.tempdirs import UPLOADS, TempDir


class UploadFolder:
    """Django's FILE_UPLOAD_TEMP_DIR while this process serves. On a full disk the setting stays what it was."""

    def __init__(self) -> None:
        self._before: Any = settings.FILE_UPLOAD_TEMP_DIR
        parent = Path(self._before or Path(settings.VAR_DIR) / "tmp")
        self._folder: TempDir | None = None
        try:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder = TempDir(UPLOADS, parent)
        except OSError:
            return
        settings.FILE_UPLOAD_TEMP_DIR = str(self._folder.path)

    def close(self) -> None:
        settings.FILE_UPLOAD_TEMP_DIR = self._before
        if self._folder is not None:
            self._folder.remove()
