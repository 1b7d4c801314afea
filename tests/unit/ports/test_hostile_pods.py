"""Pods that want to harm the operator: whatever they answer costs little, and is never taken for an answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.costs import MIB, longest_lag, memory_of_at_most
from tests.support.hostile_pod import MODES, hostile_pod
from tests.support.server_process import IDENTITY
from viridian.api.manifest import MANIFEST_PATH
from viridian.api.samples import Idle, PodSample, PodTarget, ScrapeFailure
from viridian.ports.pod_files import BundleUnreadable, HttpBundles
from viridian.ports.pod_http import pod_http
from viridian.ports.pods import MAX_COUNT, HttpPods, OtherPod, parse

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
NO_FILE = frozenset(mode for mode in MODES if "endless" in mode or "never" in mode or "redirect" in mode) | {
    "a flood",
    "early hints without end",
    "a byte now and then",
}
"""Modes that give no file at all; what the others give, the caller compares with a digest."""


@pytest.mark.parametrize("mode", MODES)
async def test_a_hostile_pod_costs_little_and_says_nothing(
    mode: str, record_property: Callable[[str, object], None]
) -> None:
    with hostile_pod(mode) as port:
        target = PodTarget(uid="pod-1", ip="127.0.0.1", identity=IDENTITY, port=port)
        async with pod_http() as http, longest_lag() as lag:
            pods, bundles = HttpPods(http), HttpBundles(http)
            with memory_of_at_most(20 * MIB):
                answer = (await pods.scrape([target]))["pod-1"]
            with memory_of_at_most(20 * MIB):
                await pods.close_connections([target], seconds=1, idle=Idle.CLOSE)
            with memory_of_at_most(20 * MIB):
                if mode in NO_FILE:
                    with pytest.raises(BundleUnreadable):
                        await bundles.read(target, MANIFEST_PATH)
                else:
                    await bundles.read(target, MANIFEST_PATH)
    assert isinstance(answer, ScrapeFailure)
    assert len(answer.message) <= 500
    record_property("longest time that a hostile pod held up the operator's loop", f"{1000 * max(lag):5.0f} ms: {mode}")


async def test_one_hostile_pod_does_not_hide_another() -> None:
    with hostile_pod("early hints without end") as bad, hostile_pod("a flood") as worse:
        targets = [
            PodTarget(uid=uid, ip="127.0.0.1", identity=IDENTITY, port=port) for uid, port in (("a", bad), ("b", worse))
        ]
        async with pod_http() as http:
            answers = await HttpPods(http).scrape(targets)
    assert set(answers) == {"a", "b"}


NUMBERS = st.one_of(
    st.floats().map(str), st.integers(-5, 2**70).map(str), st.sampled_from(["", "1e308", "1_0", "0x1", "٣"])
)
LINES = st.one_of(
    st.builds(
        'viridian_requests_total{{code="{}",slot="green",revision="9a1b02ee"}} {}'.format,
        st.sampled_from(["2xx", "4xx", "5xx", "9xx", ""]),
        NUMBERS,
    ),
    st.builds('viridian_request_duration_seconds_bucket{{le="{}"}} {}'.format, NUMBERS, NUMBERS),
    st.builds("viridian_request_duration_seconds_sum {}".format, NUMBERS),
    st.builds("viridian_server_info{{{}}} 1".format, st.text(max_size=40)),
    st.text(alphabet='viridian_requests_total{}",=\\ #\n0', max_size=60),
)


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_whatever_a_pod_says_is_a_sample_that_can_be_judged_or_one_of_two_errors(text: str) -> None:
    target = PodTarget(uid="pod-1", ip="127.0.0.1", identity=IDENTITY)
    try:
        sample = parse(text, target, NOW)
    except (ValueError, OtherPod):
        return
    counts = [bucket.count for bucket in sample.latency]
    assert isinstance(sample, PodSample)
    assert 0 <= sample.total <= 5 * MAX_COUNT
    assert counts == sorted(counts)
    assert all(bucket.bound == bucket.bound for bucket in sample.latency)
