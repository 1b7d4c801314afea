"""Incidents: when they begin and end, how long recovery takes, and what comes back of a person's note."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from viridian.api import reasons
from viridian.api.monitoring_status import MonitoringStatus, MonitorStatus
from viridian.api.trail_status import SHOWN_INCIDENTS
from viridian.core.monitor_results import MonitorResults
from viridian.trail.incidents import IncidentChanges, IncidentLog, next_incidents, overdue, sentence

START = datetime(2026, 11, 1, tzinfo=UTC)


class Story:
    """Windows of a day, and what the monitor `inputs` found in each."""

    def __init__(self) -> None:
        self.log = IncidentLog()
        self.told: list[str] = []
        self.day = 0

    def window(
        self, verdict: str, *, revision: str = "r1", note: str = "", monitors: Sequence[str] = ("inputs",)
    ) -> IncidentChanges:
        self.day += 1
        end = START + timedelta(days=self.day)
        status = MonitoringStatus(
            revision=revision,
            start="",
            end="",
            monitors=(MonitorStatus(name="inputs", verdict=verdict, message="age moved"),),
        )
        results = MonitorResults(revision, end - timedelta(days=1), end, status)
        found = next_incidents(self.log, "uid-1", results, monitors, note, end)
        self.log = found.log
        self.told += [entry.what for entry in found.entries]
        return found


def test_an_incident_lasts_until_the_monitor_is_quiet_whoever_is_champion() -> None:
    story = Story()
    for verdict, revision in (("Quiet", "r1"), ("Fired", "r1"), ("Fired", "r1"), ("InsufficientData", "r2")):
        story.window(verdict, revision=revision)
    assert [one.recovered for one in story.log.known] == [None], "too little data is not recovery"
    story.window("Quiet", revision="r2")
    (incident,) = story.log.known
    assert (incident.began, incident.recovered) == ("2026-11-03T00:00:00Z", "2026-11-06T00:00:00Z")
    assert incident.seconds == timedelta(days=3).total_seconds()
    assert story.told == [reasons.INCIDENT_BEGAN, reasons.INCIDENT_RECOVERED]


def test_a_note_returns_with_the_next_incident_of_its_kind() -> None:
    story = Story()
    story.window("Fired")
    first = story.log.known[0]
    story.window("Fired", note=f"{first.id} a competitor opened#anna")
    story.window("Quiet", note=f"{first.id} a competitor opened#anna")
    noted = story.log.known[0].note
    assert noted is not None
    assert (noted.text, noted.by, noted.incident) == ("a competitor opened", "anna", first.id)
    found = story.window("Fired", note=f"{first.id} a competitor opened#anna")
    second = story.log.known[0]
    assert second.id != first.id
    assert second.note is None, "a note never counts for a later incident"
    assert second.earlier is not None
    assert (second.earlier.text, second.earlier.began) == ("a competitor opened", first.began)
    assert sentence(found.began[0]).endswith(f"noted by anna about the incident of {first.began}: a competitor opened")
    assert story.told.count(reasons.INCIDENT_NOTED) == 1, "a note that stands there is one entry"


def test_a_note_about_nothing_that_is_known_is_nothing() -> None:
    story = Story()
    story.window("Fired")
    for note in ("00000000 what#anna", "", "word", f"{story.log.known[0].id}", "#anna"):
        story.window("Fired", note=note)
    assert story.told == [reasons.INCIDENT_BEGAN]


def test_an_incident_ends_with_its_monitor() -> None:
    story = Story()
    story.window("Fired")
    story.window("Fired", monitors=())
    assert story.log.known == ()
    assert story.told == [reasons.INCIDENT_BEGAN, reasons.INCIDENT_DROPPED]


def test_open_incidents_are_overdue_after_their_deadline() -> None:
    story = Story()
    story.window("Fired")
    known, began = story.log.known, START + timedelta(days=1)
    two_weeks = timedelta(days=14)
    assert overdue(known, two_weeks, began + timedelta(days=13)) == ()
    assert overdue(known, two_weeks, began + two_weeks) == known
    story.window("Quiet")
    assert overdue(story.log.known, two_weeks, began + timedelta(days=99)) == ()


def test_the_newest_incidents_are_kept() -> None:
    story = Story()
    for _ in range(2 * SHOWN_INCIDENTS):
        story.window("Fired")
        story.window("Quiet")
    assert len(story.log.known) == SHOWN_INCIDENTS
    assert story.log.known[0].recovered == f"{START + timedelta(days=story.day):%Y-%m-%dT00:00:00Z}"
