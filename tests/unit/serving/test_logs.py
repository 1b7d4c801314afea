"""Log lines of model server and collector: one JSON object each, of printable text, without secrets of addresses."""

from __future__ import annotations

import json
import logging

import pytest

from viridian.json_logs import JsonLines
from viridian.serving.errors import ServingError
from viridian.serving.observation.collector_client import CollectorAddress

PLANTED = "cannot reach https://planteduser:PLANTEDPW77@h/m?sig=PLANTEDSIG88"
FORGED = 'a\r\n{"level": "info"}\x1b[2J\u2028\u202e'
FORMATTERS = {"viridian.serving": JsonLines(), "viridian.feedback": JsonLines(only_from="viridian.feedback")}


def written(name: str, message: str, **fields: object) -> str:
    record = logging.LogRecord(name, logging.WARNING, "", 1, message, (), None)
    record.fields = fields
    return FORMATTERS[name].format(record)


@pytest.mark.parametrize("name", FORMATTERS)
def test_a_line_shows_no_secrets_and_forges_no_other(name: str) -> None:
    text = f"{PLANTED} {FORGED}"
    line = written(name, text, note=text, notes=[text], more={"x": text}, error=OSError(text), count=3)
    assert line.isprintable()
    assert "planted" not in line.lower()
    entry = json.loads(line)
    assert entry["level"] == "warning"
    assert entry["count"] == 3
    assert "https://h/m?…" in entry["message"]
    assert entry["message"].isprintable()


@pytest.mark.parametrize(
    "url",
    [
        "http://planteduser:PLANTEDPW77@h:8090",
        "http://planteduser:PLANTED/PW77@h:8090",
        "http://h:PLANTED",
        "http://h:8090?PLANTEDSIG88",
        "ftp://planteduser@h",
        "planteduser:PLANTED@h",
    ],
)
def test_a_wrong_address_of_the_collector_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ServingError, match="VIRIDIAN_COLLECTOR_URL is no address such as") as refused:
        CollectorAddress(url)
    assert "planted" not in str(refused.value).lower()
