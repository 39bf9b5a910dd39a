"""What makes two failures one group."""

import pytest

from jobs.core.signature import LONGEST, UNTOLD, longest_part, signature_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timed out after 30 s", "timed out after 2.5 s"),
        ("no file /var/data/a/b.csv", "no file /srv/x.png"),
        ("user 0199f3c2-1111-7abc-8def-0123456789ab is gone", "user 0199f3c2-2222-7abc-8def-ba9876543210 is gone"),
        ("'width' is missing", "'height' is missing"),
        ("object at 0x7f3b2c is closed", "object at 0xdeadbeef is closed"),
        ("digest 9f86d081884c7d65 differs", "digest 60303ae22b998861 differs"),
        ("alice@example.com refused", "bob.b@mail.example.org refused"),
        ("GET https://a.example/x?y=1 failed", "GET http://b.example failed"),
        ("Lines 1, 2, 3 are bad", "Lines 7, 8, 9, 10 are bad"),
    ],
)
def test_what_differs_from_job_to_job_is_left_out(one, other):
    assert signature_of("E", one) == signature_of("E", other)
    assert "…" in signature_of("E", one)


def test_what_tells_causes_apart_stays():
    assert signature_of("OSError", "disk full") != signature_of("OSError", "no such file")
    assert signature_of("OSError", "disk full") != signature_of("ValueError", "disk full")
    assert signature_of("E", "It's the server's fault, isn't it") == "E: It's the server's fault, isn't it"
    assert signature_of("E", "either/or, and/or") == "E: either/or, and/or"
    assert signature_of("E", "deface the facade") == "E: deface the facade"


def test_one_line_without_end_and_nothing():
    assert signature_of("E", "first\nsecond") == "E: first"
    assert len(signature_of("E", "word " * 500)) == LONGEST
    assert signature_of("", "") == UNTOLD and signature_of("E", " \n") == "E"


def test_the_longest_part_is_found_for_the_search():
    signature = signature_of("OSError", "[Errno 2] No such file or directory: '/x/y.csv'")
    assert longest_part(signature, "OSError") == "No such file or directory"
    assert longest_part("KeyError: …", "KeyError") == ""
