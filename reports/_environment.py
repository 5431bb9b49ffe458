"""Where and with what a run was made, and how to make it again."""

import hashlib
import shlex
from collections.abc import Callable  # noqa: TC003 - as every other module has it
from pathlib import Path
from typing import Any

from drill.errors import RecordIncompleteError
from drill.ledger import ledgers
from drill.record import RunRecord
from reports._format import plain
from reports._measured import Missing, measured

Facts = tuple[tuple[str, str | Missing], ...]


def environment(record: RunRecord) -> dict[str, Facts]:
    """Facts by group; what the record lacks is Missing, each by itself."""
    groups: dict[str, Callable[[], Facts]] = {
        "Run": lambda: _run(record),
        "Cluster": lambda: _mapping(record.manifest["cluster"]),
        "Topic": lambda: _topic(record),
        "Producer": lambda: _producer(record),
        "Versions": lambda: _mapping(record.manifest["versions"]),
    }
    found = {}
    for name, read in groups.items():
        facts = measured(record, read)
        found[name] = ((name, facts),) if isinstance(facts, Missing) else facts
    return found


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
    topic = (record.scenario.get("load") or {}).get("topic", "")
    facts = [("Topic", str(topic))]
    rows = [row for row in preflight.get("kafka", {}).get("partitions", []) if row.get("topic") == topic]
    if rows:
        copies = sorted({len(row["replicas"]) for row in rows})
        facts += [("Partitions", plain(len(rows))), ("Replicas of each", plain(copies))]
    return (*facts, *_mapping(preflight.get("topic_settings", {})))


def _producer(record: RunRecord) -> Facts:
    found = ledgers(record)
    settings = {plain(ledger.header.producer_settings): ledger.header.producer_settings for ledger in found}
    facts: Facts = (("Producers", plain(len(found))),)
    for each in settings.values():
        facts += _mapping(dict(each))
        if "delivery.timeout.ms" not in each and "message.timeout.ms" not in each:
            planned = (record.scenario.get("load") or {}).get("delivery_timeout")
            missing = Missing("the ledger does not say it")
            facts += (("Delivery timeout", missing if planned is None else f"{planned} s, as the scenario says"),)
    return facts


def _mapping(values: dict[str, Any]) -> Facts:
    return tuple((str(name), plain(value)) for name, value in values.items())
