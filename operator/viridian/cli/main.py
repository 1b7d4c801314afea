"""The command line: `python -m viridian.cli <command>`, and `kubectl viridian <command>` where it is a plugin."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from types import ModuleType
from typing import Final, ParamSpec

import typer

from viridian.cli import (
    advise_command,
    backtest_command,
    estimate_command,
    explain_command,
    label_command,
    lint_command,
    model_commands,
    plan_command,
    policy_commands,
    portfolio_commands,
    review_command,
    support_command,
    wait_command,
    watch_command,
)
from viridian.cli.exit_codes import CommandExit
from viridian.cli.files import UnusableFile
from viridian.people import next_step

P = ParamSpec("P")
PROGRAM: Final = "python -m viridian.cli"
_EXECUTABLE: Final = "kubectl-viridian"
_COMPLETE_VARIABLE: Final = "_KUBECTL_VIRIDIAN_COMPLETE"
_OFFLINE_COMMANDS: Final[dict[str, tuple[ModuleType, Callable[..., str]]]] = {
    "advise": (advise_command, advise_command.advise),
    "backtest": (backtest_command, backtest_command.replay_windows),
    "estimate": (estimate_command, estimate_command.estimate_policies),
    "explain": (explain_command, explain_command.explain),
    "review": (review_command, review_command.write_review),
}


def application() -> typer.Typer:
    """All commands."""
    app = typer.Typer(
        help="Models on Kubernetes: look at them, and say what is to become of them.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    model_commands.add_to(app)
    policy_commands.add_to(app)
    portfolio_commands.add_to(app)
    app.command("labels")(label_command.work_the_queue)
    app.command("plan")(plan_command.plan_edits)
    app.command("support-bundle")(support_command.support_bundle)
    app.command("wait")(wait_command.wait_for_rollout)
    app.command("watch")(watch_command.watch_models)
    app.command("lint", help=_verbatim(lint_command.DESCRIPTION), epilog=_verbatim(lint_command.EPILOG))(
        lint_command.lint
    )
    for name, (module, answer) in _OFFLINE_COMMANDS.items():
        app.command(name, help=_verbatim(module.DESCRIPTION), epilog=_verbatim(module.EPILOG))(_printing(answer))
    return app


def plugin() -> int:
    """`kubectl viridian`: the same, by the name under which kubectl runs it.

    A shell completes the name of a program, which has no space in it.
    """
    completes = _COMPLETE_VARIABLE in os.environ or any(one.endswith("-completion") for one in sys.argv[1:2])
    return main(program=_EXECUTABLE if completes else next_step.PROGRAM)


def main(arguments: Sequence[str] | None = None, *, program: str = PROGRAM) -> int:
    """What the command says; 2 where the arguments make no sense (`viridian.cli.exit_codes`)."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        application()(given, prog_name=program)
    except SystemExit as end:
        return int(end.code or CommandExit.DONE)
    except UnusableFile as problem:
        sys.stderr.write(f"{program}: {problem}\n")
        return CommandExit.FAILED
    return CommandExit.DONE


def _printing(answer: Callable[P, str]) -> Callable[P, None]:
    @wraps(answer)
    def command(*arguments: P.args, **options: P.kwargs) -> None:
        text = answer(*arguments, **options)
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")

    return command


def _verbatim(text: str) -> str:
    """Paragraphs as they are written: `\\b` keeps click from breaking lines anew."""
    return "\n\n".join(f"\b\n{paragraph}" for paragraph in text.strip().split("\n\n"))
