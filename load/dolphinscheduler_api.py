"""Reads and accounted starts of workflows on DolphinScheduler's API, at a rate that no outage slows down.

    locust -f load/dolphinscheduler_api.py --headless -u 1 -t 20s --rate 5 --starts 0.2

Two streams, each with a schedule of its own: reads (who am I, the server's health, an instance that was started), which
tell of availability and latency only, and starts of one workflow that belongs to the run, each of which is looked for
afterwards. A start is acknowledged when the API says that it was accepted. It has failed for certain only where no
connection could be made or nobody was let in; whatever else the API answers, or does not, it may have been committed
first (drill/dolphinscheduler.py says why).
"""

from typing import Any

import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from drill import dolphinscheduler, settings
from drill.dolphinscheduler import Client, FailedError, UnauthorizedError, UnreachableError, Workflow
from drill.ledger import LedgerHeader
from load import _lifecycle
from load._open_loop import Answer, Fate
from load._users import PRODUCERS, OpenLoopUser
from load._workflows import READS, STREAM, correlation, workflow_name
from load.plan import DolphinSchedulerPlan

_lifecycle.attend(DolphinSchedulerPlan)

_READS_A_START = 4
"""Senders of reads for each sender of starts: a stream that hangs is not to take the connections of the other."""


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

    def __init__(self, client: Client, workflow: Workflow, started: list[int], timeout: float) -> None:
        super().__init__(client)
        self._workflow, self._started = workflow, started
        self._target = settings.load().dolphinscheduler
        self._timeout = timeout

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


class DolphinSchedulerApi(OpenLoopUser):
    """The one user of this load: its clients are bounded, those of reads and those of starts apart."""

    kind = DolphinSchedulerPlan

    def open_streams(self, plan: DolphinSchedulerPlan, run_id: str) -> None:
        """Make the run's workflow, and open the streams of reads and of starts."""
        chosen = settings.load()
        target, secret = chosen.dolphinscheduler, dolphinscheduler.password(chosen, chosen.dolphinscheduler)

        def client() -> Client:
            return Client(target.url, target.user, secret, plan.timeout)

        with client() as first:
            script = f"sleep {plan.lasts:g}"
            workflow = first.ensure_workflow(target.project, workflow_name(run_id), script)
        started: list[int] = []
        starters = max(1, plan.connections // (1 + _READS_A_START))
        common: dict[str, Any] = {"run_id": run_id, "system": "dolphinscheduler", "partitions": 1}
        reads = LedgerHeader(
            **common,
            producer_id=PRODUCERS[READS],
            topic=READS,
            noun="request",
            accounted=False,
            producer_settings={"connections": plan.connections - starters, "timeout": plan.timeout},
        )
        starts = LedgerHeader(
            **common,
            producer_id=PRODUCERS[STREAM],
            topic=STREAM,
            noun="workflow",
            producer_settings={
                "connections": starters,
                "timeout": plan.timeout,
                "completion_timeout": plan.completion_timeout,
            },
        )
        self.open(
            reads,
            plan.rate * (1 - plan.starts),
            lambda: Reader(client(), workflow, started, plan.timeout),
            max(1, plan.connections - starters),
            plan.timeout,
        )
        self.open(
            starts,
            plan.rate * plan.starts,
            lambda: Starter(client(), workflow, run_id, started),
            starters,
            plan.timeout,
        )


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
