"""Pages of real runs in a real browser: what it can read, what it asks for, what works without a part of it."""

import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

import yamlgen
from shipped_pipelines import FOLDER
from yamlgen.api.run_reports import report

pytestmark = pytest.mark.browser

WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
WIDTHS = (360, 768, 1440)
ROWS = 6
FAULTS = ("invalid_output=0.6", "refusal=0.1", "overloaded=0.05")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, chromium):
    """The shipped pipelines after two runs of `ticket_triage`, in which some rows failed."""
    assert chromium
    folder = tmp_path_factory.mktemp("shipped") / "pipelines"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("out", ".yamlgen"))
    for seed in (0, 1):
        yamlgen.run(folder / "ticket_triage.yaml", simulate=True, faults=FAULTS, seed=seed)
    return folder


@pytest.fixture(scope="module")
def page(folder):
    """The page of the later run, with few of its rows."""
    report(folder / "ticket_triage.yaml", rows=ROWS, path=folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def compared(folder):
    """The page of the later run against the earlier one."""
    earlier, _ = yamlgen.runs(folder / "ticket_triage.yaml")
    report(folder / "ticket_triage.yaml", against=earlier.name, rows=0, path=folder / "compared.html")
    return folder / "compared.html"


@pytest.fixture(scope="module")
def axe(chromium):
    """A function that checks the open page by all rules of WCAG 2.2 AA, and returns a report of what is wrong."""
    from selenium_axe_python import Axe  # noqa: PLC0415 - elsewhere these tests are skipped

    def check():
        # What is not drawn, because it is far away, has no colours that axe could see.
        chromium.run("for (const each of document.querySelectorAll('.card')) each.style.contentVisibility = 'visible'")
        checker = Axe(chromium.driver)
        checker.inject()
        wrong = checker.run(options={"runOnly": list(WCAG), "resultTypes": ["violations"]})["violations"]
        return checker.report(wrong) if wrong else ""

    return check


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_report_is_accessible(chromium, page, axe, width, theme):
    """Nothing on it, with all that folds unfolded, breaks a rule of WCAG 2.2 AA that a machine can check."""
    chromium.open(page, width=width, theme=theme)
    chromium.run("for (const each of document.querySelectorAll('details')) each.open = true")
    assert axe() == ""
    assert {tag for rule in chromium.run("return axe.getRules()") for tag in rule["tags"]} > set(WCAG)


@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1440, "light")])
def test_a_comparison_is_accessible(chromium, compared, axe, width, theme):
    """So does what a page against another run has besides."""
    chromium.open(compared, width=width, theme=theme)
    assert chromium.run("return document.getElementById('against') !== null")
    assert axe() == ""
    assert chromium.run("return document.scrollingElement.scrollWidth") == width


@pytest.mark.parametrize("width", WIDTHS)
def test_a_report_is_as_wide_as_the_window(chromium, page, width):
    """Nobody scrolls sideways to read it, whatever is unfolded."""
    chromium.open(page, width=width)
    chromium.run("for (const each of document.querySelectorAll('details')) each.open = true")
    assert chromium.run("return document.scrollingElement.scrollWidth") == width


def test_a_report_asks_for_nothing(chromium, page):
    """The browser requests the file, and nothing else, and its policy forbids nothing that it tries."""
    chromium.open(page)
    assert chromium.requested() == [page.as_uri()]
    assert chromium.run("return window.violations") == []


def test_a_report_on_a_server_asks_for_nothing(chromium, page):
    """A page that was put on a server is requested once, and nothing else is, not even an icon."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=page.parent))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/{page.name}"
        chromium.open(address)
        assert chromium.requested() == [address]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert asked == [f"/{page.name}"]


def test_a_report_without_its_script_is_readable(chromium, page):
    """All but the rows is there, and a sentence says what is missing."""
    chromium.open(page)
    whole = chromium.run("return document.querySelectorAll('section').length")
    with chromium.no_script():
        chromium.open(page, ready=False)
        assert chromium.run("return document.querySelectorAll('section').length") == whole
        assert chromium.run("return document.getElementById('unread').checkVisibility()")
        assert chromium.run("return document.getElementById('cards').childElementCount") == 0
        assert chromium.run("return document.getElementById('fields').innerText").count("\n") > 20


def test_a_browser_that_cannot_unpack_says_so(chromium, page):
    """Without `DecompressionStream`, the rows are a sentence; nothing else is missing."""
    with chromium.first("delete window.DecompressionStream"):
        chromium.open(page, ready=False)
        assert chromium.run("return document.getElementById('unread').checkVisibility()")
        assert chromium.run("return document.getElementById('fields').innerText").count("\n") > 20


def test_a_report_can_be_printed(chromium, page):
    """It makes a PDF of several pages."""
    chromium.open(page)
    printed = chromium.tell("Page.printToPDF", preferCSSPageSize=True)["data"]
    assert printed.startswith("JVBERi0")  # %PDF-, in base64
    assert len(printed) > 20_000


def test_attempts_are_behind_a_fold(chromium, page):
    """The answers of a step are read once somebody opens them."""
    chromium.open(page)
    fold = "document.querySelector('.card details:not([open])')"
    assert chromium.run(f"return {fold}.textContent.includes('attempt') && {fold}.children.length === 1")
    chromium.driver.find_element("css selector", ".card details:not([open]) > summary").click()
    chromium.until("return document.querySelectorAll('.card details[open] > div > .sent').length > 0")


def test_a_preview_is_accessible(chromium, axe, small, call):
    """The cards of a preview break no rule either, in either theme, and fit a small window."""
    assert call("preview", "small.yaml", "--simulate", "--html", "preview.html").code == 0
    for theme in ("light", "dark"):
        chromium.open(small / "preview.html", width=360, theme=theme)
        assert axe() == ""
        assert chromium.run("return document.scrollingElement.scrollWidth") == 360
