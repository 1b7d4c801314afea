"""Takes out of the packet filter what a cluster put in, rule by rule, and nothing that was there before."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

# kube-proxy and kubelet name their chains KUBE-…, the network plugins CNI-….
OURS = re.compile(r"^(KUBE|CNI)-")
FAMILIES = ("iptables", "ip6tables")


@dataclass
class Table:
    """One table of a dump: the chains it declares and its rules as written."""

    chains: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)


def chains(dump: str) -> set[str]:
    """The names of all chains of a dump that look like a cluster's."""
    return {chain for table in parse(dump).values() for chain in table.chains if OURS.match(chain)}


def parse(dump: str) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    current = Table()
    for line in dump.splitlines():
        if line.startswith("*"):
            current = tables.setdefault(line[1:], Table())
        elif line.startswith(":"):
            current.chains.append(line[1:].split()[0])
        elif line.startswith("-A "):
            current.rules.append(line)
    return tables


def removal(dump: str, keep: Iterable[str]) -> str:
    """A script for ``iptables-restore --noflush`` that removes the cluster's chains, and the rules that lead to them.

    Chains in `keep` were there before the cluster and stay. Empty when there is nothing to remove.
    """
    kept = set(keep)
    blocks = (_removal_of_table(name, table, kept) for name, table in parse(dump).items())
    return "".join(block for block in blocks if block)


def _removal_of_table(name: str, table: Table, keep: set[str]) -> str:
    doomed = {chain for chain in table.chains if OURS.match(chain) and chain not in keep}
    if not doomed:
        return ""
    return "\n".join([f"*{name}", *_removal_lines(table, doomed), "COMMIT", ""])


def _removal_lines(table: Table, doomed: set[str]) -> Iterator[str]:
    """A chain can be deleted only when it is empty and nothing leads to it, in this order."""
    for rule in table.rules:
        chain, target = rule.split()[1], _target(rule)
        if target in doomed and chain not in doomed:
            yield f"-D {rule.removeprefix('-A ')}"
    yield from (f"-F {chain}" for chain in sorted(doomed))
    yield from (f"-X {chain}" for chain in sorted(doomed))


def _target(rule: str) -> str | None:
    """The chain that a rule leads to; its words are taken apart as written, since a comment may say anything."""
    words = shlex.split(rule)
    return next((after for word, after in pairwise(words) if word in {"-j", "-g"}), None)


def current_chains() -> list[str]:
    return sorted(set().union(*(chains(_dump(family)) for family in _families())))


def clean(keep: Iterable[str]) -> None:
    """Remove the cluster's chains from both address families."""
    kept = list(keep)
    for family in _families():
        if script := removal(_dump(family), kept):
            subprocess.run([f"{family}-restore", "--noflush", "--wait"], input=script, text=True, check=True)


def _families() -> list[str]:
    return [family for family in FAMILIES if shutil.which(f"{family}-save")]


def _dump(family: str) -> str:
    return subprocess.run([f"{family}-save"], capture_output=True, text=True, check=False).stdout
