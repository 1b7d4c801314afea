"""How often the judge of a rollout throws a good challenger away, and how soon it finds a bad one.

Simulated rollouts with one look a second, judged by the operator's own code. Rules beside it:
  sliding window    the judge as it was: evidence of 100 in the window of the last minute alone
  threshold         the window's rate is above the bound, with at least 50 answers, as rollouts with fixed thresholds do
  peeked z-test     once a minute, everything since the start, p < 0.01 on one side
  1.2 x champion    from minute 5 on, once a minute: the rate since the start is above 1.2 times the champion's
  Kayenta           every 10 minutes its judge's Mann-Whitney test on the rates of the minutes, p < 0.01 on one side

Ends with 1 where the operator's code rejects more than 1 % (and three standard errors) of challengers that keep their
bound or their margin.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from benchmarks.judgement.beside import beside_champion, incidents, pairs, with_champion
from benchmarks.judgement.bounded import against_bound, breaking, columns, healthy, leaking
from benchmarks.judgement.rejections import table, too_often
from benchmarks.judgement.slower import beside_slower, slower


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judgement.canary", description=__doc__)
    parser.add_argument("--rollouts", type=int, default=2000, help="simulations of each cell (default: 2000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", choices=("bound", "champion", "incident", "latency"))
    chosen = parser.parse_args(arguments)
    problems: list[str] = []
    with ProcessPoolExecutor(chosen.processes) as pool:
        for title, cases in (("rejected", healthy()), ("found", leaking()), ("found after the break", breaking())):
            if chosen.only in (None, "bound"):
                judged = pool.map(partial(against_bound, rollouts=chosen.rollouts, seed=chosen.seed), cases)
                rows = [(case.name, case.start, found) for case, found in zip(cases, judged, strict=True)]
                more = [columns(case, found) for case, (_, _, found) in zip(cases, rows, strict=True)]
                print("\n".join(table(title, rows, more if title != "rejected" else ())), "\n", flush=True)
                problems += too_often(rows, "Viridian") if title == "rejected" else []
        if chosen.only in (None, "incident"):
            happened = pool.map(partial(with_champion, rollouts=chosen.rollouts, seed=chosen.seed), incidents())
            rows = [(case.name, 0, found) for case, found in zip(incidents(), happened, strict=True)]
            print("\n".join(table("rejected within two minutes", rows)), "\n", flush=True)
        if chosen.only in (None, "latency"):
            timed = pool.map(partial(beside_slower, rollouts=chosen.rollouts, seed=chosen.seed), slower())
            rows = [(case.name, 0, found) for case, found in zip(slower(), timed, strict=True)]
            print("\n".join(table("latency-p95, margin 20 %", rows)), "\n", flush=True)
            problems += too_often(rows[:3], "Viridian, worse")
        if chosen.only in (None, "champion"):
            beside = pairs()
            judged = pool.map(partial(beside_champion, rollouts=chosen.rollouts, seed=chosen.seed), beside)
            rows = [(case.name, 0, found) for case, found in zip(beside, judged, strict=True)]
            print("\n".join(table("beside the champion, margin 50 %", rows)), flush=True)
            problems += too_often([row for row in rows if row[0].startswith(("as good", "at the"))], "Viridian, worse")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
