"""Who asks: the token of a request, the cookie that keeps it, and the proof that a form is from these pages.

A token comes in `Authorization: Bearer`, in the header of an authenticating proxy where one is named, or in the cookie
that the sign-in form sets. It is kept nowhere here. The proof of a form is a keyed hash of the token itself: another
site can make a browser send the cookie of no one (SameSite), and knows no token to make the proof from.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from viridian.dashboard.place import is_name
from viridian.http_problem import HttpProblem

COOKIE: Final = "viridian-dashboard"
PROOF_FIELD: Final = "proof"
MAX_COOKIE: Final = 3800
"""Characters of a token: browsers drop cookies of more than 4,096 bytes without a word."""
_NAMESPACES: Final = "viridian-namespaces"
_NAMESPACES_SECONDS: Final = 90 * 86_400
_COOKIE_SECONDS: Final = 12 * 3600
_BEARER: Final = "bearer"
_ABOUT: Final = b"a form of the dashboard of Viridian"


class SignedIn:
    """Reads who a request is from."""

    def __init__(self, token_header: str) -> None:
        """`token_header`: where an authenticating proxy puts the person's token; empty: Authorization alone."""
        self._token_header = token_header

    def token(self, request: web.Request) -> str:
        """The person's token; empty where nobody is signed in."""
        return self._of_proxy(request) or request.cookies.get(COOKIE, "")

    def by_proxy(self, request: web.Request) -> bool:
        """Whether the token comes with each request, and not from the form here."""
        return bool(self._of_proxy(request))

    def by_cookie(self, request: web.Request) -> bool:
        """Whether the person has signed in here, and may sign out here."""
        return COOKIE in request.cookies and not self.by_proxy(request)

    def _of_proxy(self, request: web.Request) -> str:
        """Authorization counts where it carries a bearer token; the header that is named may also hold it bare."""
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == _BEARER and credentials.strip():
            return credentials.strip()
        named = request.headers.get(self._token_header, "") if self._token_header else ""
        return named.removeprefix("Bearer ").strip()


def proof(token: str) -> str:
    """What a form carries that only a page for this token can know."""
    return hmac.new(token.encode(), _ABOUT, hashlib.sha256).hexdigest()


def check_form(request: web.Request, token: str, given: str) -> None:
    """403 for a form that is not from a page of this person."""
    check_origin(request)
    if not hmac.compare_digest(given.encode(), proof(token).encode()):
        raise HttpProblem(403, "the form is not from this page, or somebody else has signed in: load the page again")


def check_origin(request: web.Request) -> None:
    """403 for a form of another site, as far as the browser says where it is from."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        ours = site == "same-origin"
    else:
        origin = request.headers.get("Origin")
        ours = origin is None or urlsplit(origin).netloc == request.host
    if not ours:
        raise HttpProblem(403, "the form is from another site")


def keep(response: web.Response, token: str) -> None:
    """The browser keeps the token for half a day, for requests from these pages alone, and out of reach of scripts."""
    response.set_cookie(COOKIE, token, max_age=_COOKIE_SECONDS, path="/", secure=True, httponly=True, samesite="Strict")


def namespaces_of(request: web.Request) -> list[str]:
    """The namespaces that this browser has seen models of."""
    return [name for name in request.cookies.get(_NAMESPACES, "").split("_") if is_name(name)]


def remember_namespaces(response: web.Response, namespaces: Sequence[str] | None) -> None:
    """They are tried again the next time; None: nothing new."""
    if namespaces:
        found = "_".join(namespaces)[:MAX_COOKIE]
        response.set_cookie(
            _NAMESPACES, found, max_age=_NAMESPACES_SECONDS, path="/", secure=True, httponly=True, samesite="Strict"
        )


def drop(response: web.Response) -> None:
    """The browser forgets the token, and where its owner has looked."""
    for name in (COOKIE, _NAMESPACES):
        response.del_cookie(name, path="/", secure=True, httponly=True, samesite="Strict")
