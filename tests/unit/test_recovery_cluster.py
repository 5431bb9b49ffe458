"""A lost cluster: each check of what must be so after it passes, fails, and says when it can't tell."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from drill.fingerprints import (
    BucketFingerprint,
    BucketSelection,
    KafkaFingerprint,
    KafkaSelection,
    StoredObject,
    Topic,
    TopicPartition,
    document,
)
from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from recovery._run import Run
from recovery.restores._cluster import cluster_replaced, systems_as_backed_up
from recovery.restores._services import services_in_time
from tests.unit import restores

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
CHECKS = (cluster_replaced, systems_as_backed_up, services_in_time)
DISASTER = 1_750_000_100.0
SPACES = ["kong", "kafka"]
Evidence = dict[str, Any]
Spoil = Callable[[Evidence], None]


def kafka(end: int = 500, cluster: str = "one") -> Any:
    """One topic of one partition with so many records."""
    partition = TopicPartition(begin=0, end=end)
    topic = Topic(id="t", replication_factor=3, config={}, overridden=(), partitions={0: partition})
    return document(
        KafkaFingerprint(
            started=1,
            finished=2,
            selection=KafkaSelection(),
            cluster_id=cluster,
            brokers=(0, 1, 2),
            topics={"commodities": topic},
            groups={},
        )
    )


def bucket(*keys: str) -> Any:
    """These objects."""
    objects = {key: StoredObject(size=1, etag="e") for key in keys}
    return document(
        BucketFingerprint(
            started=1, finished=2, selection=BucketSelection(bucket="lakehouse"), endpoint=None, objects=objects
        )
    )


def evidence() -> Evidence:
    """All pieces of a platform that came back; PostgreSQL's as in other drills."""
    postgres = restores.evidence()
    return {
        **{name: postgres[name] for name in ("reference", "found")},
        "cluster": {"before": "u1", "after": "u2", "namespaces": ["default", "kube-system"], "restored": SPACES},
        "systems": {
            "kafka": {"before": kafka(), "after": kafka(), "found": kafka(), "mutations": 60},
            "lakehouse": {"before": bucket("a"), "found": bucket("a")},
            "left_out": {"iceberg": "the context declares no Trino"},
        },
        "services": {
            "wanted": ["postgres", "kafka", "lakehouse"],
            "answering": ["postgres", "kafka"],
            "services": {
                "postgres": {"proven": DISASTER + 300, "answered": DISASTER + 340, "backup_started": DISASTER - 60},
                "kafka": {"proven": DISASTER + 310, "answered": DISASTER + 341, "backup_started": DISASTER - 60},
                "lakehouse": {"proven": DISASTER + 311, "backup_started": None},
            },
        },
    }


def judged(tmp_path: Path, pieces: Evidence, *, whole: bool = True, **objectives: Any) -> dict[str, Verdict]:
    """The verdicts on a record with this evidence."""
    record = RunRecord.create(tmp_path, "cluster-loss")
    held = {"rpo": 900, "rto": 1800, "recovery_timeout": 1800, **objectives}
    target = {"namespaces": SPACES, "whole_cluster": whole}
    scenario = {"name": "cluster-loss", "target": target, "load": [], "objectives": held}
    record.write_text("scenario.yaml", yaml.safe_dump(scenario))
    record.write_json("experiment.json", {"tags": ["velero", "restore"]})
    for name, content in pieces.items():
        record.write_evidence(f"restore-{name}", content)
    record.emit("runner", "run.started", at=DISASTER - 100)
    record.emit("experiment", "fault.effective", at=DISASTER + 5, since=DISASTER, target={"name": "here"}, proof={})
    run = Run(RunRecord.open(record.path))
    return {verdict.check: verdict for verdict in (each(run) for each in CHECKS) if verdict is not None}


def test_a_platform_that_came_back_passes(tmp_path: Path) -> None:
    """With the time of each service; what outlived the cluster has no age of a backup."""
    found = judged(tmp_path, evidence())
    assert {name: each.outcome for name, each in found.items()} == {each.name: PASS for each in CHECKS}
    times = found["services-in-time"]
    assert times.actual == "postgres 340 s; kafka 341 s; lakehouse 311 s"
    assert times.details["services"]["kafka"] == {"rto": 341, "proven": 310, "rpo": 60}
    assert times.details["services"]["lakehouse"]["rpo"] is None
    assert found["systems-as-backed-up"].details["left_out"] == {"iceberg": "the context declares no Trino"}


def test_other_drills_are_not_held_to_it(tmp_path: Path) -> None:
    """A namespace that was lost came back in the same cluster."""
    assert judged(tmp_path, {}, whole=False).keys() == {"services-in-time"}


def test_a_run_that_came_to_nothing_is_inconclusive(tmp_path: Path) -> None:
    """Nothing was seen, so nothing passes."""
    found = judged(tmp_path, {})
    assert {each.outcome for each in found.values()} == {INCONCLUSIVE}
    assert not [each.reason for each in found.values() if "itself broke" in each.reason]


def _set(piece: str, *path: str, to: Any) -> Spoil:
    def spoil(pieces: Evidence) -> None:
        inside = pieces[piece]
        for key in path[:-1]:
            inside = inside[key]
        inside[path[-1]] = to

    return spoil


def _without(piece: str, *path: str) -> Spoil:
    def spoil(pieces: Evidence) -> None:
        inside = pieces[piece]
        for key in path[:-1]:
            inside = inside[key]
        del inside[path[-1]]

    return spoil


def _nothing_but_postgres(pieces: Evidence) -> None:
    pieces["systems"] = {"left_out": {}}


def _no_service(pieces: Evidence) -> None:
    pieces["services"] = {"wanted": [], "answering": [], "services": {}}


def _trino_missing(pieces: Evidence) -> None:
    pieces["systems"] |= {"left_out": {}, "missing": {"iceberg": "deployment data-platform/trino is not there"}}


def _only_missing(pieces: Evidence) -> None:
    pieces["systems"] = {"missing": {"iceberg": "deployment data-platform/trino is not there"}}


CONTROLS: list[tuple[str, Spoil, Outcome, str]] = [
    ("cluster-replaced", _set("cluster", "after", to="u1"), FAIL, "nothing was lost"),
    ("cluster-replaced", _set("cluster", "namespaces", to=["default", "kong"]), FAIL, "kong was there before"),
    ("cluster-replaced", _without("cluster", "after"), INCONCLUSIVE, "does not say its after"),
    ("cluster-replaced", _set("cluster", "restored", to=[]), INCONCLUSIVE, "No namespace"),
    ("systems-as-backed-up", _set("systems", "kafka", "found", to=kafka(560)), FAIL, "written after the backup"),
    ("systems-as-backed-up", _set("systems", "kafka", "found", to=kafka(499)), FAIL, "records at the end are missing"),
    ("systems-as-backed-up", _set("systems", "kafka", "found", to=kafka(500, "other")), FAIL, "cluster id"),
    ("systems-as-backed-up", _set("systems", "kafka", "mutations", to=0), INCONCLUSIVE, "absence shows nothing"),
    ("systems-as-backed-up", _without("systems", "kafka", "mutations"), INCONCLUSIVE, "does not say its mutations"),
    ("systems-as-backed-up", _without("systems", "kafka", "found"), INCONCLUSIVE, "does not say its found"),
    ("systems-as-backed-up", _set("systems", "lakehouse", "found", to=bucket()), FAIL, "the object is missing"),
    ("systems-as-backed-up", _set("systems", "lakehouse", "found", to=bucket("a", "b")), FAIL, "was not there before"),
    ("systems-as-backed-up", _trino_missing, INCONCLUSIVE, "The settings declare iceberg, and it was not"),
    ("systems-as-backed-up", _only_missing, INCONCLUSIVE, "deployment data-platform/trino is not there"),
    ("systems-as-backed-up", _nothing_but_postgres, INCONCLUSIVE, "No system but PostgreSQL"),
    ("services-in-time", _without("services", "services", "kafka"), INCONCLUSIVE, "data of kafka was not proven"),
    ("services-in-time", _without("services", "services", "kafka", "proven"), INCONCLUSIVE, "data of kafka was not"),
    (
        "services-in-time",
        _set("services", "services", "kafka", "answered", to=DISASTER + 1801),
        FAIL,
        "kafka was back 1801 s after",
    ),
    (
        "services-in-time",
        _set("services", "services", "postgres", "backup_started", to=DISASTER - 901),
        FAIL,
        "backup of postgres was 901 s old",
    ),
    ("services-in-time", _set("services", "services", "kafka", to={}), INCONCLUSIVE, "of which nothing was seen"),
    ("services-in-time", _without("services", "services", "kafka", "answered"), INCONCLUSIVE, "kafka was not seen to"),
    ("services-in-time", _without("services", "answering"), INCONCLUSIVE, "does not say its answering"),
    ("services-in-time", _no_service, INCONCLUSIVE, "No service"),
]


@pytest.mark.parametrize(("name", "spoil", "outcome", "says"), CONTROLS)
def test_what_is_wrong_never_passes(tmp_path: Path, name: str, spoil: Spoil, outcome: Outcome, says: str) -> None:
    """One trouble a case, and nothing else is blamed for it."""
    pieces = copy.deepcopy(evidence())
    spoil(pieces)
    found = judged(tmp_path, pieces)
    assert found[name].outcome is outcome, found[name].reason
    assert says in found[name].reason
    # Services that are back without their data are not back.
    follows = {"services-in-time"} if name == "systems-as-backed-up" else set()
    assert {each.outcome for other, each in found.items() if other not in {name, *follows}} == {PASS}
    assert {found[each].outcome for each in follows} <= {INCONCLUSIVE}


def test_what_came_while_it_was_backed_up_may_be_in_it(tmp_path: Path) -> None:
    """Not what came later; and nothing of before may be missing."""
    pieces = evidence()
    for end, outcome in ((500, PASS), (520, PASS), (521, FAIL), (499, FAIL)):
        pieces["systems"]["kafka"] |= {"after": kafka(520), "found": kafka(end)}
        assert judged(tmp_path / str(end), pieces)["systems-as-backed-up"].outcome is outcome


def test_a_service_may_be_held_to_more_than_the_platform(tmp_path: Path) -> None:
    """Its own objectives for the time until it is back, and for the age of its backup."""
    for name, limits in (("rto", {"kafka": {"rto": 340}}), ("rpo", {"postgres": {"rpo": 59}})):
        found = judged(tmp_path / name, evidence(), services=limits)["services-in-time"]
        assert found.outcome is FAIL, found
