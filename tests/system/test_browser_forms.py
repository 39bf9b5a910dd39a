"""Forms in a real browser that are wrong, outlive their session, or carry more files than one request takes."""

from playwright.sync_api import expect

from tests.system.test_browser import DESK, PATIENCE, browser, log_in, page, sees, send, session  # noqa: F401


def test_a_bad_form_names_its_fields_and_keeps_what_was_written(stack, browser, session):  # noqa: F811
    context = browser.new_context(base_url=stack.url, storage_state=session)
    tab = context.new_page()
    tab.goto("/new/email")
    tab.get_by_label("To", exact=True).fill("nobody")
    # What will happen is told beside the form, above the button: while it comes, the button moves.
    with tab.expect_response(lambda answer: "/preview" in answer.url):
        tab.get_by_label("Text", exact=True).fill("Kept.")
    expect(tab.get_by_text("Still to fill in: Subject.")).to_be_visible()
    tab.locator("[data-submit]").click()
    expect(tab.locator(".error-summary")).to_be_visible()
    expect(tab.get_by_label("To", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(tab.get_by_label("Subject")).to_have_attribute("aria-invalid", "true")
    expect(tab.get_by_label("Text", exact=True)).to_have_value("Kept.")
    context.close()


def test_a_form_outlives_its_session_and_is_sent_after_a_new_login(stack, browser, tmp_path):  # noqa: F811
    (note := tmp_path / "note.txt").write_text("Kept.")
    context = browser.new_context(base_url=stack.url, viewport=DESK)
    context.set_default_timeout(PATIENCE)
    tab, elsewhere = context.new_page(), context.new_page()
    forbidden = []
    tab.on("response", lambda answer: answer.status == 403 and forbidden.append(answer.url))
    log_in(stack, tab)
    tab.get_by_role("navigation", name="Pages").first.wait_for()
    tab.goto("/new/email")
    tab.get_by_label("To", exact=True).fill("ada@example.org")
    tab.get_by_label("Subject").fill("Long thought about")
    text, files = tab.get_by_label("Text", exact=True), tab.get_by_label("Attachments")
    text.fill("A long text")
    expect(tab.locator("#preview")).to_contain_text("1 recipient")
    elsewhere.goto("/new")
    elsewhere.locator("[popovertarget=user-menu]").first.click()
    elsewhere.get_by_role("button", name="Log out").click()
    elsewhere.wait_for_url("**/login")
    text.press_sequentially("!")
    told = tab.locator(".toast", has_text="You are logged out. Log in in another tab, then go on here.")
    expect(told).to_be_visible()
    files.set_input_files(note)
    expect(tab.get_by_text("Log in in another tab, then choose again what is missing.")).to_be_visible()
    with context.expect_page() as opened:
        told.get_by_role("link").click()
    log_in(stack, opened.value)
    opened.value.get_by_role("navigation", name="Pages").first.wait_for()
    text.press_sequentially("!")
    expect(told).to_have_count(0)
    files.set_input_files(note)
    expect(tab.locator(".kept")).to_contain_text("note.txt")
    expect(text).to_have_value("A long text!!")
    send(tab)
    sees(tab, "Succeeded")
    assert not forbidden
    context.close()


def test_more_files_than_one_request_takes_are_chosen_added_to_packed_and_packed_again(page, tmp_path):  # noqa: F811
    files = [tmp_path / f"{number}.txt" for number in range(1100)]
    for file in files:
        file.write_text(file.name)
    page.goto("/new/pack")
    chosen, kept = page.get_by_label("Files", exact=True), page.locator(".kept")
    for some in (files[:600], files[600:]):
        chosen.set_input_files(some)
        expect(kept).to_have_count(files.index(some[-1]) + 1, timeout=60_000)
    expect(page.locator("#preview")).to_contain_text("1,100 files")
    send(page)
    sees(page, "Succeeded")
    expect(page.locator("main")).to_contain_text("1,100 files")
    page.get_by_role("link", name="Edit and rerun").click()
    expect(kept).to_have_count(1100)
