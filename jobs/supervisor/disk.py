"""A warning before the disk of VAR_DIR is full: Redis and SQLite stop there, and with them every job."""

import shutil
from pathlib import Path

LEAST_FREE = 1024**3  # [bytes]
LEAST_SHARE = 0.05


def warning(folder: Path) -> str:
    """What is wrong with the free space in `folder`; "" where there is enough."""
    usage = shutil.disk_usage(folder)
    share = usage.free / usage.total
    if usage.free >= LEAST_FREE and share >= LEAST_SHARE:
        return ""
    return (
        f"the disk of {folder} is nearly full: {usage.free / 1024**3:.1f} GB free ({share:.0%}). "
        "Jobs stop when it is full: make room, or set VAR_DIR to a folder on another disk"
    )
