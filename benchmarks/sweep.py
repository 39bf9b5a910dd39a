"""The same work over every pool and concurrency, prefork among them: what `manage.py sweep` prints."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.site import ROOT


def run(options: Namespace) -> None:
    few = ["--pools", "eventlet,prefork", "--concurrency", "10,100"] if options.quick else []
    with TemporaryDirectory() as folder:
        drawing = Path(folder) / "sweep.svg"
        words = ["--seconds", str(options.seconds), "--output", str(drawing), *few]
        subprocess.run([sys.executable, "manage.py", "sweep", *words], cwd=ROOT, check=True)
