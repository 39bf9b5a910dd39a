"""A page in a real browser whose session ends while somebody writes in its form."""

from playwright.sync_api import expect

from tests.system.test_browser import DESK, PATIENCE, browser, log_in, sees, send  # noqa: F401


def test_a_form_outlives_its_session_and_is_sent_after_a_new_login(stack, browser, tmp_path):  # noqa: F811
    (note := tmp_path / "note.txt").write_text("Kept.")
    context = browser.new_context(base_url=stack.url, viewport=DESK)
    context.set_default_timeout(PATIENCE)
    page, elsewhere = context.new_page(), context.new_page()
    forbidden = []
    page.on("response", lambda answer: answer.status == 403 and forbidden.append(answer.url))
    log_in(stack, page)
    page.get_by_role("navigation", name="Pages").first.wait_for()
    page.goto("/new/email")
    page.get_by_label("To", exact=True).fill("ada@example.org")
    page.get_by_label("Subject").fill("Long thought about")
    text, files = page.get_by_label("Text", exact=True), page.get_by_label("Attachments")
    text.fill("A long text")
    expect(page.locator("#preview")).to_contain_text("1 recipient")
    elsewhere.goto("/new")
    elsewhere.locator("[popovertarget=user-menu]").first.click()
    elsewhere.get_by_role("button", name="Log out").click()
    elsewhere.wait_for_url("**/login")
    text.press_sequentially("!")
    told = page.locator(".toast", has_text="You are logged out. Log in in another tab, then go on here.")
    expect(told).to_be_visible()
    files.set_input_files(note)
    expect(page.get_by_text("Log in in another tab, then choose the file again.")).to_be_visible()
    with context.expect_page() as opened:
        told.get_by_role("link").click()
    log_in(stack, opened.value)
    opened.value.get_by_role("navigation", name="Pages").first.wait_for()
    text.press_sequentially("!")
    expect(told).to_have_count(0)
    files.set_input_files(note)
    expect(page.locator(".kept")).to_contain_text("note.txt")
    expect(text).to_have_value("A long text!!")
    send(page)
    sees(page, "Succeeded")
    assert not forbidden
    context.close()
