"""The page of a restore drill: the chain of evidence, estimates, what nobody can tell; and no word of clients."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import recovery
import reports
from drill.fingerprints import PostgresFingerprint, document
from drill.record import RunRecord
from recovery.restores import times
from reports._format import duration, lapse, offset, size
from reports._restore import restore
from reports.charts import Chart
from tests.unit.restores import BACKUP, DISASTER, OLD, Evidence, restore_record
from tests.unit.restores_kafka import kafka_record
from tests.unit.test_report import Page


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the charts show is tested elsewhere."""
    monkeypatch.setattr(Chart, "_draw", lambda *_: "")


def _drawn(runs: Path, write: Callable[..., RunRecord] = restore_record, **how: Any) -> tuple[RunRecord, str]:
    record = write(runs, **how)
    verdicts = [each.model_dump(mode="json") for each in recovery.judge(record)]
    record.write_json("verdicts.json", {"verdicts": verdicts})
    record = RunRecord.open(record.path)
    html = reports.write(record).read_text()
    for attributes in Page(html).all("a"):
        link = str(attributes["href"])
        assert link.startswith("#") or (record.path / link).is_file(), link
    return record, " ".join(Page(html).text.split())


def test_a_loss_is_told_as_measured(tmp_path: Path) -> None:
    """The verdict, both times, the chain in its order, the backups with their age, and each table."""
    _, text = _drawn(tmp_path)
    assert "PASS data-loss" in text
    assert "The data was proven 48.00 s after it was lost" in text
    assert "what was written since the backup began, 20.00 s before the loss, may be gone" in text
    assert "estimate" not in text.lower()
    links = ["What was there", "The backup", "The loss", "The restore", "All of it there again", "The data, read"]
    places = [text.index(f" {name} 2025-06-15") for name in links]
    assert places == sorted(places)
    assert "drill-kong-run (restored) none Completed 2025-06-15 15:06:50 20.00 s" in text
    assert "velero-daily-20250613190650 daily PartiallyFailed 2025-06-14 15:06:50 24 h 00 min" in text
    assert "kong.public.services the same, by rows and checksum 5 5" in text


def test_kafka_is_told_by_its_records(tmp_path: Path) -> None:
    """What was acknowledged before and since, what of it is there, and no word of tables."""
    _, text = _drawn(tmp_path, kafka_record)
    assert "2 topics with 170 records, and 2 consumer groups; they were looked at again right after it" in text
    assert "380 records were acknowledged until the loss" in text
    assert "130 records of the drill's own among them" in text
    assert "Acknowledged before the backup, found again 80 of 80 records" in text
    assert "Lost of what was acknowledged since (measured RPO) 250 of 300 records lost, 25.0 s" in text
    assert "Contents before the last 20,000 offsets of each partition." in text
    assert "Access control lists, quotas" in text
    assert "table" not in text.lower()


def test_a_scratch_restore_is_told_as_an_estimate(tmp_path: Path) -> None:
    """Nothing was lost: no number of it is shown without that word."""
    _, text = _drawn(tmp_path, scratch=True)
    assert "Nothing was lost, so this is an estimate" in text
    assert text.count("32.00 s estimate") == 1
    assert "20 h 00 min estimate" in text
    assert "32.0 s estimate" in text
    assert "RTO and RPO are estimates" in text
    assert "A namespace for the copy" in text


def test_a_missed_estimate_is_an_estimate_too(tmp_path: Path) -> None:
    """A failed objective is shown, and its number is not taken for a measured one either."""
    _, text = _drawn(tmp_path, scratch=True, rpo=60, restored_within=1)
    assert "FAIL restore-drill" in text
    assert "72036.0 s estimate" in text
    assert "32.0 s estimate" in text


def test_nothing_is_said_of_clients_where_none_ran(tmp_path: Path) -> None:
    """No accounting, no latency, no throughput; and nothing on the page could not be read."""
    record, text = _drawn(tmp_path)
    assert "could not be read" not in text
    for word in ("Accounting", "Latency", "Throughput", "Before, during and after", "Client outage", "Producer"):
        assert word not in text, word
    assert "No clients ran" in text
    line = recovery.timeline(record)
    assert line.unmeasured["outage"] == line.unmeasured["rpo"] == "no clients ran in this drill"
    assert line.t0 == DISASTER


def _without(piece: str) -> Callable[[Evidence], None]:
    def spoil(pieces: Evidence) -> None:
        del pieces[piece]

    return spoil


@pytest.mark.parametrize("piece", ["backup", "restore", "objects", "reference", "found", "inventory"])
def test_a_piece_that_is_missing_breaks_its_link_and_no_other(piece: str, tmp_path: Path) -> None:
    """The page says which file is not there, in its place; what was not seen is never shown as passed."""
    record, text = _drawn(tmp_path, spoil=_without(piece))
    assert f"not measured: the record has no evidence/restore-{piece}.json" in text
    assert ("PASS data-loss" in text) == (piece == "inventory")
    found = restore(record, record.verdicts)
    assert found is not None
    assert len(found.chain) == 7


def test_data_that_was_not_proven_has_no_recovery_time(tmp_path: Path) -> None:
    """Not proven is not seen to be back, whatever Velero says."""
    _, text = _drawn(tmp_path, proven=False)
    assert "It was not seen that the data came back: the restored data was not proven." in text
    assert "48.0 s" not in text


def _undeclared(pieces: Evidence) -> None:
    pieces["reference"]["changing"] = []


def test_what_nobody_can_tell_is_listed(tmp_path: Path) -> None:
    """Moving tables, what fingerprints leave out, warnings that were declared harmless, and inconclusive checks."""
    _, text = _drawn(tmp_path)
    unverified = text.partition("What was not verified")[2].partition("Checks")[0]
    assert "never stand still: kong.public.heartbeat" in unverified
    assert "Roles' passwords and server settings." in unverified
    assert "already exists.*kube-root-ca" in unverified
    assert "No clients ran" in text
    _, spoilt = _drawn(tmp_path / "other", spoil=_undeclared)
    assert "This could not be told" in spoilt.partition("What was not verified")[2].partition("Checks")[0]


def test_the_times_of_a_restore_are_what_its_checks_judge(tmp_path: Path) -> None:
    """One definition, for the verdicts and for the page."""
    lost, copied = times(restore_record(tmp_path / "a")), times(restore_record(tmp_path / "b", scratch=True))
    assert (lost.rto, lost.rpo, lost.estimated) == (48.0, DISASTER - BACKUP, False)
    assert (copied.rto, copied.estimated) == (32.0, True)
    assert copied.rpo == OLD + 36
    assert times(restore_record(tmp_path / "c", spoil=_without("backup"))).unmeasured.keys() == {"backup"}


def test_long_times_and_many_bytes_are_as_people_read_them() -> None:
    """Hours and days beyond two hours, megabytes for bytes."""
    assert [duration(each) for each in (7199, 7200, 172_799, 180_000)] == [
        "119 min 59 s", "2 h 00 min", "47 h 59 min", "2 d 2 h",
    ]  # fmt: skip
    assert (offset(-72_000), offset(7_200), offset(3.2)) == ("\N{MINUS SIGN}20 h 00 min", "+2 h 00 min", "+3.20 s")
    assert (lapse(0), lapse(-2), lapse(3)) == ("at", "2.00 s before", "3.00 s after")
    assert [size(each) for each in (0, 999, 64_000_000, 5 * 10**15)] == ["0 B", "999 B", "64.0 MB", "5000.0 TB"]


def test_a_lost_cluster_is_told_with_all_that_was_in_it(tmp_path: Path) -> None:
    """Several namespaces, restored one after the other, are no list of a program's."""
    record = restore_record(tmp_path)
    target = {"namespaces": ["kong", "kafka"], "whole_cluster": True}
    record.write_text("scenario.yaml", yaml.safe_dump({**record.scenario, "target": target}))
    record.write_evidence("restore-restore", {**record.evidence("restore-restore"), "into": ["kong", "kafka"]})
    record = RunRecord.open(record.path)
    found = restore(record, recovery.judge(record))
    assert found is not None
    assert found.namespace == "The cluster, with kong, kafka,"
    assert any("into kong, kafka: " in str(link.said) for link in found.chain)
    told = {proof.verdict.check: proof.by for proof in found.proofs}
    assert told.keys() >= {"cluster-replaced", "systems-as-backed-up", "services-in-time"}
    assert "The files named here." not in told.values()


def test_what_of_a_lost_cluster_was_left_out_is_listed(tmp_path: Path) -> None:
    """Nothing declares it, so that the check may pass; a reader must not take that for proof."""
    record = restore_record(tmp_path)
    target = {"namespaces": ["kong", "kafka"], "whole_cluster": True}
    record.write_text("scenario.yaml", yaml.safe_dump({**record.scenario, "target": target}))
    record.write_evidence("restore-systems", {"left_out": {"iceberg": "the context declares no Trino"}})
    record = RunRecord.open(record.path)
    found = restore(record, recovery.judge(record))
    assert found is not None
    assert "What iceberg holds: it was left out, for the context declares no Trino." in found.unverified


def test_sequences_that_went_on_are_listed(tmp_path: Path) -> None:
    """Those of a table that never stands still; and roles and definitions are told as proven."""

    def going(pieces: Evidence) -> None:
        for side, last in ((pieces["reference"], 5), (pieces["found"], 5000)):
            for name in ("before", "after") if side is pieces["reference"] else ("fingerprint",):
                content = side[name]["fingerprint"]
                number = {"last_value": last, "increment": 1, "cache": 1, "definition": "bigint"}
                content["databases"]["kong"]["sequences"]["public.heartbeat_id_seq"] = number
                side[name] = document(PostgresFingerprint.model_validate(content))
        pieces["reference"]["changing"] = ["kong.public.heartbeat*"]

    record = restore_record(tmp_path, spoil=going)
    found = restore(record, recovery.judge(record))
    assert found is not None
    assert "definitions-as-backed-up" in {each.verdict.check for each in found.proofs}
    assert (
        "Where 1 sequence of tables that never stand still must be: kong.public.heartbeat_id_seq." in found.unverified
    )
