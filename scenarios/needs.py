"""What a scenario takes of a context's settings, told without asking the cluster."""

from collections.abc import Iterator
from typing import Any

from drill.settings import ContextSettings
from scenarios.reader import Drill

_SYSTEMS = (
    *("kafka", "postgres", "dolphinscheduler", "prometheus", "trino", "object_store", "velero"),
    "hooks",
)
"""Tables of a context, which are also the names of the modules that work on them."""
_BESIDES = {"velero": ("object_store", "postgres")}
"""What a system is of no use without: a restore is proven by PostgreSQL's data, and by what the bucket has of it."""


def systems(drill: Drill) -> tuple[str, ...]:
    """The tables of a context that a drill reads: its loads', its stop conditions', and its activities' modules'."""
    named = {load.system for load in drill.scenario.load}
    if drill.scenario.stop.promql:
        named.add("prometheus")
    for provider in _providers(drill):
        named |= {part for part in provider["module"].split(".") if part in _SYSTEMS}
        if provider["func"] == "lose_node":
            named.add("hooks")
        for argument in ("select", "answering"):  # of what takes several systems at once
            listed = provider.get("arguments", {}).get(argument)
            named |= {each for each in listed if each in _SYSTEMS} if isinstance(listed, list) else set()
    if drill.scenario.target.buckets:
        named.add("object_store")
    named |= {other for name in named for other in _BESIDES.get(name, ())}
    return tuple(name for name in _SYSTEMS if name in named)


def lacking(drill: Drill, context: ContextSettings) -> tuple[str, ...]:
    """What keeps a drill from a context as it is declared, in words; nothing where it fits."""
    return tuple(_lacking(drill, context))


def _lacking(drill: Drill, context: ContextSettings) -> Iterator[str]:
    for name in systems(drill):
        declared = context.hooks.node_down if name == "hooks" else getattr(context, name)
        if not declared:
            yield "hooks that stop and start a node" if name == "hooks" else f"a table {name}"
    target = drill.scenario.target
    if target.scratch is not None:
        if not context.restore_drills:
            yield "restore_drills = true"
    elif missing := [each for each in target.namespaces if each not in context.namespaces]:
        yield f"other `target.namespaces`: {', '.join(missing)} is not among the context's namespaces"
    open_buckets = context.object_store.drillable if context.object_store else ()
    if closed := [each for each in target.buckets if each not in open_buckets]:
        yield f"other `target.buckets`: {', '.join(closed)} is not among the object_store's drillable ones"
    if target.whole_cluster and not (context.cluster_loss and context.hooks.cluster_lose):
        yield "cluster_loss = true, and hooks that destroy a cluster and build one"
    if context.helper_image is None and any("network" in each["module"].split(".") for each in _providers(drill)):
        yield "a helper_image"


def workloads(drill: Drill) -> tuple[tuple[str, str], ...]:
    """The workloads that a drill's configuration names, each with its namespace: `deployment/name`."""
    configuration = drill.experiment.get("configuration") or {}
    where = configuration.get("namespace")
    named = [configuration.get(each) for each in ("workload", "source")]
    return tuple((each, where) for each in named if isinstance(each, str) and "/" in each and isinstance(where, str))


def _providers(drill: Drill) -> Iterator[dict[str, Any]]:
    experiment = drill.experiment
    for activity in (*experiment["steady-state-hypothesis"]["probes"], *experiment["method"]):
        yield activity["provider"]
