"""Chromium for tests of pages: one browser without a window, what it asks the network for, and what it forbids.

Owns how Chromium is found and started, and how a page is opened at a width, in a theme, or with parts of it missing.
"""

import json
import shutil
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.support.wait import WebDriverWait

WAIT = 60
"""Seconds after which whatever a page should do counts as not done."""
HEIGHT = 800
_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # of which there is none for root
    "--disable-dev-shm-usage",  # which is small in a container
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--no-first-run",
    "--hide-scrollbars",
)
_WATCHED = """\
window.violations = [];
document.addEventListener("securitypolicyviolation", (one) => window.violations.push(one.violatedDirective));
window.ran = [];
for (const name of ["hacked", "alert", "confirm", "prompt", "open"]) window[name] = () => window.ran.push(name);
"""


def missing():
    """What this machine lacks to start Chromium, in words; nothing if it lacks nothing."""
    return [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


class Chromium:
    """A browser of one tab."""

    def __init__(self, folder):
        """Start it; its files are in a folder."""
        options = ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in (*_ARGUMENTS, f"--user-data-dir={folder}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        self.driver = Chrome(options, ChromeService(shutil.which("chromedriver")))
        self.driver.command_executor.client_config.timeout = 2 * WAIT
        self.driver.set_page_load_timeout(WAIT)
        self.driver.set_script_timeout(WAIT)
        self.tell("Page.addScriptToEvaluateOnNewDocument", source=_WATCHED)

    def tell(self, command, **arguments):
        """Call a method of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, arguments)

    def open(self, page, *, width=1440, theme="light", ready=True):
        """Load a page, by its path or address, at a width in pixels; wait until its rows, if any, are shown."""
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=HEIGHT, deviceScaleFactor=1, mobile=False)
        self.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.driver.get("about:blank")  # or another place of the same page is no new page
        self.driver.get_log("performance")
        self.driver.get(page if isinstance(page, str) else page.as_uri())
        if ready:
            self.until("return !document.scripts.length || !document.getElementById('unread')")

    def run(self, script, *arguments):
        """Run a script in the page, and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def until(self, script, *arguments):
        """Wait until a script in the page returns something true, and return that."""
        return WebDriverWait(self.driver, WAIT, 0.02).until(lambda driver: driver.execute_script(script, *arguments))

    def requested(self):
        """The addresses that the page has asked for, itself first."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]

    def elements(self, selector="*"):
        """How many of the elements that a selector finds have each name."""
        names = "return Array.from(document.querySelectorAll(arguments[0]), (each) => each.tagName)"
        return Counter(self.run(names, selector))

    @contextmanager
    def first(self, script):
        """Run a script before those of each page."""
        added = self.tell("Page.addScriptToEvaluateOnNewDocument", source=script)
        try:
            yield
        finally:
            self.tell("Page.removeScriptToEvaluateOnNewDocument", **added)

    @contextmanager
    def no_script(self):
        """Let no page run scripts of its own."""
        self.tell("Emulation.setScriptExecutionDisabled", value=True)
        try:
            yield
        finally:
            self.tell("Emulation.setScriptExecutionDisabled", value=False)


@contextmanager
def started():
    """Start Chromium, and end it with all of its processes."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        one = Chromium(Path(folder))
        try:
            yield one
        finally:
            one.driver.quit()
