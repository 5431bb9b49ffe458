"""What a run came to, in few numbers, read off its verdicts: what pages about several runs are made of."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from drill.errors import DrillError
from drill.ledger import streams
from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict, overall
from recovery.restores import CHECKS as OF_RESTORES
from reports._format import duration, plural
from reports._measured import Missing, measured
from reports._rejudged import unlike

_PART = re.compile(r"(?:(?P<part>[a-z][a-z0-9-]*): )?(?P<least>at least )?(?P<value>[\d,]*\.?\d+) ?(?P<unit>\w+|%)?")
MINUTES = 120.0
"""From so many seconds on a time is said in minutes."""
_UNITS = {"µs": 1e-6, "ms": 1e-3, "s": 1.0}
SERVICES = {
    "kafka": "Kafka",
    "postgres": "PostgreSQL",
    "dolphinscheduler": "DolphinScheduler",
    "trino": "Trino and the lakehouse",
    "minio": "MinIO, the object store",
    "velero": "Velero, the backups",
}
"""The platform's systems that drill knows how to test, and what people call them."""
_HINTS = {
    "kafka": "kafka",
    "postgres": "postgres",
    "pgbouncer": "postgres",
    "dolphinscheduler": "dolphinscheduler",
    "trino": "trino",
    "iceberg": "trino",
    "lakehouse": "trino",
    "minio": "minio",
    "velero": "velero",
}
"""What a pod or a namespace is called tells which system it belongs to."""
_NAMED = {"pod", "statefulset", "deployment", "daemonset", "connectionpool", "namespace"}
"""The kinds of targets that are called as their system is; nodes, clusters, tables and topics are called anything."""
KEPT_AS = {"lakehouse": "minio", "iceberg": "trino", "bucket": "minio"}
"""Of which system it is what a restore proves under another name: the objects of a bucket, the tables over them."""


@dataclass(frozen=True)
class Reading:
    """What one check found of one service; seconds where it is a time."""

    service: str
    """Empty: of the whole run."""
    text: str
    value: float | None
    """None: it is no number."""
    at_least: bool
    outcome: Outcome
    estimated: bool

    @property
    def time(self) -> str:
        """A time as people say it, no more exact than the verdict said it."""
        if self.value is None:
            return "not measured"
        return f"{'at least ' if self.at_least else ''}{duration(self.value)}" if self.value >= MINUTES else self.text


@dataclass(frozen=True)
class Site:
    """The cluster of a run, as its manifest has it; empty: it does not say."""

    context: str
    server: str
    """The version of its API server."""
    uid: str
    """Of its namespace kube-system: it tells a cluster from another one that has its name."""
    nodes: int

    def __str__(self) -> str:
        nodes = plural(self.nodes, "node") if self.nodes else ""
        told = (f"Kubernetes {self.server}" if self.server else "", nodes, f"identity {self.uid}" if self.uid else "")
        return f"{self.context or 'context not known'} ({', '.join(filter(None, told)) or 'which one is not known'})"


@dataclass(frozen=True)
class Losses:
    """What became of all that had been confirmed to clients, by what it is: `transactions of PostgreSQL`."""

    counted: dict[str, int]
    """How many of each were lost, where all of it was looked for."""
    unknown: tuple[str, ...]
    """Those of which nobody knows."""

    @property
    def total(self) -> str:
        """How many were lost in all; where that is known of a part only, no less than that, and never nothing."""
        known = sum(self.counted.values())
        if self.unknown or not self.counted:
            return f"at least {known:,}" if known else "not measured"
        return f"{known:,}"


class Summary:
    """One run, for a reader who wants to know what became of it."""

    def __init__(self, record: RunRecord) -> None:
        self.record = record

    @cached_property
    def scenario(self) -> str:
        """Its name."""
        said = measured(self.record, lambda: str(self.record.scenario["name"]))
        return self.record.path.parent.name if isinstance(said, Missing) else said

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...] | Missing:
        """What it was judged to be."""
        return measured(self.record, lambda: self.record.verdicts)

    @cached_property
    def judged(self) -> tuple[Verdict, ...]:
        """The verdicts as far as they are to be believed, none where it was not judged: in doubt nothing is met."""
        found = () if isinstance(self.verdicts, Missing) else self.verdicts
        return tuple(self._doubting(each) for each in found) if self.doubt else found

    @property
    def outcome(self) -> Outcome:
        """Of the run; one that was not judged, or of which there is doubt, never passed."""
        return overall(self.judged)

    @property
    def doubt(self) -> str:
        """Why its verdicts are not to be believed, in a sentence; empty: nothing speaks against them."""
        if self.altered:
            return "The record was changed after it was sealed, so that it proves nothing."
        if self.unlike or isinstance(self.unlike, Missing):
            return "Its verdicts are not those that follow from the record, so that they prove nothing."
        return ""

    @cached_property
    def unlike(self) -> tuple[str, ...] | Missing:
        """What its verdicts say otherwise than the record does, judged again; Missing where they can't be read."""
        return measured(self.record, lambda: unlike(self.record))

    def believed(self, outcome: str) -> Outcome:
        """An outcome as far as it is to be believed."""
        found = Outcome(outcome)
        return Outcome.INCONCLUSIVE if found is Outcome.PASS and self.doubt else found

    def _doubting(self, verdict: Verdict) -> Verdict:
        if verdict.outcome is not Outcome.PASS:
            return verdict
        reason = f"{self.doubt} Before, it was said: {verdict.reason}"
        return verdict.model_copy(update={"outcome": Outcome.INCONCLUSIVE, "reason": reason})

    @cached_property
    def altered(self) -> tuple[str, ...] | Missing:
        """Files that are not as they were sealed; Missing where it was never sealed, which its checks have said."""
        return measured(self.record, self.record.altered_files)

    @cached_property
    def started(self) -> float | Missing:
        """Epoch seconds."""
        return measured(self.record, lambda: self.record.first("run.started").t)

    @property
    def identity(self) -> str:
        """Scenario and time, as the folder has it."""
        return f"{self.scenario}/{self.record.path.name}"

    @cached_property
    def site(self) -> Site:
        """The cluster that it was made on."""
        told = measured(self.record, lambda: dict(self.record.manifest["cluster"]))
        begun = measured(self.record, lambda: str(self.record.first("run.started").data["context"]))
        found = {} if isinstance(told, Missing) else told
        nodes = found.get("nodes")
        return Site(
            context=str(found.get("context") or begun or ""),
            server=str(found.get("server_version") or ""),
            uid=str(found.get("uid") or ""),
            nodes=len(nodes) if isinstance(nodes, list) else 0,
        )

    @cached_property
    def restored(self) -> bool:
        """Whether it is the drill of a restore: of a backup, or of lost objects."""
        goals = measured(self.record, lambda: self.record.objectives)
        held = not isinstance(goals, Missing) and goals.rpo is not None
        return held or any(each.check in RESTORED for each in self.judged)

    @cached_property
    def systems(self) -> frozenset[str]:
        """The platform's systems that it tested: those that were loaded, those that were hit, and what restored them.

        A run that came to no fault has tested nothing.
        """
        effective = measured(self.record, lambda: self.record.events_of("fault.effective"))
        if isinstance(effective, Missing) or not effective:
            return frozenset()
        found = self._loaded | self._hit | self._proven | self._brought_back
        target = measured(self.record, lambda: self.record.scenario.get("target") or {})
        if not isinstance(target, Missing) and target.get("buckets"):
            found |= {"minio", "trino"}
        elif self.restored:
            found |= {"velero"}
        return frozenset(found & SERVICES.keys())

    @property
    def _loaded(self) -> set[str]:
        """The systems whose clients ran."""
        found = measured(self.record, lambda: {each.system for each in streams(self.record)})
        return set() if isinstance(found, Missing) else found

    @property
    def _hit(self) -> set[str]:
        """The systems of the pods and namespaces that faults took effect on."""
        effective = measured(self.record, lambda: self.record.events_of("fault.effective"))
        targets = () if isinstance(effective, Missing) else (each.data.get("target") or {} for each in effective)
        names = {name for target in targets for name in _names(target)}
        return {system for hint, system in _HINTS.items() if any(hint in name for name in names)}

    @property
    def _proven(self) -> set[str]:
        """The systems whose data a restore was to prove: their fingerprints were taken before it."""
        reference, of_kafka, systems = (
            _piece(self.record, name) for name in ("restore-reference", "restore-kafka-reference", "restore-systems")
        )
        taken = (_fingerprinted(each.get("before")) for each in (reference, of_kafka))
        known = set(systems) - {"left_out"}
        return {KEPT_AS.get(each, each) for each in (*taken, *known) if each}

    @property
    def _brought_back(self) -> set[str]:
        """The services that a restore was to bring back."""
        seen = _piece(self.record, "restore-services")
        return {
            KEPT_AS.get(str(each), str(each)) for each in (*(seen.get("wanted") or ()), *(seen.get("services") or ()))
        }

    @cached_property
    def service(self) -> str:
        """The one service whose clients ran, or whose data was restored; empty where there were several, or none."""
        found = self._loaded
        if not found and self.restored:
            found = (self._hit | self._proven) - {"velero"}
        return found.pop() if len(found) == 1 else ""

    @cached_property
    def labels(self) -> dict[str, str]:
        """What people call its services and streams: `Kafka`, `DolphinScheduler (workflows)`."""
        found = measured(self.record, lambda: streams(self.record))
        loads = () if isinstance(found, Missing) else found
        return {each.name: f"{SERVICES.get(each.system, each.system)} ({each.noun}s)" for each in loads} | SERVICES

    def readings(self, check: str) -> tuple[Reading, ...]:
        """What a check found, of each service that it told apart."""
        verdict = next((each for each in self.judged if each.check == check), None)
        if verdict is None:
            return ()
        parts = verdict.details.get("parts") or {}
        estimated = bool(verdict.details.get("estimated"))
        if not parts:
            return (_reading(self.service, verdict.actual, verdict.outcome, estimated=estimated),)
        said = dict(text.split(": ", 1) for text in (verdict.actual or "").split("; ") if ": " in text)
        return tuple(
            _reading(name, said.get(name), self.believed(of.get("outcome", verdict.outcome)), estimated=estimated)
            for name, of in parts.items()
        )

    @cached_property
    def losses(self) -> Losses:
        """What had been confirmed and was lost, and of what that is not known; a doubtful number is none."""
        counted: Counter[str] = Counter()
        unknown = []
        for each in self.readings("no-acked-record-lost"):
            what = self._nouns.get(each.service, "data")
            if each.value is None or each.outcome is Outcome.INCONCLUSIVE:
                unknown.append(what)
            else:
                counted[what] += int(each.value)
        return Losses(dict(counted), tuple(dict.fromkeys(unknown)))

    @cached_property
    def _nouns(self) -> dict[str, str]:
        """What each stream that is accounted for sends, by its name; of the only one, whatever the verdict calls it."""
        found = measured(self.record, lambda: streams(self.record))
        loads = () if isinstance(found, Missing) else tuple(each for each in found if each.header.accounted)
        nouns = {each.name: f"{each.noun}s of {SERVICES.get(each.system, each.system)}" for each in loads}
        return nouns | (dict.fromkeys((self.service, ""), nouns[loads[0].name]) if len(loads) == 1 else {})

    def worst(self, check: str) -> Reading | None:
        """The largest number that a check found; None: it found none."""
        numbers = [each for each in self.readings(check) if each.value is not None]
        return max(numbers, key=lambda each: each.value or 0.0, default=None)


def _reading(service: str, text: str | None, outcome: Outcome, *, estimated: bool) -> Reading:
    read = _PART.match(text or "")
    value = None if read is None else float(read["value"].replace(",", "")) * _UNITS.get(read["unit"] or "", 1.0)
    return Reading(service, text or "not measured", value, bool(read and read["least"]), outcome, estimated)


def _names(target: dict[str, Any]) -> Iterator[str]:
    """What the pods and namespaces of a fault's target are called; of what lies in a namespace, that."""
    kind = str(target.get("kind", "")).lower()
    yield str(target.get("name" if kind in _NAMED else "namespace") or "")
    if kind == "namespace":
        yield from map(str, target.get("pods") or ())


def _piece(record: RunRecord, name: str) -> dict[str, Any]:
    """A piece of evidence; empty where the record has none."""
    found = measured(record, lambda: record.evidence(name))
    return found if isinstance(found, dict) else {}


def _fingerprinted(kept: Any) -> str:
    """Of which system a fingerprint is that the evidence holds; empty: it holds none."""
    fingerprint = kept.get("fingerprint") if isinstance(kept, dict) else None
    return str(fingerprint.get("system") or "") if isinstance(fingerprint, dict) else ""


def summaries(runs: Path) -> tuple[Summary, ...]:
    """Every run record below a folder, the oldest first; what is no record is passed over."""
    found = []
    for scenario in sorted(runs.rglob("scenario.yaml")):
        try:
            found.append(Summary(RunRecord.open(scenario.parent)))
        except DrillError:
            continue
    return tuple(sorted(found, key=lambda each: (each.record.path.name, each.scenario)))


RESTORED = ("data-restored", "lakehouse-restored")
"""The checks that hold a run to the proof of restored data."""
RTO = (*RESTORED, "rto", "platform-restored")
"""The checks that hold a run to a recovery time, the one that says most first."""
RESTORES = tuple(each.name for each in OF_RESTORES)
