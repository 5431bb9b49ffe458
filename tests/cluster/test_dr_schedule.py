"""A drill that a CronJob runs inside the cluster, with the rights of its schedule alone, leaves its report in MinIO."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from drill.object_store import ObjectStore
from drill.settings import PublishTarget, Settings
from reports.published import Published
from tests.cluster import drills

BUCKET = "drill-reports"
TARGET = PublishTarget(endpoint="http://198.18.0.11:30900", bucket=BUCKET)


def _kubectl(*arguments: str, text: str | None = None) -> str:
    (kubectl,) = (path for path in _programs().glob("kube") if path.is_file())
    done = subprocess.run(
        [kubectl, "kubectl", "--kubeconfig", lab.kubeconfig(), *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _programs() -> Path:
    return max((lab.kubeconfig().parent / "programs").iterdir(), key=lambda path: path.stat().st_mtime)


@pytest.fixture
def store(lab_dr: Settings) -> Iterator[ObjectStore]:
    """The bucket of reports, the namespace of schedules and its Secret; gone afterwards."""
    found = ObjectStore.connect(lab_dr)
    keys = json.loads(_kubectl("get", "secret", "minio", "-n", "minio", "-o", "json"))["data"]
    names = [each["Name"] for each in found.s3.list_buckets()["Buckets"]]
    if BUCKET not in names:
        found.s3.create_bucket(Bucket=BUCKET)
    _kubectl("apply", "-f", str(drills.ROOT / "deploy" / "base" / "namespace.yaml"))
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "drill-reports", "namespace": "drill"},
        "data": {"AWS_ACCESS_KEY_ID": keys["access-key"], "AWS_SECRET_ACCESS_KEY": keys["secret-key"]},
    }
    _kubectl("apply", "-f", "-", text=json.dumps(secret))
    yield ObjectStore(TARGET, found.s3)
    for each in found.listed(bucket=BUCKET):
        found.delete(each.key, BUCKET)
    found.s3.delete_bucket(Bucket=BUCKET)
    _kubectl("delete", "-k", str(drills.ROOT / "deploy" / "lab"), "--ignore-not-found", "--timeout=120s")


@pytest.mark.slow
def test_a_scheduled_drill_leaves_its_report_in_the_bucket(store: ObjectStore) -> None:
    """By date, whole, on the page of all runs; and the job ends as the drill did."""
    lab.load_own_image()
    _kubectl("apply", "-k", str(drills.ROOT / "deploy" / "lab"))
    _kubectl("create", "job", "-n", "drill", "--from=cronjob/drill-broker-kill", "by-hand")
    _kubectl("wait", "-n", "drill", "--for=jsonpath={.status.conditions}", "job/by-hand", "--timeout=600s")
    job = json.loads(_kubectl("get", "job", "by-hand", "-n", "drill", "-o", "json"))
    log = _kubectl("logs", "-n", "drill", "job/by-hand")
    keys = [each.key for each in store.listed("drills/")]
    (told,) = (Published.model_validate_json(store.read(key)) for key in keys if key.endswith("/run.json"))
    assert (told.scenario, told.context) == ("broker-kill", "in-cluster")
    assert told.outcome != "fail", log
    assert bool(job["status"].get("succeeded")) is (told.outcome == "pass")
    assert told.manifest_sha256
    assert sum(key.endswith("/report.html") for key in keys) == 1
    assert f"Report of {told.scenario}" in store.read("drills/index.html").decode()


_COUNT = """
import sys
from pathlib import Path
from drill.ledger import ledgers
from drill.record import RunRecord
for path in Path("/runs/runs/locust").iterdir():
    for each in ledgers(RunRecord(path)):
        print(each.header.producer_id, each.attempted, each.acked.count())
"""


@pytest.mark.slow
@pytest.mark.usefixtures("store")
def test_a_load_is_spread_over_workers() -> None:
    """Each sends its share, with a ledger of its own; scaling the Deployment is all it takes to send more."""
    lab.load_own_image()
    _kubectl("apply", "-k", str(drills.ROOT / "deploy" / "lab"))
    _kubectl("apply", "-k", str(drills.ROOT / "deploy" / "lab" / "load"))
    try:
        _kubectl("wait", "-n", "drill", "--for=condition=Complete", "job/drill-load", "--timeout=300s")
        pods = json.loads(_kubectl("get", "pods", "-n", "drill", "-l", "drill/load=worker", "-o", "json"))["items"]
        told = [
            _kubectl("exec", "-n", "drill", each["metadata"]["name"], "--", "python3", "-c", _COUNT).split()
            for each in pods
        ]
        producers, attempted, acked = zip(*([int(value) for value in each] for each in told), strict=True)
        assert len(set(producers)) == len(pods) == 2
        assert sum(attempted) == pytest.approx(2000 * 60, rel=0.1)
        assert sum(acked) > 0.9 * sum(attempted)
    finally:
        _kubectl("delete", "-k", str(drills.ROOT / "deploy" / "lab" / "load"), "--ignore-not-found", "--timeout=120s")
