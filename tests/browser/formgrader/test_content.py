"""What an honest notebook contains is shown: formulas, tables, pictures, code and links."""

import re

from playwright.async_api import Page, expect

from tests.browser.formgrader.conftest import Open, Site
from tests.browser.formgrader.course import GRADED, RICH
from tests.integration.formgrader_proxy.hub import GRADER


async def rich_page(formgrader: Open, site: Site) -> Page:
    """The page of the submission with rich content."""
    return await formgrader(GRADER, f"submissions/{site.submission(RICH, GRADED)}/")


async def test_formulas(formgrader: Open, site: Site) -> None:
    """In Markdown and in outputs, inline and displayed, with MathJax's own fonts."""
    page = await rich_page(formgrader, site)
    formulas = page.locator("#notebook-container mjx-container")
    await expect(formulas.nth(4)).to_be_visible()
    await expect(page.locator("mjx-container[display=true]")).to_have_count(2)
    await expect(page.locator("mjx-container mjx-mfrac")).to_have_count(2)
    for delimiter in (r"\frac", r"\(", "$$", "z_1"):
        assert delimiter not in await page.inner_text("#notebook-container")
    await page.wait_for_function(
        "[...document.fonts].some(one => one.family.startsWith('MJX') && one.status == 'loaded')"
    )
    assert await page.locator("mjx-merror").count() == 0


async def test_pictures(formgrader: Open, site: Site) -> None:
    """PNG and SVG outputs with their sizes, an attachment, and a file of the submission."""
    page = await rich_page(formgrader, site)
    pictures = page.locator("#notebook-container img")
    await expect(pictures).to_have_count(5)
    await page.wait_for_function(
        "[...document.querySelectorAll('#notebook-container img')].every(one => one.complete)"
    )
    widths = await pictures.evaluate_all("all => all.map(one => one.naturalWidth)")
    # The submission's file, the attachment, and the outputs: PNG twice, and SVG.
    assert widths == [41, 42, 43, 44, 45]
    sized = pictures.nth(2)
    await expect(sized).to_have_attribute("width", "86")
    await expect(sized).to_have_attribute("height", "20")


async def test_tables_code_and_output(formgrader: Open, site: Site) -> None:
    """A table of pandas, one in Markdown, highlighted code, streams and an error."""
    page = await rich_page(formgrader, site)
    table = page.locator("table.dataframe")
    await expect(table.locator("td")).to_have_text(["Graz", "300000"])
    assert await table.locator("tr").first.evaluate("e => getComputedStyle(e).textAlign") == "right"
    await expect(page.locator("td", has_text="two")).to_be_visible()
    keyword = page.locator(".text_cell_render .highlight span", has_text=re.compile("^for$")).first
    black = await page.locator("body").evaluate("e => getComputedStyle(e).color")
    assert await keyword.evaluate("e => getComputedStyle(e).color") != black
    # nbgrader has no style for the colours of terminal output; its classes stay.
    await expect(page.locator("pre span.ansi-red-fg", has_text="red").first).to_be_visible()
    await expect(page.get_by_text("ZeroDivisionError").first).to_be_visible()
    await expect(page.locator("b", has_text="bold")).to_be_visible()
    await expect(page.locator("strong", has_text="strong")).to_be_visible()


async def test_links(formgrader: Open, site: Site) -> None:
    """Other sites open in a new tab without access to this page; headings are scrolled to."""
    page = await rich_page(formgrader, site)
    outside = page.get_by_role("link", name="link", exact=True)
    await expect(outside).to_have_attribute("href", "https://example.org/page?a=1&b=2")
    await expect(outside).to_have_attribute("target", "_blank")
    await expect(outside).to_have_attribute("rel", re.compile("noopener"))
    file = page.get_by_role("link", name="file", exact=True)
    assert str(await file.evaluate("one => one.pathname")).endswith("/plot.svg")
    before = page.url.partition("#")[0]
    # Not at a position on the screen: pictures and formulas still move the page.
    await page.get_by_role("link", name="heading", exact=True).evaluate("one => one.click()")
    await page.wait_for_url(re.compile("#."))
    assert page.url.startswith(before.partition("?")[0])
    target = page.url.partition("#")[2]
    await expect(page.locator(f"[id='{target}']")).to_have_text(re.compile("Rich text"))
