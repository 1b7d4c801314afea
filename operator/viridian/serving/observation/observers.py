"""Everything that watches the answers of one loaded model: counting, the collector, traces, as settings say."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from prometheus_client.core import GaugeMetricFamily, Metric

from viridian.api.feedback import CA_FILE, Served, Unstored
from viridian.api.profile import PROFILE_PATH, ReferenceProfile, Task
from viridian.serving.data.predicted_values import task_of
from viridian.serving.execution.model import LoadedModel
from viridian.serving.logs import log
from viridian.serving.observation import tracing
from viridian.serving.observation.collector_client import CollectorAddress
from viridian.serving.observation.feedback_sender import FeedbackSender
from viridian.serving.observation.live_profile import LiveProfile, PredictedRows, Unprofiled
from viridian.serving.observation.recorder import Recorder
from viridian.serving.observation.shared_rows import Redactor, read_key
from viridian.serving.observation.tracing import Tracing
from viridian.serving.prediction_ids import prediction_id
from viridian.serving.server_settings import ServerSettings

CLOSE_SECONDS: Final = 3.0
"""At the end of the process, for what is not sent yet."""


class Observers:
    """Each is there when it is asked for, and nothing of it costs anything when it is not."""

    def __init__(self, settings: ServerSettings, model: LoadedModel, environment: Mapping[str, str]) -> None:
        self.unprofiled = ""
        """Why nothing is counted; empty when it is."""
        reference = self._reference(settings)
        live = self._live(reference, model)
        task = reference.task if reference else task_of(model.outputs)
        # The classes of a classifier are in its profile alone, and outcomes are compared with them.
        redactor = _redactor(settings, model, task) if reference or task is Task.REGRESSION else None
        self._withheld = _withheld(settings, live, redactor)
        for what in filter(self._withheld.get, self._withheld):
            log.warning(f"{what} are not sent to the collector: {self.unprofiled}")
        sent = settings.collector_url and (live or redactor)
        self.collector = _collector(settings, reference, task) if sent else None
        to_send = sink(self.collector, redactor) if self.collector and redactor else None
        unsent = self.collector.lose if self.collector and to_send else lambda _: None
        self.recorder = Recorder(live, to_send, unsent) if live or to_send else None
        if self.collector is not None:
            if live is not None and self.recorder is not None:
                recorder = self.recorder
                self.collector.window = lambda: recorder.window().result()
            self.collector.start()
        self.tracing = Tracing(settings) if tracing.wanted(environment) else None

    def families(self, names: Sequence[str], values: Sequence[str]) -> Iterable[Metric]:
        """The metrics about them."""
        if self.recorder is not None:
            yield from self.recorder.families(names, values)
        if self._withheld:
            gauge = GaugeMetricFamily(
                "viridian_feedback_withheld",
                "1 for what the collector is to get, and does not for want of a reference profile.",
                labels=[*names, "what"],
            )
            for what, withheld in self._withheld.items():
                gauge.add_metric([*values, what], float(withheld))
            yield gauge
        if self.collector is not None:
            yield from self.collector.families(names, values)

    async def close(self) -> None:
        """Sends everything that is left, within a few seconds."""
        if self.recorder is not None:
            await self.recorder.settled()
        if self.collector is not None:
            await asyncio.to_thread(self.collector.close, CLOSE_SECONDS)
        if self.recorder is not None:
            self.recorder.close()
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.close)

    def _reference(self, settings: ServerSettings) -> ReferenceProfile | None:
        """What came with the model. A profile that cannot be read is no reason not to serve."""
        path = settings.model_dir / PROFILE_PATH
        if not path.is_file():
            self.unprofiled = f"the version has no {PROFILE_PATH}"
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=ReferenceProfile)
        except msgspec.MsgspecError as error:
            self.unprofiled = f"{PROFILE_PATH} is no reference profile: {error}"
            log.warning(self.unprofiled)
            return None

    def _live(self, reference: ReferenceProfile | None, model: LoadedModel) -> LiveProfile | None:
        if reference is None:
            return None
        try:
            return LiveProfile(reference, model.signature)
        except Unprofiled as error:
            self.unprofiled = str(error)
            log.warning(self.unprofiled)
            return None


def _collector(settings: ServerSettings, reference: ReferenceProfile | None, task: Task) -> FeedbackSender:
    served = Served(
        namespace=settings.namespace,
        deployment=settings.deployment,
        model=settings.name,
        version=settings.version,
        revision=settings.revision,
        slot=settings.slot,
        task=task,
        classes=reference.classes if reference else (),
    )
    pod = f"{settings.pod or socket.gethostname()}-{prediction_id()}"
    token = settings.collector_token_file
    address = CollectorAddress(settings.collector_url, token.with_name(CA_FILE) if token is not None else None)
    return FeedbackSender(address, token, served, pod, settings.profile_seconds)


def _withheld(settings: ServerSettings, live: LiveProfile | None, redactor: Redactor | None) -> dict[str, bool]:
    """What the collector is to get, and whether it stays here; nothing where there is no collector."""
    if not settings.collector_url:
        return {}
    rows = {} if settings.feedback is None else {"rows": redactor is None}
    return {"profiles": live is None, **rows}


def _redactor(settings: ServerSettings, model: LoadedModel, task: Task) -> Redactor | None:
    """None without rules: nobody has allowed that rows leave."""
    rules = settings.feedback
    if rules is None or not settings.collector_url:
        return None
    key = read_key(settings.feedback_key_file, rules, settings.feedback_key_secret)
    return Redactor(rules, key, model.signature, task)


def sink(collector: FeedbackSender, redactor: Redactor) -> Callable[[Sequence[PredictedRows]], None]:
    """What the recorder gives answers to."""

    def send(portion: Sequence[PredictedRows]) -> None:
        redacted = redactor.redacted(portion)
        collector.offer(redacted.block)
        if redacted.unpredicted:
            collector.reject(Unstored.PREDICTION, redacted.unpredicted, "the answer has no finite number and no class")

    return send
