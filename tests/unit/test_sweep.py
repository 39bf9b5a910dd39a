"""`manage.py sweep`: what is planned, what is drawn, and one real run."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from jobs.sweep import chart, runs
from jobs.sweep.measure import Figures, Load

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def sweep(*words, **environment):
    return subprocess.run(
        [sys.executable, "manage.py", "sweep", *words],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "right"),
    [
        (["--pools", "solo"], "solo: must be among eventlet, gevent, threads, prefork"),
        (["--concurrency", "10,many"], "'10,many' must be whole numbers from 1 to 5000"),
        (["--seconds", "0"], "'0' must be seconds from 0.5 to 600"),
        (["--latency", "-1"], "milliseconds from 0 to 10000"),
        (["--output", "chart.jpg"], "must be a file ending in .svg"),
        (["--pools", "prefork", "--concurrency", "1000"], "nothing to measure: prefork is tried up to 50 at a time"),
    ],
)
def test_bad_input_is_refused_with_what_would_be_right(words, right):
    answer = sweep(*words)
    assert answer.returncode != 0
    assert right in answer.stderr


def test_prefork_is_not_tried_with_a_thousand_processes():
    planned = runs.plan(["eventlet", "prefork"], [10, 1000])
    assert [(run.pool, run.concurrency) for run in planned] == [("eventlet", 10), ("eventlet", 1000), ("prefork", 10)]


def figures(rate):
    return Figures(2.0, [200.0 + n for n in range(rate * 2)])


@pytest.fixture
def done():
    return [
        runs.Run("eventlet", 10, "e", {"io": figures(50), "cpu": figures(90), "none": figures(400)}, 110.0),
        runs.Run("eventlet", 100, "e", {"io": figures(300), "cpu": None, "none": figures(400)}, 120.0),
        runs.Run("prefork", 10, "p", {"io": figures(45), "cpu": figures(170), "none": figures(900)}, 900.0),
    ]


def test_the_table_and_the_verdict_say_what_was_measured(done):
    lines = runs.table(done).splitlines()
    assert lines[1].split() == ["eventlet", "10", "io", "50", "250", "294", "110"]
    assert lines[5].split() == ["eventlet", "100", "cpu", "no", "task", "ended"]
    assert runs.verdict(done).splitlines()[1] == "cpu: most with prefork, 10 at a time: 170 tasks/s"


def test_the_chart_has_a_picture_for_each_work_and_measure(done):
    tree = ElementTree.fromstring(chart.svg(done, dict.fromkeys(runs.WORKS, "a note & more")))
    texts = [element.text for element in tree.iter(f"{SVG}text")]
    assert texts.count("tasks per second") == len(runs.WORKS)
    # A line for each pool in each picture; the memory of a run is drawn in every row.
    assert len(list(tree.iter(f"{SVG}polyline"))) == len(runs.WORKS) * len(chart.MEASURES) * 2
    assert "nan" not in ElementTree.tostring(tree, "unicode")


def test_the_longest_bar_is_the_fastest_run(done):
    io = chart.bars(done).splitlines()[1:4]
    assert max(io, key=lambda line: line.count("█")) == io[1]


def test_the_round_that_began_together_is_no_part_of_the_window(monkeypatch):
    read = []

    def five_ended(load, figures):
        figures.times += [200.0] * 5
        read.append(figures)

    monkeypatch.setattr(Load, "_publish", lambda load, count: None)
    monkeypatch.setattr(Load, "_read", five_ended)
    measured = Load("io", {}, places=20).run(0.01)
    assert all(figures is not measured for figures in read[:4])
    assert len(measured.times) == 5 * (len(read) - 4)


def test_a_real_run_proves_its_pool_and_leaves_the_sites_redis_alone(tmp_path):
    from jobs.wire.connection import redis_client

    before = redis_client().dbsize()
    output = tmp_path / "sweep.svg"
    answer = sweep("--pools", "eventlet", "--concurrency", "20", "--seconds", "1.5", "--output", str(output))
    assert answer.returncode == 0, answer.stderr
    assert "inspect stats: celery.concurrency.eventlet:TaskPool" in answer.stdout
    rows = [line.split() for line in answer.stdout.splitlines() if line.startswith("eventlet") and "stats" not in line]
    assert [row[2] for row in rows] == ["io", "cpu", "none"]
    # 20 at a time with 200 ms each are 100 tasks/s, and three rounds more where the machine pauses at the window's
    # edges; Celery's own green loop reaches a tenth of it.
    assert 20 < float(rows[0][3]) <= 140
    ElementTree.fromstring(output.read_text())
    assert redis_client().dbsize() == before
