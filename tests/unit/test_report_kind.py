import datetime as dt
import itertools
import json
import re
import shutil
import statistics
import subprocess

import polars as pl
import pytest

from jobs.core.errors import Cancelled
from jobs.kinds._report import charts, words
from jobs.kinds._report.grouping import histogram
from tests.unit.contexts import RecordingContext
from tests.unit.report_files import csv_rows, orders, orders_csv, parquet, percentile, run, saved


@pytest.fixture
def ctx(tmp_path):
    return RecordingContext(tmp_path)


# --- figures -----------------------------------------------------------------------------------------


def test_measures_by_group_and_month_are_those_computed_by_hand(ctx):
    rows = list(orders(5000))
    measures = ["count", "sum", "mean", "min", "max", "median", "p90", "p95"]
    result = run(ctx, content=orders_csv(rows), group_by="region", measure="amount", bucket="month", measures=measures)
    expected = {}
    for moment, region, amount in rows:
        expected.setdefault((f"{moment:%Y-%m}-01", region), []).append(amount)
    head, *found = csv_rows(ctx)
    assert head[:3] == ["placed by month", "region", "rows"]
    assert {(row[0][:10], row[1]) for row in found} == set(expected)
    assert result["rows"] == 5000
    assert result["groups"] == len(found) == len(expected)
    for row in found:
        group = expected[row[0][:10], row[1]]
        values = [value for value in group if value is not None]
        wanted = [
            len(group), sum(values), statistics.mean(values), min(values), max(values), statistics.median(values),
            percentile(values, 0.9), percentile(values, 0.95),
        ]  # fmt: skip
        assert [float(cell) for cell in row[2:]] == pytest.approx(wanted)
    whole = [amount for *_, amount in rows if amount is not None]
    assert result["figures"]["sum"] == pytest.approx(sum(whole))
    assert result["figures"]["p95"] == pytest.approx(percentile(whole, 0.95))


def test_a_week_that_the_data_cut_off_is_told_and_never_the_lowest(ctx):
    days = [f"2024-01-{day:02},{10 if day < 15 else 5}" for day in range(3, 24)]  # a Wednesday to a Tuesday
    result = run(ctx, content="\n".join(["at,n", *days]), bucket="week", measure="n", formats=["html"])
    assert (
        "The highest week was that of 8 Jan 2024 (sum of n 70), the lowest that of 15 Jan 2024 (35)."
        in result["summary"]
    )
    told = "Not whole, since the data begin or end within: week of 1 Jan 2024 and week of 22 Jan 2024."
    assert told in saved(ctx, ".html").read_text()


def test_with_a_measured_column_groups_are_in_its_order(ctx):
    result = run(ctx, content="who,n\na,1\na,1\na,1\nb,50\n", group_by="who", measure="n")
    assert [row[:3] for row in csv_rows(ctx)] == [["who", "rows", "sum of n"], ["b", "1", "50"], ["a", "3", "3"]]
    assert "b comes first with 50 of “n”" in result["summary"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(999_999_999, "1 billion"), (11_840_000, "11.8 million"), (-5e15, "−5,000 trillion"), (999_000, "999,000")],
)
def test_large_numbers_in_words(value, text):
    assert words.large(value) == text


def test_a_long_text_is_cut_between_words():
    assert words.cut("to be delivered by the usual carrier", 20) == "to be delivered by…"
    assert words.cut("a" * 50, 20) == "a" * 19 + "…"


def test_buckets_start_at_the_hour_day_week_and_month(ctx):
    content = "at,n\n2025-01-01 10:59:59,1\n2025-01-01 11:00:00,2\n2025-01-06 00:00:00,4\n2025-02-01 00:00:00,8\n"
    expected = {
        "hour": {"2025-01-01 10": 1, "2025-01-01 11": 2, "2025-01-06 00": 4, "2025-02-01 00": 8},
        "day": {"2025-01-01 00": 3, "2025-01-06 00": 4, "2025-02-01 00": 8},
        "week": {"2024-12-30 00": 3, "2025-01-06 00": 4, "2025-01-27 00": 8},
        "month": {"2025-01-01 00": 7, "2025-02-01 00": 8},
    }
    for bucket, sums in expected.items():
        run(ctx, content=content, bucket=bucket, measure="n", measures=["sum"])
        assert {row[0][:13]: int(row[1]) for row in csv_rows(ctx)[1:]} == sums, bucket


def test_groups_are_ordered_by_the_first_measure(ctx):
    run(ctx, group_by="REGION", measure="amount", measures=["sum"])
    assert csv_rows(ctx) == [["region", "sum of amount"], ["North", "17.0"], ["South", "2.5"]]


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (pl.Int8, 100),
        (pl.Int32, 2_000_000_000),
        (pl.UInt32, 4_000_000_000),
        (pl.Int64, 1_700_000_000_000_000_001),
        (pl.Int64, -(2**63)),
        (pl.UInt64, 2**64 - 1),
    ],
)
def test_sums_of_whole_numbers_are_exact_however_large(ctx, dtype, value):
    content = parquet(k=["a"] * 6 + ["b"], at=[dt.date(2025, 1, 1)] * 7, n=pl.Series([value] * 7, dtype=dtype))
    documents = ["pdf", "html", "xlsx", "csv"]
    by = {"group_by": "k", "bucket": "day", "measure": "n", "measures": ["sum"]}
    result = run(ctx, "n.parquet", content, formats=documents, **by)
    assert result["figures"] == {"sum": 7 * value}
    groups = sorted([("a", 6 * value), ("b", value)], key=lambda group: -group[1])
    assert [(key, int(total)) for _, key, total in csv_rows(ctx)[1:]] == groups
    assert f"{abs(6 * value):,}" in saved(ctx, ".html").read_text()
    sheet = pl.read_excel(saved(ctx, ".xlsx"), sheet_name="Groups")
    assert [int(total) for total in sheet["sum of n"]] == [total for _, total in groups]


def test_profile_tells_type_missing_distinct_and_figures(ctx):
    content = "id,price,ok,code,when,note\n" + "".join(
        f"{n},{n / 2},{'yes' if n % 4 else 'no'},00{n},2025-01-{n:02d}T08:00:00Z,{'x' if n > 5 else ''}\n"
        for n in range(1, 21)
    )
    run(ctx, content=content)
    rows = {row[0]: dict(zip(csv_rows(ctx)[0], row, strict=True)) for row in csv_rows(ctx)[1:]}
    types = {name: row["type"] for name, row in rows.items()}
    assert types == {
        "id": "number", "price": "number", "ok": "yes/no", "code": "text", "when": "date and time", "note": "text"
    }  # fmt: skip
    assert (rows["note"]["missing"], rows["note"]["distinct"]) == ("5", "1")
    assert (rows["price"]["min"], rows["price"]["max"], float(rows["price"]["mean"])) == ("0.5", "10.0", 5.25)
    assert float(rows["price"]["p95"]) == pytest.approx(percentile([n / 2 for n in range(1, 21)], 0.95))
    assert rows["ok"]["most frequent"] == "yes (15); no (5)"


# --- documents ---------------------------------------------------------------------------------------


def test_every_format_opens_again_and_says_the_same(ctx):
    rows = list(orders(3000))
    result = run(
        ctx, content=orders_csv(rows), group_by="region", measure="amount", bucket="week", title="Orders for the board",
        formats=["pdf", "html", "xlsx", "csv"],
    )  # fmt: skip
    assert [file["name"] for file in result["files"]] == [
        f"orders-for-the-board.{e}" for e in ("pdf", "html", "xlsx", "csv")
    ]
    pdf = saved(ctx, ".pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert max(int(pages) for pages in re.findall(rb"/Count (\d+)", pdf)) > 1
    total = sum(amount for *_, amount in rows if amount is not None)
    html = saved(ctx, ".html").read_text()
    assert "Orders for the board" in html
    assert f"{total:,.0f}" in html
    assert html.count("<svg") == 4
    assert not re.search(r"(src|href)=", html)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", html)
    sheet = pl.read_excel(saved(ctx, ".xlsx"), sheet_name="Groups")
    assert sheet.columns[:2] == ["placed by week", "region"]
    assert sheet["sum of amount"].sum() == pytest.approx(total)
    assert sheet.height == result["groups"] == len(csv_rows(ctx)) - 1
    overall = pl.read_excel(saved(ctx, ".xlsx"), sheet_name="Groups over all time")
    assert sorted(overall["region"]) == ["North", "South", "Über"]


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="pdftotext is not installed")
def test_the_pdf_says_the_figures_and_where_cut_groups_are(ctx):
    content = "shop,amount\n" + "".join(f"shop {n:04d},{n}\n" for n in range(1203))
    run(ctx, content=content, group_by="shop", measure="amount", formats=["pdf", "xlsx"])
    text = subprocess.run(["pdftotext", "-layout", saved(ctx, ".pdf"), "-"], capture_output=True, text=True).stdout
    assert "The first 40 of 1,203 groups, all in the XLSX." in text
    assert "orders.csv holds 1,203 rows in 2 columns." in text
    assert f"{sum(range(1203)):,}" in text
    assert re.search(r"Page 1 of \d", text)


NASTY = '#panic("x") $x^2$ *bold* @ref <b>&amp;</b> \\ "quoted" #image("/etc/passwd") \x07 end'


def test_user_text_is_text_in_every_document(ctx):
    cell = NASTY.replace('"', '""')
    content = f'"{cell}",n\n"{cell}",1\n"=1+1",2\n"@SUM(A1)",2\n"+3",3\n"-x",4\n'
    run(ctx, content=content, title=NASTY, group_by='"' + cell + '"', formats=["pdf", "html", "xlsx", "csv"])
    assert saved(ctx, ".pdf").read_bytes().startswith(b"%PDF-")
    html = saved(ctx, ".html").read_text()
    assert "<b>" not in html
    assert "&lt;b&gt;&amp;amp;&lt;/b&gt;" in html
    cells = {row[0] for row in csv_rows(ctx)[1:]}
    assert {"'=1+1", "'@SUM(A1)", "'+3", "'-x"} <= cells
    import zipfile

    with zipfile.ZipFile(saved(ctx, ".xlsx")) as book:
        sheets = [book.read(name).decode() for name in book.namelist() if name.startswith("xl/worksheets/sheet")]
    assert not any("<f>" in sheet for sheet in sheets)
    assert any("=1+1" in sheet for sheet in sheets)


def test_no_groups_is_still_a_report(ctx):
    result = run(ctx, content=orders_csv(orders(500)), formats=["html"])
    html = saved(ctx, ".html").read_text()
    assert result["groups"] == 0
    for chart in ("Rows by week of placed", "Rows by region", "How amount is spread"):
        assert chart in html


# --- charts ------------------------------------------------------------------------------------------


def test_small_pictures_of_negative_values_hang_from_zero_and_stay_in_their_place():
    days = [f"{day} Jan 2025" for day in range(1, 10)]
    svg = charts.multiples([(name, [(day, -20.0 + at % 3) for at, day in enumerate(days)]) for name in "abc"])
    heights = [float(y) for y in re.findall(r"[ML]-?[\d.]+ (-?[\d.]+)", svg)]
    assert min(heights) == 16  # the zero line, below the name of the picture
    assert max(heights) == 50
    every = charts.multiples([("all", [(day, 0.0) for day in days])])
    assert {float(y) for y in re.findall(r"[ML]-?[\d.]+ (-?[\d.]+)", every)} == {50}


def test_the_label_of_the_highest_value_covers_no_column():
    svg = charts.over_time([(f"{day} Jan", -20.0 + day % 3) for day in range(1, 10)])
    label = float(re.search(r'y="([\d.]+)"[^>]*>−18 · 2 Jan<', svg)[1])
    assert label < min(float(top) for top in re.findall(rf'y="([\d.]+)"[^>]* fill="{charts.ACCENT}"', svg))


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (pl.Int64, 0, 59),
        (pl.Int8, -100, 100),
        (pl.UInt8, 5, 245),
        (pl.Int32, 7, 20),
        (pl.Int64, 10**18, 10**18 + 999),
        (pl.UInt64, 2**64 - 120, 2**64 - 1),
    ],
)
def test_whole_numbers_that_come_equally_often_make_bars_of_one_height(dtype, low, high):
    values = pl.LazyFrame({"__value": pl.Series(list(range(low, high + 1)), dtype=dtype)})
    counts = histogram(values, low, high, 40)
    assert counts[0][0] == low and counts[-1][1] > high
    width = counts[0][1] - counts[0][0]
    assert {rows for *_, rows in counts[:-1]} == {width}
    assert sum(rows for *_, rows in counts) == high - low + 1 and 0 < counts[-1][2] <= width


def test_whole_numbers_are_drawn_so_also_where_outliers_are_cut(ctx):
    content = "n\n" + "".join(f"{n}\n" for n in range(60)) * 20 + "100000\n"
    run(ctx, content=content, formats=["html"])
    html = saved(ctx, ".html").read_text()
    assert "Values above 165 are not drawn; the highest is 100,000." in html
    bars = {float(height) for height in re.findall(rf'height="([\d.]+)" fill="{charts.ACCENT}"', html)}
    assert len(bars) == 1


@pytest.mark.parametrize(
    ("ticks", "shown"),
    [
        ((120_000, 120_200, 120_400, 121_000), ["120.0k", "120.2k", "120.4k", "121.0k"]),
        ((0, 5_000, 10_000), ["0", "5k", "10k"]),
        ((0, 0.1, 0.2, 0.30000000000000004), ["0", "0.1", "0.2", "0.3"]),
        ((-2.5, 0, 2.5, 5), ["−2.5", "0", "2.5", "5.0"]),
        ((1.0001, 1.0002), ["1.0001", "1.0002"]),
        ((1_200_000_200, 1_200_000_400), ["1,200,000,200", "1,200,000,400"]),
        ((0, 2.5e6, 5e6), ["0", "2.5M", "5.0M"]),
        ((1.7e18, 1.7e18 + 2e13), ["1,700,000T", "1,700,020T"]),
        ((0, 5e-10, 1e-9), ["0", "5e−10", "1e−09"]),
    ],
)
def test_an_axis_has_one_unit_and_as_many_digits_as_its_step_needs(ticks, shown):
    assert words.ticks(ticks) == shown


def test_long_figures_below_a_histogram_stand_apart():
    svg = charts.ranges([(1_200_000_000 + at * 20, 1_200_000_020 + at * 20, 5) for at in range(40)])
    labels = re.findall(r'x="([\d.]+)" y="110.00" text-anchor="middle"[^>]*>([\d,.]+)<', svg)
    assert len(labels) > 3
    places = [float(x) for x, _ in labels]
    assert min(after - x for x, after in itertools.pairwise(places)) > 53  # about as wide as such a figure


@pytest.mark.parametrize("bucket", ["month", "week", "day", "hour"])
@pytest.mark.parametrize("others", ["\n", "9999-12-30 22:00:00\n", "9999-12-31 22:00:00\n", "2025-01-01 00:00:00\n"])
def test_the_last_date_there_is_can_be_a_bucket(ctx, bucket, others):
    content = "n,valid until\n1,9999-12-31 23:59:59\n2,9999-12-31 23:59:59\n" + "".join(f"3,{others}" for _ in range(3))
    run(ctx, content=content, bucket=bucket, formats=["html", "csv"])
    assert csv_rows(ctx)[-1 if others != "\n" else 1][0].startswith("9999-12-")
    run(ctx, content=content, group_by="n", bucket=bucket, formats=["html"])
    run(ctx, content=content, formats=["html"])


# --- size --------------------------------------------------------------------------------------------


def test_a_hundred_thousand_rows_with_progress(ctx):
    rows = list(orders(100_000))
    result = run(
        ctx, content=orders_csv(rows), group_by="region", measure="amount", bucket="day", formats=["pdf", "xlsx"]
    )
    assert result["rows"] == 100_000
    assert result["figures"]["sum"] == pytest.approx(sum(amount for *_, amount in rows if amount is not None))
    done = [current for current, _, _ in ctx.reports]
    assert done == sorted(done)
    assert ctx.reports[-1][:2] == (1000, 1000)
    assert any(step == "Reading orders.csv: 80,000 rows" for *_, step in ctx.reports)
    json.dumps(result)


def test_a_cancelled_report_stops(tmp_path):
    with pytest.raises(Cancelled):
        run(RecordingContext(tmp_path, cancel_at=2), content=orders_csv(orders(50_000)))
