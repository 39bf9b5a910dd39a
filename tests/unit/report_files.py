"""Tables to report on, and the files that come of it, for the tests of the kind report."""

import csv
import datetime as dt
import io
import random

import polars as pl

from jobs.kinds.report import MakeReport

SMALL = "region,amount,day\nNorth,10,2025-01-03\nSouth,2.5,2025-01-20\nNorth,7,2025-02-01\nSouth,,2025-02-02\n"


def run(ctx, name="orders.csv", content=SMALL, **params):
    data = content.encode() if isinstance(content, str) else content
    defaults = {"source": "file", "formats": ["csv"], "table": [ctx.upload(name, data)]}
    return MakeReport().run(defaults | params, ctx)


def parquet(**columns):
    """The bytes of a Parquet file with these columns."""
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


def saved(ctx, ending):
    """The last file of that ending."""
    return [path for name, path in ctx.saved.items() if name.endswith(ending)][-1]


def csv_rows(ctx):
    return list(csv.reader(io.StringIO(saved(ctx, ".csv").read_text(encoding="utf-8-sig"))))


def percentile(values, share):
    """Linear between neighbours, as spreadsheets do it."""
    values = sorted(values)
    place = (len(values) - 1) * share
    low = int(place)
    return values[low] + (values[min(low + 1, len(values) - 1)] - values[low]) * (place - low)


def orders(count, seed=7):
    """Rows as (day, region, amount), with some amounts missing."""
    draw = random.Random(seed)
    start = dt.datetime(2024, 1, 1)
    for _ in range(count):
        amount = None if draw.random() < 0.05 else round(draw.lognormvariate(3, 0.8), 2)
        moment = start + dt.timedelta(seconds=draw.randrange(400 * 86400))
        yield moment, draw.choice(["North", "South", "Über"]), amount


def orders_csv(rows):
    return "placed,region,amount\n" + "".join(
        f"{moment.isoformat(sep=' ')},{region},{'' if amount is None else amount}\n" for moment, region, amount in rows
    )
