"""The ready-made workflows, from the browser of somebody who is no operator to the mail at their end."""

import io
import re
import zipfile
from email import message_from_bytes, policy

import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from jobs.models import Mail
from tests.system.rest import artifacts
from tests.system.stack import wait_for
from tests.system.test_browser import CHROMIUM, log_in, watched
from tests.unit.images import data, packed, quarters
from tests.unit.web_server import WebServer, rss


@pytest.fixture(scope="module")
def session(stack):
    """A browser, and the cookies of alice."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        context = browser.new_context()
        page = context.new_page()
        log_in(stack, page, "alice")
        expect(page.get_by_role("navigation", name="Pages").first).to_be_visible()
        state = context.storage_state()
        context.close()
        yield browser, state
        browser.close()


@pytest.fixture
def page(stack, session, monkeypatch):
    # Playwright's loop runs in this thread; nothing else on it waits for the database.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    browser, state = session
    with watched(browser, stack, storage_state=state) as page:
        yield page


def mail_to(address):
    """The one message to an address, once it has come."""
    (mail,) = wait_for(lambda: list(Mail.objects.filter(recipients=address)), 90, f"mail to {address}")
    return message_from_bytes(bytes(mail.source), policy=policy.default)


def start(page):
    page.get_by_role("button", name="Start").click()
    page.wait_for_url(re.compile(r"/workflows/[0-9a-f-]{36}/$"))


def test_a_zip_of_photos_of_which_one_is_torn_ends_as_a_zip_of_the_others_and_a_mail(page, alice):
    photo = data(quarters(800, 600), "JPEG")
    members = {f"{number}.jpg": photo for number in range(4)} | {"torn.jpg": photo[:700], "notes.txt": b"no image"}
    page.goto("/workflows/new/photos")
    page.get_by_label("Zip of images").set_input_files(
        {"name": "trip.zip", "mimeType": "application/zip", "buffer": packed(members)}
    )
    page.get_by_label("Convert to").select_option("webp")
    page.get_by_label("Width", exact=True).fill("400")
    page.get_by_label("To required", exact=True).fill("photos@example.org")
    expect(page.get_by_text("1 with other names")).to_be_visible()
    start(page)
    mail = mail_to("photos@example.org")
    link = re.search(r"/jobs/([0-9a-f-]{36})", mail.get_body(("plain",)).get_content())
    made = artifacts(alice, {"id": link[1]})
    with zipfile.ZipFile(io.BytesIO(made["trip.zip"])) as archive:
        assert archive.namelist() == ["0.webp", "1.webp", "2.webp", "3.webp"]
        assert Image.open(archive.open("3.webp")).size == (400, 300)
    expect(page.get_by_text("1 failed").first).to_be_visible()
    # Where the mail leads, the zip waits.
    page.goto(link[0])
    expect(page.get_by_role("link", name="trip.zip").first).to_be_visible()


def test_a_list_of_feeds_ends_as_a_pdf_in_the_mail(page):
    server = WebServer()
    try:
        urls = [server.route(f"/{number}", 200, rss(f"Feed {number}")) for number in range(3)]
        page.goto("/workflows/new/feeds")
        page.get_by_label("URLs", exact=True).fill("\n".join([*urls, f"{server.url}/gone"]))
        page.get_by_label("Title of the report").fill("Week 47")
        page.get_by_label("To required", exact=True).fill("feeds@example.org")
        start(page)
        mail = mail_to("feeds@example.org")
    finally:
        server.stop()
    (attached,) = mail.iter_attachments()
    assert attached.get_filename() == "week-47.pdf" and attached.get_content().startswith(b"%PDF-")
    expect(page.get_by_text("3 of 3 steps").first).to_be_visible()
