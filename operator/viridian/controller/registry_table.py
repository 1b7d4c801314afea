"""What one registry answered last, and what it is still to be asked. A pass looks things up here and never waits.

Aliases of the models that some ModelDeployment follows are kept fresh by the poller. What is not here yet is noted,
and read beside the passes (`viridian.controller.registry_reader`). So no pass of the rollout makes a call to MLflow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Final, NamedTuple

from viridian.api.model_source import RegistryModel
from viridian.api.registry import ModelHistory, RegisteredModel
from viridian.rollout.input import Unresolved
from viridian.rollout.records import ServedModel

AGE_SECONDS: Final = 13.5
"""After so long a failed answer, or one that a person may have changed, is asked for again where a pass needs it."""
MAX_DETAILS: Final = 16_384
"""Versions and runs that are kept, of which each has some 500 bytes."""

_NONE: Final = 2**63
"""Larger than the number of any version."""

Aliases = tuple[tuple[str, str], ...]
"""Alias and version, sorted. Smaller than a dictionary: a large registry has thousands of them."""


class Question(NamedTuple):
    """One call: the aliases of a model, one version of it, or the first version that was registered from a run."""

    model: str
    version: str = ""
    run: str = ""


class Wanted(NamedTuple):
    """A version that a spec asks for, with all that has to be read to resolve it."""

    model: RegistryModel
    signed: bool


class NotRead(Exception):
    """The table has no answer to this question yet."""

    def __init__(self, question: Question) -> None:
        super().__init__(str(question))
        self.question = question


class NotAnswered(Exception):
    """The registry has given no answer, or a refusal."""

    def __init__(self, why: Unresolved) -> None:
        super().__init__(why.message)
        self.why = why


@dataclass(frozen=True, slots=True)
class _KnownModel:
    """The aliases of a model; None where the registry has no such model."""

    aliases: Aliases | None
    stamp: int
    """When they were asked for, in the order of questions and writes."""
    history: ModelHistory
    replaced_from: int
    """Versions with this number and larger ones may be others than before: the registry began anew meanwhile."""


@dataclass(frozen=True, slots=True)
class _KnownDetail:
    value: ServedModel | str | None
    at: float


@dataclass(frozen=True, slots=True)
class _FailedQuestion:
    why: Unresolved
    at: float


class RegistryTable:
    """Lookups raise NotRead or NotAnswered where there is no answer."""

    def __init__(self, clock: Callable[[], float], *, most: int = MAX_DETAILS) -> None:
        self._clock = clock
        self._most = most
        self._models: dict[str, _KnownModel] = {}
        self._details: dict[Question, _KnownDetail] = {}
        self._failures: dict[Question, _FailedQuestion] = {}
        self._began_anew: dict[str, int] = {}
        """Model to when details of it were dropped last."""
        self._written: dict[str, int] = {}
        """Model to when this operator wrote to it last."""
        self._stamp = 0
        self.outage: Unresolved | None = None
        """Why nothing has been answered for a while."""
        self.to_read: dict[Wanted | Question, None] = {}
        """In the order in which passes needed it."""
        self.noted = asyncio.Event()
        """Something is to be read."""
        self.filled = asyncio.Event()
        """The first sweep over all models has ended, well or not."""

    # ---- what a pass looks up

    def aliases(self, model: str) -> Mapping[str, str] | None:
        """The aliases of a model; None where the registry has no such model."""
        question = Question(model)
        if self.outage is not None:
            raise NotAnswered(self.outage)
        self._check_failure(question)
        known = self._models.get(model)
        if known is None:
            raise NotRead(question)
        return None if known.aliases is None else dict(known.aliases)

    def history(self, model: str) -> tuple[ModelHistory, int]:
        """How far a model has come, and from which number on its versions may have been replaced."""
        known = self._models.get(model)
        return (known.history, known.replaced_from) if known is not None else (ModelHistory(), _NONE)

    def version(self, model: str, version: str, *, may_vanish: bool) -> ServedModel | None:
        """A version; None where there is none. One that `may_vanish` is asked for again from time to time."""
        question = Question(model, version=version)
        found = self._detail(question)
        if (found.value is None or may_vanish) and self._is_old(found.at):
            self.note(question)
        return found.value if isinstance(found.value, ServedModel) else None

    def version_of_run(self, model: str, run: str) -> str | None:
        """The first version that was registered from that run."""
        value = self._detail(Question(model, run=run)).value
        return value if isinstance(value, str) else None

    def has_asked(self, model: str) -> bool:
        """Whether the registry has been asked about the model, and has answered or failed."""
        return model in self._models or Question(model) in self._failures or self.outage is not None

    def note(self, what: Wanted | Question) -> None:
        """This is to be read."""
        self.to_read[what] = None
        self.noted.set()

    # ---- what is read

    def stamp(self) -> int:
        """Now, in the order of questions and writes: to be taken before a question is sent."""
        self._stamp += 1
        return self._stamp

    def learn_model(self, name: str, found: RegisteredModel | None, stamp: int) -> bool:
        """Keep an answer that was asked for at that moment; whether those who know another one must look again."""
        known = self._models.get(name)
        if stamp < self._written.get(name, 0) or (known is not None and stamp < known.stamp):
            return False
        history = found.history if found is not None else ModelHistory()
        replaced = known.history.first_replaced(history) if known is not None else None
        if replaced is not None:
            self._drop_details({name})
        replaced_from = min(replaced or _NONE, known.replaced_from if known is not None else _NONE)
        pairs = None if found is None else tuple(sorted((intern(a), intern(v)) for a, v in found.aliases.items()))
        failed = self._failures.pop(Question(name), None) is not None
        same = known is not None and known.aliases == pairs
        self._models[name] = _KnownModel(known.aliases if same and known else pairs, stamp, history, replaced_from)
        return failed or replaced is not None or (known is not None and not same)

    def learn_detail(self, question: Question, value: ServedModel | str | None, stamp: int) -> bool:
        """The same of a version or of a run."""
        if stamp < self._began_anew.get(question.model, 0):
            return True  # the answer may be of the registry as it was before: who needs it asks again
        known = self._details.pop(question, None)
        self._details[question] = _KnownDetail(value, self._clock())
        while len(self._details) > self._most:
            del self._details[next(iter(self._details))]
        failed = self._failures.pop(question, None) is not None
        return failed or (known is not None and known.value != value)

    def fail(self, question: Question, why: Unresolved) -> bool:
        """The same of a failure. A registry that is silent takes back no answer that it has given."""
        if not why.lasting and (question.model in self._models and question == Question(question.model)):
            return False
        if not why.lasting and question in self._details:
            return False
        before = self._failures.get(question)
        self._failures[question] = _FailedQuestion(why, self._clock())
        return before is None or before.why != why

    # ---- what the poller does

    def wrote(self, model: str) -> None:
        """This operator has written to the model: what was asked for before counts no more."""
        self._written[model] = self.stamp()
        if model in self._models:
            self.note(Question(model))

    def is_missing(self, model: str) -> bool:
        """Whether the registry is known to have no such model."""
        known = self._models.get(model)
        return known is not None and known.aliases is None

    def keep(self, models: Collection[str]) -> None:
        """Nothing has to be known of other models."""
        for name in self._models.keys() - models:
            del self._models[name]
        for name in self._written.keys() - models:
            del self._written[name]
        self._drop_details({question.model for question in self._details}.difference(models))
        for name in self._began_anew.keys() - models:
            del self._began_anew[name]

    def answering(self, models: frozenset[str]) -> frozenset[str]:
        """The registry answers: which of these models it has been silent about before."""
        silent = {question for question, failure in self._failures.items() if not failure.why.lasting}
        for question in silent:
            del self._failures[question]
        outage, self.outage = self.outage, None
        return models if outage is not None else models & {question.model for question in silent}

    def forget_details(self) -> None:
        """The registry was away: it may have come back without some versions, or with others in their place."""
        self._drop_details({question.model for question in self._details})

    def clear(self) -> None:
        """Nobody has looked for a while: aliases and numbers may lead anywhere by now."""
        self._models.clear()
        self.forget_details()
        self._failures.clear()
        self.outage = None
        self.filled.clear()

    # ---- inside

    def _drop_details(self, models: set[str]) -> None:
        if not models:
            return
        for question in [one for one in self._details if one.model in models]:
            del self._details[question]
        self._began_anew |= dict.fromkeys(models, self.stamp())

    def _detail(self, question: Question) -> _KnownDetail:
        self._check_failure(question)
        found = self._details.get(question)
        if found is None:
            raise NotRead(question)
        return found

    def _check_failure(self, question: Question) -> None:
        failure = self._failures.get(question)
        if failure is not None:
            if self._is_old(failure.at):
                self.note(question)
            raise NotAnswered(failure.why)

    def _is_old(self, at: float) -> bool:
        return self._clock() - at >= AGE_SECONDS
