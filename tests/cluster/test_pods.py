"""Each fault of pods on the lab, seen to be on and seen to be undone, and each in a case where it does not bite."""

from collections.abc import Iterator
from threading import Event, Thread

import pytest
from chaoslib.exceptions import ActivityFailed

from drill import rollback
from drill.errors import RefusedError
from experiments import pods
from experiments.pods._site import Container, shell
from tests.cluster.scratch import FRUITLESS, NAMESPACE, WHOLE_LIFE, Scratch, namespace, scratch, workload

__all__ = ["namespace", "scratch"]  # fixtures

WEB, DB = "deployment/web", "statefulset/db"
LIMITED = {"resources": {"requests": {"memory": "16Mi"}, "limits": {"cpu": "500m", "memory": "96Mi"}}}
_BIG = "x=$(head -c 40000000 /dev/zero | tr '\\0' x); while :; do sleep 1; done"


@pytest.fixture
def web(scratch: Scratch) -> Iterator[Scratch]:
    """A Deployment of two pods."""
    with scratch.having(workload("Deployment", "web", 2)):
        yield scratch


@pytest.fixture
def db(scratch: Scratch) -> Iterator[Scratch]:
    """A StatefulSet of two pods."""
    with scratch.having(workload("StatefulSet", "db", 2)):
        yield scratch


@pytest.fixture
def limited(scratch: Scratch) -> Iterator[Scratch]:
    """A Deployment of one pod with limits, whose memory is mostly its own shell's."""
    with scratch.having(workload("Deployment", "web", 1, _BIG, **LIMITED)):
        yield scratch


def test_delete(web: Scratch) -> None:
    """Both pods at once are replaced by others."""
    before = {pod.uid for pod in web.pods(WEB)}
    said = pods.delete_pods(WEB, NAMESPACE, count="100%", max_pods=2)
    assert set(said["proof"]["gone"].values()) == before
    assert not before & {pod.uid for pod in web.pods(WEB)}
    assert web.kinds() == [each for each in WHOLE_LIFE for _ in before]
    assert not rollback.pending()


def test_kill_a_process(db: Scratch) -> None:
    """The process that the init waits for dies, and the kubelet starts the container anew in the same pod."""
    said = pods.kill_process(DB, NAMESPACE, "sleep 1000000", seed=1)
    ((name, proof),) = said["proof"]["containers"].items()
    assert name == said["targets"][0]["name"]
    assert not proof["runs_again"] or proof["container_id"]["after"] != proof["container_id"]["before"]
    assert [pod.restarts for pod in db.pods(DB) if pod.name == name] == [1]
    assert db.kinds() == WHOLE_LIFE


def test_a_process_that_is_not_there(db: Scratch) -> None:
    """Nothing is killed, and the fault says that it did not bite."""
    with pytest.raises(ActivityFailed, match=r"no process has .s.leep 7"):
        pods.kill_process(DB, NAMESPACE, "sleep 7")
    assert db.kinds() == FRUITLESS
    assert all(pod.restarts == 0 for pod in db.pods(DB))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_crash_loop(scratch: Scratch, kind: str) -> None:
    """New pods crash, and the template of before comes back exactly, a StatefulSet's broken pod or not."""
    ref = f"{kind.lower()}/victim"
    with scratch.having(workload(kind, "victim", 2)):
        before = scratch.template(ref)
        said = pods.crash_loop(ref, NAMESPACE, hold=1, max_pods=1)
        assert said["proof"]["restarts"] >= 1 or said["proof"]["waiting"]
        assert scratch.kinds() == WHOLE_LIFE
        assert scratch.template(ref) == before
        assert all(pod.ready and not pod.restarts for pod in scratch.pods(ref))


def test_crash_loop_of_all_pods(web: Scratch) -> None:
    """With `recreate` no old pod is left to serve meanwhile."""
    before = web.template(WEB)
    seen: list[int] = []
    stop = Event()

    def watch() -> None:
        while not stop.wait(0.2):
            seen.append(sum(pod.ready for pod in web.pods(WEB)))

    watcher = Thread(target=watch)
    watcher.start()
    try:
        pods.crash_loop(WEB, NAMESPACE, recreate=True, hold=1, max_pods="100%")
    finally:
        stop.set()
        watcher.join()
    assert 0 in seen
    assert web.template(WEB) == before
    assert web.kinds() == WHOLE_LIFE


def test_a_command_that_does_not_crash(web: Scratch) -> None:
    """Pods that come up all the same are no crash loop."""
    before = web.template(WEB)
    with pytest.raises(ActivityFailed, match="no new pod of deployment/web crashes"):
        pods.crash_loop(WEB, NAMESPACE, command=["sleep", "1000"], max_pods=1, effect_timeout=5)
    assert web.kinds() == FRUITLESS
    assert web.template(WEB) == before


def test_an_image_that_cannot_be_pulled(db: Scratch) -> None:
    """The last pod of a StatefulSet waits for it, and its rollback is forced."""
    before = db.template(DB)
    said = pods.unpullable_image(DB, NAMESPACE, hold=1, max_pods=1)
    assert said["proof"]["waiting"] == ["ErrImageNeverPull"]
    assert db.kinds() == WHOLE_LIFE
    assert db.template(DB) == before
    (undone,) = db.events("fault.undone")
    assert undone.data["proof"]["deleted"] == ["db-1"]


def test_an_image_that_is_there(web: Scratch) -> None:
    """A name that the node knows is pulled by nobody's mistake: no effect."""
    with pytest.raises(ActivityFailed, match="waits for an image"):
        pods.unpullable_image(WEB, NAMESPACE, image="drill.local/pause:lab", max_pods=1, effect_timeout=5)
    assert web.kinds() == FRUITLESS


def test_scale_to_zero(web: Scratch) -> None:
    """No pod is left for a while, and then there are two again."""
    said = pods.scale_to_zero(WEB, NAMESPACE, hold=1, max_pods="100%")
    assert said["proof"]["pods"] == {"before": 2, "after": 0}
    assert web.kinds() == WHOLE_LIFE
    assert sum(pod.ready for pod in web.pods(WEB)) == 2


def test_scaled_up_again_by_somebody(web: Scratch) -> None:
    """Zero that does not last is no effect; and what somebody else scaled it to stays."""
    stop = Event()

    def scale() -> None:
        while not stop.wait(0.05):
            web.scale(WEB, 1)

    other = Thread(target=scale)
    other.start()
    try:
        with pytest.raises(ActivityFailed, match=r"still there|scaled to 1"):
            pods.scale_to_zero(WEB, NAMESPACE, max_pods=2, effect_timeout=4)
    finally:
        stop.set()
        other.join()
    assert len(web.pods(WEB)) >= 1
    assert web.kinds() == FRUITLESS


def test_restart_rollout(db: Scratch) -> None:
    """Every pod is replaced, one after the other."""
    before = {pod.uid for pod in db.pods(DB)}
    pods.restart_rollout(DB, NAMESPACE, max_pods=1)
    assert db.kinds() == WHOLE_LIFE
    assert not before & {pod.uid for pod in db.pods(DB)}


def test_memory_over_the_limit_kills_the_container(limited: Scratch) -> None:
    """The application is the largest in its cgroup: the kernel kills it, and Kubernetes says OOMKilled."""
    said = pods.exhaust_memory(WEB, NAMESPACE, kills_container=True)
    ((_, proof),) = said["proof"]["pods"].items()
    assert (proof["killed"], proof["ended"]) == ("container", "OOMKilled")
    assert limited.kinds() == WHOLE_LIFE


def test_memory_within_the_limit(limited: Scratch) -> None:
    """What fits kills nobody, and is given back."""
    with pytest.raises(ActivityFailed, match="runs on; OOM kills in its cgroup"):
        pods.exhaust_memory(WEB, NAMESPACE, share=0.1, effect_timeout=5)
    assert limited.kinds() == FRUITLESS
    assert limited.processes(WEB, "drill-hog") == 0


def test_cpu_pressure(limited: Scratch) -> None:
    """The container's own accounts show the loops, up to its limit; afterwards none runs."""
    said = pods.burn_cpu(WEB, NAMESPACE, workers=2, hold=3)
    ((_, proof),) = said["proof"]["pods"].items()
    assert proof["processors"]["after"] >= proof["processors"]["before"] + 0.2
    assert limited.kinds() == WHOLE_LIFE
    assert limited.processes(WEB, "drill-burn") == 0


def test_loops_that_are_killed_at_once(limited: Scratch) -> None:
    """Pressure that somebody takes away is not claimed."""
    (pod,) = limited.pods(WEB)
    kill = "while :; do pkill -9 -f '[d]rill-burn'; sleep 0.05; done"
    killer = Thread(
        target=lambda: shell(
            limited.cluster, Container(pod, "main"), f'timeout 12 sh -c "{kill}" >/dev/null 2>&1; :', timeout=30
        )
    )
    killer.start()
    try:
        with pytest.raises(ActivityFailed, match="more were to be used"):
            pods.burn_cpu(WEB, NAMESPACE, effect_timeout=4)
    finally:
        killer.join()
    assert limited.kinds() == FRUITLESS


def test_disk_fill(db: Scratch) -> None:
    """The volume is as full as was said, and empty again afterwards."""
    said = pods.fill_volume(DB, NAMESPACE, "/data", share="80%", floor_mib=8, hold=1, seed=1)
    ((_, proof),) = said["proof"]["pods"].items()
    assert 0.79 <= proof["after"]["used_share"] <= 0.81
    assert proof["before"]["used"] == 0
    (undone,) = db.events("fault.undone")
    assert [each["used"] for each in undone.data["proof"]["pods"].values()] == [0]
    assert db.kinds() == WHOLE_LIFE


def test_disk_fill_keeps_its_floor_and_off_the_nodes_disk(db: Scratch) -> None:
    """Refused before anything is written; and so is a folder that is not there."""
    with pytest.raises(RefusedError, match="would leave 6 MiB free, and the floor is 16"):
        pods.fill_volume.plan(DB, NAMESPACE, "/data", share="90%", floor_mib=16)
    with pytest.raises(RefusedError, match="on the disk of its node"):
        pods.fill_volume.plan(DB, NAMESPACE, "/opt", share="99%")
    assert not db.kinds()


def test_a_full_disk_that_ends_its_container(scratch: Scratch) -> None:
    """It can't be entered any more, and the file is removed all the same, from beside it."""
    script = "while ! ls /data/.drill-* >/dev/null 2>&1; do sleep 3; done; exit 1"
    with scratch.having(workload("StatefulSet", "db", 1, script)):
        pods.fill_volume(DB, NAMESPACE, "/data", share="50%", floor_mib=1, hold=8)
        assert scratch.kinds() == WHOLE_LIFE
        (undone,) = scratch.events("fault.undone")
        ((_, proof),) = undone.data["proof"]["pods"].items()
        assert proof["used"] == 0
        assert proof["by"].startswith("drill-")


def test_a_volume_that_cannot_be_written(scratch: Scratch) -> None:
    """No file, no effect, nothing left."""
    read_only = {"volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}]}
    with scratch.having(workload("Deployment", "web", 1, **read_only)):
        with pytest.raises(ActivityFailed, match="Read-only file system"):
            pods.fill_volume(WEB, NAMESPACE, "/data", share="50%", floor_mib=1)
        assert scratch.kinds() == FRUITLESS


def test_the_blast_radius(web: Scratch) -> None:
    """More than is allowed is refused, in the plan as in the action."""
    for build in (pods.delete_pods.plan, pods.delete_pods):
        with pytest.raises(RefusedError, match="2 of 2 pods of deployment/web would be broken at once"):
            build(WEB, NAMESPACE, count=2, max_pods="50%")
    assert not web.kinds()
