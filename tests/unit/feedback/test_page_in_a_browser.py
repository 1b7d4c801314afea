"""The review page as a person meets it: a real browser, a real collector, mouse and keyboard."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import polars as pl
import pytest
from anyio.from_thread import start_blocking_portal
from selenium.common import WebDriverException
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.browser import SECONDS, browsing
from tests.support.collecting import SERVER, batch, prediction
from tests.support.collector_process import launched, reviewing

pytestmark = pytest.mark.needs_browser

OWNERS = {"server": SERVER, "annas": "system:serviceaccount:ml:anna"}
STATUS = "[role=status]"
HEIGHT = 700


@dataclass(frozen=True)
class Person:
    """Someone in front of the page."""

    browser: Chrome
    url: str

    def opens_the_page(self) -> None:
        self.browser.get(f"{self.url}/review")

    def logs_in(self, token: str) -> None:
        self.opens_the_page()
        self.fills_in("Token", token)
        self.clicks("Log in")

    def chooses(self, deployment: str) -> None:
        self.fills_in("ModelDeployment", deployment)
        self.clicks("Begin")

    def fills_in(self, label: str, text: str) -> None:
        """A click on a label leads into its field."""
        self.browser.find_element(By.XPATH, f"//label[.='{label}']").click()
        self.browser.switch_to.active_element.send_keys(text)

    def clicks(self, button: str) -> None:
        with self.turning_the_page():
            self.browser.find_element(By.XPATH, f"//button[starts-with(., '{button}')]").click()

    def presses(self, *keys: str) -> None:
        """As soon as the page has put the focus where a keyboard begins."""
        self.waits_until(lambda browser: browser.switch_to.active_element.tag_name != "body")
        ActionChains(self.browser).send_keys(*keys).perform()

    @contextlib.contextmanager
    def turning_the_page(self) -> Iterator[None]:
        here = self.browser.find_element(By.TAG_NAME, "html")
        yield
        self.waits_until(lambda browser: browser.find_element(By.TAG_NAME, "html") != here)
        self.waits_until(lambda browser: browser.execute_script("return document.readyState") == "complete")

    def waits_until(self, condition: Callable[[WebDriver], bool]) -> None:
        # While one page gives way to another, a question may fail.
        WebDriverWait(self.browser, SECONDS, 0.05, [WebDriverException]).until(condition)

    def reads(self, part: str = "main") -> str:
        return self.browser.find_element(By.CSS_SELECTOR, part).text

    def row(self) -> int:
        """Each has an age of its own."""
        return int(self.reads("td"))

    def reach(self, part: str) -> tuple[float, float]:
        """Top and bottom, from the window's upper edge."""
        place = self.browser.execute_script(
            "return arguments[0].getBoundingClientRect()", self.browser.find_element(By.CSS_SELECTOR, part)
        )
        return place["top"], place["bottom"]

    def style(self, part: str, name: str) -> str:
        return self.browser.find_element(By.CSS_SELECTOR, part).value_of_css_property(name)

    def complaints(self) -> list[str]:
        """What the console has said since it was last looked at: breaches of the policy, files that are not there."""
        return [entry["message"] for entry in self.browser.get_log("browser")]  # type: ignore[no-untyped-call]


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[str]:
    """The URL of one that asks about every prediction. Its API server runs while the browser is waited for."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(reviewing(OWNERS)) as api,
        portal.wrap_async_context_manager(launched(api, tmp_path / "data", review_rate="1")) as process,
    ):
        yield process.url


@pytest.fixture
def person(collector: str, tmp_path: Path) -> Iterator[Person]:
    with browsing(tmp_path / "profile") as browser:
        yield Person(browser, collector)


def predict(collector: str, rows: int, **more: float) -> None:
    """Rows of a minute ago, with the ages 20, 21, …"""
    ago = time.time() - 60
    sent = [prediction(n, time=ago + n, features={"age": 20 + n, **more}) for n in range(rows)]
    with httpx.Client(base_url=collector, headers={"Authorization": "Bearer server"}) as http:
        http.post("/v1/predictions", content=msgspec.json.encode(batch(sent))).raise_for_status()


def answers(collector: str) -> dict[int, tuple[str, str]]:
    """Outcome and source by age, as training would get them."""
    with httpx.Client(base_url=collector, headers={"Authorization": "Bearer annas"}) as http:
        http.put("/v1/snapshots/ml/churn/run-1", params={"labelled": "true"}).raise_for_status()
        frozen = pl.read_parquet(io.BytesIO(http.get("/v1/snapshots/ml/churn/run-1.parquet").content))
    return {row["features.age"]: (row["outcome"], row["source"]) for row in frozen.iter_rows(named=True)}


def test_a_person_answers_by_mouse_and_by_keyboard_and_skips_until_nothing_is_left(
    person: Person, collector: str
) -> None:
    predict(collector, rows=3)
    person.logs_in("annas")
    person.chooses("churn")
    by_mouse = person.row()
    person.clicks("leaves")
    assert person.reads(STATUS) == "Your answer is stored."
    by_keyboard = person.row()
    with person.turning_the_page():
        person.presses(Keys.TAB, Keys.ENTER)
    assert person.reads(STATUS) == "Your answer is stored."
    skipped = person.row()
    person.clicks("I cannot say")
    assert person.reads(STATUS) == "Skipped."
    assert "Nothing is waiting for you, thank you." in person.reads()
    assert {by_mouse, by_keyboard, skipped} == {20, 21, 22}
    assert answers(collector) == {by_mouse: ("leaves", "human"), by_keyboard: ("stays", "human")}


def test_the_policy_lets_the_pages_own_style_through_and_the_console_has_nothing_to_say(
    person: Person, collector: str
) -> None:
    predict(collector, rows=1)
    person.logs_in("annas")
    person.complaints()  # that nobody was logged in
    person.chooses("churn")
    assert person.style(".asked", "position") == "sticky"
    assert person.style(".asked button", "background-color") != person.style(".asked .quiet", "background-color")
    assert person.complaints() == []


def test_one_enter_too_many_answers_nothing(person: Person, collector: str) -> None:
    predict(collector, rows=3)
    person.logs_in("annas")
    person.chooses("churn")
    with person.turning_the_page():
        person.presses(Keys.TAB, Keys.ENTER)
    unseen = person.row()
    person.presses(Keys.ENTER)
    person.browser.refresh()
    assert person.row() == unseen
    assert unseen not in answers(collector)


@pytest.mark.parametrize("width", [375, 1280])
def test_of_a_long_row_the_beginning_and_the_answers_are_in_sight_and_nothing_is_beside_the_window(
    person: Person, collector: str, width: int
) -> None:
    predict(collector, rows=1, **{f"a_feature_with_a_long_name_{n}": n / 7 for n in range(60)})
    window = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < 500}
    person.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)
    person.logs_in("annas")
    person.chooses("churn")
    assert person.browser.execute_script("return document.documentElement.scrollWidth") <= width
    for part in ("h1", "caption", "tr", "[value=stays]", "[value=leaves]", "[name=skip]"):
        top, bottom = person.reach(part)
        assert 0 <= top < bottom <= HEIGHT, part


def test_a_wrong_token_is_answered_on_the_page_and_the_right_one_can_follow(person: Person) -> None:
    person.logs_in("guessed")
    assert "token is not valid" in person.reads("[role=alert]")
    person.fills_in("Token", "annas")
    person.clicks("Log in")
    assert person.reads("h1") == "Which model?"


def test_whoever_has_logged_out_is_asked_to_log_in_and_not_told_of_a_mistake(person: Person) -> None:
    person.logs_in("annas")
    person.clicks("Log out")
    person.opens_the_page()
    assert person.reads("h1") == "Log in"
    assert person.browser.find_elements(By.CSS_SELECTOR, "[role=alert]") == []
