"""Autograding a whole assignment: nbgrader's page, the page of jobs, and nbgrader's own buttons."""

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Visit
from tests.browser.formgrader.conftest import (
    EXPECTED,
    PAGES,
    Open,
    Site,
    acknowledge,
    row_of,
    site_of,
)
from tests.browser.formgrader.course import DORA, NOTEBOOK, SUBMITTED
from tests.integration.autograding import notebooks
from tests.integration.formgrader_proxy.hub import COURSE, GRADER, INSTRUCTOR

STUDENTS = ("gus", "hal", "ivy")
BROKEN = "joe"
SLOW = "kim"
JOBS = f"services/formgrader/courses/{COURSE}/jobs"
MINUTE = 60_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A course of its own, because these tests process every submission."""
    with site_of("tests.browser.formgrader.course", tmp_path_factory.mktemp("jobs")) as made:
        # A cell that sleeps has to sleep until the test stops it, on a slow machine, too.
        with (made.course / "nbgrader_config.py").open("a") as config:
            config.write("c.ExecutePreprocessor.timeout = c.Execute.timeout = 900\n")
        yield made


@pytest.fixture
def submissions(site: Site) -> None:
    """New submissions of SUBMITTED, one of which nbgrader cannot read."""
    original = site.course / "submitted" / DORA / SUBMITTED
    for student in (*STUDENTS, BROKEN):
        shutil.rmtree(site.course / "autograded" / student, ignore_errors=True)
        shutil.copytree(
            original, site.course / "submitted" / student / SUBMITTED, dirs_exist_ok=True
        )
    path = site.course / "submitted" / BROKEN / SUBMITTED / f"{NOTEBOOK}.ipynb"
    path.write_text("<img src=x onerror='document.title = 1'>")


def panel(page: Page) -> Locator:
    return page.get_by_role("region", name="Jobs")


async def test_autograde_all(formgrader: Open, visit: Visit, site: Site, submissions: None) -> None:
    """Progress, the rows, a second browser and a reload, and the page with the failure's log."""
    page = await formgrader(INSTRUCTOR, f"manage_submissions/{SUBMITTED}")
    watching = await formgrader(GRADER, f"manage_submissions/{SUBMITTED}")
    await expect(row_of(page, BROKEN).locator(".status")).to_have_text("needs autograding")
    await expect(panel(watching).get_by_role("button")).to_have_count(0)
    await panel(page).get_by_role("button", name="Autograde all").click()
    progress = panel(page).get_by_role("progressbar", name=f"Autograde {SUBMITTED}")
    await expect(progress).to_be_visible()
    await expect(panel(watching)).to_contain_text(re.compile(r"of \d+ done"))
    await page.reload()
    await expect(progress).to_be_visible()
    for student in STUDENTS:
        for one in (page, watching):
            await expect(row_of(one, student).locator(".status")).to_have_text(
                "graded", timeout=2 * MINUTE
            )
    await expect(panel(page)).to_contain_text("failed:", timeout=2 * MINUTE)
    await expect(row_of(page, BROKEN).locator(".status")).to_have_text("needs autograding")
    await panel(page).get_by_role("link", name=f"Autograde {SUBMITTED}").click()
    await page.wait_for_url(re.compile(re.escape(JOBS) + "/[0-9]+"))
    details = page.get_by_role("group").filter(has_text="Failures")
    await expect(details).to_contain_text("[ERROR]")
    assert await page.title() != "1"


async def test_the_page_of_jobs_is_live(visit: Visit, site: Site, submissions: None) -> None:
    """Start with the keyboard; the state changes without a reload, is announced, and is retried."""
    page = await visit(site.hub, INSTRUCTOR, JOBS, expected=EXPECTED)
    await page.get_by_label("Assignment").fill(SUBMITTED)
    await page.get_by_label("Assignment").press("Enter")
    job = page.locator(".job").first
    await expect(job.get_by_role("progressbar")).to_be_visible()
    await page.evaluate("window.notReloaded = true")
    await expect(job.locator("[data-state]")).to_contain_text("failure", timeout=2 * MINUTE)
    await expect(page.get_by_role("status")).to_contain_text(f"Autograde {SUBMITTED}")
    await job.locator("summary").click()
    await expect(job.locator("pre").first).to_contain_text("[ERROR]")
    assert await page.evaluate("window.notReloaded")
    before = await page.locator(".job").count()
    await job.get_by_role("button", name="Retry").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".job")).to_have_count(before + 1)
    await expect(page.locator(".job").first).to_contain_text("a retry of job")
    await expect(page.locator(".job").first.locator("[data-state]")).to_have_text(
        "failed", timeout=2 * MINUTE
    )


async def test_the_page_works_without_scripts(visit: Visit, site: Site, submissions: None) -> None:
    """Forms, and a refresh."""
    page = await visit(site.hub, INSTRUCTOR, JOBS, expected=EXPECTED, java_script_enabled=False)
    before = await page.locator(".job").count()
    await page.get_by_label("Assignment").fill(SUBMITTED)
    await page.locator("select[name=which]").select_option("all")
    await page.get_by_role("button", name="Start").click()
    await expect(page.locator(".job")).to_have_count(before + 1)
    cancel = page.locator(".job").first.get_by_role("button", name=re.compile("^Cancel"))
    await cancel.click()
    job = page.locator(".job").first
    for _ in range(200):
        if await job.locator("[data-state]").inner_text() == "cancelled":
            break
        await page.get_by_role("link", name="Refresh").click()
    await expect(job).to_contain_text("cancelled by " + INSTRUCTOR)


async def test_nbgraders_own_button(formgrader: Open, visit: Visit, site: Site) -> None:
    """Its dialog is nbgrader's, and the course's page lists the job."""
    page = await formgrader(INSTRUCTOR, f"manage_submissions/{SUBMITTED}")
    await row_of(page, DORA).locator(".autograde a").click()
    await acknowledge(page, f"Successfully autograded '{SUBMITTED}' for student '{DORA}'")
    await page.goto(site.hub.url + JOBS)
    await expect(page.locator(".job").first).to_contain_text(f"Autograde {SUBMITTED}: {DORA}")
    await expect(page.locator(".job").first).to_contain_text("1 of 1 done")


async def test_the_progress_on_other_pages(
    formgrader: Open, visit: Visit, site: Site, submissions: None
) -> None:
    """A submission that does not end: shown on all pages, cancelled on one, stopped on another."""
    folder = site.course / "submitted" / SLOW / SUBMITTED
    shutil.copytree(site.course / "submitted" / DORA / SUBMITTED, folder, dirs_exist_ok=True)
    notebook = notebooks.read(folder / f"{NOTEBOOK}.ipynb")
    notebook.cells.insert(0, notebooks.code_cell("import time; time.sleep(600)"))
    notebooks.write(notebook, folder / f"{NOTEBOOK}.ipynb")
    page = await formgrader(INSTRUCTOR, f"manage_submissions/{SUBMITTED}")
    await row_of(page, SLOW).locator(".autograde a").click()
    await expect(panel(page)).to_contain_text(f"now: {SLOW}", timeout=MINUTE)
    overview = await page.context.new_page()
    await overview.goto(site.hub.url + PAGES + "manage_assignments")
    await expect(panel(overview)).to_contain_text(f"now: {SLOW}")
    await expect(panel(overview).get_by_role("button", name="Autograde all")).to_have_count(0)
    await panel(overview).get_by_role("button", name="Cancel").click()
    await expect(panel(overview)).to_contain_text("ending")
    await panel(overview).get_by_role("link", name=f"Autograde {SUBMITTED}: {SLOW}").click()
    await overview.get_by_role("button", name=re.compile("^Stop the current")).click()
    await acknowledge(page, f"Stopped by {INSTRUCTOR}.")
    await expect(panel(page)).to_contain_text("cancelled")
    await expect(panel(page).get_by_role("button", name="Cancel")).to_have_count(0)
    await expect(overview.locator("[data-state]").first).to_have_text("cancelled")
