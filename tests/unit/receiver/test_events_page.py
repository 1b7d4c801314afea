"""What docs/events.md says can be copied."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest
import yaml

from tests.support.event_sending import KEY
from tests.support.receiving import Receiver
from viridian import bounded_site
from viridian.api.event_trigger import MAX_ATTRIBUTE, EventAttributes, takes
from viridian.api.retrainpolicy import RetrainPolicySpec
from viridian.controller.event_flags import EVENTS_RATE
from viridian.receiver import receiver_app
from viridian.receiver.event_formats import ALERT_FIRING, ALERT_RESOLVED, MAX_EVENTS
from viridian.receiver.key_folders import MAX_KEYS, MIN_BYTES
from viridian.receiver.strict_json import MAX_DEPTH
from viridian.retraining.received_events import KEPT, MAX_STORED

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "events.md").read_text()
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
SERVICE = re.compile(r"https?://viridian-events\.viridian-system:8095")


async def copied(receiver: Receiver, block: str, folder: Path) -> str:
    """Run a block of the page as it stands, but for where the Service is."""
    script = SERVICE.sub(f"http://127.0.0.1:{receiver.site.port}", block)
    process = await asyncio.create_subprocess_exec(
        "bash", "-euc", script, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await process.communicate()
    assert process.returncode == 0, (error, out)
    return out.decode()


@pytest.mark.needs_programs
async def test_an_event_is_signed_by_openssl_and_sent_by_curl(receiver: Receiver, tmp_path: Path) -> None:
    (block,) = [block for block in SHELL.findall(PAGE) if "openssl dgst" in block]
    (tmp_path / "airflow").write_text(KEY)
    # The commands go by the clock of the computer.
    block = block.replace("$(date +%s)", str(int(receiver.now)))
    assert '"stored": 1' in await copied(receiver, block, tmp_path)
    assert '"known": 1' in await copied(receiver, block, tmp_path)


@pytest.mark.needs_programs
async def test_an_event_is_sent_with_a_token(receiver: Receiver, tmp_path: Path) -> None:
    (block,) = [block for block in SHELL.findall(PAGE) if "Authorization: Bearer" in block]
    receiver.cluster.tokens["shown"] = "system:serviceaccount:ml:airflow"
    receiver.cluster.rights.add(("system:serviceaccount:ml:airflow", "ml", "churn"))
    kubectl = 'kubectl() { if [ "$3" = create ] && [ "$4" = token ]; then echo shown; fi; }\n'
    assert '"stored": 1' in await copied(receiver, kubectl + block, tmp_path)


def test_the_policy_takes_what_the_page_sends() -> None:
    (policy,) = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(apiVersion.*?)```", PAGE, re.DOTALL)]
    spec = msgspec.convert(policy["spec"], RetrainPolicySpec)
    batch = EventAttributes(id="batch-42", source="/pipelines/churn", type="dev.example.batch.ready")
    alert = EventAttributes(id="1", source="alertmanager/viridian", type=ALERT_FIRING, subject="InputsDrifted")
    taken = [
        [trigger.name for trigger in spec.triggers if trigger.event and takes(trigger.event, event)]
        for event in (batch, alert)
    ]
    assert taken == [["fresh-batch"], ["alerts"]]


@pytest.mark.parametrize(
    "sentence",
    [
        f"a batch of up to {MAX_EVENTS}",
        f"A key has {MIN_BYTES} bytes or more",
        f"A folder may hold {MAX_KEYS} keys",
        f"or {MAX_STORED} events are stored for the policy",
        f"is removed** after {KEPT.seconds // 60} minutes",
        f"`{ALERT_FIRING}` or `{ALERT_RESOLVED}`",
        f"{receiver_app.MAX_BODY_BYTES // 1024} KiB, within {receiver_app.BODY_SECONDS:g} seconds",
        f"{bounded_site.HEAD_SECONDS:g} seconds; {bounded_site._HEADERS} headers",
        f"{bounded_site.CONNECTIONS}; each has one request",
        f"{EVENTS_RATE} a second, {10 * EVENTS_RATE} at once",
        f"{receiver_app._ADDRESS_EACH_SECOND:g} a second",
        f"{MAX_ATTRIBUTE} bytes each",
        f"nested {MAX_DEPTH} deep",
        f"max_alerts: {MAX_EVENTS}",
    ],
)
def test_the_page_names_the_limits_of_the_code(sentence: str) -> None:
    assert sentence in PAGE
