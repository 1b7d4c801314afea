"""What people write about a run: annotations of the policy that name it, so that none can hit a later run.

    viridian.dev/accept:   <run>[ <reason>][#<user>]     starts the run that is recommended
    viridian.dev/approve:  <run>[ <reason>]#<user>       lets a run begin that needs an approval
    viridian.dev/reject:   <run>[ <reason>][#<user>]     dismisses a run that waits for a person
    viridian.dev/override: <run> <reason>#<user>         ends the pause that bad data of that run made; the name of a
                                                         monitor in the place of the run, the pause that it makes

Who wrote it is proven by the API server: an admission policy takes no other name after the last `#` than that of the
user who makes the request (decision 15). A command counts while it stands there, and stays on the record of the run
that it let begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from viridian.api.names import ACCEPT_ANNOTATION, APPROVE_ANNOTATION, OVERRIDE_ANNOTATION, REJECT_ANNOTATION
from viridian.api.retrainpolicy_status import MAX_COMMAND

RUN_COMMANDS: Final = (ACCEPT_ANNOTATION, APPROVE_ANNOTATION, REJECT_ANNOTATION, OVERRIDE_ANNOTATION)
"""Names of the annotations."""
NEED_A_NAME: Final = (APPROVE_ANNOTATION, OVERRIDE_ANNOTATION)
NEED_A_REASON: Final = (OVERRIDE_ANNOTATION,)


@dataclass(frozen=True, slots=True)
class RunCommand:
    """A command, understood."""

    annotation: str
    value: str
    run: str
    reason: str
    by: str

    @property
    def is_complete(self) -> bool:
        """Whether it has the name and the reason that its kind needs."""
        named = bool(self.by) or self.annotation not in NEED_A_NAME
        return named and (bool(self.reason) or self.annotation not in NEED_A_REASON)

    @property
    def sentence(self) -> str:
        """`by alice: the reason`, for people."""
        return f"by {self.by or 'a person'}{f': {self.reason}' if self.reason else ''}"


def parse_command(annotation: str, value: str) -> RunCommand | None:
    """The command in such a text; None where there is none."""
    text = " ".join(value.split())
    if not text or len(f"{annotation}={text}") > MAX_COMMAND:
        return None
    head, by = text.rsplit("#", 1) if "#" in text else (text, "")
    run, _, reason = head.strip().partition(" ")
    return RunCommand(annotation, text, run, reason.strip(), by.strip()) if run else None


def command_about(annotations: Mapping[str, str], annotation: str, run: str) -> RunCommand | None:
    """The command of that kind about this run; None where there is none, or where it lacks its name or its reason."""
    command = parse_command(annotation, annotations.get(annotation, ""))
    return command if command is not None and command.run == run and command.is_complete else None


def dump_commands(commands: Mapping[str, str]) -> tuple[str, ...]:
    """As the status shows them."""
    return tuple(f"{annotation}={value}" for annotation, value in sorted(commands.items()))
