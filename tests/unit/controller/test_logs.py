"""Logs: one JSON object a line, with the key of the object."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from viridian.controller import logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    for name in ("kopf", "aiohttp.access", "asyncio"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def written(style: str, level: str = "info") -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    logs.set_up(level=level, style=style, stream=stream)
    return logging.getLogger("viridian.test"), stream


def test_a_line_is_a_json_object_with_the_key() -> None:
    log, stream = written("json")
    log.info("Promoted: version %s", "2", extra={"key": "ModelDeployment ml/churn", "actions": 3, "notes": []})
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "info",
        "logger": "viridian.test",
        "message": "Promoted: version 2",
        "key": "ModelDeployment ml/churn",
        "actions": 3,
        "notes": [],
    }


def test_a_traceback_stays_on_its_line() -> None:
    log, stream = written("json")
    try:
        raise RuntimeError("a\nb")
    except RuntimeError:
        log.exception("a mistake", extra={"key": "k"})
    (line,) = stream.getvalue().splitlines()
    assert "RuntimeError" in json.loads(line)["exception"]


def test_text_is_for_people() -> None:
    log, stream = written("text")
    log.warning("no answer", extra={"key": "ModelDeployment ml/churn", "notes": []})
    assert stream.getvalue().split(" ", 1)[1] == "warning ModelDeployment ml/churn: no answer\n"


@pytest.mark.parametrize(("level", "shown"), [("info", ""), ("debug", "a handler was called\n")])
def test_libraries_are_quiet_unless_asked(level: str, shown: str) -> None:
    _, stream = written("text", level)
    logging.getLogger("kopf.objects").info("a handler was called")
    assert stream.getvalue().endswith(shown)
    assert bool(stream.getvalue()) == bool(shown)


QUOTED = "cannot reach https://planteduser:PLANTEDPW77@h/m?sig=PLANTEDSIG88"
FORGED = "harmless\n12:00:00.000 info    ModelDeployment ml/churn: promoted\r\x1b[2J\u2028x"


@pytest.mark.parametrize("style", ["json", "text"])
def test_no_line_is_forged_and_no_terminal_obeys(style: str) -> None:
    log, stream = written(style)
    log.warning("it says %s", FORGED, extra={"key": FORGED, "note": FORGED, "notes": [FORGED], "more": {"x": FORGED}})
    (line,) = stream.getvalue().removesuffix("\n").split("\n")
    assert line.isprintable()


@pytest.mark.parametrize("style", ["json", "text"])
def test_addresses_show_no_secrets_wherever_they_stand(style: str) -> None:
    log, stream = written(style)
    try:
        raise RuntimeError(QUOTED)
    except RuntimeError:
        log.exception(QUOTED, extra={"key": QUOTED, "note": QUOTED, "notes": [QUOTED], "error": OSError(QUOTED)})
    assert "planted" not in stream.getvalue().lower()
    assert "https://h/m?…" in stream.getvalue()


def test_the_lines_of_a_traceback_pass_for_no_others() -> None:
    log, stream = written("text")
    try:
        raise RuntimeError(FORGED)
    except RuntimeError:
        log.exception("a mistake")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("a mistake")
    assert rest
    assert all(line.startswith("  ") and line.isprintable() for line in rest)
