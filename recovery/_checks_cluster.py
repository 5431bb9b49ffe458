"""What the fault did to the cluster, and whether the cluster is whole again."""

import json
from pathlib import Path
from typing import Any

from drill import rollback
from drill.errors import RecordIncompleteError
from drill.ledger import SYSTEMS
from recovery._check import REPLICAS, Finding, check, failed, passed, unsure
from recovery._run import Run


@check("events.jsonl", "journal.json", target="effect of every fault seen")
def fault_effective(run: Run) -> Finding:
    """Every fault that was injected proved itself; else the run says nothing of how the platform stands it."""
    injected, effective, ineffective = (
        run.events_of(f"fault.{kind}") for kind in ("injected", "effective", "ineffective")
    )
    actual = f"{len(effective)} of {len(injected)}"
    if not injected:
        return unsure("No fault was injected.", actual=actual)
    if ineffective:
        event = ineffective[0]
        name = event.data["target"].get("name")
        return unsure(f"The fault on {name} had no effect that was seen: {event.data['reason']}.", actual=actual)
    if len(effective) < len(injected):
        return unsure("Not every injected fault was seen to take effect.", actual=actual)
    names = ", ".join(str(event.data["target"].get("name")) for event in effective)
    proofs = [event.data["proof"] for event in effective]
    return passed(f"The effect was seen on {names}.", actual=actual, proofs=proofs)


@check("events.jsonl", "journal.json", target="met before and after")
def steady_state(run: Run) -> Finding:
    """The steady-state hypothesis held before the fault (else inconclusive) and again after it (else failed)."""
    met = {
        event.data["when"]: event.kind == "steady-state.met"
        for event in run.record.events
        if event.kind in {"steady-state.met", "steady-state.not-met"}
    }
    words = {True: "met", False: "not met", None: "not looked at"}
    before, after = met.get("before"), met.get("after")
    actual = f"{words[before]} before, {words[after]} after"
    if not before:
        return unsure(f"The steady state was {words[before]} before the fault.", actual=actual)
    if after is None:
        return unsure("The steady state was not looked at after the fault.", actual=actual)
    if not after:
        return failed("The steady state was not met again after the fault.", actual=actual)
    return passed("The steady state was met before the fault and again after it.", actual=actual)


@check("events.jsonl", rollback.FILE, target="nothing left to undo")
def rollback_clean(run: Run) -> Finding:
    """Everything that was registered to be undone was seen undone; an undo that failed and stayed so is a failure."""
    log, registered = run.record.path / rollback.FILE, run.events_of("rollback.registered")
    if registered and not log.is_file():
        raise RecordIncompleteError(f"{run.record.path}: has no {rollback.FILE}, though undos were registered")
    left = {each.id: each.undo for each in rollback.pending(log)}
    errors = {event.data["id"]: event.data["error"] for event in run.events_of("rollback.failed")} | _failures(log)
    # An undo without an id could not even be looked up.
    wrong = {left.get(key, "the rollback log"): error for key, error in errors.items() if key in left or key is None}
    if wrong:
        undo, error = next(iter(wrong.items()))
        return failed(f"{undo} could not be undone: {error}.", actual=f"{len(left)} left", failed=wrong)
    if left:
        names = ", ".join(sorted(set(left.values())))
        return unsure(f"Not undone yet: {names}; `drill rollback` does it.", actual=f"{len(left)} left")
    return passed("Everything that had to be undone was undone.", actual="0 left")


@check(
    "evidence/cluster-before.json",
    "evidence/cluster-after.json",
    "events.jsonl",
    target=f"all pods Ready, {REPLICAS}",
)
def cluster_healthy_after(run: Run) -> Finding:
    """At the end the cluster is as whole as before, and each fault was seen to be recovered from in its time.

    Whole: all pods of before are there, and no pod is unready, Pending or in CrashLoopBackOff; of Kafka all brokers are
    there, and the replicas of every partition are in sync; PostgreSQL answers; DolphinScheduler says that it is UP.
    """
    needed = _services(run)
    before, after = (_whole(run.record.evidence(name), name, needed) for name in ("cluster-before", "cluster-after"))
    troubles = [_trouble(pod) for pod in after["pods"]]
    if len(after["pods"]) < len(before["pods"]):
        troubles.append(f"{len(before['pods']) - len(after['pods'])} pods are missing")
    if "kafka" in needed:
        troubles += _kafka_troubles(before["kafka"], after["kafka"])
    if (status := after.get("dolphinscheduler", {}).get("status", "UP")) != "UP":
        troubles.append(f"DolphinScheduler's health is {status}")
    troubles += [
        f"{event.data['target'].get('name')} was not seen to recover: {event.data['reason']}"
        for event in run.events_of("fault.unrecovered")
    ]
    found = [trouble for trouble in troubles if trouble]
    effective, recovered = run.events_of("fault.effective"), run.events_of("fault.recovered")
    if found:
        return failed(f"After the drill {'; '.join(found[:3])}.", actual=f"{len(found)} troubles", troubles=found)
    if len(recovered) < len(effective):
        return unsure("The cluster is whole, but not every fault was seen to be recovered from.")
    ready = f"{len(after['pods'])} of {len(after['pods'])} pods Ready"
    if "kafka" not in needed:
        whole = f" and whole is {', '.join(sorted(needed))}" if needed else ""
        return passed(f"After the drill every pod is Ready{whole}.", actual=ready)
    partitions = len(after["kafka"]["partitions"])
    return passed(
        "After the drill every pod is Ready and every replica in sync.",
        actual=f"{ready}, {partitions} of {partitions} partitions in sync",
    )


def _failures(log: Path) -> dict[str | None, str]:
    """The undos that failed, each with its last error: also those that were tried after the run's own time line."""
    entries = [json.loads(line) for line in log.read_text().split("\n")[:-1]] if log.is_file() else []
    return {entry["id"]: entry["error"] for entry in entries if entry["op"] == "failed"}


def _services(run: Run) -> set[str]:
    """The services that must be whole: those that were loaded, and those that were looked at before."""
    looked = run.record.evidence("cluster-before")
    return {traffic.service for traffic in run.traffic} | {name for name in SYSTEMS if name in looked}


def _kafka_troubles(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    troubles = [f"broker {broker} is gone" for broker in sorted(set(before["brokers"]) - set(after["brokers"]))]
    return troubles + [
        f"{row['topic']}-{row['partition']} has {len(row['isr'])} of {len(row['replicas'])} replicas in sync"
        for row in after["partitions"]
        if not set(row["replicas"]) <= set(row["isr"])
    ]


def _whole(snapshot: Any, name: str, needed: set[str]) -> dict[str, Any]:
    there = snapshot.get("pods") and all(snapshot.get(service) for service in needed)
    if not there or ("kafka" in needed and not snapshot["kafka"].get("partitions")):
        why = snapshot.get("error", "it lists no pods or no partitions")
        raise RecordIncompleteError(f"evidence/{name}.json is not whole: {why}")
    return dict(snapshot)


def _trouble(pod: dict[str, Any]) -> str | None:
    if pod["waiting"]:
        state = ", ".join(pod["waiting"])
    elif pod.get("terminating"):
        state = "Terminating"
    elif pod["ready"] or pod["phase"] == "Succeeded":
        return None
    else:
        state = pod["phase"] if pod["phase"] != "Running" else "not Ready"
    return f"pod {pod['name']} is {state}"
