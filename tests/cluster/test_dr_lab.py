"""The lab's parts for disaster recovery: MinIO keeps, Velero reaches it, and a backup really moves bytes."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.client import CoreV1Api

from drill import velero
from drill.cluster import Cluster
from drill.object_store import ObjectStore
from drill.settings import Settings
from drill.velero import Velero
from experiments._watch import NotSeenError, await_seen

pytestmark = pytest.mark.slow


def test_the_buckets_and_their_keys_are_there(lab_dr: Settings) -> None:
    """Velero's and the lakehouse's, to whoever has the keys of the Secret."""
    store = ObjectStore.connect(lab_dr)
    target = lab_dr.object_store
    assert {each["Name"] for each in store.s3.list_buckets()["Buckets"]} >= {target.bucket, target.lakehouse}


def test_velero_reaches_its_bucket_and_has_schedules(lab_dr: Settings) -> None:
    """Its location is Available, looked at just now; each namespace that has data is in a schedule."""
    server = Velero.connect(lab_dr)

    def available() -> None:
        found = server.location()
        if found.phase != "Available" or found.last_validated is None:
            raise NotSeenError(f"{found.phase}: {found.message}")
        assert datetime.now(UTC) - found.last_validated < timedelta(minutes=10)

    await_seen(available, within=120, each=1)
    schedules = server.schedules()
    assert {name for each in schedules for name in each.namespaces} == {"kong", "data-platform", "kafka"}
    assert all(each.phase == "Enabled" and not each.paused for each in schedules)
    seen = server.server()
    assert (seen.ready, seen.agents_ready) == (1, 3)


def test_the_repositories_password_is_not_the_worlds(lab_dr: Settings) -> None:
    """One of the lab's own, made before the first backup."""
    password = Velero.connect(lab_dr).repository_password()
    assert password != velero.DEFAULT_PASSWORD
    assert len(password) >= 16


def test_a_backup_moves_bytes(lab_dr: Settings) -> None:
    """PostgreSQL's volume is of a kind that Velero copies: its bytes are counted, and are in the bucket."""
    cluster = Cluster.connect(lab_dr)
    server, store = Velero.connect(lab_dr, cluster), ObjectStore.connect(lab_dr, cluster)
    name = f"test-kong-{secrets.token_hex(4)}"
    server.create_backup(name, namespaces=["kong"], ttl="1h0m0s")
    try:
        made = server.await_backup(name, within=300)
        assert made.phase == "Completed", (made.troubles, made.raw["status"])
        claims = {each.claim: each for each in server.pod_volume_backups(name) if each.claim}
        (claim,) = CoreV1Api(cluster.core.api_client).list_namespaced_persistent_volume_claim("kong").items
        moved = claims[claim.metadata.name]
        assert moved.phase == "Completed"
        assert moved.snapshot
        assert moved.bytes.done == moved.bytes.total > 1 << 20
        listed = {each.key.rpartition("/")[2] for each in store.listed("kopia/kong/")}
        assert "kopia.repository" in listed
        assert {each[0] for each in listed} >= {"p", "q", "x"}
    finally:
        server.await_backup_deleted(name, server.delete_backup(name))
    assert not list(store.listed(f"backups/{name}/"))
