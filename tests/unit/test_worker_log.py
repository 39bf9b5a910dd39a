"""What a worker writes into its log of a job that fails."""

import logging
import sys

import pytest
from billiard.einfo import ExceptionInfo
from celery import current_app, states
from celery.app import trace
from celery.app.task import Context

from jobs.core.errors import PermanentError


@pytest.mark.parametrize(("error", "level", "has_traceback"), [
    (PermanentError("“table.csv” is no text."), logging.INFO, False),
    (ZeroDivisionError("division by zero"), logging.ERROR, True),
])  # fmt: skip
def test_a_refusal_that_the_submitter_is_told_is_one_line_and_no_error(monkeypatch, error, level, has_traceback):
    current_app.loader.import_default_modules()
    task, records = current_app.tasks["jobs.report"], []
    monkeypatch.setattr(trace.logger, "handle", records.append)
    monkeypatch.setattr(trace.logger, "level", logging.DEBUG)
    trace.logger.manager._clear_cache()
    try:
        raise error
    except Exception:
        request = Context(id="an-id", delivery_info={}, hostname="cpu@here")
        trace.TraceInfo(states.FAILURE, error)._log_error(task, request, ExceptionInfo(sys.exc_info()))
    trace.logger.manager._clear_cache()
    [record] = records
    assert (record.levelno, bool(record.exc_info)) == (level, has_traceback)
    assert str(error) in record.getMessage()
