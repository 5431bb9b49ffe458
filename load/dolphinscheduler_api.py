"""Reads and accounted starts of workflows on DolphinScheduler's API, at a rate that no outage slows down.

    locust -f load/dolphinscheduler_api.py --headless -u 1 -t 20s --rate 5 --starts 0.2

Two streams, each with a schedule of its own: reads (who am I, the server's health, an instance that was started), which
tell of availability and latency only, and starts of one workflow that belongs to the run, each of which is looked for
afterwards. A start is acknowledged when the API says that it was accepted. It has failed for certain only where no
connection could be made or nobody was let in; whatever else the API answers, or does not, it may have been committed
first (drill/dolphinscheduler.py says why).
"""

from typing import Any

from drill import dolphinscheduler, settings
from drill.dolphinscheduler import Client
from drill.ledger import LedgerHeader
from load import _lifecycle
from load._callers import Reader, Starter
from load._users import PRODUCERS, OpenLoopUser
from load._workflows import READS, STREAM, workflow_name
from load.plan import DolphinSchedulerPlan

_lifecycle.attend(DolphinSchedulerPlan)

_READS_A_START = 4
"""Senders of reads for each sender of starts: a stream that hangs is not to take the connections of the other."""


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
            lambda: Reader(client(), target, plan.timeout, workflow, started),
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
