"""What must hold before a drill may start; nothing here changes the cluster."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import experiments
from drill import guard as may_not
from drill import lease, notify, prometheus
from drill.cluster import Cluster, Permission
from drill.cluster_log import NAME as UNDOS
from drill.errors import DrillError, UsageError
from drill.settings import Settings
from scenarios import _desk
from scenarios._services import Check, Service, involved
from scenarios._services import services as of
from scenarios.model import Scenario
from scenarios.reader import Drill


@dataclass(frozen=True)
class Preflight:
    """All that was looked at, and what the drill would hit."""

    checks: tuple[Check, ...]
    targets: tuple[dict[str, Any], ...]
    permissions: tuple[Permission, ...]
    services: dict[str, Any]
    """How each service was, by its name; None: it did not answer."""

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why the drill may not start; empty when it may."""
        return tuple(f"{check.name}: {check.detail}" for check in self.checks if not check.ok)

    def as_dict(self) -> dict[str, Any]:
        """As the record keeps it."""
        return {**(found := asdict(self)).pop("services"), **found}


def guard(scenario: Scenario, settings: Settings) -> None:
    """Hold the scenario against what the settings allow, where and when, before any connection is made.

    Raises:
        UsageError: the context or a namespace is not declared drillable or is protected; not now; or drills are frozen.
    """
    scratch = scenario.target.scratch
    refusal = may_not.cluster_refusal if scenario.target.whole_cluster else may_not.refusal
    if reason := (
        refusal(settings, scenario.target.namespaces) if scratch is None else may_not.scratch_refusal(settings, scratch)
    ):
        raise UsageError(f"{scenario.name}: {reason}")
    if scenario.target.buckets and (reason := may_not.bucket_refusal(settings, scenario.target.buckets)):
        raise UsageError(f"{scenario.name}: {reason}")
    services = involved(scenario, settings)
    # A brake that could not be read is refused before anything begins.
    if scenario.stop.promql:
        settings.prometheus  # noqa: B018 - raises what is to be declared
    if scenario.stop.under_replicated and "kafka" not in services:
        raise UsageError(f"{scenario.name}: stop.under_replicated needs Kafka, and this drill involves none")


def preflight(
    drill: Drill,
    settings: Settings,
    cluster: Cluster,
    services: Sequence[Service] | None = None,
    holder: str | None = None,
) -> Preflight:
    """Look at everything that must hold; what is found wrong is told all at once, not raised.

    Args:
        drill: What is to run.
        settings: Where.
        cluster: The same.
        services: Those that the drill involves; None: as the scenario and the settings have it.
        holder: As whom the drill holds the cluster's Lease already; None: it is not held for this drill.
    """
    asked = of(drill.scenario, settings, cluster) if services is None else services
    looked = {each.name: each.look(drill) for each in asked}
    checks = [check for each in looked.values() for check in each.checks]

    plan = experiments.Plan((), ())
    try:
        plan = experiments.plan(drill.experiment)
        checks.append(_targets(drill.scenario, plan))
    except DrillError as error:
        checks.append(Check("targets", ok=False, detail=str(error)))

    to_ask = (permission for each in asked for permission in each.permissions)
    wanted = tuple(dict.fromkeys((*to_ask, *_own_permissions(settings), *plan.permissions)))
    try:
        missing = cluster.missing_permissions(wanted)
        denied = ", ".join(map(str, missing))
        detail = f"not allowed: {denied} (docs/rbac has manifests)" if missing else f"{len(wanted)} held"
        checks.append(Check("permissions", ok=not missing, detail=detail))
    except DrillError as error:
        checks.append(Check("permissions", ok=False, detail=str(error)))
    place = settings.target.lease_namespace
    checks.append(_told("not-frozen", lambda: lease.frozen(cluster, place), "drills are not frozen on this cluster"))
    checks.append(_told("no-other-drill", lambda: lease.taken(cluster, place, holder), "no other drill is running"))
    checks += [_readable(each.expr, settings) for each in drill.scenario.stop.promql]
    checks.append(_operator(drill, settings))
    states = {name: each.state for name, each in looked.items() if name != "pods"}
    return Preflight(tuple(checks), plan.targets, wanted, states)


def _targets(scenario: Scenario, plan: experiments.Plan) -> Check:
    strange = [
        each for each in plan.targets if each["kind"] == "Object" and each["bucket"] not in scenario.target.buckets
    ]
    if strange:
        names = ", ".join(map(_name, strange))
        return Check("targets", ok=False, detail=f"outside of the scenario's target.buckets: {names}")
    if not scenario.target.whole_cluster and any(target["kind"] == "Cluster" for target in plan.targets):
        return Check(
            "targets", ok=False, detail="the whole cluster would be lost: say so, `target.whole_cluster: true`"
        )
    # Nodes, clusters and objects are in no namespace; what a fault would hit there are targets of their own.
    placed = [target for target in plan.targets if target["kind"] not in {"Node", "Object", "Cluster"}]
    scratch = scenario.target.scratch
    allowed, where = (
        (scenario.target.namespaces, "target.namespaces") if scratch is None else ((scratch,), "target.scratch")
    )
    outside = [target for target in placed if target.get("namespace") not in allowed]
    if outside:
        names = ", ".join(map(_name, outside))
        return Check("targets", ok=False, detail=f"outside of the scenario's {where}: {names}")
    hit = ", ".join(map(_name, plan.targets))
    return Check("targets", ok=bool(hit), detail=hit or "the experiment would hit nothing")


def _operator(drill: Drill, settings: Settings) -> Check:
    trouble = _desk.trouble(drill.experiment, settings)
    return Check("operator", ok=trouble is None, detail=trouble or "can be asked, or is not needed")


def _readable(expr: str, settings: Settings) -> Check:
    """Whether a stop condition's number can be had; one that has no data yet may have some under load."""
    try:
        samples = prometheus.query(settings.prometheus, expr)
    except DrillError as error:
        return Check("stop-condition", ok=False, detail=str(error))
    now = ", ".join(f"{sample.value:g}" for sample in samples[:3]) or "no data"
    return Check("stop-condition", ok=True, detail=f"{expr}: now {now}")


def _told(name: str, ask: Callable[[], str | None], well: str) -> Check:
    """What the cluster's Lease has against a drill; where it can't be read, that."""
    try:
        reason = ask()
    except DrillError as error:
        reason = str(error)
    return Check(name, ok=reason is None, detail=reason or well)


def _own_permissions(settings: Settings) -> tuple[Permission, ...]:
    """What the runner needs, whatever the fault: to watch, to hold the Lease, to write undos, to know where, to say."""
    lease_namespace = settings.target.lease_namespace
    return (
        *(
            Permission(verb, "leases", lease_namespace, group="coordination.k8s.io", name=name)
            for verb, name in (("create", ""), ("get", lease.NAME), ("update", lease.NAME), ("patch", lease.NAME))
        ),
        *(
            Permission(verb, "configmaps", lease_namespace, name=name)
            for verb, name in (("create", ""), ("get", UNDOS), ("patch", UNDOS))
        ),
        Permission("get", "namespaces", name="kube-system"),
        Permission("list", "nodes"),
        *notify.permissions(settings),
    )


def _name(target: dict[str, Any]) -> str:
    broker = f" (broker {target['broker']})" if target.get("broker") is not None else ""
    where = f"{home}/" if (home := target.get("namespace") or target.get("bucket")) else ""
    return f"{target.get('kind')} {where}{target.get('name')}{broker}"
