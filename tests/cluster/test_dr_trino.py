"""The daily price flow into the lab's real Trino and MinIO, verified; and its objects, lost and brought back.

The flow has a topic and a table of the tests' own, which are gone afterwards; the drills are of the lab's own prices.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import structlog
import yaml
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic
from typer.testing import CliRunner

from drill import kafka, lease, rollback
from drill.cli import app
from drill.cluster import Cluster
from drill.exits import ExitCode
from drill.object_store import ObjectStore
from drill.settings import Settings
from drill.trino import Trino
from drill.verdicts import Outcome
from experiments.trino._objects import Bucket, How, Kept
from load import lakehouse
from load._codec import Encoder
from recovery.lakehouse import CHECKS
from scenarios import reader
from tests.cluster.drills import ROOT, Command, outcome, run, the_record, verdicts

pytestmark = pytest.mark.slow
RECORDS = 300


@pytest.fixture(autouse=True)
def _environment_back() -> Iterator[None]:
    """A command speaks to its children by environment and sets up logging: hand both back."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    structlog.reset_defaults()


@dataclass
class Flow:
    """A topic with prices and one record that is none, and a table that is filled from it."""

    settings: Settings
    name: str

    @property
    def trino(self) -> Trino:
        """A client of it."""
        return Trino(self.settings.trino)

    def load(self) -> lakehouse.Loaded:
        """All that the topic has."""
        ranges = lakehouse.newest(self.settings.kafka, self.name, 10 * RECORDS)
        return lakehouse.load(self.trino, self.settings.kafka, self.name, ranges, self.name)

    def drill(self, *arguments: str) -> tuple[int, str]:
        """Exit code and stdout of a command."""
        done = CliRunner().invoke(app, [*arguments, "--context", "drill-lab"])
        return done.exit_code, done.stdout


@pytest.fixture
def flow(lab_dr: Settings) -> Iterator[Flow]:
    """Loaded once; its topic and its table are gone afterwards."""
    made = Flow(lab_dr, f"drill_flow_{secrets.token_hex(4)}")
    admin = kafka.admin(lab_dr.kafka)
    try:
        admin.create_topics([NewTopic(made.name, 3, 3)])[made.name].result()
        producer = Producer(kafka.client_config(lab_dr.kafka) | {"acks": "all"})
        due = time.time() - 3600 + np.arange(RECORDS) / 1000
        for number, value in enumerate(Encoder(made.name, 0, 200).encode(np.arange(RECORDS), due)):
            producer.produce(made.name, value, partition=number % 3)
        producer.produce(made.name, b"not json", partition=0)
        assert producer.flush(60) == 0
        lakehouse.ensure_table(made.trino, made.name)
        first = made.load()
        assert (first.read, first.loaded, dict(first.rejected)) == (RECORDS + 1, RECORDS, {"not JSON": 1})
        yield made
    finally:
        made.trino.rows(f"DROP TABLE IF EXISTS {made.name}")
        admin.delete_topics([made.name])[made.name].result()


def lakehouse_bucket(settings: Settings) -> Bucket:
    """As the drills see it."""
    return Bucket.of(ObjectStore.connect(settings), settings.lakehouse)


def data_files(trino: Trino, table: str) -> list[str]:
    """The keys of a table's data files."""
    rows = trino.rows(f'SELECT file_path FROM "{table}$files" WHERE content = 0 ORDER BY 1')  # noqa: S608
    return [urlsplit(path).path.lstrip("/") for (path,) in rows]


def test_the_daily_flow_is_verified_and_each_loss_is_found(flow: Flow, tmp_path: Path) -> None:
    """Records become rows once; a lost object, a damaged one and a lost row are each found by both commands."""
    ((rows,),) = flow.trino.rows(f"SELECT count(*) FROM {flow.name}")  # noqa: S608
    again = flow.load()
    assert (rows, again.loaded, again.present) == (RECORDS, 0, RECORDS)

    table, objects = str(tmp_path / "iceberg.json"), str(tmp_path / "bucket.json")
    place = lakehouse_bucket(flow.settings)
    key = data_files(flow.trino, flow.name)[0]
    folder = key.partition("/data/")[0] + "/"
    assert flow.drill("fingerprint", "iceberg", "--table", flow.name, "-o", table)[0] == ExitCode.PASS
    listed = ("fingerprint", "bucket", "--bucket", place.name, "--prefix", folder, "-o", objects)
    assert flow.drill(*listed)[0] == ExitCode.PASS
    assert _verified(flow, table, objects) == (ExitCode.PASS, ExitCode.PASS)

    was = place.read(key)
    damages: tuple[How, ...] = ("deleted", "corrupted")
    for how in damages:
        place.damage(key, how, "test")
        code, said = flow.drill("verify", "iceberg", "--against", table)
        assert code == ExitCode.FAIL
        assert "they can't be read" in said
        code, said = flow.drill("verify", "bucket", "--against", objects)
        assert code == ExitCode.FAIL
        assert key.rpartition("/")[2] in said
        place.bring_back(key, was.version, "test")
        assert place.read(key) == was
        assert _verified(flow, table, objects) == (ExitCode.PASS, ExitCode.PASS)

    flow.trino.change(f"DELETE FROM {flow.name} WHERE topic_partition = 1 AND topic_offset = 7")  # noqa: S608
    code, said = flow.drill("verify", "iceberg", "--against", table)
    assert code == ExitCode.FAIL
    assert "iceberg-partitions" in said


def _verified(flow: Flow, table: str, objects: str) -> tuple[int, int]:
    return (
        flow.drill("verify", "iceberg", "--against", table)[0],
        flow.drill("verify", "bucket", "--against", objects)[0],
    )


def _scenario(folder: Path, how: str = "deleted", **configuration: object) -> Path:
    """The catalogue's, with another damage."""
    content = yaml.safe_load(reader.find("object-store-loss").read_text())
    content["experiment"]["configuration"] = {"how": how, **configuration}
    path = folder / "object-store-loss.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _objects(settings: Settings) -> dict[str, Kept]:
    """Those of the lab's own prices."""
    place = lakehouse_bucket(settings)
    return {key: place.read(key) for key in data_files(Trino(settings.trino), lakehouse.TABLE)}


@pytest.mark.parametrize("how", ["deleted", "corrupted"])
def test_lost_objects_are_found_and_brought_back(lab_dr: Settings, tmp_path: Path, how: str) -> None:
    """The whole drill passes, each of its checks was asked, and every object is the very version of before."""
    before = _objects(lab_dr)
    code, out, err = run(tmp_path / "runs", "run", str(_scenario(tmp_path, how)))
    record = the_record(tmp_path / "runs")
    assert code == ExitCode.PASS, f"{out}\n{err}"
    assert outcome(record) is Outcome.PASS
    assert {each.name for each in CHECKS} <= verdicts(record).keys()
    assert _objects(lab_dr) == before


def test_a_killed_harness_loses_no_object(lab_dr: Settings, tmp_path: Path) -> None:
    """SIGKILL while the object is gone: `drill rollback` brings back the version that was there."""
    before = _objects(lab_dr)
    command = Command(tmp_path / "runs", "run", str(_scenario(tmp_path)))
    record = command.await_event("fault.effective")
    command.process.kill()
    command.finish()
    code, out, err = run(tmp_path / "runs", "rollback", str(record.path))
    assert code == ExitCode.PASS, f"{out}\n{err}"
    assert rollback.pending(record.path / rollback.FILE) == []
    assert _objects(lab_dr) == before
    # What the dead harness held expires by itself; the next test need not wait for that.
    Cluster.connect(lab_dr).coordination.delete_namespaced_lease(lease.NAME, "default")


def test_more_than_the_blast_radius_and_other_buckets_are_refused(lab_dr: Settings, tmp_path: Path) -> None:
    """Before anything is touched."""
    before = _objects(lab_dr)
    code, out, err = run(tmp_path / "runs", "run", str(_scenario(tmp_path, count=2)))
    assert code == ExitCode.INCONCLUSIVE, f"{out}\n{err}"
    assert "the blast radius is 1" in err
    content = yaml.safe_load(_scenario(tmp_path).read_text())
    content["target"]["buckets"] = ["velero"]
    # Not beside the other, which would be taken for the experiment of this name.
    other = tmp_path / "other" / "velero.yaml"
    other.parent.mkdir()
    other.write_text(yaml.safe_dump(content))
    code, out, err = run(tmp_path / "runs", "run", str(other))
    assert code == ExitCode.USAGE, f"{out}\n{err}"
    assert "has the backups" in err
    assert _objects(lab_dr) == before


def test_the_shipped_manifest_is_what_the_drill_needs(lab_dr: Settings, tmp_path: Path) -> None:  # noqa: ARG001 - up
    """To the letter; after a change `drill rbac` writes it anew."""
    code, out, err = run(tmp_path, "rbac", "trino")
    assert code == ExitCode.PASS, err
    assert out == (ROOT / "docs" / "rbac" / "trino-drills.yaml").read_text()


def test_a_plan_names_the_object(lab_dr: Settings, tmp_path: Path) -> None:  # noqa: ARG001 - the lab is up
    """As it would be damaged: the same choice by the same seed."""
    plans = [run(tmp_path, "plan", "object-store-loss", "--seed", "7", "-o", "json") for _ in range(2)]
    first, second = (json.loads(out)["targets"] for _, out, _ in plans)
    assert first == second
    assert [(each["kind"], each["bucket"], each["table"]) for each in first] == [("Object", "lakehouse", "prices")]
