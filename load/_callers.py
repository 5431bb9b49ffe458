"""Clients of DolphinScheduler's API: one that reads, and one that starts workflows and knows what it was promised."""

import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from drill import dolphinscheduler
from drill.dolphinscheduler import Client, FailedError, UnauthorizedError, UnreachableError, Workflow
from drill.settings import DolphinSchedulerTarget
from load._open_loop import Answer, Fate
from load._workflows import correlation


class _Caller:
    """One client of the API with a connection and a session of its own, begun before the first call that needs it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._in = False

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def let_in(self) -> None:
        """Log in, once."""
        if not self._in:
            self._client.login()
            self._in = True


class Reader(_Caller):
    """Sends reads: a different one each time. What a read does not answer it has not done, so that it has failed."""

    def __init__(
        self, client: Client, target: DolphinSchedulerTarget, timeout: float, workflow: Workflow, started: list[int]
    ) -> None:
        super().__init__(client)
        self._target, self._timeout = target, timeout
        self._workflow, self._started = workflow, started

    def send(self, sequence: int, due: float) -> Answer:  # noqa: ARG002 - a sender's signature
        """Read one thing."""
        try:
            if sequence % 3 == 0:
                return self._health()
            self.let_in()
            if sequence % 3 == 1 and self._started:
                self._client.instance(self._workflow, self._started[-1])
            else:
                self._client.whoami()
        except (UnreachableError, UnauthorizedError, FailedError) as error:
            return Answer(Fate.FAILED, _reason(error))
        return Answer(Fate.ACKED)

    def _health(self) -> Answer:
        status = dolphinscheduler.health(self._target, self._timeout)["status"]
        return Answer(Fate.ACKED) if status == "UP" else Answer(Fate.FAILED, f"health: {status}")


class Starter(_Caller):
    """Sends starts, each with the number by which its instance is found again."""

    def __init__(self, client: Client, workflow: Workflow, run_id: str, started: list[int]) -> None:
        super().__init__(client)
        self._workflow, self._run_id, self._started = workflow, run_id, started

    def send(self, sequence: int, due: float) -> Answer:  # noqa: ARG002 - a sender's signature
        """Start the workflow once."""
        try:
            self.let_in()
        except (UnreachableError, UnauthorizedError, FailedError) as error:
            return Answer(Fate.FAILED, _reason(error))
        try:
            begun = self._client.start(self._workflow, correlation(self._run_id, sequence))
        except UnauthorizedError as error:
            return Answer(Fate.FAILED, _reason(error))
        except UnreachableError as error:
            return Answer(Fate.FAILED if _never_left(error) else Fate.INDETERMINATE, _reason(error))
        except FailedError as error:
            return Answer(Fate.INDETERMINATE, _reason(error))
        if begun.instance is not None:
            self._started[:] = [begun.instance]
        return Answer(Fate.ACKED)


def _never_left(error: UnreachableError) -> bool:
    """Whether the request can't have reached anybody: no connection was made for it.

    urllib3 raises NewConnectionError, and ConnectTimeoutError as requests' ConnectTimeout, before it sends anything.
    """
    cause = error.__cause__
    if isinstance(cause, requests.ConnectTimeout):
        return True
    inner = cause.args[0] if isinstance(cause, requests.ConnectionError) and cause.args else None
    return isinstance(inner, MaxRetryError) and isinstance(inner.reason, NewConnectionError)


def _reason(error: Exception) -> str:
    """An error in few words that many share: what the API answered, or how it did not."""
    cause = error.__cause__
    if isinstance(error, FailedError):
        return f"code {error.code}"
    return type(cause or error).__name__
