"""The dashboard as a person meets it: a real browser, keyboard and screen reader, small and dark screens."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.axe import violations
from tests.support.browser import SECONDS, browsing
from tests.support.dashboard_at_work import PAGES, serving
from tests.support.dashboard_models import (
    ASKED,
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

pytestmark = pytest.mark.needs_browser

LOOKS = {"wide and light": (1200, "light"), "small and dark": (360, "dark")}
UNAVAILABLE = condition("Ready", "False", "ChampionUnavailable", "no pod of the champion is ready")


@dataclass(frozen=True)
class Visit:
    browser: Chrome
    url: str
    cluster: MemoryPersonCluster
    queue: MemoryLabelQueue

    def opens(self, path: str, width: int = 1200, scheme: str = "light") -> None:
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.browser.get(self.url + path)

    def asks(self, script: str) -> object:
        return self.browser.execute_script(f"return {script}")

    def reads(self, part: str = "main") -> str:
        return self.browser.find_element(By.CSS_SELECTOR, part).text

    def signs_in(self) -> None:
        self.opens("/models/ml/churn")
        self.browser.find_element(By.ID, "token").send_keys("token-of-ada")
        ActionChains(self.browser).send_keys(Keys.TAB, Keys.ENTER).perform()
        self.waits_for("main", "What you can do")
        self.reported()  # the form came with 401

    def reported(self) -> list[str]:
        """What the console has reported since it was last looked at."""
        return [entry["message"] for entry in self.browser.get_log("browser")]  # type: ignore[no-untyped-call]

    def waits_for(self, part: str, text: str) -> None:
        WebDriverWait(self.browser, SECONDS, 0.05, [Exception]).until(lambda _: text in self.reads(part))


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    of_churn = policy()
    stored = [on_trial(), experimenting(), model("fraud", conditions=[UNAVAILABLE]), model("pricing", "shop"), of_churn]
    stored += [live_service(), run_record(of_churn)]
    cluster = MemoryPersonCluster({"token-of-ada": ("ada", frozenset("*"))}, stored)
    queue = MemoryLabelQueue()
    with (
        serving(DashboardApp(cluster, labels=queue, clock=lambda: NOW)) as url,
        browsing(tmp_path_factory.mktemp("browser") / "profile") as browser,
    ):
        visit = Visit(browser, url, cluster, queue)
        visit.opens("/sign-in")
        assert not violations(browser)
        visit.signs_in()
        yield visit


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", PAGES.values())
def test_a_page_is_accessible_fits_and_loads_nothing_that_is_refused(visit: Visit, path: str, look: str) -> None:
    width, scheme = LOOKS[look]
    visit.opens(path, width, scheme)
    assert not violations(visit.browser)
    assert visit.asks("document.documentElement.scrollWidth") == visit.asks("document.documentElement.clientWidth")
    assert visit.reported() == []


def test_the_token_is_out_of_reach_of_scripts(visit: Visit) -> None:
    visit.opens("/")
    assert visit.asks("document.cookie") == ""
    (kept,) = [one for one in visit.browser.get_cookies() if one["name"] == "viridian-dashboard"]
    assert (kept["httpOnly"], kept["secure"], kept["sameSite"]) == (True, True, "Strict")


def test_the_keyboard_begins_with_a_way_past_the_heading(visit: Visit) -> None:
    visit.opens("/")
    ActionChains(visit.browser).send_keys(Keys.TAB).perform()
    assert visit.asks("document.activeElement.textContent") == "Skip to the content"
    ActionChains(visit.browser).send_keys(Keys.ENTER).perform()
    assert visit.asks("document.activeElement.id") == "main"


def test_an_order_is_asked_for_twice_and_written_once(visit: Visit) -> None:
    visit.opens("/models/ml/churn")
    visit.browser.find_element(By.XPATH, "//summary[starts-with(., 'Reject')]").click()
    visit.browser.find_element(By.XPATH, "//button[.='Reject now']").click()
    visit.waits_for("[role=status]", "reject")
    assert visit.cluster.patched == [{"metadata": {"annotations": {"viridian.dev/reject": "9a1b02ee#ada"}}}]


def test_a_row_is_answered_by_the_keyboard(visit: Visit) -> None:
    visit.opens("/models/ml/churn/labels")
    visit.browser.find_element(By.ID, "account").clear()
    visit.browser.find_element(By.ID, "account").send_keys("labeller", Keys.ENTER)
    visit.waits_for("main", "What is right?")
    assert visit.asks("document.activeElement.id") == "asked"
    ActionChains(visit.browser).send_keys(Keys.TAB, Keys.TAB, Keys.ENTER).perform()
    visit.waits_for("[role=status]", "Your answer is stored.")
    assert visit.queue.answers == {ASKED.prediction_id: "leaves"}
    visit.queue.answers.clear()


def test_a_rollout_goes_on_before_the_eyes_of_a_person_until_they_pause_it(visit: Visit) -> None:
    visit.opens("/models/ml/churn/rollout")
    before = list(visit.cluster.stored)
    later = copy.deepcopy(on_trial())
    later["status"]["challenger"] |= {"weight": 50, "step": {"name": "half", "index": 2}, "waitingFor": "10m"}
    try:
        visit.cluster.stored = [later, *before[1:]]
        visit.waits_for(".legend", "50 %")
        assert "half now" in visit.reads(".steps")
        visit.browser.find_element(By.XPATH, "//button[.='Pause updates']").click()
        assert visit.reads(".live") == "Resume updates"
    finally:
        visit.cluster.stored = before


def test_pages_need_no_script(visit: Visit) -> None:
    visit.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        visit.opens("/models/ml/churn/rollout")
        assert "an approval by ml-leads" in visit.reads()
        assert "Pause updates" not in visit.reads()
    finally:
        visit.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_token_that_is_not_known_stays_on_the_form(visit: Visit, tmp_path: Path) -> None:
    with browsing(tmp_path / "profile") as browser:
        other = Visit(browser, visit.url, visit.cluster, visit.queue)
        other.opens("/policies/ml/churn-weekly")
        browser.find_element(By.ID, "token").send_keys("made-up")
        browser.find_element(By.CSS_SELECTOR, ".sign-in button").click()
        other.waits_for("[role=alert]", "does not know this token")
        assert browser.get_cookies() == []
