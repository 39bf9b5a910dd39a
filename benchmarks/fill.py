"""Submit a number of jobs of one kind without parameters: `python -m benchmarks.fill KIND COUNT`."""

import sys

import django

django.setup()

from jobs.submit import submit_many  # noqa: E402

count = int(sys.argv[2])
while count > 0:
    submit_many(sys.argv[1], [{}] * min(count, 10_000))
    count -= 10_000
