"""A workflow in a real browser: built step by step, and watched to its end, without a word on the console."""

import re

from playwright.sync_api import expect

from tests.system.test_browser import browser, page, session  # noqa: F401  fixtures


def test_a_workflow_is_built_step_by_step_and_watched_to_its_end(page):  # noqa: F811
    page.goto("/workflows/new")
    for number, label in enumerate(("Add", "Sleep", "Multiply"), 1):
        page.locator("#add").select_option(label=label)
        page.get_by_role("button", name="Add step").click()
        expect(page.locator(f"#step-{number}[open]")).to_be_visible()
        if label == "Sleep":
            page.get_by_label("Seconds").fill("3")
            page.get_by_label("at the same time as the step above").check()
            boxes = page.locator("#outline foreignObject")
            expect(boxes).to_have_count(2)
            # Drawn anew as it is chosen: both in the first column.
            expect(boxes.nth(1)).to_have_attribute("x", "0")
    page.get_by_label("First number").last.fill("${result.1.slept}")
    page.get_by_role("button", name="Start workflow").click()
    page.wait_for_url(re.compile(r"/workflows/[^/]+-[^/]+/$"))
    page.evaluate("window.notReloaded = true")
    bar = page.get_by_text(re.compile(r"\d of 3 steps"))
    expect(bar).to_have_text("3 of 3 steps", timeout=60_000)
    expect(page).to_have_title("Done: Add, Sleep, Multiply")
    assert page.evaluate("window.notReloaded"), "the page was loaded again"
    page.locator(".flow-box", has_text="Multiply").click()
    page.wait_for_url("**/jobs/*/")
    expect(page.locator(".job-panel")).to_contain_text("21")
