"""`drill backups` on real backups: a good one passes every check, and what is wrong with one is found, never passed.

What is damaged is the tests' own: a namespace, backups of it, a schedule, a location. Of the lab's only MinIO and
Velero's server are disturbed, as a disaster would do it, and both are whole again afterwards.
"""

import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from drill.cli import app
from drill.cluster import Cluster
from drill.exits import ExitCode
from drill.settings import SecretKey, Settings, VeleroTarget
from drill.velero import GROUP, VERSION, Velero
from drill.verdicts import Outcome, Verdict, overall
from experiments._watch import NotSeenError, await_seen
from experiments.backups import collect
from recovery.backups import judge
from tests.cluster.conftest import lab_settings
from tests.cluster.keeper import (
    ASLEEP,
    FILE,
    Keeper,
    await_location,
    await_phase,
    await_ready,
    delete_backups,
    keeping,
    remove_resource,
    scaled_to_none,
)
from tests.cluster.scratch import workload
from tests.cluster.test_rbac import in_force

pytestmark = pytest.mark.slow

NAMESPACE = "drill-backups"
FAIL, PASS, UNSURE = Outcome.FAIL, Outcome.PASS, Outcome.INCONCLUSIVE
WORST = [PASS, UNSURE, FAIL]
OBJECTS = (
    "velero-backup.json",
    "{}.tar.gz",
    "{}-logs.gz",
    "{}-podvolumebackups.json.gz",
    "{}-volumesnapshots.json.gz",
    "{}-itemoperations.json.gz",
    "{}-resource-list.json.gz",
    "{}-results.gz",
    "{}-volumeinfo.json.gz",
)
EXCLUDED = "velero.io/exclude-from-backup"
_PRE_HOOK = "pre.hook.backup.velero.io"


def test_the_labs_own_backups_pass_every_check(lab_dr: Settings) -> None:
    """One of each schedule, looked into and downloaded by the command as it is typed."""
    server = Velero.connect(lab_dr)
    mark = secrets.token_hex(4)
    names = [f"test-{each.name}-{mark}" for each in server.schedules()]
    for schedule, name in zip(server.schedules(), names, strict=True):
        server.create_backup(name, schedule=schedule.name, ttl="1h0m0s")
    try:
        for name in names:
            made = server.await_backup(name, within=600)
            assert made.phase == "Completed", (name, made.troubles, made.raw["status"])
        code, told = _command("--download")
        unproven = [each for each in told["verdicts"] if each["outcome"] != "pass"]
        assert not unproven, json.dumps(unproven, indent=2)
        assert code == ExitCode.PASS
        looked_into = {each["name"] for each in told["backups"] if each["looked_into"]}
        assert looked_into == set(names)
        followed = [each for each in told["verdicts"] if each["check"] == "volume-files-whole"]
        assert any("kong-postgres-0:" in each["details"]["object"] for each in followed)
        assert all("fetched" in each["reason"] for each in followed)
    finally:
        delete_backups(server, names)


# --- a namespace of the tests' own, and backups of it


class Mine:
    """A pod with a volume and two backups of it, and what is judged of such."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper, self.velero, self.store, self.cluster = keeper, keeper.velero, keeper.store, keeper.cluster
        keeper.cluster.core.create_namespaced_config_map(
            NAMESPACE, {"metadata": {"name": "left-out", "labels": {EXCLUDED: "true"}}}
        )
        keeper.run(FILE.format("first"))
        self.first = self.backup()
        """A backup of one file."""
        keeper.run(FILE.format("second"))
        self.second = self.backup()
        """A backup of that and another, whose data is in a pack of its own."""

    def start(self, **spec: Any) -> str:
        """A backup of the namespace is begun."""
        return self.keeper.start(_name(), **spec)

    def backup(self, **spec: Any) -> str:
        """A backup that is Completed."""
        return self.keeper.backup(_name(), **spec)

    def verdicts(self, name: str, settings: Settings | None = None, **how: Any) -> dict[str, Verdict]:
        """What is judged of a backup and of the namespace's volumes; of several of one check, the worst."""
        seen = collect(settings or self.keeper.settings, self.cluster, backups=[name], **how)
        return _worst(each for each in judge(seen) if _about(each, name, NAMESPACE))

    def all(self, *, rules: VeleroTarget | None = None, about: str = "") -> dict[str, Verdict]:
        """What is judged of everything that has these words in its name."""
        seen = collect(self.keeper.settings, self.cluster, rules=rules)
        return _worst(each for each in judge(seen) if _about(each, about))

    def keys(self, prefix: str) -> set[str]:
        """Keys of the bucket."""
        return {each.key for each in self.store.listed(prefix)}

    @contextmanager
    def spoilt(self, key: str, content: Callable[[bytes], bytes] | None = None) -> Iterator[None]:
        """An object of the bucket is deleted, or has another content; put back at the end."""
        before, bucket = self.store.read(key), self.store.target.bucket
        try:
            if content is None:
                self.store.s3.delete_object(Bucket=bucket, Key=key)
            else:
                self.store.s3.put_object(Bucket=bucket, Key=key, Body=content(before))
            yield
        finally:
            self.store.s3.put_object(Bucket=bucket, Key=key, Body=before)

    def object(self, plural: str, kind: str, name: str, spec: dict[str, Any]) -> None:
        """Make a resource of Velero's."""
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name}, "spec": spec}
        self.cluster.objects.create_namespaced_custom_object(GROUP, VERSION, "velero", plural, body)


@pytest.fixture(scope="module")
def mine(dr_up: None) -> Iterator[Mine]:  # noqa: ARG001 - order only
    """A pod with a volume, and two backups of it; gone afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        settings = lab_settings(patch)
    with keeping(NAMESPACE, settings) as keeper:
        yield Mine(keeper)


@pytest.mark.parametrize("download", [False, True])
def test_a_good_backup_passes(mine: Mine, download: bool) -> None:
    """Before anything is spoilt; what is found afterwards is found because of that."""
    for name in (mine.first, mine.second):
        verdicts = mine.verdicts(name, download=download)
        assert {each: one.reason for each, one in verdicts.items() if one.outcome is not PASS} == {}
        assert {"objects-intact", "archive-whole", "volume-files-whole", "pod-volumes-complete"} <= verdicts.keys()


# --- the volumes' data


def test_data_of_a_volume_that_is_gone_is_found_without_fetching_any(mine: Mine) -> None:
    """By the repository's indexes: the listing alone shows other packs and is content. The older backup is whole."""
    for pack in sorted(mine.keys(f"kopia/{NAMESPACE}/p")):
        with mine.spoilt(pack):
            both = [mine.verdicts(name) for name in (mine.first, mine.second)]
            assert both[1]["volume-files-whole"].outcome is FAIL
            assert pack.rpartition("/")[2] in both[1]["volume-files-whole"].reason
            assert both[1]["volume-data-present"].outcome is PASS
            if both[0]["volume-files-whole"].outcome is PASS:
                break
    else:
        pytest.fail("no pack has only what the second backup added")


def test_data_of_a_volume_that_is_truncated_is_found_without_fetching_any(mine: Mine) -> None:
    """The index says how far the pack must reach."""
    largest = max(mine.store.listed(f"kopia/{NAMESPACE}/p"), key=lambda each: each.size)
    with mine.spoilt(largest.key, lambda content: content[: len(content) // 2]):
        assert mine.verdicts(mine.second)["volume-files-whole"].outcome is FAIL


def test_data_of_a_volume_that_is_altered_is_found_by_downloading_it(mine: Mine) -> None:
    """Its ETag is that of the altered object, so that only the cipher's own tag can tell."""
    largest = max(mine.store.listed(f"kopia/{NAMESPACE}/p"), key=lambda each: each.size)
    with mine.spoilt(largest.key, lambda content: content[:1000] + bytes([content[1000] ^ 1]) + content[1001:]):
        verdicts = mine.verdicts(mine.second, download=True)
        assert verdicts["volume-data-present"].outcome is PASS
        assert verdicts["volume-files-whole"].outcome is FAIL
        assert "is not what was once written" in verdicts["volume-files-whole"].reason


@pytest.mark.parametrize("kind", ["q", "x", "kopia.repository"])
def test_a_repository_that_lacks_a_part_is_never_passed(mine: Mine, kind: str) -> None:
    """Directories, an index, the repository's own format."""
    for key in sorted(mine.keys(f"kopia/{NAMESPACE}/{kind}")):
        with mine.spoilt(key):
            if overall(mine.verdicts(mine.second).values()) is not PASS:
                return
    pytest.fail(f"no blob {kind} is needed by the backup")


def test_another_password_in_the_cluster_is_found(mine: Mine) -> None:
    """Whoever restores would have this one, and it opens nothing."""
    with _secret_value(mine.cluster, "velero", "velero-repo-credentials", "repository-password", "another one"):
        verdict = mine.verdicts(mine.second)["volume-files-whole"]
    assert verdict.outcome is FAIL
    assert "does not open" in verdict.reason


def test_a_volume_that_its_pod_opted_out_is_found(mine: Mine) -> None:
    """The backup is Completed all the same."""
    mine.keeper.annotate(**{"backup.velero.io/backup-volumes-excludes": "data"})
    try:
        verdict = mine.verdicts(mine.backup())["volumes-backed-up"]
    finally:
        mine.keeper.annotate(**{"backup.velero.io/backup-volumes-excludes": None})
    assert verdict.outcome is FAIL
    assert f"{NAMESPACE}/data-keeper-0" in verdict.reason


def test_a_volume_on_a_hosts_path_is_found(mine: Mine) -> None:
    """Velero skips it with a warning, and the backup is Completed."""
    with _host_path_pod(mine):
        name = mine.backup()
        verdicts = mine.verdicts(name)
        allowed = VeleroTarget(allowed_warnings=("is a hostPath volume which is not supported",))
        knowing = mine.verdicts(name, rules=allowed)
    assert verdicts["volumes-backed-up"].outcome is FAIL
    assert f"{NAMESPACE}/on-host" in verdicts["volumes-backed-up"].reason
    assert verdicts["warnings-allowed"].outcome is FAIL
    assert "hostPath" in verdicts["warnings-allowed"].reason
    assert (knowing["warnings-allowed"].outcome, knowing["volumes-backed-up"].outcome) == (PASS, FAIL)


# --- the bucket's objects


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_that_is_deleted_from_the_bucket_is_found(mine: Mine, name: str) -> None:
    """By its name."""
    name = name.format(mine.second)
    with mine.spoilt(f"backups/{mine.second}/{name}"):
        verdict = mine.verdicts(mine.second)["objects-present"]
    assert verdict.outcome is FAIL
    assert name in verdict.reason


def test_a_truncated_archive_is_found(mine: Mine) -> None:
    """Its gzip ends too early."""
    with mine.spoilt(f"backups/{mine.second}/{mine.second}.tar.gz", lambda content: content[:-20]):
        assert mine.verdicts(mine.second)["objects-intact"].outcome is FAIL


def test_another_backups_archive_is_found(mine: Mine) -> None:
    """Whole by itself, and not the one that the list tells of."""
    mine.cluster.core.create_namespaced_config_map(NAMESPACE, {"metadata": {"name": "later"}})
    try:
        later = mine.backup()
    finally:
        mine.cluster.core.delete_namespaced_config_map("later", NAMESPACE)
    other = mine.store.read(f"backups/{mine.second}/{mine.second}.tar.gz")
    with mine.spoilt(f"backups/{later}/{later}.tar.gz", lambda _: other):
        verdict = mine.verdicts(later)["archive-whole"]
    assert verdict.outcome is FAIL
    assert "v1/ConfigMap drill-backups/later" in verdict.reason


def test_an_object_that_the_backup_leaves_out_is_found(mine: Mine) -> None:
    """It was left out by its label when the backup was made, and nobody remembers why."""
    core = mine.cluster.core
    assert mine.verdicts(mine.second)["resources-listed"].outcome is PASS
    core.patch_namespaced_config_map("left-out", NAMESPACE, {"metadata": {"labels": {EXCLUDED: None}}})
    try:
        verdict = mine.verdicts(mine.second)["resources-listed"]
    finally:
        core.patch_namespaced_config_map("left-out", NAMESPACE, {"metadata": {"labels": {EXCLUDED: "true"}}})
    assert verdict.outcome is FAIL
    assert "v1/ConfigMap drill-backups/left-out" in verdict.reason


# --- schedules


@pytest.fixture
def schedule(mine: Mine) -> Iterator[str]:
    """A schedule of the namespace that is not due in the time of a test."""
    name = _name()
    template = {"includedNamespaces": [NAMESPACE], "ttl": "168h0m0s", "defaultVolumesToFsBackup": True}
    mine.object("schedules", "Schedule", name, {"schedule": "0 0 1 1 *", "template": template})

    def enabled() -> None:
        if mine.velero.schedule(name).phase != "Enabled":
            raise NotSeenError(f"schedule {name} is not enabled yet")

    await_seen(enabled, within=60)
    yield name
    remove_resource(mine.velero, "schedules", name)


def test_a_stale_schedule_is_found(mine: Mine, schedule: str) -> None:
    """Its newest backup is fresh by one objective and too old by another."""
    mine.backup(schedule=schedule)
    assert mine.all(about=schedule)["backup-fresh"].outcome is PASS
    strict = VeleroTarget(rpo_hours_of={schedule: 0.0001})
    assert mine.all(rules=strict, about=schedule)["backup-fresh"].outcome is FAIL


def test_a_paused_schedule_is_found(mine: Mine, schedule: str) -> None:
    """It makes no backups."""
    mine.velero.pause(schedule, paused=True)
    assert mine.all(about=schedule)["schedule-active"].outcome is FAIL


def test_a_schedule_that_can_be_no_schedule_is_found(mine: Mine, schedule: str) -> None:
    """Velero says so only in its status."""
    mine.velero.patch("schedules", schedule, {"spec": {"schedule": "every now and then"}})

    def refused() -> None:
        if mine.velero.schedule(schedule).phase == "Enabled":
            raise NotSeenError("Velero has not looked at it yet")

    await_seen(refused, within=60)
    assert mine.all(about=schedule)["schedule-active"].outcome is FAIL


# --- Velero's server


def test_a_server_that_dies_in_mid_backup_is_never_passed(mine: Mine, schedule: str) -> None:
    """While it is down its backup is stuck and keeps the schedule from its next; when it is back, that is Failed."""
    with _slow_backup(mine):
        name = mine.start(schedule=schedule)
        await_phase(mine.velero, name, "InProgress")
        with scaled_to_none(mine.keeper.admin, "deployment", "velero", "velero"):
            found = mine.all(rules=VeleroTarget(stuck_hours=0.00001))
            assert found["velero-serves"].outcome is FAIL
            stuck = mine.all(rules=VeleroTarget(stuck_hours=0.00001), about=schedule)["schedule-active"]
            assert stuck.outcome is FAIL
            assert f"{name} is InProgress" in stuck.reason
            assert "makes no other meanwhile" in stuck.reason
            assert overall(mine.verdicts(name).values()) is FAIL
    made = mine.velero.await_backup(name, within=300)
    assert made.phase == "Failed", made.raw["status"]
    verdicts = mine.verdicts(name)
    assert verdicts["backup-completed"].outcome is FAIL
    assert verdicts["objects-present"].outcome is FAIL


def test_a_hook_that_fails_is_found(mine: Mine) -> None:
    """A database that was not flushed before it was copied."""
    mine.keeper.annotate(**{f"{_PRE_HOOK}/container": "main", f"{_PRE_HOOK}/command": '["false"]'})
    try:
        name = mine.start()
        made = mine.velero.await_backup(name, within=300)
    finally:
        mine.keeper.annotate(**{f"{_PRE_HOOK}/container": None, f"{_PRE_HOOK}/command": None})
    assert made.hooks.failed == 1
    assert mine.verdicts(name)["hooks-complete"].outcome is FAIL


# --- the store


def test_a_location_with_wrong_keys_is_found(mine: Mine) -> None:
    """The bucket is there; Velero can't get in."""
    wrong = "[default]\naws_access_key_id=nobody\naws_secret_access_key=knows\n"
    name = _name()
    mine.cluster.core.create_namespaced_secret("velero", {"metadata": {"name": name}, "stringData": {"cloud": wrong}})
    spec = dict(mine.velero.location().raw["spec"]) | {"default": False, "credential": {"name": name, "key": "cloud"}}
    spec["objectStorage"] = {"bucket": mine.store.target.bucket, "prefix": name}
    mine.object("backupstoragelocations", "BackupStorageLocation", name, spec)
    try:
        await_location(mine.velero, "Unavailable", name)
        verdict = mine.all(about=f"location {name}")["location-available"]
    finally:
        remove_resource(mine.velero, "backupstoragelocations", name)
        mine.cluster.core.delete_namespaced_secret(name, "velero")
    assert verdict.outcome is FAIL
    assert "Unavailable" in verdict.reason


def test_wrong_keys_of_our_own_are_no_pass(mine: Mine) -> None:
    """Nothing is known of the bucket then."""
    wrong = SecretKey(name="minio", key="access-key")
    store = mine.keeper.settings.object_store.model_copy(update={"secret_key": wrong})
    context = mine.keeper.settings.target.model_copy(update={"object_store": store})
    settings = mine.keeper.settings.model_copy(update={"contexts": {"drill-lab": context}})
    verdicts = mine.verdicts(mine.second, settings=settings)
    assert verdicts["objects-present"].outcome is UNSURE
    assert verdicts["phases-agree"].outcome is UNSURE
    assert "SignatureDoesNotMatch" in verdicts["objects-present"].reason


def test_a_store_that_is_away_is_found(mine: Mine) -> None:
    """Velero says so when it looks next; what is in the bucket can't be seen."""
    with scaled_to_none(mine.keeper.admin, "stateful_set", "minio", "minio"):
        await_location(mine.velero, "Unavailable")
        verdicts = mine.verdicts(mine.second)
        assert verdicts["objects-present"].outcome is UNSURE
        assert overall(verdicts.values()) is UNSURE
        assert mine.all(about="location default")["location-available"].outcome is FAIL
        refused = mine.start()
        assert mine.velero.await_backup(refused, within=120).phase == "FailedValidation"
        assert mine.verdicts(refused)["backup-completed"].outcome is FAIL
    await_location(mine.velero, "Available")


def test_a_store_that_is_full_is_found(mine: Mine) -> None:
    """The backup that it had no room for is not Completed, and never passed."""
    with _full(mine):
        name = mine.start()
        made = mine.velero.await_backup(name, within=300)
        assert made.phase in {"Failed", "PartiallyFailed"}, made.raw["status"]
        assert overall(mine.verdicts(name).values()) is FAIL
    assert overall(mine.verdicts(mine.backup()).values()) is PASS


# --- who may look


def test_it_looks_with_exactly_what_rbac_prints(mine: Mine, schedule: str, tmp_path: Path) -> None:
    """And without one permission of these what it could not see is no pass."""
    assert schedule in {each.name for each in mine.velero.schedules()}  # whose namespace is to be listed
    result = _invoked("rbac", "backups", "--context", "drill-lab")
    assert result.exit_code == ExitCode.PASS, result.output
    objects = list(yaml.safe_load_all(result.stdout))
    _await_verdicts(mine, objects, tmp_path, {PASS})
    for each in objects:
        if "rules" in each:
            each["rules"] = [rule for rule in each["rules"] if "pods" not in rule["resources"]]
    _await_verdicts(mine, objects, tmp_path, {PASS, UNSURE})


# --- helpers


def _await_verdicts(mine: Mine, objects: list[dict[str, Any]], folder: Path, outcomes: set[Outcome]) -> None:
    """What an account with these manifests sees of the second backup, once the API server has taken note of them."""
    with in_force(mine.keeper.admin, mine.keeper.settings, folder, objects) as kubeconfig:
        arguments = ("--context", "drill-lab", "--kubeconfig", str(kubeconfig), "-o", "json")

        def look() -> None:
            told = json.loads(_invoked("backups", mine.second, *arguments).stdout)
            found = [Verdict.model_validate(each) for each in told["verdicts"]]
            about = [each for each in found if _about(each, mine.second, NAMESPACE)]
            if {each.outcome for each in about} != outcomes:
                raise NotSeenError("; ".join(each.reason for each in about if each.outcome is not PASS))

        await_seen(look, within=30, each=1)


def _command(*more: str) -> tuple[int, dict[str, Any]]:
    result = _invoked("backups", "--context", "drill-lab", "-o", "json", *more)
    return result.exit_code, json.loads(result.stdout)


def _invoked(*arguments: str) -> Any:
    """The command as it is typed; what it sets for its children is taken back."""
    before = dict(os.environ)
    try:
        result = CliRunner().invoke(app, list(arguments))
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert not result.exception or isinstance(result.exception, SystemExit), result.exception
    return result


def _about(verdict: Verdict, *names: str) -> bool:
    return any(name in verdict.details["object"] for name in names)


def _worst(verdicts: Iterable[Verdict]) -> dict[str, Verdict]:
    return {each.check: each for each in sorted(verdicts, key=lambda each: WORST.index(each.outcome))}


def _name() -> str:
    return f"test-{secrets.token_hex(4)}"


@contextmanager
def _secret_value(cluster: Cluster, namespace: str, name: str, key: str, value: str) -> Iterator[None]:
    before = cluster.secret(namespace, name, key)
    cluster.core.patch_namespaced_secret(name, namespace, {"stringData": {key: value}})
    try:
        yield
    finally:
        cluster.core.patch_namespaced_secret(name, namespace, {"stringData": {key: before}})


@contextmanager
def _host_path_pod(mine: Mine) -> Iterator[None]:
    """A pod with a claim whose volume is a path of its node."""
    core, name = mine.cluster.core, "on-host"
    shared: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    size = {"storage": "1Mi"}
    host = {"path": "/tmp", "type": "Directory"}  # noqa: S108 - what is in it does not matter
    volume = {**shared, "capacity": size, "hostPath": host, "claimRef": {"namespace": NAMESPACE, "name": name}}
    core.create_persistent_volume({"metadata": {"name": f"{NAMESPACE}-{name}"}, "spec": volume})
    claim = {**shared, "resources": {"requests": size}, "volumeName": f"{NAMESPACE}-{name}"}
    core.create_namespaced_persistent_volume_claim(NAMESPACE, {"metadata": {"name": name}, "spec": claim})
    template = workload("StatefulSet", name, 1, script=ASLEEP)["spec"]["template"]
    pod = {"metadata": {"name": name, "labels": {"app": name}}, "spec": template["spec"]}
    pod["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]
    core.create_namespaced_pod(NAMESPACE, pod)
    try:
        await_ready(mine.cluster, NAMESPACE, name)
        yield
    finally:
        core.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)
        core.delete_namespaced_persistent_volume_claim(name, NAMESPACE)
        core.delete_persistent_volume(f"{NAMESPACE}-{name}")


@contextmanager
def _slow_backup(mine: Mine) -> Iterator[None]:
    """A backup waits for a hook in the pod, long enough for whatever is done meanwhile."""
    hook = {f"{_PRE_HOOK}/container": "main", f"{_PRE_HOOK}/command": '["sleep", "300"]', f"{_PRE_HOOK}/timeout": "5m"}
    mine.keeper.annotate(**hook)
    try:
        yield
    finally:
        mine.keeper.annotate(**dict.fromkeys(hook))


@contextmanager
def _full(mine: Mine) -> Iterator[None]:
    """The store's file system, which is its own and bounded, is full to the last block."""

    def run(script: str) -> str:
        done = mine.cluster.exec("minio", "minio-0", "minio", ["sh", "-c", script], timeout=120)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    size, left = (int(each) for each in run("df --output=size,avail -k /data | tail -1").split())
    assert size < 16 << 20, f"/data has {size} KiB, so it is not the store's own"
    try:
        run(
            f"fallocate -l {left - 1024}K /data/filler; dd if=/dev/zero of=/data/filler.2 bs=1M 2>/dev/null; "
            "dd if=/dev/zero of=/data/filler.3 bs=4k 2>/dev/null; true"
        )
        yield
    finally:
        run("rm -f /data/filler /data/filler.2 /data/filler.3")
