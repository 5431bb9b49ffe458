"""One HTTP request whose URL is a secret: nothing of it is in an error or a log.

The standard library's client, because the usual ones log the path of each request.
"""

import http.client
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 5.0
"""Seconds after which a server that says nothing is given up, each time."""
_MOST = 1 << 16
_TOO_MANY, _SERVER = 429, 500


class NotSentError(Exception):
    """A message was not taken; the text has no secret in it."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again
        """Whether it may be taken when it is sent once more."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: where it leads to was not declared, and a signed body is not for it."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Nowhere: urllib raises the redirect as an HTTPError."""


_opener = urllib.request.build_opener(_Stay)


def send(url: str, body: bytes, headers: Mapping[str, str], method: str = "POST") -> Any:
    """Send JSON; returns the answer's JSON, or None where it has none.

    Raises:
        NotSentError: it was not taken.
    """
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise NotSentError("its URL is no http:// or https:// URL", again=False)
    try:
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
            url, body, {"Content-Type": "application/json", "User-Agent": "drill", **headers}, method=method
        )
        with _opener.open(request, timeout=TIMEOUT) as answer:
            return _json(answer.read(_MOST))
    except urllib.error.HTTPError as error:
        error.close()  # it is the answer, too, and holds the connection
        again = error.code == _TOO_MANY or error.code >= _SERVER
        raise NotSentError(f"HTTP {error.code}", again=again) from None
    except urllib.error.URLError as error:
        raise NotSentError(_words(error.reason), again=True) from None
    except (TimeoutError, OSError) as error:
        raise NotSentError(_words(error), again=True) from None
    except (http.client.HTTPException, ValueError) as error:
        raise NotSentError(type(error).__name__, again=isinstance(error, http.client.HTTPException)) from None


def _words(error: object) -> str:
    """An error without what it was about."""
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(error, socket.gaierror):
        return "its name can't be resolved"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
