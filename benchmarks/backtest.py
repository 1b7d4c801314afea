"""How long a backtest takes: a year of daily windows with 50 features, and 50 thresholds tried on them.

Aim: under 0.5 s of CPU for replay and thresholds together, in one thread without numpy. What is timed begins with
windows that are in memory and ends with the scores; reading the file of 365 windows is timed apart.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable

import msgspec

from benchmarks.spread import spread
from viridian.api.feedback import Window
from viridian.api.modeldeployment import ModelDeploymentSpec
from viridian.api.performance import Performance
from viridian.api.profile import Numbers, Profile, ReferenceProfile, Task
from viridian.backtest.history import ANY_VERSION, History
from viridian.backtest.report import BacktestReport, backtest

DAY = 86_400
BINS = 20
ROWS = 2_000
AIM_SECONDS = 0.5


def sketch(chance: random.Random, rows: int, shift: float) -> Numbers:
    """A feature on quantile bins, of which the lower half has more rows by that share."""
    counts = [
        max(0, round(chance.gauss(rows / BINS * (1 + shift * (1 if place < BINS / 2 else -1)), 5)))
        for place in range(BINS)
    ]
    finite = sum(counts)
    return Numbers(
        edges=tuple(float(edge) for edge in range(1, BINS)), counts=tuple(counts), mean=10.0 + shift,
        m2=float(33 * finite), finite=finite,
    )  # fmt: skip


def profile(chance: random.Random, features: int, rows: int, drifted: float) -> Profile:
    found = {
        f"feature {number}": sketch(chance, rows, drifted if number % 5 == 0 else 0.0) for number in range(features)
    }
    return Profile(features=dict(found), prediction=sketch(chance, rows, drifted), rows=rows, sampled=rows)


def year(days: int, features: int) -> History:
    """Daily windows, a fifth of the features drifting in one month of them."""
    chance = random.Random(1)
    windows = tuple(
        Window(
            revision="r1", version="1", start=float(day * DAY), end=float((day + 1) * DAY),
            profile=profile(chance, features, ROWS, 0.5 if 20_200 <= day < 20_230 else 0.0),
            performance=Performance(predicted=ROWS, labelled=0),
        )
        for day in range(20_000, 20_000 + days)
    )  # fmt: skip
    reference = ReferenceProfile(
        task=Task.BINARY, profile=profile(chance, features, 10 * ROWS, 0.0), label=sketch(chance, ROWS, 0.0)
    )
    return History(windows=windows, references={ANY_VERSION: reference}, incidents=())


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock and of the CPU."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backtest", description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--thresholds", type=int, default=50)
    parser.add_argument("--repeat", type=int, default=7)
    options = parser.parse_args()
    history = year(options.days, options.features)
    monitors = [{"name": "inputs", "drift": {"statistic": "KS"}}]
    model = {"registry": {"name": "churn", "version": "1"}}
    spec = {"model": model, "feedback": {}, "monitoring": {"window": "1d", "monitors": monitors}}
    deployment = msgspec.convert(spec, ModelDeploymentSpec)
    thresholds = [0.01 * (number + 1) for number in range(options.thresholds)]

    def run() -> BacktestReport:
        return backtest(deployment, None, history, thresholds={"inputs": thresholds})

    (found,) = run().monitors
    fired = {one.threshold: one.score.fired for one in found.tried}
    raw = msgspec.json.encode(history.windows)
    seconds = [timed(run) for _ in range(options.repeat)]
    reading = [timed(lambda: msgspec.json.decode(raw, type=list[Window])) for _ in range(options.repeat)]
    print(
        f"{options.days} windows, {options.features} features, {options.thresholds} thresholds, {BINS} bins a feature"
    )
    cpu = [used for _, used in seconds]
    print(f"replay, thresholds, CPU     {spread(cpu, 's')}   aim: under {AIM_SECONDS} s")
    print(f"replay, thresholds, clock   {spread([clock for clock, _ in seconds], 's')}")
    print(f"reading the file, CPU     {spread([used for _, used in reading], 's')}   {len(raw) / 1e6:.1f} MB")
    print(
        f"windows that fire at {thresholds[0]:g} / {thresholds[-1]:g}: {fired[thresholds[0]]} / {fired[thresholds[-1]]}"
    )
    return 0 if sorted(cpu)[len(cpu) // 2] < AIM_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
