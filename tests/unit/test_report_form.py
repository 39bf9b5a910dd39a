import subprocess
import sys

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from jobs.kinds.report import MakeReport
from tests.unit.report_files import SMALL

# --- the form ----------------------------------------------------------------------------------------


def form(content=SMALL, name="orders.csv", **data):
    data = {"source": "file", "formats": ["pdf"], **data}
    files = {"table": SimpleUploadedFile(name, content.encode("cp1252"))} if content else {}
    return MakeReport.Form(data, files)


def test_the_form_takes_a_good_question():
    good = form(
        group_by="Region, day", measure="amount", measures=["p95", "count"], bucket="month", bucket_column="day"
    )
    assert good.is_valid(), good.errors
    assert good.cleaned_data["measures"] == ["count", "p95"]
    assert MakeReport.title(good.cleaned_data) == "Orders by Region, day and month"
    assert ("Measures", "95th percentile of amount, rows") in MakeReport.preview(good.cleaned_data)
    assert good.cleaned_data["table"][0].read().decode() == SMALL


@pytest.mark.parametrize(
    ("data", "field", "told"),
    [
        ({"group_by": "region, town"}, "group_by", "no column 'town'. The columns are: region, amount, day."),
        ({"measure": "price"}, "measure", "no column 'price'"),
        ({"bucket": "day", "bucket_column": "date"}, "bucket_column", "no column 'date'"),
        ({"bucket_column": "day"}, "bucket", "Choose hour, day, week or month"),
        ({"measures": ["sum"]}, "measure", "Name the column to measure"),
        ({"content": ""}, "table", "Choose a table"),
        ({"name": "orders.docx"}, "table", "expected a file that ends in"),
        ({"since": "yesterday"}, "since", "“yesterday” is no time"),
        ({"since": "2025-02-30"}, "since", "is no time"),
        ({"since": "0001-01-01T00:00+14:00"}, "since", "is no time"),
        ({"until": "9999-12-31"}, "until", "is no time"),
        ({"since": "99999999999d"}, "since", "is no time"),
        ({"source": "jobs", "since": "2025-02-01", "until": "2025-01-01"}, "until", "after the start"),
        ({"source": "jobs", "group_by": "colour"}, "group_by", "The columns are: id, title, kind"),
        ({"formats": []}, "formats", "required"),
        ({"group_by": "städte", "content": "städte;n\n1;2\n"}, "none", ""),
    ],
)
def test_the_form_names_what_is_wrong(data, field, told):
    errors = form(**data).errors
    if field == "none":
        assert not errors
    else:
        assert told in " ".join(errors[field])


def test_pages_do_not_load_the_table_engine():
    program = (
        "import sys, django; django.setup()\n"
        "from django.core.files.uploadedfile import SimpleUploadedFile\n"
        "from jobs.kinds.report import MakeReport\n"
        "form = MakeReport.Form({'source': 'file', 'formats': ['pdf'], 'group_by': 'b'},"
        " {'table': SimpleUploadedFile('x.csv', b'a,b\\n1,2\\n')})\n"
        "assert form.is_valid(), form.errors\n"
        "print(sorted({'polars', 'typst', 'python_calamine', 'xlsxwriter', 'numpy'} & set(sys.modules)))"
    )  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
