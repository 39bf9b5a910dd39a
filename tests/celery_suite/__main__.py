"""`python -m tests.celery_suite CHECKOUT`: the suite with a plain worker, then with ours, and what differs.

CHECKOUT is the folder of Celery's sources in the version that is installed: a checkout of its tag, or its source
distribution unpacked. Only its folder `t` is used, in a copy: Celery itself is the installed one. Words that are not
known here go to pytest (`-k chord`, `t/integration/test_tasks.py`).
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.celery_suite.compare import Comparison
from tests.celery_suite.run import Way, run

#: Whether a test fails each time is asked again of ours alone: many of them wait for so many seconds.
TRIES = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.celery_suite", epilog="Further words go to pytest.")
    parser.add_argument("checkout", type=Path, help="Celery's sources of the installed version")
    parser.add_argument("--pool", default="prefork", choices=["prefork", "eventlet", "gevent", "threads"])
    parser.add_argument(
        "--worker", default="process", choices=["process", "embedded"],
        help="process: a real one; embedded: the suite's own thread, for tests that look into their worker",
    )  # fmt: skip
    parser.add_argument("--folder", type=Path, help="where to work, which is kept (default: a new one)")
    args, words = parser.parse_known_args()
    if not (args.checkout / "t" / "integration").is_dir():
        parser.error(f"{args.checkout} has no folder t/integration")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    folder = args.folder or Path(tempfile.mkdtemp(prefix="celery-suite-"))
    way = Way(args.checkout.resolve(), args.pool, args.worker)
    comparison = Comparison(run(way, folder / "plain", "plain", words), run(way, folder / "ours", "ours", words))
    for number in range(TRIES):
        if again := comparison.failing():
            comparison.tried_again(run(way, folder / f"again-{number + 1}", "ours", again))
    print(comparison)
    print(f"All that was written is in {folder}")
    return 1 if comparison.failing() else 0


if __name__ == "__main__":
    sys.exit(main())
