import pytest

from jobs.core.filenames import shown_name, stored_name


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("photo.jpg", "photo.jpg"),
        ("C:\\Users\\Olga\\photo.jpg", "photo.jpg"),
        ("a/b/../photo.jpg", "photo.jpg"),
        ("🎉 sommer.jpg", "🎉 sommer.jpg"),
        ("..", "file"),
        ("a/..", "file"),
        ("", "file"),
    ],
)
def test_a_name_is_shown_as_it_was_sent_without_folders(sent, shown):
    assert shown_name(sent) == shown


@pytest.mark.parametrize(
    ("shown", "stored"),
    [
        ("my photo (1).jpg", "my_photo_1.jpg"),
        ("für Olga.jpg", "für_Olga.jpg"),
        ("🎉", "file"),
        ("!!!", "file"),
        ("...", "file"),
        (".profile", "profile"),
    ],
)
def test_a_stored_name_is_plain_and_never_empty(shown, stored):
    assert stored_name(shown) == stored


def test_a_stored_name_fits_any_file_system_and_keeps_its_suffix():
    stored = stored_name("写真" * 120 + ".jpg")

    assert len(stored.encode()) <= 100
    assert stored.endswith("写真.jpg")
