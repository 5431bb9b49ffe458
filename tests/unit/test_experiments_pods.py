"""Faults of pods against a cluster that is played: whom they hit, what they refuse, what they claim, what they undo."""

from dataclasses import replace
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from drill import record, rollback
from drill.cluster import ClusterError
from drill.errors import RefusedError, UsageError
from drill.rollback import NotRestoredError
from experiments import pods
from experiments.pods import _template, rollouts
from experiments.pods._site import drillable_site
from tests.unit.workload_world import World, kinds, pod, run, statefulset, world

__all__ = ["run", "world"]  # fixtures

WEB, DB, APPS = "deployment/web", "statefulset/db", "apps"
WHOLE = ["fault.injected", "fault.effective", "fault.undoing", "fault.undone", "fault.recovered"]
FRUITLESS = ["fault.injected", "fault.ineffective", "fault.undoing", "fault.undone"]


def comes_back(world: World) -> None:
    """A deleted pod's controller makes a new one."""
    world.pods_ = [*world.pods_, *(pod(f"web-1-new{each}") for each in range(2 - len(world.pods_)))]


# -- whom they hit, and what they refuse ---------------------------------------------------------------------------


def test_only_the_workloads_own_pods(world: World) -> None:
    """Pods of others with the same labels are never meant, and a plan touches none."""
    planned = pods.delete_pods.plan(WEB, APPS, count="100%", max_pods=2)
    assert [target["name"] for target in planned.targets] == ["web-1-a", "web-1-b"]
    assert not world.deleted


@pytest.mark.usefixtures("world")
def test_the_choice_follows_its_seed() -> None:
    """The same seed means the same pod; over many seeds each is meant."""
    chosen = [pods.delete_pods.plan(WEB, APPS, seed=seed).targets[0]["name"] for seed in range(20)]
    assert chosen == [pods.delete_pods.plan(WEB, APPS, seed=seed).targets[0]["name"] for seed in range(20)]
    assert len(set(chosen)) == 2


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"namespace": "kong"}, RefusedError, "is not declared drillable|not among the drillable"),
        ({"count": 2}, RefusedError, "2 of 2 pods of deployment/web would be broken at once"),
        ({"count": 2, "max_pods": "50%"}, RefusedError, "blast radius is 50% .1."),
        ({"count": 3, "max_pods": 3}, RefusedError, "3 pods of deployment/web are meant, and 2 run"),
        ({"count": 0}, UsageError, "which is no pod of 2"),
        ({"count": "10%"}, UsageError, "which is no pod of 2"),
        ({"count": "some"}, UsageError, "neither a count nor a share"),
        ({"grace_period": 0}, UsageError, "1 s or more"),
    ],
)
def test_refused(world: World, arguments: dict[str, Any], error: type[Exception], says: str) -> None:
    """In the plan and in the action alike, before anything is touched."""
    for build in (pods.delete_pods.plan, pods.delete_pods):
        with pytest.raises(error, match=says):
            build(WEB, **{"namespace": APPS, **arguments})
    assert not world.deleted


def test_what_is_broken_already_counts(world: World) -> None:
    """One pod is not Ready: the other is one too many."""
    world.pods_[0] = replace(world.pods_[0], ready=False)
    with pytest.raises(RefusedError, match="2 of 2 pods"):
        pods.delete_pods(WEB, APPS, seed=1, max_pods=1, count=2)
    world.pods_[0] = replace(world.pods_[0], running=frozenset())
    with pytest.raises(RefusedError, match="2 of 2 pods"):
        pods.kill_process(WEB, APPS, "java", max_pods=1)


def test_scaled_to_zero_already(world: World) -> None:
    """Nothing is there to be broken."""
    world.workload["spec"]["replicas"] = 0
    with pytest.raises(RefusedError, match="scaled to zero"):
        pods.scale_to_zero.plan(WEB, APPS)


# -- deleted -------------------------------------------------------------------------------------------------------


def test_delete(world: World, run: record.RunRecord) -> None:
    """Gone is what is no longer listed; then as many come back, Ready."""
    world.after(2, lambda: comes_back(world))
    world.pods_ = [pod("web-1-a"), pod("web-1-b")]
    said = pods.delete_pods(WEB, APPS, seed=1)
    assert list(said["proof"]["gone"]) == world.deleted
    assert kinds(run) == WHOLE
    assert not rollback.pending()


def test_a_pod_that_does_not_go(world: World, run: record.RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finalizer keeps it: the fault did not bite."""
    monkeypatch.setattr(world, "delete_pod", lambda *_: None)
    with pytest.raises(ActivityFailed, match="is still there"):
        pods.delete_pods(WEB, APPS)
    assert kinds(run) == FRUITLESS


def test_pods_that_do_not_come_back(world: World) -> None:
    """The undo stays pending when the controller makes no new pods."""
    with pytest.raises(NotRestoredError, match="1 of 2 pods"):
        pods.delete_pods(WEB, APPS)
    assert [each.undo for each in rollback.pending()] == ["experiments.pods._site.see_replaced"]
    assert world.deleted


# -- templates -----------------------------------------------------------------------------------------------------


def crashes(world: World) -> None:
    """New pods of a template with a bad command crash; with the old one again, old pods are made."""
    world.settle()
    container = world.workload["spec"]["template"]["spec"]["containers"][0]
    if container.get("command"):
        bad = pod("web-2-a", owner="web-2", revision="2", ready=False, restarts=2, ended={"main": "Error"})
        world.pods_ = [pod("web-1-a"), replace(bad, waiting=("CrashLoopBackOff",), running=frozenset())]
    else:
        world.pods_ = [pod("web-1-a"), pod("web-1-c")]


def test_crash_loop_and_back_exactly(world: World, run: record.RunRecord) -> None:
    """The template of before comes back with all that this client does not know, and without what was not there."""
    before = world.workload["spec"]
    world.on_patch = crashes
    said = pods.crash_loop(WEB, APPS, hold=1)
    assert said["proof"] == {"pod": "web-2-a", "waiting": ["CrashLoopBackOff"], "restarts": 2, "ended": "Error"}
    assert world.workload["spec"] == before
    assert kinds(run) == WHOLE
    (undone,) = record.RunRecord(run.path).events_of("fault.undone")
    assert undone.data["proof"]["exactly_as_before"] is True


def test_a_crash_loop_without_effect_is_undone(world: World, run: record.RunRecord) -> None:
    """Pods that run with the command all the same are no crash loop, and old crashes are no proof."""
    before = world.workload["spec"]
    world.pods_[0] = replace(world.pods_[0], restarts=7, ended={"main": "Error"})
    world.on_patch = World.settle
    with pytest.raises(ActivityFailed, match="no new pod of deployment/web crashes"):
        pods.crash_loop(WEB, APPS)
    assert world.workload["spec"] == before
    assert kinds(run) == FRUITLESS


def test_recreate_changes_the_strategy_and_back(world: World) -> None:
    """All pods go, so all of them count; a StatefulSet has no such strategy."""
    world.workload["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    with pytest.raises(RefusedError, match="2 of 2 pods"):
        pods.crash_loop.plan(WEB, APPS, recreate=True)
    world.on_patch = crashes
    injection = pods.crash_loop.injection(WEB, APPS, recreate=True, max_pods="100%")
    injection.inject()
    assert world.workload["spec"]["strategy"] == {"type": "Recreate"}
    assert injection.undo(**injection.undo_arguments)["exactly_as_before"]
    assert world.workload["spec"]["strategy"]["type"] == "RollingUpdate"
    world.workload = statefulset()
    with pytest.raises(UsageError, match="recreate is of Deployments"):
        pods.crash_loop.plan(DB, APPS, recreate=True)


def test_an_undo_leaves_alone_what_somebody_else_changed(world: World) -> None:
    """A fixed release that came meanwhile stays, and the undo does not claim that all is as before."""
    world.on_patch = World.settle
    injection = pods.unpullable_image.injection(WEB, APPS)
    injection.inject()
    container = world.workload["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == rollouts.NO_SUCH_IMAGE
    container["image"] = "fixed"
    assert injection.undo(**injection.undo_arguments)["exactly_as_before"] is False
    assert container["image"] == "fixed"


def test_an_undo_before_anything_was_done(world: World) -> None:
    """A harness that died before it patched has left nothing, and nothing is patched."""
    injection = pods.crash_loop.injection(WEB, APPS)
    assert injection.undo(**injection.undo_arguments)["exactly_as_before"]
    assert world.workload["metadata"]["generation"] == 1


def test_a_statefulsets_broken_pod_does_not_block_its_rollback(world: World) -> None:
    """It is deleted, and only it: not the Ready one, not one of the template of before."""
    world.workload = statefulset()
    own: dict[str, Any] = {"owner": "db", "owner_kind": "StatefulSet"}
    world.pods_ = [
        pod("db-0", **own, revision="db-1", ready=False),
        pod("db-1", **own, revision="db-2", ready=False),
        pod("db-2", **own, revision="db-2"),
    ]
    here = drillable_site(APPS, DB)
    changes = [_template.change(here, "image", "bad")]
    world.workload["spec"]["template"]["spec"]["containers"][0]["image"] = "bad"

    def observe(played: World) -> None:
        played.workload["status"]["observedGeneration"] = played.workload["metadata"]["generation"]
        played.workload["status"]["updatedReplicas"] = 1
        played.after(3, played.settle)

    world.on_patch = observe
    proof = _template.restore("here", APPS, DB, changes)
    assert world.deleted == ["db-1"]
    assert proof["deleted"] == ["db-1"]


def test_on_delete_is_refused(world: World) -> None:
    """A StatefulSet that replaces pods only when they are deleted would break by none of it."""
    world.workload = statefulset(updateStrategy={"type": "OnDelete"})
    with pytest.raises(RefusedError, match="only when they are deleted"):
        pods.crash_loop.plan(DB, APPS)


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"])
def test_an_image_that_cannot_be_had(world: World, reason: str) -> None:
    """Each of Kubernetes' words for it is a proof, on a new pod."""

    def waits(played: World) -> None:
        played.settle()
        image = played.workload["spec"]["template"]["spec"]["containers"][0]["image"]
        played.pods_ = [pod("web-1-a"), pod("web-1-b")]
        if image == rollouts.NO_SUCH_IMAGE:
            played.pods_.append(pod("web-2-a", owner="web-2", revision="2", ready=False, waiting=(reason,)))

    world.on_patch = waits
    assert pods.unpullable_image(WEB, APPS, hold=0)["proof"] == {"pod": "web-2-a", "waiting": [reason]}


# -- scaled away ---------------------------------------------------------------------------------------------------


def test_scale_to_zero_and_back(world: World, run: record.RunRecord) -> None:
    """All pods go, and as many come back."""

    def scales(played: World) -> None:
        played.settle()
        played.pods_ = [pod(f"web-1-{each}") for each in range(played.workload["spec"]["replicas"])]

    world.on_patch = scales
    assert pods.scale_to_zero(WEB, APPS, hold=1, max_pods="100%")["proof"] == {"pods": {"before": 2, "after": 0}}
    assert world.workload["spec"]["replicas"] == 2
    assert kinds(run) == WHOLE


def test_another_scale_than_zero_is_somebody_elses(world: World) -> None:
    """It stays."""
    world.workload["spec"]["replicas"] = 1
    world.pods_ = [pod("web-1-a")]
    rollouts.scale_back("here", APPS, WEB, replicas=5)
    assert world.workload["spec"]["replicas"] == 1


def test_rollout_restart(world: World) -> None:
    """The template gets kubectl's annotation beside those that it has, and keeps it."""
    world.workload["spec"]["template"]["metadata"]["annotations"] = {"mine": "1"}

    def replaces(played: World) -> None:
        played.settle()
        played.pods_ = [pod("web-2-a", owner="web-2", revision="2"), pod("web-2-b", owner="web-2", revision="2")]

    world.on_patch = replaces
    assert pods.restart_rollout(WEB, APPS)["proof"] == {"new": ["web-2-a", "web-2-b"], "old": 0}
    annotations = world.workload["spec"]["template"]["metadata"]["annotations"]
    assert annotations.keys() == {"mine", "kubectl.kubernetes.io/restartedAt"}


# -- used up -------------------------------------------------------------------------------------------------------


def limited(world: World, **limits: str) -> None:
    """The container has limits."""
    world.workload["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": limits}


class Usage:
    """A container's account of its processors, in played time."""

    def __init__(self, world: World) -> None:
        self.world, self.rate, self.used, self.then = world, 0.1, 0.0, 0.0

    def exec(self, _pod: str, argv: list[str]) -> str:
        """What the scripts answer."""
        if "uptime" in argv[0]:
            self.world.sleep(0.01)
            self.used += (self.world.now - self.then) * self.rate
            self.then = self.world.now
            return f"{self.world.now} {int(self.used * 1e9)} 1000000000 /sys/fs/cgroup/x"
        if "while" in argv[0]:
            self.rate = 0.5
            return ""
        self.rate = 0.1
        return "0\n"


def test_cpu_pressure_is_measured(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof is what the container used before and now, within its limit."""
    limited(world, cpu="500m")
    monkeypatch.setattr("experiments.pods.resources.time", world)
    world.on_exec = Usage(world).exec
    said = pods.burn_cpu(WEB, APPS, workers=4, hold=3)
    ((_, proof),) = said["proof"]["pods"].items()
    assert (round(proof["processors"]["before"], 1), round(proof["processors"]["after"], 1)) == (0.1, 0.5)
    assert said["proof"]["limit"] == 0.5


def test_cpu_pressure_that_nobody_feels(world: World, run: record.RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops that were started and use nothing are no pressure."""
    monkeypatch.setattr("experiments.pods.resources.time", world)
    usage = Usage(world)

    def flat(name: str, argv: list[str]) -> str:
        said = usage.exec(name, argv)
        usage.rate = 0.1
        return said

    world.on_exec = flat
    with pytest.raises(ActivityFailed, match="more were to be used"):
        pods.burn_cpu(WEB, APPS)
    assert kinds(run) == FRUITLESS


def oom(world: World, counts: list[str], then: Any) -> None:
    """The cgroup's count of OOM kills, and what the hog does."""

    def answers(_pod: str, argv: list[str]) -> str:
        if "oom_kill" in argv[0]:
            return counts.pop(0) if len(counts) > 1 else counts[0]
        if "tr " in argv[0]:
            then()
            return ""
        return "0\n"

    world.on_exec = answers


def test_memory_needs_a_limit(world: World) -> None:
    """Without one its node would be exhausted."""
    assert world
    with pytest.raises(RefusedError, match="has no memory limit"):
        pods.exhaust_memory.plan(WEB, APPS)


def test_the_container_is_killed(world: World) -> None:
    """Restarted since, and as OOMKilled."""
    limited(world, memory="64Mi")
    after = [replace(each, restarts=1, ended={"main": "OOMKilled"}) for each in world.pods_]
    oom(world, ["0 f"], lambda: setattr(world, "pods_", after))
    said = pods.exhaust_memory(WEB, APPS, kills_container=True)
    ((_, proof),) = said["proof"]["pods"].items()
    assert (proof["killed"], proof["ended"]) == ("container", "OOMKilled")
    assert said["proof"]["limit"] == 64 << 20


def test_a_process_in_it_is_killed(world: World) -> None:
    """Its cgroup counts one kill more: the limit held, and nothing is said of the application."""
    limited(world, memory="64Mi")
    oom(world, ["3 f", "4 f"], lambda: None)
    ((_, proof),) = pods.exhaust_memory(WEB, APPS)["proof"]["pods"].items()
    assert proof == {"killed": "a process in it", "oom_kill": {"before": 3, "after": 4}}


@pytest.mark.parametrize(
    ("counts", "arguments", "ended"),
    [
        (["3 f"], {}, None),  # nobody was killed
        (["3 f", "4 f"], {"kills_container": True}, None),  # not the container
        ([""], {}, None),  # it can't be read
        (["3 f"], {}, "Error"),  # it ended, of something else
    ],
)
def test_nobody_is_killed(
    world: World, run: record.RunRecord, counts: list[str], arguments: dict[str, Any], ended: str | None
) -> None:
    """What is not seen is not claimed."""
    limited(world, memory="64Mi")
    after = [replace(each, restarts=1, ended={"main": ended}) if ended else each for each in world.pods_]
    oom(world, counts, lambda: setattr(world, "pods_", after))
    with pytest.raises(ActivityFailed):
        pods.exhaust_memory(WEB, APPS, **arguments)
    assert kinds(run)[:2] == FRUITLESS[:2]


MIB = 1024  # in KiB, as df counts


@pytest.mark.parametrize(
    ("disk", "arguments", "says"),
    [
        ((100, 0, 100, "7"), {}, "would leave 10 MiB free, and the floor is 256"),
        ((100, 95, 5, "7"), {"floor_mib": 1}, "is 95% full already"),
        ((100, 0, 100, "1"), {"floor_mib": 1}, "is on the disk of its node"),
        ((4000, 0, 4000, "7"), {"floor_mib": 1}, "is on the disk of its node"),  # an overlay has its size
    ],
)
def test_volumes_that_are_not_filled(
    world: World, disk: tuple[int, int, int, str], arguments: dict[str, Any], says: str
) -> None:
    """Refused in the plan, by what `df` says there."""
    size, used, free, device = disk
    answer = f"{size * MIB} {used * MIB} {free * MIB}\n{device}\n{4000 * MIB} 0 {4000 * MIB}\n1\n"
    world.on_exec = lambda _pod, _argv: answer
    with pytest.raises(RefusedError, match=says):
        pods.fill_volume.plan(WEB, APPS, "/data", **arguments)


def test_a_folder_that_is_not_there(world: World) -> None:
    """Said before anything is written, in the container's own words."""

    def fails(_pod: str, _argv: list[str]) -> str:
        raise ClusterError("cd: can't cd to /nowhere")

    world.on_exec = fails
    with pytest.raises(ClusterError, match="can't cd to /nowhere"):
        pods.fill_volume.plan(WEB, APPS, "/nowhere")
