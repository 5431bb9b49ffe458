"""A synthetic but complete record of a restore drill, written by the real writers; nothing in it is loaded.

In seconds after START: markers and fingerprints 2 to 9, the backup 10 to 22, mutations at 25, the namespace deleted at
30 (the disaster), the restore 46 to 61, all of it whole at 75, the data proven at 78. A scratch restore has neither
markers nor mutations, and instead of the disaster its own namespace is made at 30; its backup is 20 hours old.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from drill import rollback as undo_log
from drill.fingerprints import Database, PostgresFingerprint, PostgresSelection, Table, document
from drill.record import RunRecord

START = 1_750_000_000.0
BACKUP, DISASTER, PROVEN = START + 10, START + 30, START + 78
OLD = 20 * 3600.0
"""How much older the newest backup of a schedule is, s."""
Evidence = dict[str, Any]


def fingerprint(at: float, **rows: int) -> Any:
    """Of a server whose database `kong` has tables of so many rows, as the record keeps it."""
    tables = {
        f"public.{name}": Table(kind="table", rows=count, checksum=f"{name}:{count}", definition={"column id": "uuid"})
        for name, count in rows.items()
    }
    return document(
        PostgresFingerprint(
            started=at,
            finished=at + 0.4,
            selection=PostgresSelection(),
            version="15.14",
            roles={"kong": "login"},
            databases={"kong": Database(definition={}, tables=tables, sequences={})},
        )
    )


def evidence(*, scratch: bool = False) -> Evidence:
    """All pieces of a good restore, by their names."""
    began = BACKUP - OLD if scratch else BACKUP
    name, into = ("velero-daily-20250614190650", "drill-restore-kong") if scratch else ("drill-kong-run", "kong")
    volume = {
        "pod": "kong-postgres-0",
        "volume": "data",
        "claim": "data-kong-postgres-0",
        "message": "",
        "phase": "Completed",
        "bytes_done": 64_000_000,
        "bytes_total": 64_000_000,
    }
    backup = {
        "name": name,
        "phase": "Completed",
        "schedule": "daily" if scratch else None,
        "location": "default",
        "namespaces": ["kong"],
        "started": began,
        "completed": began + 12,
        "expires": began + 86_400,
        "errors": 0,
        "warnings": 0,
        "items": 31,
    }
    older = {**backup, "name": "velero-daily-20250613190650", "schedule": "daily", "started": began - 86_400}
    older |= {"completed": began - 86_380, "phase": "PartiallyFailed", "errors": 1}
    found: Evidence = {
        "inventory": {
            "namespace": "kong",
            "backups": [backup, older],
            "chosen": name,
            "locations": [{"name": "default", "phase": "Available"}],
        },
        "backup": {
            **backup,
            "volumes": [volume],
            "claims": ["data-kong-postgres-0"],
            "pods": ["kong-postgres-0"],
            "workloads": ["statefulset/kong-postgres"],
        },
        "restore": {
            "name": f"{name}-1",
            "steps": [f"{name}-1"],
            "phase": "Completed",
            "backup": name,
            "into": into,
            "existing": None,
            "failure_reason": None,
            "errors": 0,
            "warnings": 1,
            "items": 14,
            "allowed": ["already exists.*kube-root-ca"],
            "results": {
                "errors": {},
                "warnings": {"namespaces": {into: ["could not restore: already exists: kube-root-ca.crt"]}},
            },
            "resource_list": {
                "v1/Secret": [f"{into}/kong-postgres(created)"],
                "v1/ConfigMap": [f"{into}/kube-root-ca.crt(skipped)"],
                "v1/PersistentVolumeClaim": [f"{into}/data-kong-postgres-0(created)"],
            },
            "unread": [],
            "volumes": [copy.deepcopy(volume)],
        },
        "objects": {
            "namespace": into,
            "claims": [{"name": "data-kong-postgres-0", "phase": "Bound"}],
            "workloads": [{"name": "statefulset/kong-postgres", "wanted": 1, "ready": 1}],
            "services": [] if scratch else [{"name": "kong-postgres", "selects": True, "ready": True}],
        },
        "reference": {
            "before": fingerprint(START + 8, services=5, routes=12, heartbeat=3),
            "after": None if scratch else fingerprint(BACKUP + 12, services=5, routes=12, heartbeat=4),
            "changing": ["kong.public.heartbeat"],
            "markers": {} if scratch else {"kong": {"a": "1", "b": "2"}},
            "mutations": {} if scratch else {"kong": {"c": "3"}},
        },
        "found": {
            "fingerprint": fingerprint(PROVEN - 2, services=5, routes=12, heartbeat=3 if scratch else 7),
            "markers": {} if scratch else {"kong": {"a": "1", "b": "2"}},
            "mutations": {} if scratch else {"kong": {}},
            "unread": {},
        },
    }
    if not scratch:
        times = {"proven": PROVEN, "answered": PROVEN + 1, "backup_started": BACKUP}
        found["services"] = {"wanted": ["postgres"], "answering": ["postgres"], "services": {"postgres": times}}
    return found


def restore_record(
    runs: Path,
    *,
    scratch: bool = False,
    spoil: Callable[[Evidence], None] = lambda _: None,
    proven: bool = True,
    **objectives: float,
) -> RunRecord:
    """Write the record of one restore drill.

    Args:
        runs: the `runs` folder.
        scratch: into a namespace of its own, with nothing lost.
        spoil: changes the evidence, or takes a piece of it away.
        proven: whether the data was proven.
        objectives: what is different of them.
    """
    name = "restore-drill" if scratch else "data-loss"
    record = RunRecord.create(runs, name)
    held: dict[str, float] = {"rpo": 93_600, "restored_within": 1_800} if scratch else {"rpo": 900, "rto": 1_800}
    scenario = {
        "name": name,
        "description": "PostgreSQL's namespace is restored from a backup, and its data is proven.",
        "owner": "platform-engineering",
        "target": {"namespaces": ["kong"], "scratch": "drill-restore-kong" if scratch else None, "context": "lab"},
        "load": [],
        "objectives": {**held, "recovery_timeout": 1_800, **objectives},
    }
    record.write_text("scenario.yaml", yaml.safe_dump(scenario))
    record.write_json("experiment.json", {})
    pieces = evidence(scratch=scratch)
    spoil(pieces)
    for piece, content in pieces.items():
        record.write_evidence(f"restore-{piece}", content)
    record.write_evidence("preflight", {"checks": [{"name": "permissions", "ok": True, "detail": "all"}]})
    pod = {"namespace": "kong", "name": "kong-postgres-0", "uid": "u", "restarts": 0, "ready": True}
    for when in ("cluster-before", "cluster-after"):
        record.write_evidence(when, {"pods": [{**pod, "waiting": [], "phase": "Running"}], "postgres": {"up": True}})
    _journal(record)
    _events(record, scratch=scratch, proven=proven)
    record.seal(
        {
            "command": f"drill run {name}",
            "seed": 7,
            "versions": {"drill": "0.1.0"},
            "cluster": {"context": "lab", "server_version": "v1.35.4"},
        }
    )
    return RunRecord.open(record.path)


def _journal(record: RunRecord) -> None:
    action = {"type": "action", "name": "restore"}
    ran = [{"status": "succeeded", "activity": action}]
    ended = {"status": "completed", "deviated": False, "run": ran, "rollbacks": []}
    record.write_json("journal.json", {**ended, "experiment": {"title": "t", "method": [action], "rollbacks": []}})
    for op in ("registered", "done"):
        entry: dict[str, Any] = {
            "op": op,
            "id": "u1",
            "undo": "experiments.velero.undo",
            "arguments": {},
            "t": START + 1,
        }
        undo_log._append(record.path / undo_log.FILE, entry)


def _events(record: RunRecord, *, scratch: bool, proven: bool) -> None:
    def say(at: float, source: str, kind: str, **data: Any) -> None:
        record.emit(source, kind, at=START + at, **data)

    def begin(at: float, *names: str) -> None:
        name = record.scenario["name"]
        planned = [{"phase": each, "budget": 300} for each in names]
        say(at, "experiment", "runbook.started", runbook=name, mode="runbook", phases=planned)

    def phase(name: str, began: float, ended: float, budget: float, ok: bool = True, **found: Any) -> None:
        told = {"runbook": record.scenario["name"], "mode": "runbook", "phase": name, "budget": budget}
        outcome = {"seconds": ended - began, "ok": ok, "reason": None if ok else "a table was not there"}
        say(began, "experiment", "phase.started", **told)
        say(ended, "experiment", "phase.ended", **told, **outcome)
        record.write_evidence(f"runbook-{name}", {**told, **outcome, "began": START + began, **found})

    say(-3, "runner", "run.started", run_id="r", scenario=record.scenario["name"], context="lab")
    say(-3, "runner", "run.phase", phase="preflight")
    say(0, "runner", "run.phase", phase="experiment")
    name = "restore_into_scratch" if scratch else "lose_namespace"
    into = "drill-restore-kong" if scratch else "kong"
    fault = {"fault": name, "target": {"kind": "Namespace", "namespace": into, "name": into}}
    say(1, "rollback", "rollback.registered", id="u1", undo=f"experiments.velero.{name}", arguments={})
    if not scratch:
        begin(1.5, "mark", "back-up", "mutate")
        phase("mark", 2, 9, 120, markers=2, databases=["kong"], tables=3, rows=20)
        phase("back-up", 9.5, 24, 600)
        phase("mutate", 25, 26, 60)
    say(
        30,
        "experiment",
        "fault.injected",
        **fault,
        method="restore by namespace mapping" if scratch else "namespace deleted",
    )
    say(44, "experiment", "fault.effective", **fault, since=DISASTER, proof={"namespace": into, "gone": not scratch})
    begin(44.1, "back-up" if scratch else "assess", "restore", "ready", "prove")
    phase("back-up" if scratch else "assess", 44.2, 45.9, 300)
    say(46, "experiment", "operator.acted", runbook=record.scenario["name"], phase="restore", by="runbook")
    phase("restore", 46, 61, 900)
    phase("ready", 61.1, 75, 600)
    phase("prove", 75.1, 78, 300, ok=proven, databases=["kong"], tables=3, rows=24)
    say(80, "experiment", "fault.undoing", **fault)
    say(81, "rollback", "rollback.done", id="u1")
    say(81, "experiment", "fault.undone", **fault, proof={})
    say(82, "experiment", "fault.recovered", **fault, proof={"namespace": into})
    say(83, "runner", "experiment.ended", status="completed", deviated=False)
    for when in ("before", "after"):
        say(83, "runner", "steady-state.met", when=when, probes=[{"name": "whole", "met": True, "output": True}])
    say(83, "runner", "run.phase", phase="record")
    say(84, "runner", "run.finished")
