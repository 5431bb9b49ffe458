"""A restore as the report shows it: the backups, the chain from them to the proven data, and what nobody can tell."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from drill.errors import RecordIncompleteError
from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from recovery.fingerprints import not_verified
from recovery.restores import CHECKS, Times, times
from reports._format import duration, plural, size
from reports._headline import KeyFigure
from reports._measured import Missing, measured
from reports._restored_data import data_of, piece

ESTIMATE = "estimate"
"""The mark beside a number that was not measured in a disaster."""
_BY = {
    "markers-kept": "Rows with random content, written before the backup and read back by their digests.",
    "mutations-gone": "Rows written after the backup, and looked for afterwards.",
    "tables-as-backed-up": "Every table read, its rows counted and summed, and held against the same sums of before.",
    "definitions-as-backed-up": "PostgreSQL's own catalogues and sequences, held against the same of before.",
    "kafka-records-kept": "Each record read back by its offset, its content held against what is made of its number.",
    "kafka-records-lost": "The instant of each record's acknowledgement, against what was read back.",
    "kafka-topics-kept": "Kafka's own answers, before the backup, right after it, and after the restore.",
    "kafka-positions-kept": "Kafka's own answers, before the backup, right after it, and after the restore.",
    "kafka-cluster-kept": "The cluster's id and its brokers, as it says itself.",
    "rpo": "The start of the backup as Velero has it, against the moment of the loss.",
    "data-restored": "The drill's own clock, from the loss to the end of the phase that proved the data.",
    "backup-whole": "Velero's own resources: phase, errors, and the bytes of each volume.",
    "restore-completed": "Velero's phase, and its list in the bucket of what became of each object.",
    "volumes-restored": "The bytes of each volume that Velero wrote back, against those that it had read.",
    "restored-whole": "Kubernetes: each claim, workload and Service, looked at after the restore.",
    "source-untouched": "Kubernetes: each pod's identity and restarts, before and after.",
    "cluster-replaced": "Kubernetes: which cluster answers, and its namespaces before anything was restored.",
    "systems-as-backed-up": "Kafka's records and offsets, the lakehouse's objects and Iceberg's tables, read again.",
    "services-in-time": "The drill's own clock: when the data of each was proven, and when it answered a client.",
}
"""By what a check of a restore sees, in words."""
_PLAIN = {
    "rpo": "The backup is recent enough: what was written after it began may be gone.",
    "data-restored": "The data is proven within the time that recovery may take.",
}
_NAMES = {each.name: _PLAIN.get(each.name, (each.function.__doc__ or "").partition("\n")[0]) for each in CHECKS}
"""What each check of a restore proves, in plain words: mostly the first line of what its function says of itself."""


@dataclass(frozen=True)
class Link:
    """One link of the chain of evidence."""

    name: str
    at: float | Missing
    """Epoch seconds."""
    said: str | Missing
    checks: tuple[Verdict, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Backup:
    """One backup that there was."""

    name: str
    schedule: str | None
    phase: str | None
    started: float | None
    age: float | None
    """At the loss, s."""
    errors: int
    warnings: int
    items: int | None
    location: str | None
    chosen: bool


@dataclass(frozen=True)
class Proof:
    """One thing that was verified, and by what."""

    what: str
    by: str
    verdict: Verdict


@dataclass(frozen=True)
class Restore:
    """All of it."""

    times: Times
    namespace: str
    into: str | None
    """The scratch namespace; None: it was restored where it was."""
    chain: tuple[Link, ...]
    backups: tuple[Backup, ...] | Missing
    locations: tuple[tuple[str, str], ...]
    tables: tuple[dict[str, Any], ...]
    proofs: tuple[Proof, ...]
    figures: tuple[tuple[str, str], ...]
    """What of the data leads the page, and the check whose number it is."""
    unverified: tuple[str, ...]


def restore(record: RunRecord, verdicts: Sequence[Verdict]) -> Restore | None:
    """The restore of a run; None: it is not held to one, and made none."""
    pieces = sorted((record.path / "evidence").glob("restore-*.json"))
    goals = measured(record, lambda: record.objectives)
    if not pieces and (isinstance(goals, Missing) or goals.rpo is None):
        return None
    by_check = {each.check: each for each in verdicts}
    instants = times(record)
    target = record.scenario.get("target") or {}
    spaces = target.get("namespaces") or ["the namespace"]
    stock = measured(record, lambda: piece(record, "inventory"))
    return Restore(
        times=instants,
        namespace=f"The cluster, with {', '.join(spaces)}," if target.get("whole_cluster") else str(spaces[0]),
        into=target.get("scratch"),
        chain=tuple(_chain(record, instants, by_check)),
        backups=stock if isinstance(stock, Missing) else measured(record, lambda: _backups(stock, instants)),
        locations=()
        if isinstance(stock, Missing)
        else tuple((str(each.get("name")), str(each.get("phase") or "unknown")) for each in stock.get("locations", ())),
        tables=tuple(_tables(by_check)),
        proofs=tuple(
            Proof(what, _BY.get(name, "The files named here."), by_check[name])
            for name, what in _NAMES.items()
            if name in by_check
        ),
        figures=data_of(record).figures,
        unverified=tuple(dict.fromkeys(_unverified(record, instants, by_check))),
    )


def outcome(instants: Times) -> str:
    """What came out, in a sentence."""
    if instants.rto is None:
        why = instants.unmeasured.get("proven") or instants.unmeasured.get("disaster") or "nobody knows why"
        return f"It was not seen that the data came back: {why}."
    if instants.estimated:
        said = "Nothing was lost, so this is an estimate: had the platform been lost when the restore was begun, the "
        said += f"data would have been proven {duration(instants.rto)} later"
        return said + (
            "." if instants.rpo is None else f", and the last {duration(instants.rpo)} of data would be gone."
        )
    said = f"The data was proven {duration(instants.rto)} after it was lost"
    if instants.rpo is None:
        return f"{said}; how much of it is gone was not measured."
    return f"{said}; what was written since the backup began, {duration(instants.rpo)} before the loss, may be gone."


def key_figures(found: Restore, verdicts: Sequence[Verdict]) -> tuple[KeyFigure, ...]:
    """Recovery time, age of the backup, and what was proven."""
    instants, by_check = found.times, {each.check: each for each in verdicts}
    mark = ESTIMATE if instants.estimated else ""
    hint = "nothing was lost in this drill" if instants.estimated else "measured"
    figures = [
        KeyFigure("Recovery time, loss to data proven (RTO)", _instant(instants, instants.rto, "proven", "disaster"),
                  _goal(by_check.get("data-restored"), hint), "data-restored", mark),
        KeyFigure("Data at risk, age of the backup (RPO)", _instant(instants, instants.rpo, "backup", "disaster"),
                  _goal(by_check.get("rpo"), hint), "rpo", mark),
    ]  # fmt: skip
    told = (
        *found.figures,
        ("Volume data restored", "volumes-restored"),
        ("Restored objects", "restored-whole"),
        ("Pods of the source", "source-untouched"),
        ("Each service back, after the loss", "services-in-time"),
    )
    for name, check in told:
        if (verdict := by_check.get(check)) is not None:
            value = verdict.actual if verdict.actual is not None else Missing(verdict.reason)
            figures.append(KeyFigure(name, _short(value), "", check))
    return tuple(figures)


def _short(value: str | Missing) -> str | Missing:
    """An actual value without what its name says already, and bytes as people read them."""
    if isinstance(value, Missing):
        return value
    head, _, tail = value.rpartition(", ")
    if tail.endswith(" bytes"):
        value = f"{size(int(tail.removesuffix(' bytes').replace(',', '')))} in {head}"
    for ending in (" proven the same", " markers", " there"):
        value = value.removesuffix(ending)
    return value


def _instant(instants: Times, value: float | None, *names: str) -> str | Missing:
    if value is not None:
        return duration(value)
    return Missing(next((instants.unmeasured[name] for name in names if name in instants.unmeasured), "nobody knows"))


def _goal(verdict: Verdict | None, hint: str) -> str:
    limit = (verdict.target or "").removeprefix("<= ").removesuffix(" s") if verdict else ""
    try:
        return f"objective ≤ {duration(float(limit))}; {hint}"
    except ValueError:
        return f"no objective; {hint}"


# -- the chain -------------------------------------------------------------------------------------------------------


def _chain(record: RunRecord, instants: Times, by_check: dict[str, Verdict]) -> Iterator[Link]:
    """From what was there, by the backup and the restore, to the data that was read."""

    def link(
        name: str, said: Callable[[], str], at: Callable[[], float], checks: Sequence[str], evidence: Sequence[str]
    ) -> Link:
        paths = [f"evidence/{each}.json" for each in evidence]
        return Link(
            name,
            measured(record, at),
            measured(record, said),
            tuple(by_check[each] for each in checks if each in by_check),
            tuple(path for path in paths if (record.path / path).is_file()),
        )

    data = data_of(record)
    yield link(
        "What was there",
        lambda: data.said_before(record, instants),
        lambda: data.before(record).started,
        (),
        (f"restore-{data.reference}",),
    )
    yield link(
        "The backup",
        lambda: _backup(piece(record, "backup"), instants),
        lambda: _known(instants, "backup"),
        ("backup-whole", "rpo"),
        ("restore-backup", "restore-inventory"),
    )
    yield link(
        "The loss" if not instants.estimated else "A namespace for the copy",
        lambda: _loss(record),
        lambda: record.first("fault.effective").data["since"],
        ("fault-effective",),
        ("cluster-before",),
    )
    yield link(
        "The restore",
        lambda: _restored(piece(record, "restore")),
        lambda: _phase(record, "restore", "phase.started"),
        ("restore-completed", "volumes-restored"),
        ("restore-restore", "runbook-restore"),
    )
    yield link(
        "All of it there again",
        lambda: _whole(piece(record, "objects")),
        lambda: _phase(record, "ready", "phase.ended"),
        ("restored-whole",),
        ("restore-objects", "runbook-ready"),
    )
    yield link(
        "The data, read",
        lambda: data.said_after(record),
        lambda: _known(instants, "proven"),
        (*data.checks, "data-restored"),
        (f"restore-{data.found}", f"restore-{data.reference}", "runbook-prove"),
    )
    yield link(
        "Nothing left behind",
        lambda: _after(record),
        lambda: record.first("fault.undone").t,
        ("source-untouched", "rollback-clean", "cluster-healthy-after"),
        ("cluster-before", "cluster-after"),
    )


def _backup(piece: dict[str, Any], instants: Times) -> str:
    volumes = piece.get("volumes") or []
    moved = sum(each.get("bytes_done") or 0 for each in volumes)
    of = f"of schedule {piece['schedule']}" if piece.get("schedule") else "made by the drill"
    said = f"{piece['name']}, {of}, is {piece['phase']}: {plural(piece.get('items') or 0, 'object')}, "
    said += f"{plural(len(volumes), 'volume')} with {size(moved)}."
    if instants.rpo is not None:
        said += f" It had begun {duration(instants.rpo)} before the "
        said += "restore was." if instants.estimated else "loss."
    return said


def _loss(record: RunRecord) -> str:
    event = record.first("fault.effective")
    target = event.data.get("target") or {}
    method = next((each.data.get("method") for each in record.events_of("fault.injected")), None)
    what = f"{target.get('kind', 'target')} {target.get('name', 'not named')}"
    return f"{what}: {method or event.data.get('fault')}; seen in effect."


def _restored(piece: dict[str, Any]) -> str:
    steps = piece.get("steps") or [piece["name"]]
    volumes = piece.get("volumes") or []
    into = piece["into"] if isinstance(piece["into"], str) else ", ".join(piece["into"])
    said = f"{plural(len(steps), 'restore')} of {piece.get('backup', 'the backup')} into {into}: "
    said += f"{piece['phase']}, {plural(piece.get('items') or 0, 'object')}, "
    said += f"{size(sum(each.get('bytes_done') or 0 for each in volumes))} of volumes, "
    warnings, errors = piece.get("warnings") or 0, piece.get("errors") or 0
    return f"{said}{plural(errors, 'error')}, {plural(warnings, 'warning')}."


def _whole(piece: dict[str, Any]) -> str:
    claims, workloads, services = piece["claims"], piece["workloads"], piece["services"]
    bound = sum(each["phase"] == "Bound" for each in claims)
    ready = sum(each["ready"] >= each["wanted"] for each in workloads)
    led = sum(bool(each["ready"]) for each in services if each["selects"])
    said = f"{bound} of {plural(len(claims), 'claim')} Bound, {ready} of {plural(len(workloads), 'workload')} Ready"
    wanted = sum(bool(each["selects"]) for each in services)
    return (
        f"{said}, {led} of {plural(wanted, 'Service')} with endpoints." if wanted else f"{said}; no Service restored."
    )


def _after(record: RunRecord) -> str:
    undone = record.first("fault.undone")
    back = record.events_of("fault.recovered")
    return f"Undone{f', and seen whole {duration(back[-1].t - undone.t)} later' if back else ', and not seen whole'}."


def _known(instants: Times, name: str) -> float:
    at = getattr(instants, name)
    if at is None:
        raise RecordIncompleteError(instants.unmeasured[name])
    return float(at)


def _phase(record: RunRecord, name: str, kind: str) -> float:
    for event in record.events_of(kind):
        if event.data["phase"] == name:
            return event.t
    raise RecordIncompleteError(f"phase {name} was not seen to {'begin' if kind == 'phase.started' else 'end'}")


# -- the rest --------------------------------------------------------------------------------------------------------


def _backups(stock: dict[str, Any], instants: Times) -> tuple[Backup, ...]:
    """The newest first; those that never began last."""
    rows = sorted(stock["backups"], key=lambda row: row.get("started") or 0.0, reverse=True)
    return tuple(
        Backup(
            name=str(row["name"]),
            schedule=row.get("schedule"),
            phase=row.get("phase"),
            started=row.get("started"),
            age=None if instants.disaster is None or not row.get("started") else instants.disaster - row["started"],
            errors=row.get("errors") or 0,
            warnings=row.get("warnings") or 0,
            items=row.get("items"),
            location=row.get("location"),
            chosen=row["name"] == stock.get("chosen"),
        )
        for row in rows
    )


def _tables(by_check: dict[str, Verdict]) -> Iterator[dict[str, Any]]:
    """Those in trouble first."""
    verdict = by_check.get("tables-as-backed-up")
    rows = verdict.details.get("tables", []) if verdict else []
    order = ("lost", "doubtful", "changing", "same")
    for state in order:
        yield from (row for row in rows if row["state"] == state)


def _unverified(record: RunRecord, instants: Times, by_check: dict[str, Verdict]) -> Iterator[str]:
    """What a reader must not take for proven."""
    for name, what in _NAMES.items():
        verdict = by_check.get(name)
        if verdict is not None and verdict.outcome is Outcome.INCONCLUSIVE:
            yield f"{what} This could not be told: {verdict.reason}"
    yield from _aside(by_check)
    data = data_of(record)
    both = measured(record, lambda: (data.before(record), data.after(record)))
    if not isinstance(both, Missing):
        yield from not_verified(*both)
    made = measured(record, lambda: piece(record, "restore"))
    if not isinstance(made, Missing):
        yield from (f"What Velero wrote of the restore into the bucket: {each}." for each in made.get("unread") or ())
        if allowed := made.get("allowed"):
            yield f"Velero's warnings that match {', '.join(allowed)}: the scenario declares them harmless."
    if instants.estimated:
        yield "Times of a real disaster: nothing was lost, so that RTO and RPO are estimates from the same instants."
        yield "Whether clients can work with the restored data: none was let to it."
    if record.scenario.get("load") == []:
        yield "How long clients were out: no clients ran in this drill."


def _aside(by_check: dict[str, Verdict]) -> Iterator[str]:
    """What the checks of the data did not hold to anything."""
    moving = [row["table"] for row in _tables(by_check) if row["state"] == "changing"]
    if moving:
        yield f"The rows of {plural(len(moving), 'table')} that never stand still: {', '.join(moving)}. They were read."
    defined = by_check.get("definitions-as-backed-up")
    differ = defined.details.get("differences", ()) if defined else ()
    if going := [each["name"] for each in differ if each["state"] == "changing"]:
        yield f"Where {plural(len(going), 'sequence')} of tables that never stand still must be: {', '.join(going)}."
    tables = by_check.get("tables-as-backed-up")
    if tables and (excluded := tables.details.get("excluded")):
        yield f"The rows of tables that were left out on purpose: {', '.join(excluded)}."
    systems = by_check.get("systems-as-backed-up")
    for name, why in (systems.details.get("left_out") or {}).items() if systems else ():
        yield f"What {name} holds: it was left out, for {why}."
