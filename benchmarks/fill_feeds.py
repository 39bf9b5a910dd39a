"""Submit what `benchmarks.feeds` measures: `python -m benchmarks.fill_feeds feeds|http URL COUNT [QUEUE]`.

feeds: one job for all URLs. http: a job for each.
"""

import sys

import django

django.setup()

from jobs.submit import submit, submit_many  # noqa: E402

kind, base, count, queue = (*sys.argv[1:], None)[:4]
urls = [f"{base}/{number}" for number in range(int(count))]
if kind == "feeds":
    print(submit("feeds", {"urls": "\n".join(urls), "at_once": 400}).id)
else:
    submit_many("http", [{"url": url} for url in urls], queue=queue)
