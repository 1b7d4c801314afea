"""Writes docs/images/dashboard-*.png: the pages of the dashboard as a real Chromium shows them.

python -m docs.scripts.dashboard_pictures
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.support.browser import browsing
from tests.support.dashboard_at_work import PAGES, serving
from tests.support.dashboard_models import (
    NOW,
    MemoryLabelQueue,
    MemoryPersonCluster,
    condition,
    experimenting,
    live_service,
    model,
    on_trial,
    policy,
    run_record,
)
from viridian.dashboard.dashboard_app import DashboardApp

IMAGES: Final = Path(__file__).resolve().parents[1] / "images"
WIDTH: Final = 1100


def main() -> None:
    of_churn = policy()
    unavailable = condition("Ready", "False", "ChampionUnavailable", "no pod of the champion is ready")
    stored = [
        on_trial(),
        experimenting(),
        live_service(),
        model("scoring", "credit", conditions=[unavailable]),
        model("upsell", "shop", challenger={"slot": "green", "revision": "c0ffee11", "version": "7", "weight": 50}),
        model("pricing", "shop"),
        model("fraud", "credit"),
        of_churn,
        run_record(of_churn),
    ]
    cluster = MemoryPersonCluster({"token": ("ada@example.com", frozenset("*"))}, stored)
    app = DashboardApp(cluster, labels=MemoryLabelQueue(), clock=lambda: NOW)
    with tempfile.TemporaryDirectory() as profile, serving(app) as url, browsing(Path(profile)) as browser:
        browser.get(url)
        browser.find_element(By.ID, "token").send_keys("token")
        browser.find_element(By.CSS_SELECTOR, ".sign-in button").click()
        browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        for name, path in PAGES.items():
            _picture(browser, url + path, IMAGES / f"{name}.png")


def _picture(browser: Chrome, address: str, file: Path) -> None:
    """The whole page, however long it is."""
    for height in (800, 0):
        size = {"width": WIDTH, "height": height or _height(browser), "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(address)
    browser.save_screenshot(str(file))


def _height(browser: Chrome) -> int:
    return int(browser.execute_script("return document.documentElement.scrollHeight"))


if __name__ == "__main__":
    main()
