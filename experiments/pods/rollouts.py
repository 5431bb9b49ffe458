"""Faults by what a workload is told to be: a template that can't run, no pods at all, all pods anew."""

from datetime import UTC, datetime
from typing import Any

from drill import workloads
from drill.errors import RefusedError, UsageError
from experiments._fault import Injection, Proof, fault
from experiments._watch import NotSeenError
from experiments.pods import _template
from experiments.pods._site import (
    Site,
    drillable_site,
    ensure_pods_within,
    ensure_rollout_within,
    see_replaced,
    site,
)

_CRASHING = {"CrashLoopBackOff", "RunContainerError"}
_UNPULLABLE = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}
CRASH = ["/bin/sh", "-c", "echo 'drill: this container is made to crash' >&2; exit 1"]
NO_SUCH_IMAGE = "drill.invalid/no-such-image:none"
"""No registry answers by a name of the domain `invalid` (RFC 2606)."""
_RESTARTED = "kubectl.kubernetes.io/restartedAt"


@fault
def crash_loop(
    workload: str,
    namespace: str,
    *,
    container: str | None = None,
    command: list[str] | None = None,
    recreate: bool = False,
    hold: float = 30,
    max_pods: int | str = 1,
    effect_timeout: float = 120,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: give a workload's template a command that ends at once, as a bad release does. Durations in seconds.

    A rolling update stops at the first pods that do not become Ready: a Deployment keeps as many old pods as its
    strategy says, a StatefulSet breaks its last pod. `recreate` breaks a Deployment as a whole.

    Args:
        workload: `deployment/name` or `statefulset/name`.
        namespace: Its namespace.
        container: The container that gets the command; None: the first one.
        command: The command; None: a shell that says what it is and exits with code 1.
        recreate: Of a Deployment: take all its old pods away first (strategy Recreate for the time of the fault).
        hold: How long it stays so.
        max_pods: Blast radius, a count or a share: pods that the rollout may take away, with those that are not Ready.
        effect_timeout: How long the effect is awaited.
        recovery_timeout: How long it is awaited that all pods are Ready again.

    Returns:
        `{targets, proof, since}`; the proof is a new pod that Kubernetes restarts, or whose restart it puts off.
    """
    here = drillable_site(namespace, workload, container)
    changes = [_template.change(here, "command", command or CRASH), _template.change(here, "args", None)]
    return _broken_template(
        here,
        "crash_loop",
        changes,
        _crashing(here),
        recreate=recreate,
        hold=hold,
        max_pods=max_pods,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


@fault
def unpullable_image(
    workload: str,
    namespace: str,
    *,
    container: str | None = None,
    image: str = NO_SUCH_IMAGE,
    recreate: bool = False,
    hold: float = 30,
    max_pods: int | str = 1,
    effect_timeout: float = 120,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: give a workload's template an image that can't be pulled, as a mistyped tag does.

    Args:
        workload: As of `crash_loop`.
        namespace: As of `crash_loop`.
        container: The container that gets the image; None: the first one.
        image: Its name.
        recreate: As of `crash_loop`.
        hold: As of `crash_loop`.
        max_pods: As of `crash_loop`.
        effect_timeout: As of `crash_loop`.
        recovery_timeout: As of `crash_loop`.

    Returns:
        `{targets, proof, since}`; the proof is the reason for which a new pod waits: ErrImagePull or
        ImagePullBackOff, or ErrImageNeverPull where the pull policy is Never.
    """
    here = drillable_site(namespace, workload, container)
    return _broken_template(
        here,
        "unpullable_image",
        [_template.change(here, "image", image)],
        _waiting(here),
        recreate=recreate,
        hold=hold,
        max_pods=max_pods,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


@fault
def scale_to_zero(
    workload: str,
    namespace: str,
    *,
    hold: float = 30,
    max_pods: int | str = 1,
    effect_timeout: float = 120,
    recovery_timeout: float = 180,
) -> Injection:
    """Fault: scale a workload to zero for a while, and back to what it was.

    Args:
        workload: As of `crash_loop`.
        namespace: As of `crash_loop`.
        hold: How long it stays at zero.
        max_pods: Blast radius: all its pods go, so it must be as many, or "100%".
        effect_timeout: As of `crash_loop`.
        recovery_timeout: As of `crash_loop`.

    Returns:
        `{targets, proof, since}`; the proof is that no pod of it is left.
    """
    here = drillable_site(namespace, workload)
    ensure_pods_within(here, here.workload.replicas, max_pods)

    def effect() -> Proof:
        if pods := here.pods():
            raise NotSeenError(f"{pods[0].name} is still there")
        if wanted := here.now().replicas:
            raise NotSeenError(f"{workload} is scaled to {wanted}")
        return {"pods": {"before": here.workload.replicas, "after": 0}}

    return Injection(
        fault="scale_to_zero",
        method="scale",
        targets=(here.workload.as_target(),),
        permissions=here.permissions("patch"),
        inject=lambda: _scale(here, 0),
        effect=effect,
        undo=scale_back,
        undo_arguments={**here.arguments, "replicas": here.workload.replicas},
        recovered=here.recovered,
        hold=hold,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


@fault
def restart_rollout(
    workload: str,
    namespace: str,
    *,
    max_pods: int | str = 1,
    effect_timeout: float = 120,
    recovery_timeout: float = 300,
) -> Injection:
    """Fault: `kubectl rollout restart`: all pods of a workload anew, a few at a time.

    Its annotation stays, as kubectl's does: to take it away would be another rollout.

    Args:
        workload: As of `crash_loop`.
        namespace: As of `crash_loop`.
        max_pods: Blast radius: pods that the rollout may take away at once, with those that are not Ready.
        effect_timeout: How long it is awaited that the first pod is replaced.
        recovery_timeout: How long it is awaited that all pods are new and Ready.

    Returns:
        `{targets, proof, since}`; the proof is a pod of the new template.
    """
    here = drillable_site(namespace, workload)
    ensure_rollout_within(here, max_pods)
    before = {pod.uid for pod in here.pods()}

    def effect() -> Proof:
        pods = here.pods()
        fresh = [pod for pod in pods if pod.uid not in before]
        if not fresh:
            raise NotSeenError(f"{workload} still has its old pods only")
        return {"new": [pod.name for pod in fresh], "old": len(pods) - len(fresh)}

    return Injection(
        fault="restart_rollout",
        method="rollout restart",
        targets=(here.workload.as_target(),),
        permissions=here.permissions("patch"),
        inject=lambda: _restart(here),
        effect=effect,
        undo=see_replaced,
        undo_arguments=here.arguments,
        recovered=here.recovered,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


def scale_back(context: str, namespace: str, workload: str, replicas: int, timeout: float = 120) -> dict[str, Any]:
    """Undo of a scale to zero; another scale than zero is somebody else's by now, and stays.

    Raises:
        NotRestoredError: its pods are not made in time.
    """
    if site(context, namespace, workload).workload.replicas == 0:
        _scale(site(context, namespace, workload), replicas)
    return see_replaced(context, namespace, workload, timeout)


def _broken_template(
    here: Site,
    name: str,
    changes: list[_template.Change],
    effect: Any,
    *,
    recreate: bool,
    hold: float,
    max_pods: int | str,
    effect_timeout: float,
    recovery_timeout: float,
) -> Injection:
    if here.workload.spec.get("updateStrategy", {}).get("type") == "OnDelete":
        raise RefusedError(f"{here.workload.ref} replaces pods only when they are deleted: a template breaks none")
    if recreate:
        if here.workload.kind != "Deployment":
            raise UsageError("recreate is of Deployments: a StatefulSet replaces one pod after the other")
        changes = [_template.recreated(here), *changes]
        ensure_pods_within(here, here.workload.replicas, max_pods)
    else:
        ensure_rollout_within(here, max_pods)
    return Injection(
        fault=name,
        method="patch of the pod template" + (", all pods at once" if recreate else ""),
        targets=({**here.workload.as_target(), "container": here.container},),
        permissions=here.permissions("patch", delete=here.workload.kind == "StatefulSet"),
        inject=lambda: _template.apply(here, changes),
        effect=effect,
        undo=_template.restore,
        undo_arguments={**here.arguments, "changes": changes},
        recovered=here.recovered,
        hold=hold,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


def _crashing(here: Site) -> Any:
    before = {pod.uid for pod in here.pods()}

    def effect() -> Proof:
        for pod in here.pods():
            seen = _CRASHING & set(pod.waiting)
            if pod.uid not in before and (seen or (pod.restarts and here.container in pod.ended)):
                return {
                    "pod": pod.name,
                    "waiting": sorted(seen),
                    "restarts": pod.restarts,
                    "ended": pod.ended.get(here.container),
                }
        raise NotSeenError(f"no new pod of {here.workload.ref} crashes")

    return effect


def _waiting(here: Site) -> Any:
    before = {pod.uid for pod in here.pods()}

    def effect() -> Proof:
        for pod in here.pods():
            if pod.uid not in before and (seen := _UNPULLABLE & set(pod.waiting)):
                return {"pod": pod.name, "waiting": sorted(seen)}
        raise NotSeenError(f"no new pod of {here.workload.ref} waits for an image that can't be had")

    return effect


def _scale(here: Site, replicas: int) -> None:
    operation = {"op": "add", "path": "/spec/replicas", "value": replicas}
    workloads.patch(here.cluster, here.workload, [operation])


def _restart(here: Site) -> None:
    meta = here.workload.spec["template"].get("metadata", {})
    annotations = {**(meta.get("annotations") or {}), _RESTARTED: datetime.now(UTC).isoformat(timespec="seconds")}
    operation = {"op": "add", "path": "/spec/template/metadata/annotations", "value": annotations}
    workloads.patch(here.cluster, here.workload, [operation])
