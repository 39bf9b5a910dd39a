"""The console in a real browser: forms, live progress, files, keys, phone and dark, without a word on the console."""

import io
import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tests.system.foreign.gates import let_on
from tests.system.rest import finish, submit
from tests.system.stack import PASSWORD, wait_for
from tests.unit.images import data, quarters

CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PHONE, DESK = {"width": 375, "height": 812}, {"width": 1280, "height": 800}
#: [ms] A page answers within milliseconds; a loaded machine takes longer.
PATIENCE = 20_000
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser(stack):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        yield browser
        browser.close()


def log_in(stack, page, name="admin"):
    page.goto(f"{stack.url}/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


@pytest.fixture(scope="module")
def session(stack, browser):
    """The cookies of admin, logged in through the page."""
    context = browser.new_context()
    page = context.new_page()
    log_in(stack, page)
    expect(page.get_by_role("navigation", name="Pages").first).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


@contextmanager
def watched(browser, stack, **options):
    """A page whose errors, of scripts, policy or server, fail the test."""
    context = browser.new_context(base_url=stack.url, **{"viewport": DESK, **options})
    context.set_default_timeout(PATIENCE)
    complaints = []
    page = context.new_page()
    page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda answer: answer.status >= 400 and complaints.append(f"{answer.status} {answer.url}"))
    yield page
    context.close()
    assert not complaints


@pytest.fixture
def page(stack, browser, session):
    with watched(browser, stack, storage_state=session) as page:
        yield page


def state(page):
    return page.locator(".job-state .state")


def send(page):
    """Submit the form of a new job; the page is the job's then, and marked, so that a reload would be noticed."""
    page.locator("[data-submit]").click()
    page.wait_for_url(re.compile(r"/jobs/[^/]+/$"))
    page.evaluate("window.notReloaded = true")


def sees(page, word):
    expect(state(page)).to_have_text(re.compile(word), timeout=60_000)
    assert page.evaluate("window.notReloaded"), "the page was loaded again"


def downloaded(page, name):
    with page.expect_download() as download:
        page.get_by_role("link", name=f"Download {name}").click()
    return Path(download.value.path()).read_bytes()


def test_a_wrong_password_is_told_and_the_right_one_leads_to_the_page_asked_for(stack, browser):
    with watched(browser, stack) as page:
        page.goto("/new")
        page.get_by_label("Name").fill("alice")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("do not match")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/new")
        assert page.get_by_role("link", name="Workers").count() == 0


def test_an_email_is_previewed_sent_and_read_in_the_mailbox(stack, page):
    page.goto("/new/email")
    page.get_by_label("To", exact=True).fill("ada@example.org, grace@example.org")
    page.get_by_label("Subject").fill("From the browser")
    page.get_by_label("Text", exact=True).fill("Written in a form.")
    expect(page.locator("#preview")).to_contain_text("2 recipients")
    send(page)
    sees(page, "Succeeded")
    page.get_by_role("link", name="Mailbox").first.click()
    page.get_by_role("link", name="From the browser").first.click()
    expect(page.locator(".mail-text")).to_contain_text("Written in a form.")
    expect(page.locator("aside")).to_contain_text("grace@example.org")
    page.locator("aside").get_by_role("link", name="From the browser").click()
    page.wait_for_url("**/jobs/*/")


def test_an_image_is_uploaded_processed_previewed_and_downloaded(stack, page, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(data(quarters(400, 300)))
    page.goto("/new/image")
    page.locator("input[type=file]").first.set_input_files(photo)
    expect(page.locator("[data-kept]").first).to_contain_text("photo.png")
    page.get_by_label("Convert to").select_option("webp")
    page.get_by_label("Width", exact=True).fill("100")
    expect(page.locator("#preview")).to_contain_text("WebP")
    send(page)
    sees(page, "Succeeded")
    expect(page.locator(".preview img")).to_have_js_property("naturalWidth", 100)
    image = Image.open(io.BytesIO(downloaded(page, "photo.webp")))
    assert (image.format, image.size) == ("WEBP", (100, 75))


def test_a_report_is_made_of_an_uploaded_table_and_downloaded(stack, page, tmp_path):
    table = tmp_path / "orders.csv"
    table.write_text("region,amount\n" + "North,10\nSouth,2.5\n" * 200)
    page.goto("/new/report")
    page.locator("input[type=file]").first.set_input_files(table)
    expect(page.locator("[data-kept]").first).to_contain_text("orders.csv")
    page.get_by_label("Group by").fill("region")
    page.get_by_label("Measured column").fill("amount")
    send(page)
    sees(page, "Succeeded")
    assert downloaded(page, "orders-by-region.pdf").startswith(b"%PDF-")
    assert downloaded(page, "orders-by-region.xlsx").startswith(b"PK")


def test_progress_moves_and_the_end_is_seen_without_reloading(stack, page):
    page.goto("/new/stepped")
    page.get_by_label("Gate").fill("the bar")
    page.get_by_label("Steps").fill("8")
    send(page)
    page.evaluate("""() => {
        window.seen = [];
        const look = () => {
            const bar = document.querySelector(".job-progress progress");
            const value = bar?.value;
            if (value && value !== window.seen.at(-1)?.value) window.seen.push({value, title: document.title});
            requestAnimationFrame(look);
        };
        look();
    }""")
    sees(page, "Running")
    for number in range(1, 8):
        let_on("the bar", number)
        expect(page.locator(".job-progress progress")).to_have_js_property("value", number / 8)
    let_on("the bar", 8)
    sees(page, "Succeeded")
    seen = page.evaluate("window.seen")
    values = [one["value"] for one in seen]
    assert len(values) >= 7 and values == sorted(values), seen
    assert any(re.match(r"\d+%", one["title"]) for one in seen)
    page.get_by_role("link", name="Log", exact=True).click()
    expect(page.locator("[data-log] li")).to_have_count(8)


def test_a_running_job_is_cancelled_and_says_cancelling_until_its_worker_confirms(stack, page):
    with stack.api() as api:
        job = submit(api, "deaf", gate="deaf")
    page.goto(f"/jobs/{job['id']}/")
    expect(state(page)).to_have_text(re.compile("Running"), timeout=30_000)
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_role("button", name="Cancelling")).to_be_disabled()
    expect(state(page)).to_have_text(re.compile("Cancelling"))
    page.evaluate("window.notReloaded = true")
    let_on("deaf")
    sees(page, "Cancelled")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()


def test_a_failed_job_shows_its_error_and_is_retried(stack, page):
    with stack.api() as api:
        job = finish(api, "always-fails")
    page.goto(f"/jobs/{job['id']}/")
    expect(page.locator(".job-panel")).to_contain_text("attempt 3 failed")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".job-panel")).to_contain_text("attempt 6 failed", timeout=30_000)


def test_jobs_are_filtered_by_state_kind_and_words(stack, page):
    with stack.api() as api:
        done = api.post("jobs", json={"kind": "add", "label": "Filterable sum"}).json()
        bad = api.post(
            "jobs", json={"kind": "flaky", "params": {"permanent": True}, "label": "Filterable failure"}
        ).json()
        # The states of a list are SQL's, and a page without rows gains none.
        for job, name in ((done, "succeeded"), (bad, "failed")):
            ended = {"q": "filterable", "state": name}
            wait_for(lambda job=job, ended=ended: job["id"] in api.get("jobs", params=ended).text)
    rows = page.locator("tr[data-job]")
    page.goto("/jobs/")
    page.get_by_role("searchbox", name="Search").fill("filterable")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(2)
    page.get_by_role("navigation", name="States").get_by_role("link", name="Failed").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Filterable failure")
    page.get_by_role("link", name="Clear").click()
    page.get_by_role("searchbox", name="Search").fill("filterable kind:add state:succeeded")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Filterable sum")
    page.goto("/jobs/?q=filterable")
    page.get_by_label("Kind").select_option("add")
    expect(rows).to_have_count(1)
    page.goto("/jobs/?q=nosuchwordanywhere")
    expect(page.locator(".content")).to_contain_text("Nothing matches")


def test_an_open_list_follows_its_jobs(stack, page):
    with stack.api() as api:
        job = api.post("jobs", json={"kind": "count", "params": {"to": 4, "pause": 0.5}}).json()
        page.goto("/jobs/")
        page.evaluate("window.notReloaded = true")
        row = page.locator(f'tr[data-job="{job["id"]}"]')
        expect(row).to_contain_text("Succeeded", timeout=30_000)
    assert page.evaluate("window.notReloaded")


def test_on_a_phone_all_that_match_are_cancelled_and_the_page_goes_on_by_itself(stack, browser, session):
    with stack.api() as api:
        due = (datetime.now(UTC) + timedelta(hours=9)).isoformat()
        later = {"kind": "add", "params": {"x": 1, "y": 1}, "label": "Many", "due_at": due}
        ids = [api.post("jobs", json=later).json()["id"] for _ in range(3)]
        with watched(browser, stack, storage_state=session, viewport=PHONE) as page:
            page.goto("/jobs?q=many")
            page.get_by_role("combobox", name="State").select_option("scheduled")
            page.wait_for_url("**state=scheduled")
            page.get_by_role("checkbox", name="Select Many").first.check()
            expect(page.get_by_role("button", name="Cancel 1")).to_be_visible()
            page.get_by_role("link", name="All 3 matching").click()
            page.get_by_role("button", name="Cancel 3").click()
            expect(page.locator("[data-walk] h1")).to_have_text("Cancel: done. 3 cancelled.")
        assert {api.get(f"jobs/{job}").json()["state"] for job in ids} == {"REVOKED"}


def test_while_redis_is_away_the_page_says_so_and_goes_on_by_itself(stack, page):
    with stack.api() as api:
        job = submit(api, "count", to=60, pause=0.25)
        page.goto(f"/jobs/{job['id']}/")
        mark = page.locator("[data-live-mark]")
        expect(mark).to_have_text("Live")
        expect(state(page)).to_have_text(re.compile("Running"), timeout=30_000)
        page.evaluate("window.notReloaded = true")
        stack.stop_redis()
        try:
            expect(mark).to_have_text(re.compile("Not live since"), timeout=30_000)
            other = page.context.new_page()
            other.goto("/jobs/")
            expect(other.locator(".content")).to_contain_text("Redis does not answer")
            other.close()
        finally:
            stack.start_redis()
        expect(mark).to_have_text("Live", timeout=30_000)
        sees(page, "Succeeded")


def test_a_submitter_sees_their_own_jobs_alone(stack, browser):
    with stack.api() as api:
        theirs = finish(api, "add")
    context = browser.new_context(base_url=stack.url)
    page = context.new_page()
    log_in(stack, page, "bob")
    page.goto("/new/add")
    send(page)
    sees(page, "Succeeded")
    mine = page.url
    page.goto("/jobs/")
    expect(page.get_by_role("heading", name="My jobs")).to_be_visible()
    assert mine.split("/")[-2] in page.content() and theirs["id"] not in page.content()
    assert page.goto(f"/jobs/{theirs['id']}/").status == 404
    context.close()


def test_without_scripts_a_job_is_submitted_watched_and_its_result_fetched(stack, browser):
    with watched(browser, stack, java_script_enabled=False) as page:
        log_in(stack, page)
        page.wait_for_url("**/")
        page.goto("/new/image")
        page.locator("input[type=file]").first.set_input_files(
            {"name": "plain.png", "mimeType": "image/png", "buffer": data(quarters())}
        )
        page.get_by_label("Convert to").select_option("jpeg")
        page.locator("[data-submit]").click()
        page.wait_for_url(re.compile(r"/jobs/[^/]+/$"))

        def shows_its_file():
            page.reload()
            return page.get_by_role("link", name="Download plain.jpg").count()

        wait_for(shows_its_file, 30, "the result")
        expect(state(page)).to_have_text(re.compile("Succeeded"))
        assert Image.open(io.BytesIO(downloaded(page, "plain.jpg"))).format == "JPEG"
        with stack.api() as api:
            job = submit(api, "sleep", seconds=120)
            stack.running(type("Job", (), job))
        page.goto(f"/jobs/{job['id']}/")
        with page.expect_navigation():
            page.get_by_role("button", name="Cancel").click()
        wait_for(lambda: page.reload() and "Cancelled" in state(page).inner_text(), 30, "Cancelled")


def test_keys_lead_to_new_job_search_and_any_job(stack, page):
    with stack.api() as api:
        job = finish(api, "add", x=1, y=1)
    page.goto("/jobs/")
    page.keyboard.press("/")
    expect(page.locator("[data-search]")).to_be_focused()
    page.keyboard.press("Tab")
    page.locator("h1").click()
    page.keyboard.press("n")
    page.wait_for_url("**/new")
    page.keyboard.press("Control+k")
    palette = page.get_by_role("combobox", name="Page, job id or search")
    expect(palette).to_be_focused()
    palette.fill(job["id"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/{job['id']}/")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    page.wait_for_url("**/new/add?from=*")


@pytest.fixture(scope="module")
def places(stack):
    """Every page, with jobs in each state to look at."""
    with stack.api() as api:
        image = finish(api, "image", files={"images": ("wide.png", data(quarters(600, 400)))}, format="webp")
        failed = finish(api, "always-fails")
        mail = finish(api, "email", to=["a@example.org"], subject="A subject " * 20, text="Text", html="<p>Text</p>")
        running = submit(api, "sleep", seconds=300)
    kinds = ["email", "image", "report", "count"]
    jobs = [f"/jobs/{job['id']}/" for job in (image, failed, mail, running)]
    tabs = [f"{jobs[0]}?tab={tab}" for tab in ("attempts", "log", "parameters", "history")]
    shell = ["/", "/new", "/jobs/", "/jobs/?q=nothing+at+all", "/jobs/all", "/mailbox", "/tokens/", "/password"]
    yield [*shell, *(f"/new/{kind}" for kind in kinds), *jobs, *tabs]
    with stack.api() as api:
        api.post(f"jobs/{running['id']}/cancel")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_every_page_fits_and_complains_of_nothing(stack, browser, session, places, viewport, scheme):
    with watched(browser, stack, storage_state=session, viewport=viewport, color_scheme=scheme) as page:
        page.goto("/")
        others = page.eval_on_selector_all(".nav [data-page]", "links => links.map((link) => link.pathname)")
        for place in dict.fromkeys([*places, *others]):
            answer = page.goto(place)
            assert answer.status == 200, place
            page.wait_for_load_state("load")
            wide, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            assert wide <= room, f"{place} is {wide} px wide on {room} px"
            red, green, blue = map(int, re.findall(r"\d+", background(page))[:3])
            assert (red + green + blue < 200) == (scheme == "dark"), f"{place} is not {scheme}"


def background(page):
    """The colour behind the text, as rgb()."""
    return page.evaluate("""() => {
        const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
        canvas.fillStyle = getComputedStyle(document.documentElement).backgroundColor;
        canvas.fillRect(0, 0, 1, 1);
        return canvas.getImageData(0, 0, 1, 1).data.slice(0, 3).join(" ");
    }""")
