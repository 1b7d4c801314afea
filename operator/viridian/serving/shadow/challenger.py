"""A challenger that is asked for comparison: only complete answers of a bounded size count."""

from __future__ import annotations

from typing import Final

from viridian.api.shadow import Failure
from viridian.serving.asgi_responses import Headers
from viridian.serving.pod_connection import Failed, PeerResponse, PodConnection

ANSWER_SECONDS: Final = 5.0
"""From the request to the last byte of its answer; who sends byte by byte gains nothing."""
MAX_ANSWER_BYTES: Final = 128 * 1024
"""Head and body: what can be parsed in well under a millisecond, because that happens beside live requests."""

_BY_CLASS: Final = {4: Failure.REFUSED, 5: Failure.FAILED}


class Challenger(PodConnection):
    """The connection of one worker."""

    async def ask(self, path: bytes, headers: Headers, body: bytes) -> PeerResponse:
        """The answer, which has the status 200; Failed instead."""
        answer = await self.exchange(path, headers, body, seconds=ANSWER_SECONDS, most=MAX_ANSWER_BYTES)
        if answer.status != 200:
            raise Failed(_BY_CLASS.get(answer.status // 100, Failure.STATUS))
        return answer
