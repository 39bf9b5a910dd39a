"""Send a number of stock no-op tasks: `python -m benchmarks.fill_stock COUNT`."""

import sys

from benchmarks.stock import app, noop

with app.producer_pool.acquire(block=True) as producer:
    for _ in range(int(sys.argv[1])):
        noop.apply_async(producer=producer)
