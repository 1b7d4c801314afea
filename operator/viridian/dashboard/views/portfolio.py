"""All models that a person may see, those first that somebody has to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from viridian.api import reasons
from viridian.people.model_summary import (
    ListedModel,
    ModelHealth,
    ModelSummary,
    condition,
    is_true,
    listed_summary,
    most_urgent_first,
)

PAGE_ROWS: Final = 200
"""Rows of one page: a browser lays out more of them slowly, and people read fewer."""
_DRIFTS: Final = {
    reasons.CONCEPT_DRIFT: "errors",
    reasons.DECAY: "decay",
    reasons.DATA_DRIFT: "inputs",
    reasons.PREDICTION_DRIFT: "predictions",
}
"""What a condition of drift is about, in a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioQuery:
    """What the person looks for."""

    text: str = ""
    namespace: str = ""
    labels: str = ""
    health: str = ""
    page: int = 1

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> PortfolioQuery:
        """From the query of an address; what makes no sense there counts as not given."""
        page = fields.get("page", "1")
        return cls(
            text=fields.get("q", "").strip(),
            namespace=fields.get("namespace", "").strip(),
            labels=fields.get("labels", "").strip(),
            health=fields.get("health", "").strip(),
            page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
        )

    def address(self, **changed: Any) -> str:
        """The address of the same look with these changes."""
        other = replace(self, **{"page": 1, **changed})
        given = {"q": other.text, "namespace": other.namespace, "labels": other.labels, "health": other.health}
        if other.page > 1:
            given["page"] = str(other.page)
        fields = urlencode({name: value for name, value in given.items() if value})
        return f"/?{fields}" if fields else "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioRow:
    """One model in the list."""

    namespace: str
    name: str
    health: ModelHealth
    champion: str = ""
    challenger: str = ""
    step: str = ""
    weight: int = 0
    reason: str = ""
    message: str = ""
    drifts: Sequence[str] = ()
    drill: str = ""
    """Why a drill of the rollback is due; empty where none is."""
    review: str = ""
    """Why a review is due; empty where none is."""

    @property
    def path(self) -> str:
        return f"/models/{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCount:
    """How many models are in one state, and where to see them alone."""

    health: ModelHealth
    number: int
    address: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """One page of the list."""

    query: PortfolioQuery
    rows: Sequence[PortfolioRow]
    counts: Sequence[HealthCount]
    found: int
    everything: int
    pages: int
    namespaces: Sequence[str]
    drifting: int
    drills_due: int
    reviews_due: int


def portfolio(models: Iterable[ListedModel], query: PortfolioQuery) -> Portfolio:
    """The page of the list that the query asks for."""
    rows = [_row(one) for one in most_urgent_first([listed_summary(model) for model in models])]
    matching = [row for row in rows if _matches(row, query)]
    chosen = [row for row in matching if not query.health or row.health.name.lower() == query.health]
    pages = max(1, -(-len(chosen) // PAGE_ROWS))
    page = min(query.page, pages)
    return Portfolio(
        query=replace(query, page=page),
        rows=chosen[(page - 1) * PAGE_ROWS : page * PAGE_ROWS],
        counts=tuple(_counts(matching, query)),
        found=len(chosen),
        everything=len(rows),
        pages=pages,
        namespaces=sorted({row.namespace for row in rows}),
        drifting=sum(bool(row.drifts) for row in matching),
        drills_due=sum(bool(row.drill) for row in matching),
        reviews_due=sum(bool(row.review) for row in matching),
    )


def _row(model: ModelSummary) -> PortfolioRow:
    status, about = model.status, model.about
    return PortfolioRow(
        namespace=model.namespace,
        name=model.name,
        health=model.health,
        champion=model.champion,
        challenger=model.challenger,
        step=model.step,
        weight=status.challenger.weight if status.challenger is not None else 0,
        reason=about.reason if about is not None else "",
        message=about.message if about is not None else "",
        drifts=tuple(word for type_, word in _DRIFTS.items() if is_true(status, type_)),
        drill=_due(model, reasons.ROLLBACK_UNTESTED),
        review=_due(model, reasons.REVIEW_REQUIRED) or _due(model, reasons.REVIEW_DUE),
    )


def _due(model: ModelSummary, type_: str) -> str:
    found = condition(model.status, type_)
    return found.reason if found is not None and found.status == "True" else ""


def _matches(row: PortfolioRow, query: PortfolioQuery) -> bool:
    if query.namespace and row.namespace != query.namespace:
        return False
    words = query.text.casefold().split()
    searched = f"{row.namespace}/{row.name} {row.champion} {row.challenger} {row.step} {row.reason}".casefold()
    return all(word in searched for word in words)


def _counts(rows: Sequence[PortfolioRow], query: PortfolioQuery) -> Iterator[HealthCount]:
    for health in ModelHealth:
        name = health.name.lower()
        chosen = query.health == name
        yield HealthCount(
            health=health,
            number=sum(row.health is health for row in rows),
            address=query.address(health="" if chosen else name),
            chosen=chosen,
        )
