"""The command line: `python -m viridian.cli <command>`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from viridian.cli import advise_command, backtest_command, estimate_command, explain_command, review_command
from viridian.cli.files import UnusableFile

COMMANDS = (backtest_command, estimate_command, explain_command, advise_command, review_command)
"""Each adds its arguments to a parser of its own, and sets `command` to the function that answers."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0: answered; 1: a file cannot be used; 2: the arguments make no sense."""
    parser = argparse.ArgumentParser(prog="python -m viridian.cli", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add_to(commands)
    options = parser.parse_args(arguments)
    try:
        text = options.command(options)
    except UnusableFile as problem:
        sys.stderr.write(f"{parser.prog}: {problem}\n")
        return 1
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    return 0
