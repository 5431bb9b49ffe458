"""Where and with what a run was made, and how to make it again."""

import hashlib
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drill.errors import RecordIncompleteError
from drill.ledger import Ledger, Stream, streams
from drill.record import RunRecord
from reports._format import plain
from reports._measured import Missing, measured
from reports._scene import loads

DURABILITY = (
    "replication_factor",
    "min.insync.replicas",
    "unclean.leader.election.enable",
    "cleanup.policy",
    "retention.ms",
    "retention.bytes",
    "flush.messages",
    "flush.ms",
    "message.timestamp.type",
)
"""The topic settings that decide whether an acknowledged record is kept; the page shows the others on demand."""
SERVERS = {"PostgreSQL": "postgres-settings", "DolphinScheduler": "dolphinscheduler-server"}
"""The evidence of how each service was set up, by the service's name."""
Facts = tuple[tuple[str, str | Missing], ...]


def environment(record: RunRecord) -> dict[str, Facts]:
    """Facts by group; what the record lacks is Missing, each by itself."""
    found: tuple[Stream, ...] | Missing = ()
    if record.scenario.get("load") != []:
        found = measured(record, lambda: streams(record))
    kafka = isinstance(found, Missing) or any(each.system == "kafka" for each in found)
    producers = _producers(found)
    groups: dict[str, Callable[[], Facts]] = {
        "Run": lambda: _run(record),
        "Cluster": lambda: _mapping(record.manifest["cluster"]),
        **(
            {"Topic": lambda: _topic(record), "Topic, other settings": lambda: _other_settings(record)} if kafka else {}
        ),
        **_servers(record),
        **{name: lambda found=found: _producer(record, found) for name, found in producers.items()},  # type: ignore[misc]
        "Versions": lambda: _mapping(record.manifest["versions"]),
    }
    told = {}
    for name, read in groups.items():
        facts = measured(record, read)
        told[name] = ((name, facts),) if isinstance(facts, Missing) else facts
    return told


def preflight(record: RunRecord) -> tuple[tuple[str, bool, str], ...]:
    """What was checked before the fault: (name, held, detail)."""
    checks = record.evidence("preflight")["checks"]
    return tuple((str(each["name"]), each["ok"] is True, str(each.get("detail") or "")) for each in checks)


def reproduce(record: RunRecord) -> tuple[tuple[str, str], ...]:
    """What to type to run, judge and draw it again: (what it does, command)."""
    command = measured(record, lambda: record.manifest["command"])
    run = f"drill run {shlex.quote(str(record.scenario.get('name', 'SCENARIO')))}"
    if not isinstance(command, Missing):
        run = command if isinstance(command, str) else shlex.join(str(word) for word in command)
    folder = shlex.quote(str(Path(*record.path.parts[-3:])))
    return (
        ("Run the same drill again", run),
        ("Judge this record again; no cluster is needed", f"drill judge {folder}"),
        ("Draw this page again", f"drill report {folder}"),
        ("Inject the same fault without load and judgement", f"chaos run {folder}/experiment.json"),
    )


def manifest_digest(record: RunRecord) -> str:
    """The SHA-256 of manifest.json, which holds the SHA-256 of every other file.

    Raises:
        RecordIncompleteError: there is no manifest.
    """
    try:
        return hashlib.sha256((record.path / "manifest.json").read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise RecordIncompleteError("the record was not sealed (it has no manifest.json)") from error


def _run(record: RunRecord) -> Facts:
    started = record.first("run.started").data
    scenario = record.scenario
    facts: list[tuple[str, Any]] = [
        ("Scenario", scenario.get("name")),
        ("Owner", scenario.get("owner")),
        ("Run id", started.get("run_id")),
        ("Context", started.get("context")),
        ("Namespaces", (scenario.get("target") or {}).get("namespaces")),
        ("Seed", measured(record, lambda: record.manifest["seed"])),
        ("Load", scenario.get("load")),
    ]
    return tuple(
        (name, value if isinstance(value, Missing) else plain(value)) for name, value in facts if value is not None
    )


def _topic(record: RunRecord) -> Facts:
    preflight = record.evidence("preflight")
    topic = next((load["topic"] for load in loads(record) if "topic" in load), "")
    facts: list[tuple[str, str | Missing]] = [("Topic", str(topic))]
    rows = _partitions(preflight, topic)
    if not rows:  # made by the drill itself
        after = measured(record, lambda: record.evidence("cluster-after"))
        rows = [] if isinstance(after, Missing) else _partitions(after, topic)
    if rows:
        copies = sorted({len(row["replicas"]) for row in rows})
        facts += [("Partitions", plain(len(rows))), ("Replicas of each", plain(copies))]
    settings = record.evidence("topic-settings")
    return (*facts, *_mapping({name: settings[name] for name in DURABILITY if name in settings}))


def _partitions(evidence: dict[str, Any], topic: str) -> list[dict[str, Any]]:
    return [row for row in evidence.get("kafka", {}).get("partitions", []) if row.get("topic") == topic]


def _other_settings(record: RunRecord) -> Facts:
    settings = record.evidence("topic-settings")
    return _mapping({name: settings[name] for name in sorted(settings) if name not in DURABILITY})


def _servers(record: RunRecord) -> dict[str, Callable[[], Facts]]:
    """What was written down of services other than Kafka."""
    evidence = record.path / "evidence"
    return {
        title: lambda name=name: _mapping(record.evidence(name))  # type: ignore[misc]
        for title, name in SERVERS.items()
        if (evidence / f"{name}.json").is_file()
    }


def _producers(found: tuple[Stream, ...] | Missing) -> dict[str, tuple[Ledger, ...] | Missing]:
    """The producers of each stream, by what the page calls them."""
    if isinstance(found, Missing):
        return {"Producer": found}
    if not found:
        return {}
    if len(found) == 1:
        return {"Producer": found[0].ledgers}
    return {f"Load: {each.name}": each.ledgers for each in found}


def _producer(record: RunRecord, found: tuple[Ledger, ...] | Missing) -> Facts:
    if isinstance(found, Missing):
        raise RecordIncompleteError(found.reason)
    settings = {plain(ledger.header.producer_settings): ledger.header.producer_settings for ledger in found}
    facts: Facts = (("Producers", plain(len(found))),)
    for each in settings.values():
        facts += _mapping(dict(each))
        kafka = found[0].header.system == "kafka"
        if kafka and "delivery.timeout.ms" not in each and "message.timeout.ms" not in each:
            planned = next((load["delivery_timeout"] for load in loads(record) if "delivery_timeout" in load), None)
            missing = Missing("the ledger does not say it")
            facts += (("Delivery timeout", missing if planned is None else f"{planned} s, as the scenario says"),)
    return facts


def _mapping(values: dict[str, Any]) -> Facts:
    return tuple((str(name), plain(value)) for name, value in values.items())
