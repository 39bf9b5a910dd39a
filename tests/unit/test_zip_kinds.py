"""Unpacking a zip, and packing files into one: what comes out, what is left out, what is refused."""

import io
import random
import stat
import zipfile
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.datastructures import MultiValueDict

from jobs.core.errors import Cancelled, PermanentError
from jobs.core.fields import FileRef
from jobs.kinds import pack as pack_kind
from jobs.kinds import unpack as unpack_kind
from jobs.kinds._zip import reading
from jobs.kinds.pack import Pack
from jobs.kinds.unpack import Unpack
from tests.unit.contexts import RecordingContext
from tests.unit.images import packed, packed_by_finder


@pytest.fixture
def ctx(tmp_path: Path) -> RecordingContext:
    return RecordingContext(tmp_path)


def unpack(ctx: RecordingContext, content: bytes, pattern: str = "") -> dict:
    return Unpack().run({"archive": [ctx.upload("trip.zip", content)], "pattern": pattern}, ctx)


def pack(ctx: RecordingContext, files: list[tuple[str, bytes]], name: str = "files.zip") -> zipfile.ZipFile:
    refs = [ctx.upload(own, content) for own, content in files]
    result = Pack().run({"files": refs, "name": name}, ctx)
    assert result["files"] == len(files) and result["zip"]["name"] == name
    return zipfile.ZipFile(ctx.saved[name])


def form(content: bytes, pattern: str = ""):
    uploads = MultiValueDict({"archive": [SimpleUploadedFile("trip.zip", content)]})
    return Unpack.Form({"pattern": pattern}, uploads)


# --- unpack -----------------------------------------------------------------------------------------


def test_each_file_of_the_zip_becomes_a_file_of_the_job(ctx):
    result = unpack(ctx, packed({"a.jpg": b"one", "day 1/": b"", "day 1/b.txt": b"twenty"}))
    assert {name: path.read_bytes() for name, path in ctx.saved.items()} == {"a.jpg": b"one", "b.txt": b"twenty"}
    assert result == {"summary": "2 files, 9 B", "files": 2, "bytes": 9, "left_out": [], "left_out_in_all": 0}
    assert ctx.reports[0] == (0, 2, "a.jpg") and ctx.reports[-1] == (2, 2, "done")


def test_names_that_come_twice_are_numbered(ctx):
    unpack(ctx, packed({"a.jpg": b"1", "two/A.jpg": b"2", "three/a-2.jpg": b"3", "four/a.jpg": b"4"}))
    assert {name: path.read_bytes() for name, path in ctx.saved.items()} == {
        "a.jpg": b"1", "A-2.jpg": b"2", "a-2-2.jpg": b"3", "a-3.jpg": b"4",
    }  # fmt: skip


def test_what_systems_leave_in_zips_is_passed_over(ctx):
    result = unpack(ctx, packed({"a.jpg": b"1", "__MACOSX/._a.jpg": b"x", ".DS_Store": b"x", "d/Thumbs.db": b"x"}))
    assert list(ctx.saved) == ["a.jpg"] and result["left_out_in_all"] == 0


def test_names_are_read_as_macos_writes_them(ctx):
    members = {"Ausflüge/für dich.jpg": b"1", "__MACOSX/Ausflüge/._für dich.jpg": b"x", "写真.png": b"2", "a.txt": b"3"}
    content = packed_by_finder(members)
    assert zipfile.ZipFile(io.BytesIO(content)).infolist()[0].flag_bits & 0x800 == 0
    unpack(ctx, content, "für*, 写真.png")
    assert {name: path.read_bytes() for name, path in ctx.saved.items()} == {"für dich.jpg": b"1", "写真.png": b"2"}
    assert ctx.reports[0] == (0, 2, "Ausflüge/für dich.jpg")


def test_names_that_are_no_utf_8_are_those_of_old_windows(ctx):
    content = packed({"fXr.jpg": b"1", "Gr\N{LATIN SMALL LETTER SHARP S}.txt": b"2"}).replace(b"fXr", b"f\x81r")
    unpack(ctx, content)
    assert list(ctx.saved) == ["für.jpg", "Grß.txt"]


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("*.jpg", ["a.JPG", "b.jpg"]),
        (" *.PNG , b.* ,", ["b.jpg", "c.png"]),
        ("day ?/*", ["b.jpg", "c.png"]),
        ("", ["a.JPG", "b.jpg", "c.png", "notes.txt"]),
    ],
)
def test_a_pattern_chooses_by_name_or_by_path(ctx, pattern, kept):
    members = {"a.JPG": b"1", "day 1/b.jpg": b"2", "day 1/c.png": b"3", "notes.txt": b"4"}
    result = unpack(ctx, packed(members), pattern)
    assert sorted(ctx.saved) == kept and result["files"] == len(kept)
    assert result["left_out_in_all"] == 4 - len(kept)
    assert {entry["reason"] for entry in result["left_out"]} <= {"Not asked for."}


def test_only_what_is_unpacked_has_to_keep_the_limits(ctx):
    unpack(ctx, packed({"a.jpg": b"1", "../evil.txt": b"x", "film.mov": bytes(30 * 1024**2)}), "*.jpg")
    assert list(ctx.saved) == ["a.jpg"]


@pytest.mark.parametrize(
    "name",
    ["nul\x01\n\x7f.jpg", 'a<b>"c|?*.jpg', "x" * 400 + ".jpg", "...", "  ", "a." + "y" * 300, "übergröße 😀.jpg"],
)
def test_absurd_names_become_usable_ones(ctx, name):
    unpack(ctx, packed({"d/" + name: b"1"}))
    (made,) = ctx.saved
    assert 0 < len(made.encode()) < 255 and made.strip(" .") == made
    assert not set(made) & set('\x01\n\x7f<>"|?*')
    if name.endswith(".jpg"):
        assert made.endswith(".jpg")


def test_a_damaged_file_is_left_out_alone_and_named(ctx):
    good, bad = random.Random(1).randbytes(5000), b"some content to be spoilt"
    content = packed({"a.bin": good, "b.txt": bad}, zipfile.ZIP_STORED).replace(bad, bad.upper())
    result = unpack(ctx, content)
    assert ctx.saved.keys() == {"a.bin"} and ctx.saved["a.bin"].read_bytes() == good
    assert result["summary"] == "1 file, 4.9 KB; 1 left out"
    (left_out,) = result["left_out"]
    assert left_out["name"] == "b.txt" and "Bad CRC-32" in left_out["reason"]


def encrypted() -> bytes:
    """A zip whose member says that it is encrypted."""
    content = bytearray(packed({"a.txt": b"secret"}))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + offset] |= 1
    return bytes(content)


UNUSABLE = [
    (packed({"../../etc/passwd": b"x"}), "points outside of the zip"),
    (packed({"/etc/passwd": b"x"}), "points outside of the zip"),
    (packed({"..\\win.ini": b"x"}), "points outside of the zip"),
    (packed({"C:\\win.ini": b"x"}), "points outside of the zip"),
    (packed_by_finder({"ü/../../etc/passwd": b"x"}), "points outside of the zip"),
    (encrypted(), "'a.txt' is encrypted: zip it without a password"),
    (packed({"a.txt": bytes(30 * 1024**2)}), "at most 100 times is taken"),
    (packed({f"{n:0200}": b"" for n in range(6000)}), "list of files is too long"),
    (packed({f"{n}": b"" for n in range(5001)}), "holds 5,001 files: at most 5,000"),
    (packed({}), "There is no file in this zip"),
    (packed({"a/": b"", ".DS_Store": b"x"}), "There is no file in this zip"),
    (packed({"a.txt": b"x" * 999})[:-30], "damaged or cut short"),
    (b"no zip", "damaged or cut short"),
    (b"", "damaged or cut short"),
]


@pytest.mark.parametrize(("content", "said"), UNUSABLE, ids=[said for _, said in UNUSABLE])
def test_a_zip_that_nobody_honest_packs_is_refused_by_the_worker_and_by_the_form(ctx, content, said):
    with pytest.raises(PermanentError, match=rf"^trip\.zip: .*{said}"):
        unpack(ctx, content)
    assert not ctx.saved
    refused = form(content or b" ")
    assert not refused.is_valid() and said in str(refused.errors.as_data()["archive"])


def test_the_whole_may_unpack_to_so_much_only(ctx, monkeypatch):
    monkeypatch.setattr(reading, "MAX_UNPACKED", 5000)
    with pytest.raises(PermanentError, match=r"unpacks to 5\.9 KB: at most 4\.9 KB"):
        unpack(ctx, packed({"a.txt": b"x" * 3000, "b.txt": b"x" * 3000}))


def test_a_file_that_lies_before_the_zip_is_told_as_damage(ctx):
    content = bytearray(packed({"a.txt": b"x"}))
    content[-3] = 255  # of the place where the list of members begins, and so of every member's own
    with pytest.raises(PermanentError, match=r"^trip\.zip: None of its files can be unpacked\. a\.txt: .*damaged"):
        unpack(ctx, bytes(content))


def test_forged_bytes_anywhere_end_as_a_refusal_that_says_so(tmp_path):
    draw = random.Random(7)
    for _ in range(300):
        content = bytearray(packed({"a/b.txt": b"x" * 50, "c": draw.randbytes(40)}, draw.choice([0, 8, 12, 14])))
        for _ in range(draw.randint(1, 3)):
            content[draw.randrange(len(content))] = draw.choice([0, 128, 255])
        ctx = RecordingContext(tmp_path)
        try:
            unpack(ctx, bytes(content))
        except PermanentError as error:
            assert str(error).startswith("trip.zip: ")


def test_a_pattern_that_fits_nothing_fails_and_says_so(ctx):
    with pytest.raises(PermanentError, match=r"No file in it is named \*\.jpg"):
        unpack(ctx, packed({"a.png": b"1", "b.png": b"2"}), "*.jpg")


def test_where_all_are_damaged_the_job_fails_with_the_first(ctx):
    content = packed({"b.txt": b"some content"}, zipfile.ZIP_STORED).replace(b"some content", b"SOME CONTENT")
    with pytest.raises(PermanentError, match=r"None of its files can be unpacked\. b\.txt: .*CRC"):
        unpack(ctx, content)


def test_unpacking_can_be_cancelled_within_a_large_file(tmp_path):
    ctx = RecordingContext(tmp_path, cancel_at=3)
    with pytest.raises(Cancelled):
        unpack(ctx, packed({"a.bin": random.Random(2).randbytes(8 * 1024**2)}))
    assert not ctx.saved


def test_long_lists_of_what_was_left_out_are_cut(ctx):
    result = unpack(ctx, packed({"a.jpg": b"1"} | {f"{n}.txt": b"" for n in range(200)}), "*.jpg")
    assert len(result["left_out"]) == unpack_kind.NAMED and result["left_out_in_all"] == 200


def test_the_preview_counts_what_will_be_unpacked(storage):
    content = packed({"a.jpg": b"12", "b.jpg": b"34", "c.txt": b"5"})
    filled = form(content, "*.jpg")
    assert filled.is_valid(), filled.errors
    rows = [("Unpacks", "2 files, 4 B"), ("Left out", "1 with other names")]
    assert Unpack.preview(filled.cleaned_data) == rows
    path = storages["jobs"].save("kept.zip", SimpleUploadedFile("kept.zip", content))
    stored = [FileRef("0" * 32, "kept.zip", len(content), path)]
    assert Unpack.preview({"archive": stored, "pattern": "*.jpg"}) == rows
    storages["jobs"].delete(path)
    gone = Unpack.Form({}, MultiValueDict({"archive": stored}))
    assert gone.errors == {"archive": ["kept.zip is not kept any more."]}


def test_its_title_names_the_zip_and_a_short_pattern():
    archive = [{"name": "trip.zip"}]
    assert Unpack.title({"archive": archive, "pattern": "*.jpg"}) == "Unpack trip.zip: *.jpg"
    assert Unpack.title({"archive": archive, "pattern": "*.jpg, " * 9}) == Unpack.title({"archive": archive})


def test_an_upload_that_was_looked_at_is_read_from_its_start_again():
    content = packed({"a.jpg": b"12"})
    filled = form(content)
    assert filled.is_valid() and filled.cleaned_data["archive"][0].read() == content


# --- pack -------------------------------------------------------------------------------------------


def test_files_come_back_out_of_the_zip_as_they_went_in(ctx):
    files = [("a.jpg", b"\xff\xd8 photo"), ("empty", b""), ("Grüße.txt", "Grüße".encode() * 1000)]
    archive = pack(ctx, files, "photos.zip")
    assert [(name, archive.read(name)) for name in archive.namelist()] == files
    assert archive.testzip() is None
    photo, _, text = archive.infolist()
    assert (photo.compress_type, text.compress_type) == (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    assert text.compress_size < text.file_size / 10
    assert stat.S_IMODE(photo.external_attr >> 16) == 0o644
    assert [report[:2] for report in ctx.reports] == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_duplicate_names_are_numbered_and_none_leads_out_of_a_folder(ctx):
    names = ["a.jpg", "A.JPG", "a.jpg", "..", "con:x?.txt"]
    refs = [{**ctx.upload("x", name.encode()), "name": name} for name in [*names, "../../a.txt", "\\\\b\\c.txt"]]
    Pack().run({"files": refs, "name": "files.zip"}, ctx)
    archive = zipfile.ZipFile(ctx.saved["files.zip"])
    assert archive.namelist() == ["a.jpg", "A-2.JPG", "a-3.jpg", "file", "con_x_.txt", "a.txt", "c.txt"]


def test_what_was_packed_can_be_unpacked(tmp_path):
    files = [(f"{number}.txt", bytes([number])) for number in range(50)]
    ctx = RecordingContext(tmp_path)
    pack(ctx, files)
    unpacked = RecordingContext(tmp_path)
    unpack(unpacked, ctx.saved["files.zip"].read_bytes())
    assert {name: path.read_bytes() for name, path in unpacked.saved.items()} == dict(files)


def test_ten_thousand_files_of_one_name_take_seconds(ctx):
    ref = ctx.upload("a.txt", b"x")
    result = Pack().run({"files": [ref] * pack_kind.MAX_FILES, "name": "files.zip"}, ctx)
    assert result["files"] == 10_000
    names = zipfile.ZipFile(ctx.saved["files.zip"]).namelist()
    assert len(set(names)) == 10_000 and names[-1] == "a-10000.txt"


def test_packing_is_cancelled_within_a_large_file(tmp_path):
    ctx = RecordingContext(tmp_path, cancel_at=3)
    with pytest.raises(Cancelled):
        pack(ctx, [("a.bin", bytes(8 * 1024**2))])
    assert not ctx.saved


def test_a_file_that_is_gone_is_named(ctx):
    ref = ctx.upload("a.jpg", b"x")
    Path(ref["path"]).unlink()
    with pytest.raises(PermanentError, match=r"a\.jpg is not kept any more"):
        Pack().run({"files": [ref], "name": "files.zip"}, ctx)


@pytest.mark.parametrize(
    ("given", "becomes"),
    [("", "files.zip"), ("photos", "photos.zip"), ("Köln 2026.ZIP", "Köln 2026.ZIP"), (" a.tar ", "a.tar.zip")],
)
def test_the_zip_is_named_as_asked(given, becomes):
    uploads = MultiValueDict({"files": [SimpleUploadedFile("a.txt", b"x"), SimpleUploadedFile("b.txt", b"y")]})
    filled = Pack.Form({"name": given}, uploads)
    assert filled.is_valid(), filled.errors
    assert filled.cleaned_data["name"] == becomes
    assert Pack.preview(filled.cleaned_data) == [("Packs", "2 files, 2 B"), ("Zip", becomes)]


@pytest.mark.parametrize(("name", "said"), [("a/b.zip", "“/” cannot stand"), ("..zip", "does not start with a dot")])
def test_a_name_that_no_file_can_have_is_refused(name, said):
    refused = Pack.Form({"name": name}, MultiValueDict({"files": [SimpleUploadedFile("a.txt", b"x")]}))
    assert not refused.is_valid() and said in refused.errors["name"][0]


def test_too_much_together_is_refused(monkeypatch):
    monkeypatch.setattr(pack_kind, "MAX_UNPACKED", 1500)
    uploads = MultiValueDict({"files": [SimpleUploadedFile(name, bytes(1000)) for name in ("a", "b")]})
    refused = Pack.Form({}, uploads)
    assert refused.errors["files"] == ["2.0 KB together: at most 1.5 KB are taken."]
