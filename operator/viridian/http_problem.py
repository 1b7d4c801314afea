"""A request that is answered with a status of failure and a sentence, whatever serves it."""

from __future__ import annotations


class HttpProblem(Exception):
    """Answered with this status and this sentence."""

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.retry_after = retry_after
