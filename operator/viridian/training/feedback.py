"""The rows that were frozen for this run: what the model predicted, and what turned out to be true.

rows = viridian.training.feedback.rows()        # None where no feedback is collected, or none has come yet
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from viridian.api.address import shown
from viridian.api.feedback import CA_FILE, COLLECTOR_TOKEN_FILE_VARIABLE, ROWS_DIGEST_VARIABLE
from viridian.api.objective import OBJECTIVE_VARIABLE
from viridian.tls import trusting
from viridian.training import web

if TYPE_CHECKING:
    import pandas

URI_VARIABLE: Final = "VIRIDIAN_FEEDBACK_URI"
DIGEST_VARIABLE: Final = ROWS_DIGEST_VARIABLE
_BLOCK: Final = 1 << 20


class NotWhatWasFrozen(Exception):
    """The bytes are not those that the operator named for this run."""


def rows() -> pandas.DataFrame | None:
    """Every row that was known when the run began; None where nothing is collected, or nothing was received yet.

    Where the policy names a label definition (`objective.labelDefinition`), an outcome that was sent under another
    one, or under none, does not count: its row is there without an outcome.
    NotWhatWasFrozen when the file is another one; OSError when the collector cannot be reached or refuses.
    """
    import pandas

    with tempfile.TemporaryDirectory() as folder:
        path = download(Path(folder) / "rows.parquet")
        return None if path is None else _of_the_present_label(pandas.read_parquet(path))


def _of_the_present_label(frame: pandas.DataFrame) -> pandas.DataFrame:
    definition = json.loads(os.environ.get(OBJECTIVE_VARIABLE) or "{}").get("labelDefinition", "")
    if not definition:
        return frame
    present = frame["label_definition"] == definition
    outcomes = {column: frame[column].where(present) for column in ("outcome", "outcome_time", "source")}
    return frame.assign(**outcomes)


def download(path: Path) -> Path | None:
    """The Parquet file itself, checked; None where nothing is collected."""
    uri = os.environ.get(URI_VARIABLE)
    if not uri:
        return None
    digest = hashlib.sha256()
    with web.get(uri, _token(), trusting(_authority())) as answer, path.open("wb") as file:
        while block := answer.read(_BLOCK):
            digest.update(block)
            file.write(block)
    found, promised = f"sha256:{digest.hexdigest()}", os.environ.get(DIGEST_VARIABLE, "")
    if found != promised:
        path.unlink()
        raise NotWhatWasFrozen(
            f"the rows at {shown(uri)} have the digest {found}, but {promised} was frozen for this run"
        )
    return path


def _token() -> dict[str, str]:
    name = os.environ.get(COLLECTOR_TOKEN_FILE_VARIABLE)
    return {"Authorization": f"Bearer {Path(name).read_text().strip()}"} if name else {}


def _authority() -> Path | None:
    """Of the collector's certificate, beside the token."""
    name = os.environ.get(COLLECTOR_TOKEN_FILE_VARIABLE)
    return Path(name).with_name(CA_FILE) if name else None
