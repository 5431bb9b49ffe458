"""The time line of a run, t0 to t6, from what clients saw and what the control plane said.

t0 fault effective; t1 last client success; t2 alert; t3 operator acts; t4 control plane Ready; t5 start of the first
sustained good window; t6 backlog drained. Only what was measured is a number: for everything else there is a reason
in `Timeline.unmeasured`, and where an outage did not end, a lower bound under a name of its own (`..._at_least`).
"""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Outage(_Model):
    """One outage of one path; epoch seconds."""

    path: str
    """The path: a topic partition, `commodities-0`, or what a service without partitions calls its one, `postgres`."""
    t0: float | None
    """When the fault that it follows took effect; None: it began before any fault."""
    t1: float
    """The last success before it."""
    t5: float | None
    """The start of the first sustained good window after it; None: none was seen before the load ended."""
    seen_until: float
    """t5, or the last instant up to which it is known to have lasted."""
    silence: float
    """The longest time in it without any success, s: shorter than the outage when a success here and there came."""

    @property
    def seconds(self) -> float | None:
        """Client outage, t5 - t1; None when its end was not measured."""
        return None if self.t5 is None else self.t5 - self.t1

    @property
    def at_least(self) -> float:
        """What it lasted at least, s; the outage itself when its end was measured."""
        return self.seen_until - self.t1


class Path(_Model):
    """One path of the clients: a topic partition, or the one way into a service that has no partitions."""

    name: str
    service: str = "kafka"
    """Whose clients take it: kafka, postgres, dolphinscheduler."""
    baseline_gap: float
    """The longest time without a success in the baseline, s."""
    threshold: float
    """The shortest silence that counts as an outage of this path, s."""
    sustained: float = 5.0
    """How long it must have been good to count as recovered, s: as the objectives ask, and longer where it is used so
    seldom that this would show little."""
    outages: tuple[Outage, ...]
    """Every outage from the start of the baseline on, in order of time."""
    t6: float | None
    """When, after its last outage, its backlog was down to what is usual; None: not seen before the record ends."""


class Service(_Model):
    """One service from its clients' side: the same measures as of the platform, on its own paths; seconds."""

    name: str
    mandatory: bool = True
    """Whether its outage is the platform's."""
    paths: tuple[Path, ...]
    error: float | None = None
    """As `Timeline.error`, of the load on this service."""
    t1: float | None = None
    """The last success before its longest outage, epoch seconds."""
    t5: float | None = None
    """The start of the first sustained good window of its worst path, epoch seconds; None: it had no outage, or one
    that was not seen to end."""
    outage: float | None = None
    outage_at_least: float | None = None
    rto: float | None = None
    rto_at_least: float | None = None
    outage_total: float | None = None
    unmeasured: dict[str, str] = {}

    @property
    def outages(self) -> tuple[Outage, ...]:
        """The outages of its paths that follow a fault, in order of time."""
        return following(self.paths)


class Timeline(_Model):
    """The instants of a run (epoch seconds) and what follows from them (seconds).

    An outage is the platform's when the service that had it is mandatory.
    """

    t0: float | None = None
    t1: float | None = None
    t2: float | None = None
    t3: float | None = None
    t4: float | None = None
    t5: float | None = None
    t6: float | None = None
    paths: tuple[Path, ...] = ()
    services: tuple[Service, ...] = ()
    """Each service that was loaded, in the order of its paths; empty where the paths are not known."""
    error: float | None = None
    """By how much a measured outage may be off, s: a bin of the counts and the load generator's worst lag. The lag can
    only make an outage look longer."""
    outage: float | None = None
    """Client outage, t5 - t1: the longest of all mandatory paths; 0 when no path had one."""
    outage_at_least: float | None = None
    """The lower bound of `outage` when one did not end in time; equal to it when all did."""
    outage_total: float | None = None
    """The time during which at least one mandatory path was out, s: the union of the outages."""
    rto: float | None = None
    """t5 - t0 on the worst mandatory path; 0 when no path had an outage."""
    rto_at_least: float | None = None
    """The lower bound of `rto` when an outage did not end in time; equal to it when all did."""
    hidden: float | None = None
    """t5 - t4: how long clients were still out when the control plane said Ready; negative: they were back before."""
    rpo: float | None = None
    """t0 - intended time of the oldest lost acknowledged record; None when none was lost. Negative: all that was lost
    was sent after the fault. The commit came later than the intended time, so this errs to the long side."""
    recovered: bool = False
    """Whether every path has been good for as long as the objectives ask since the last fault, its backlog drained.

    Also right while the run goes on: the runner ends the load by it."""
    unmeasured: dict[str, str] = {}
    """Why a field is None, by field."""

    @property
    def outages(self) -> tuple[Outage, ...]:
        """The outages of all paths that follow a fault, in order of time; those of optional services, too."""
        return following(self.paths)

    @property
    def mandatory(self) -> tuple[Outage, ...]:
        """Those of the platform: of the paths of mandatory services."""
        return following(path for service in self.services if service.mandatory for path in service.paths)


def following(paths: Iterable[Path]) -> tuple[Outage, ...]:
    """The outages of paths that follow a fault, in order of time."""
    found = (outage for path in paths for outage in path.outages if outage.t0 is not None)
    return tuple(sorted(found, key=lambda outage: outage.t1))
