"""What the operator's client and the fakes of its tests assume of Prometheus, proven on a real one."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.contract.prometheus.afternoon import END, STEP, WIDE
from tests.support.certificates import Authority
from tests.support.prometheus_server import prometheus
from tests.unit.ports.test_prometheus import Answer, error, success
from viridian.api.names import RETRAIN_POLICY
from viridian.controller.keys import Key
from viridian.controller.trigger_readings import TriggerReadings
from viridian.ports.prometheus import (
    MAX_SERIES,
    HttpPrometheus,
    Point,
    PrometheusError,
    PrometheusRefused,
    PrometheusUnavailable,
)
from viridian.retraining.triggers.readings import MetricQuestion, MetricReading, NotAnsweredQuestion, Reading

GREEN = 'error_rate{slot="green"}'
KEY = Key(RETRAIN_POLICY, "ml", "churn")


async def test_a_value_now_and_a_scalar(port: HttpPrometheus) -> None:
    assert await port.now("ml", "max(error_rate)", END) == ((Point(END, 0.31),),)
    assert await port.now("ml", "2", END) == ((Point(END, 2.0),),)
    assert await port.now("ml", "error_rate", END) == ((Point(END, 0.1),), (Point(END, 0.31),))


async def test_what_has_no_value_is_no_failure(port: HttpPrometheus) -> None:
    assert await port.now("ml", "no_such_metric", END) == ()
    assert await port.row("ml", "no_such_metric", END - 60, END, STEP) == ()
    assert await port.now("ml", "max(error_rate)", END + 86400) == ()


async def test_a_row_holds_both_ends_and_what_is_no_number(port: HttpPrometheus) -> None:
    """NaN and infinite values come as such; a value that is missing is left out."""
    ((first, second, third),) = await port.row("ml", "odd", END - 2 * STEP, END, STEP)
    assert (first, third) == (Point(END - 2 * STEP, 1.0), Point(END, math.inf))
    assert second.time == END - STEP
    assert math.isnan(second.value)
    (row,) = await port.row("ml", GREEN, END - 600, END, STEP)
    assert [point.time for point in row] == [float(at) for at in range(END - 600, END + 1, STEP)]


@pytest.mark.parametrize(
    ("sentence", "expression", "says"),
    [
        ("half an expression", "max(error_rate", "parse error"),
        ("no function of that name", "maximum(error_rate)", "unknown function"),
        ("many series on both sides", "wide + on() group_left() error_rate", "many-to-many|duplicate series"),
        ("more samples than the server allows", "count_over_time(error_rate[1h:100ms])", "too many samples"),
        ("more series than the operator reads", "wide", "aggregate to one series"),
    ],
)
async def test_what_is_refused_and_why(port: HttpPrometheus, sentence: str, expression: str, says: str) -> None:
    with pytest.raises(PrometheusRefused, match=says):
        await port.now("ml", expression, END)


async def test_a_row_that_is_too_fine_is_refused(port: HttpPrometheus) -> None:
    with pytest.raises(PrometheusRefused, match="11,000 points"):
        await port.row("ml", "error_rate", END - 12_000, END, 1)


async def test_of_many_series_the_operator_takes_enough_to_say_so(port: HttpPrometheus) -> None:
    assert WIDE > MAX_SERIES + 1
    assert (
        len(await port.now("ml", 'label_replace(wide, "number", "$1", "number", "([0-9]+).*")', END)) == MAX_SERIES + 1
    )


@pytest.mark.parametrize(
    ("path", "form", "fake"),
    [
        ("query", {"query": "max(error_rate)", "time": f"{END}"},
         success("vector", [{"metric": {}, "value": [END, "0.31"]}])),
        ("query", {"query": "2", "time": f"{END}"}, success("scalar", [END, "2"])),
        ("query", {"query": "no_such_metric", "time": f"{END}"}, success("vector", [])),
        ("query_range", {"query": "max(odd)", "start": f"{END - 30}", "end": f"{END}", "step": "15"},
         success("matrix", [{"metric": {}, "values": [[END - 30, "1"], [END - 15, "NaN"], [END, "+Inf"]]}])),
        ("query", {"query": "max("}, error(400, "bad_data", "")),
        ("query", {"query": "wide + on() group_left() error_rate", "time": f"{END}"}, error(422, "execution", "")),
    ],
)  # fmt: skip
async def test_the_fake_of_the_unit_tests_answers_as_it_does(
    session: aiohttp.ClientSession, prometheus_server: str, path: str, form: dict[str, str], fake: Answer
) -> None:
    expected = fake(None)  # type: ignore[arg-type]
    async with session.post(f"{prometheus_server}/api/v1/{path}", data=form) as response:
        assert (response.status, response.content_type) == (expected.status, "application/json")
        assert _without_text(await response.json()) == _without_text(json.loads(expected.text or ""))


def _without_text(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != "error"}


# ---- what a trigger learns


async def reading(port: HttpPrometheus, question: MetricQuestion, now: int = END) -> Reading | None:
    """What a pass finds once the question of the pass before was answered."""
    woken = asyncio.Event()
    readings = TriggerReadings(port, None, lambda: datetime.fromtimestamp(now, UTC), lambda _: woken.set())
    readings.known(KEY, [question])
    await woken.wait()
    return readings.known(KEY, [question], ask=False).get(question)


async def test_a_trigger_learns_how_long_a_value_was_beyond_its_bound(port: HttpPrometheus) -> None:
    question = MetricQuestion("max(error_rate)", 900)
    found = await reading(port, question)
    assert isinstance(found, MetricReading)
    assert (found.series, len(found.values)) == (1, question.values)
    assert found.values[:20] == (0.1,) * 20
    assert found.values[-40:] == (0.31,) * 40


@pytest.mark.parametrize(
    ("sentence", "expression", "values"),
    [
        ("a series that has ended has no value now", "ended", 0),
        ("a gap leaves values out, so a row is not whole", "gap", 101),
        ("what is no number is no value", "odd", 2),
    ],
)
async def test_silence_is_no_value(port: HttpPrometheus, sentence: str, expression: str, values: int) -> None:
    """Prometheus goes on giving the newest value for 5 minutes: 15 of the 20 minutes of the gap are left out."""
    found = await reading(port, MetricQuestion(expression, 2400))
    assert isinstance(found, MetricReading)
    assert len(found.values) < MetricQuestion(expression, 2400).values
    assert bool(found.values) is bool(values), sentence


async def test_a_trigger_learns_that_several_series_are_no_value(port: HttpPrometheus) -> None:
    found = await reading(port, MetricQuestion("error_rate", 60))
    assert isinstance(found, MetricReading)
    assert found.series == 2


async def test_a_trigger_learns_why_an_expression_is_wrong(port: HttpPrometheus) -> None:
    found = await reading(port, MetricQuestion("max(error_rate", 60))
    assert isinstance(found, NotAnsweredQuestion)
    assert found.lasting
    assert "parse error" in found.message


# ---- a server with TLS and logins

_USER, _WORDS = "viridian", "correct-horse"
_HASH = "$2b$04$s1ZxVAKbWQ2G8lGBoBJ1.uaiM5wID1hgouOUXeEjcEWlYzm7vtCcC"
"""bcrypt of the words, as Prometheus wants it."""


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[str]:
    authority = Authority.made(tmp_path / "ca.crt")
    authority.sign(tmp_path / "tls.crt", tmp_path / "tls.key")
    files = {"cert_file": f"{tmp_path / 'tls.crt'}", "key_file": f"{tmp_path / 'tls.key'}"}
    settings = tmp_path / "web.yml"
    settings.write_text(yaml.safe_dump({"tls_server_config": files, "basic_auth_users": {_USER: _HASH}}))
    with prometheus("# EOF\n", settings) as address:
        yield address


@pytest.mark.needs_prometheus
async def test_a_server_is_trusted_by_its_authority_and_refuses_who_may_not_ask(
    session: aiohttp.ClientSession, guarded: str, tmp_path: Path
) -> None:
    folder = tmp_path / "secret"
    folder.mkdir()
    asked = HttpPrometheus(session, f"https://{guarded}", folder / "token")
    with pytest.raises(PrometheusUnavailable, match="cannot be reached"):
        await asked.now("ml", "2", END)
    (folder / "ca.crt").write_bytes((tmp_path / "ca.crt").read_bytes())
    with pytest.raises(PrometheusRefused, match="does not allow the operator to ask"):
        await asked.now("ml", "2", END)
    (folder / "token").write_text("of-nobody")
    with pytest.raises(PrometheusRefused, match="does not allow the operator to ask"):
        await asked.now("ml", "2", END)
    (folder / "token").unlink()
    named = HttpPrometheus(session, f"https://{_USER}:{_WORDS}@{guarded}", folder / "token")
    assert await named.now("ml", "2", END) == ((Point(END, 2.0),),)
    with pytest.raises(PrometheusError) as raised:
        await named.now("ml", "max(", END)
    assert _WORDS not in str(raised.value)
