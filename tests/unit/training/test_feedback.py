"""A run reads the rows that were frozen for it, and no others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

import pandas
import pytest

from tests.support.web_server import QuietHandler, web_server
from viridian.training import feedback

TOKEN = "of this pod"


@contextmanager
def collector(content: bytes) -> Iterator[str]:
    """Gives the bytes to whoever shows the token; the address of the file."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == f"Bearer {TOKEN}"
            self.send_response(200 if known else 403)
            self.end_headers()
            if known:
                self.wfile.write(content)

    with web_server(Handler) as address:
        yield f"{address}/rows.parquet"


@pytest.fixture
def frozen(tmp_path: Path) -> bytes:
    path = tmp_path / "frozen.parquet"
    pandas.DataFrame({"features.tenure": [3, 9], "prediction": ["no", "yes"], "outcome": ["no", None]}).to_parquet(path)
    return path.read_bytes()


def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uri: str, content: bytes, token: str = TOKEN) -> None:
    (tmp_path / "token").write_text(f"{token}\n")
    monkeypatch.setenv("VIRIDIAN_FEEDBACK_URI", uri)
    monkeypatch.setenv("VIRIDIAN_FEEDBACK_DIGEST", f"sha256:{hashlib.sha256(content).hexdigest()}")
    monkeypatch.setenv("VIRIDIAN_COLLECTOR_TOKEN_FILE", str(tmp_path / "token"))


def test_the_rows_of_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, frozen: bytes) -> None:
    with collector(frozen) as uri:
        told(monkeypatch, tmp_path, uri, frozen)
        rows = feedback.rows()
    assert rows is not None
    assert list(rows["features.tenure"]) == [3, 9]
    assert list(rows["outcome"].isna()) == [False, True]


def test_other_bytes_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, frozen: bytes) -> None:
    with collector(frozen + b"!") as uri:
        told(monkeypatch, tmp_path, uri, frozen)
        with pytest.raises(feedback.NotWhatWasFrozen, match="was frozen for this run"):
            feedback.rows()


def test_who_may_not_read_hears_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, frozen: bytes) -> None:
    with collector(frozen) as uri:
        told(monkeypatch, tmp_path, uri, frozen, token="of somebody else")
        with pytest.raises(HTTPError, match="403"):
            feedback.rows()


def test_nothing_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRIDIAN_FEEDBACK_URI", "")
    assert feedback.rows() is None


@pytest.mark.parametrize(
    ("objective", "labelled"),
    [
        ('{"labelDefinition":"churned-30d"}', [True, False, False, False]),
        ('{"labelDefinition":"churned-90d"}', [False, True, False, False]),
        ('{"metrics":[{"name":"auc"}]}', [True, True, True, False]),
        ("", [True, True, True, False]),
    ],
)
def test_outcomes_under_another_definition_of_the_label_do_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, objective: str, labelled: list[bool]
) -> None:
    """R25: the row is there as one without an outcome."""
    path = tmp_path / "frozen.parquet"
    rows = {
        "outcome": [1.0, 0.0, 1.0, None],
        "outcome_time": pandas.to_datetime(["2026-11-20", "2026-11-20", "2026-11-20", None], utc=True),
        "source": ["event", "event", "human", None],
        "label_definition": ["churned-30d", "churned-90d", "", None],
    }
    pandas.DataFrame(rows).to_parquet(path)
    monkeypatch.setenv("VIRIDIAN_OBJECTIVE", objective)
    with collector(path.read_bytes()) as uri:
        told(monkeypatch, tmp_path, uri, path.read_bytes())
        found = feedback.rows()
    assert found is not None
    for column in ("outcome", "outcome_time", "source"):
        assert list(found[column].notna()) == labelled
    assert len(found) == 4
