"""A real browser without a window, driven by its own driver; it speaks with this computer alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from tests.support.debian import CHROMEDRIVER, CHROMIUM

SECONDS = 30.0
"""How long a page, or a condition on it, may take."""
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # which a browser of root's has not got
    "--disable-dev-shm-usage",  # a container's is small
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


@contextlib.contextmanager
def browsing(profile: Path) -> Iterator[Chrome]:
    """A browser that remembers nothing of earlier ones, from the first line of the block until its end."""
    options = ChromeOptions()
    # With both paths given, nothing looks for a browser or a driver to download.
    options.binary_location = str(CHROMIUM.find())
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options, ChromeService(str(CHROMEDRIVER.find())))
    try:
        browser.set_page_load_timeout(SECONDS)
        yield browser
    finally:
        browser.quit()
