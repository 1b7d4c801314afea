"""MLflow's REST interface: one bounded request, and an answer that is sorted by what the caller can do about it.

MLflow's own client waits up to two minutes and repeats seven times by default, so it has no place in a control loop.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Protocol, Self

import aiohttp
from yarl import URL

from viridian.api.address import Address
from viridian.api.origins import origin_of
from viridian.api.texts import one_line
from viridian.ports.bounded_bodies import TooLong, bounded
from viridian.ports.http_sessions import proxy_for, session
from viridian.ports.mlflow_responses import NotMlflow, decoded, failure
from viridian.ports.registry import RegistryRefused, RegistryUnavailable
from viridian.ports.thread_loop import Aside

TIMEOUT_SECONDS: Final = 5.0
# MLflow's web server closes an idle connection after five seconds: closing it first never loses a request.
IDLE_SECONDS: Final = 3.0
API: Final = "api/2.0/mlflow"
SHOWN_CHARACTERS: Final = 300
MAX_BYTES: Final = 8 * 1024 * 1024
"""Of one answer. A run with all its metrics, parameters and tags has some 100 kB, a page of 200 models seldom 1 MB."""

Reading = Callable[[bytes], dict[str, Any]]
"""Takes what is needed out of an answer; raises NotMlflow."""


class CallOutcome(Enum):
    """Answers that a caller can reason about; everything else is raised."""

    DONE = "done"
    MISSING = "RESOURCE_DOES_NOT_EXIST"
    EXISTS = "RESOURCE_ALREADY_EXISTS"
    INVALID = "INVALID_PARAMETER_VALUE"


DISTINCT_OUTCOMES: Final = {outcome.value: outcome for outcome in CallOutcome if outcome is not CallOutcome.DONE}


class Body(dict[str, Any]):
    """An answer's JSON object. One without what was asked for comes from something that is not MLflow."""

    def __missing__(self, key: str) -> Any:
        raise RegistryRefused(f"what answers for MLflow sends no {key!r}: check MLFLOW_TRACKING_URI")


@dataclass(frozen=True, slots=True)
class MlflowResponse:
    outcome: CallOutcome
    body: Body
    message: str = ""

    @property
    def done(self) -> bool:
        return self.outcome is CallOutcome.DONE


@dataclass(frozen=True, slots=True)
class Credentials:
    """A bearer token, or a user with a password; the values never show in a log."""

    token: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """MLflow's own variables, so that what works for a person's client works here."""
        return cls(
            token=environment.get("MLFLOW_TRACKING_TOKEN", ""),
            user=environment.get("MLFLOW_TRACKING_USERNAME", ""),
            password=environment.get("MLFLOW_TRACKING_PASSWORD", ""),
        )

    def header(self) -> dict[str, str]:
        if self.user:
            pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


class Authorizing(Protocol):
    """Where the credentials of a request come from."""

    def header(self) -> dict[str, str]:
        """Raises RegistryRefused where there are none, and should be."""


class MlflowApi:
    """Requests to one MLflow server, none repeated and no redirect followed."""

    def __init__(self, uri: str, credentials: Authorizing, timeout_seconds: float) -> None:
        self._whole = Address(uri)
        if origin_of(uri) is None:
            raise ValueError(f"the MLflow address must look like http://mlflow.ml.svc:5000, not {self._whole}")
        url = URL(uri)
        if url.user and isinstance(credentials, Credentials) and not credentials.user:
            credentials = Credentials(user=url.user, password=url.password or "")
        self.address = url.with_user(None).with_query(None).with_fragment(None)
        self._root = self.address.joinpath(*API.split("/"))
        self._credentials = credentials
        self._timeout_seconds = timeout_seconds
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._stack = AsyncExitStack()
        self._aside: Aside | None = None
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        opened, self._session = self._session, None
        if opened is not None and self._aside is not None:
            await self._aside.run(opened.close())
        self._aside = None
        await self._stack.aclose()

    async def get(self, path: str, *, read: Reading = decoded, **query: str) -> MlflowResponse:
        return await self._request("GET", path, query=query, read=read)

    async def post(self, path: str, body: Mapping[str, Any]) -> MlflowResponse:
        return await self._request("POST", path, body=body)

    async def delete(self, path: str, body: Mapping[str, Any]) -> MlflowResponse:
        return await self._request("DELETE", path, body=body)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        read: Reading = decoded,
    ) -> MlflowResponse:
        if self._aside is None:
            self._aside = await self._stack.enter_async_context(Aside("mlflow"))
        try:
            status, answer = await self._aside.run(self._exchange(method, path, query, body))
        except TooLong as error:
            raise RegistryUnavailable(f"{self} answered more than was asked for: {error}") from error
        except TimeoutError as error:
            raise RegistryUnavailable(f"{self} did not answer within {self._timeout_seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise RegistryUnavailable(f"{self} cannot be reached: {self._words(error)}") from error
        return self._sorted(status, answer, read)

    async def _exchange(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, Any] | None
    ) -> tuple[int, bytes]:
        """One request, aside from the operator's own loop; credentials go to the address alone."""
        url = self._root.joinpath(*path.split("/"))
        headers = self._credentials.header()
        async with self._connected().request(
            method, url, params=query, json=body, headers=headers, timeout=self._timeout, allow_redirects=False
        ) as response:
            return response.status, await bounded(response, MAX_BYTES)

    def _connected(self) -> aiohttp.ClientSession:
        """Made on first use, since a session belongs to the event loop that runs."""
        if self._session is None:
            self._session = session(proxy=proxy_for(self.address), keepalive_timeout=IDLE_SECONDS)
        return self._session

    def _sorted(self, status: int, answer: bytes, read: Reading) -> MlflowResponse:
        if status == 200:
            try:
                return MlflowResponse(CallOutcome.DONE, Body(read(answer)))
            except NotMlflow as error:
                raise RegistryRefused(f"{self._why_refused(200, '')} ({one_line(str(error), 100)})") from error
        code, message = failure(answer)
        message = message or answer[: 4 * SHOWN_CHARACTERS].decode(errors="replace")
        if code in DISTINCT_OUTCOMES:
            return MlflowResponse(DISTINCT_OUTCOMES[code], Body(), first_line(message))
        if status in (408, 409, 425, 429) or status >= 500 or is_race(message):
            raise RegistryUnavailable(f"{self} answered {status}: {first_line(message)}")
        raise RegistryRefused(self._why_refused(status, message))

    def _why_refused(self, status: int, message: str) -> str:
        if status == 403 and "Host header" in message:
            host = self.address.host if self.address.is_default_port() else f"{self.address.host}:{self.address.port}"
            return (
                f"{self} refuses the host name {host!r}: "
                f"start it with --allowed-hosts '{self.address.host},{self.address.host}:*'"
            )
        if status == 401:
            return f"{self} wants credentials: set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD"
        if status == 403:
            return f"{self} does not allow this with the operator's credentials: {first_line(message)}"
        if 300 <= status < 400 or status in (200, 404):
            return f"{self} answered {status}, but not as MLflow does: check MLFLOW_TRACKING_URI"
        return f"{self} answered {status}: {first_line(message)}"

    def _words(self, error: Exception) -> str:
        """What a library says, without what stands in the address."""
        return first_line(self._whole.concealed_in(str(error))) if str(error) else type(error).__name__

    def __str__(self) -> str:
        return f"MLflow at {self.address}"


def is_race(message: str) -> bool:
    """Two writers of one new alias: the slower one gets a 400 with the database's constraint."""
    return "IntegrityError" in message or "UNIQUE constraint" in message


def first_line(message: str) -> str:
    """Enough for a condition; the rest of such messages is SQL or HTML."""
    line = message.lstrip()[: 4 * SHOWN_CHARACTERS].partition("\n")[0]
    return one_line(line, SHOWN_CHARACTERS) or "no reason given"
