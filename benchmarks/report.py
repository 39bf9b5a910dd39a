"""The kind "report" on a CSV of a million rows, as PDF and XLSX, beside a script with pandas and ReportLab.

Both are asked for the same: each column's profile (missing, distinct, range, quantiles, the most frequent values), an
amount by region, channel and month (rows, sum, mean, median, 95th percentile), charts by region and by month, and the
groups as a table. Ours also checks each line for what does not fit its column. Each runs in a process of its own. Time
goes from the CSV to the written files, with the import of the engines; Django's start, which a worker has behind it,
is not part of ours, but its memory is.
"""

import csv
import datetime as dt
import json
import os
import random
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from statistics import median
from typing import Any

import django

from benchmarks.alone import Cost, measured
from benchmarks.told import figure, tell

ROWS = 1_000_000
REGIONS = ("North", "South", "East", "West", "Centre", "Islands", "Abroad", "Unknown")
CHANNELS = ("shop", "web", "phone")


def run(options: Namespace) -> None:
    rows = 50_000 if options.quick else ROWS
    found: dict[str, list[Cost]] = {"ours": [], "peer": []}
    with tempfile.TemporaryDirectory(prefix="jobsite-bench-") as folder:
        table = Path(folder) / "orders.csv"
        write_table(table, rows)
        for _ in range(options.repeats):
            for who, costs in found.items():
                environment = {**os.environ, "VAR_DIR": folder, "DJANGO_SETTINGS_MODULE": "jobsite.settings"}
                costs.append(measured("benchmarks.report", who, str(table), environment=environment))
        size = table.stat().st_size / 1e6
    (ours, memory), (peer, peer_memory) = (
        (median(cost.said["seconds"] for cost in costs), median(cost.own for cost in costs)) for costs in found.values()
    )
    name = f"report of {rows:,} rows ({size:.0f} MB CSV)"
    cpu, peer_cpu = (median(cost.said["cpu"] for cost in costs) for costs in found.values())
    tell(name, ours, "s", peer=peer, peer_name="pandas, ReportLab", note=f"CPU {figure(cpu)} and {figure(peer_cpu)} s")
    tell(f"memory of the {name}", memory, "MB", peer=peer_memory, peer_name="pandas, ReportLab")


def write_table(path: Path, rows: int) -> None:
    """Orders of three years: nine columns, about a hundred bytes a row."""
    dice = random.Random(11)
    first = dt.datetime(2023, 1, 1)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ordered", "order", "customer", "region", "channel", "product", "quantity", "amount", "note"])
        for number in range(rows):
            at = first + dt.timedelta(seconds=dice.randrange(3 * 365 * 86_400))
            quantity, price = dice.randint(1, 12), dice.lognormvariate(3, 0.8)
            writer.writerow(
                [
                    at.isoformat(" "), f"A-{number:09}", f"customer {dice.randrange(90_000):05}", dice.choice(REGIONS),
                    dice.choice(CHANNELS), f"article {dice.randrange(400):03}", quantity,
                    f"{quantity * price:.2f}" if dice.random() > 0.01 else "", "to be delivered by the usual carrier",
                ]
            )  # fmt: skip


def ours(table: Path) -> None:
    from benchmarks.work import bare_context
    from jobs.kinds.report import MakeReport

    params: dict[str, Any] = {
        "source": "file", "group_by": "region, channel", "measure": "amount", "bucket": "month",
        "bucket_column": "ordered", "formats": ["pdf", "xlsx"], "bad_values": "refuse", "measures": [],
    }  # fmt: skip
    with bare_context() as ctx:
        MakeReport().run({**params, "table": [{"name": table.name, "path": str(table)}]}, ctx)


def peer(table: Path) -> None:
    """As one writes it by hand."""
    import pandas as pd
    from reportlab.graphics.charts.barcharts import VerticalBarChart
    from reportlab.graphics.charts.linecharts import HorizontalLineChart
    from reportlab.graphics.shapes import Drawing
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table

    frame = pd.read_csv(table, parse_dates=["ordered"])
    profile = [
        ["column", "type", "missing", "distinct", "min", "5 %", "median", "mean", "95 %", "max", "most frequent"]
    ]
    for name in frame.columns:
        column = frame[name]
        line = [name, str(column.dtype), int(column.isna().sum()), int(column.nunique())]
        if pd.api.types.is_numeric_dtype(column):
            low, middle, high = column.quantile([0.05, 0.5, 0.95])
            figures = [column.min(), low, middle, column.mean(), high, column.max()]
        else:
            figures = [column.min(), "", "", "", "", column.max()]
        profile.append([*line, *figures, ", ".join(str(value)[:20] for value in column.value_counts().head(10).index)])

    def measured_by(keys: list[Any]) -> pd.DataFrame:
        amounts = frame.groupby(keys, dropna=False)["amount"]
        made = amounts.agg(["size", "sum", "mean", "median"])
        made["p95"] = amounts.quantile(0.95)
        return made

    month = frame["ordered"].dt.to_period("M").rename("month")
    groups = measured_by(["region", "channel", month]).reset_index()
    by_region, by_month = measured_by(["region"]), measured_by([month])

    def chart(kind: Any, made: pd.DataFrame) -> Drawing:
        drawing, plot = Drawing(480, 200), kind()
        plot.x, plot.y, plot.width, plot.height = 60, 40, 400, 140
        plot.data = [list(made["sum"])]
        plot.categoryAxis.categoryNames = [str(name) for name in made.index]
        drawing.add(plot)
        return drawing

    def rows_of(made: pd.DataFrame) -> list[list[str]]:
        return [[str(value)[:30] for value in row] for row in made.itertuples(index=False)]

    style = getSampleStyleSheet()
    with tempfile.TemporaryDirectory(prefix="jobsite-bench-") as folder:
        story = [
            Paragraph("Orders", style["Title"]), chart(VerticalBarChart, by_region),
            chart(HorizontalLineChart, by_month), Paragraph("By region, channel and month", style["Heading2"]),
            Table([list(groups.columns), *rows_of(groups.nlargest(40, "sum"))]), Spacer(1, 20),
            Paragraph("Columns", style["Heading2"]), *(Paragraph(str(line), style["BodyText"]) for line in profile),
        ]  # fmt: skip
        SimpleDocTemplate(f"{folder}/orders.pdf", pagesize=A4).build(story)
        with pd.ExcelWriter(f"{folder}/orders.xlsx", engine="xlsxwriter") as book:
            groups.astype({"month": str}).to_excel(book, sheet_name="Groups", index=False)
            pd.DataFrame(profile[1:], columns=profile[0]).astype(str).to_excel(book, sheet_name="Columns", index=False)


if __name__ == "__main__":
    if sys.argv[1] == "ours":
        django.setup()
    began, cpu = time.perf_counter(), time.process_time()
    {"ours": ours, "peer": peer}[sys.argv[1]](Path(sys.argv[2]))
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}))
