"""Pods, workloads and volumes as they are today."""

from collections.abc import Iterator

from experiments.checklist._finding import Finding, failed, judged, passed
from experiments.checklist._scene import Object, Scene, condition, ended, name

_RECENT = 60
"""A restart within so many minutes is one of today's."""
_REMEDIES = {
    "CrashLoopBackOff": "Read its last words: `kubectl logs --previous`, then restart its workload.",
    "ImagePullBackOff": "Correct the image's name or the pull secret.",
    "ErrImagePull": "Correct the image's name or the pull secret.",
    "ErrImageNeverPull": "Bring the image to the node, or let it be pulled.",
    "CreateContainerConfigError": "Make the ConfigMap or Secret that it names.",
}


def pods_healthy(scene: Scene) -> list[Finding]:
    """Each pod of the platform is Ready: none pending, in a crash loop, or without its image."""
    pods = [pod for pod in scene.mine("pods") if not ended(pod)]
    return judged("pods", len(pods), (bad for pod in pods for bad in _pod_trouble(pod)), "Ready")


def _pod_trouble(pod: Object) -> Iterator[Finding]:
    what, status = name("pod", pod), pod["status"]
    statuses = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
    waiting = [each["state"]["waiting"].get("reason", "") for each in statuses if "waiting" in each.get("state", {})]
    told = next((reason for reason in waiting if reason in _REMEDIES), None)
    if told:
        yield failed(what, told, _REMEDIES[told])
    elif status.get("phase") == "Pending":
        unscheduled = condition(pod, "PodScheduled") == "False"
        why = "no node takes it" if unscheduled else ", ".join(waiting) or "its node has not started it"
        yield failed(what, f"Pending: {why}", "Read its events: `kubectl describe pod`.")
    elif condition(pod, "Ready") != "True":
        yield failed(what, f"not Ready ({status.get('phase')})", "Read its events and logs: `kubectl describe pod`.")


def no_recent_restart(scene: Scene) -> list[Finding]:
    """No container of the platform has died within the last hour."""
    pods = [pod for pod in scene.mine("pods") if not ended(pod)]
    bad = []
    for pod in pods:
        for each in pod["status"].get("containerStatuses", []):
            last = each.get("lastState", {}).get("terminated") or {}
            if last.get("finishedAt") and scene.minutes_since(last["finishedAt"]) < _RECENT:
                ago = scene.minutes_since(last["finishedAt"])
                reason = (
                    f"{each['name']} died {ago:.0f} min ago ({last.get('reason')}), {each['restartCount']} restarts"
                )
                bad.append(failed(name("pod", pod), reason, "Read its last words: `kubectl logs --previous`."))
    return judged("pods", len(pods), bad, "without a restart in the last hour")


def workloads_complete(scene: Scene) -> list[Finding]:
    """Each workload of the platform has the pods that it wants, and wants some."""
    workloads = scene.workloads()
    bad = []
    for each in workloads:
        wanted, ready = each["spec"].get("replicas", 1), each["status"].get("readyReplicas", 0)
        if ready < wanted:
            remedy = "Look at its pods, and at its events: `kubectl describe`."
            bad.append(failed(name(each["kind"], each), f"{ready} of {wanted} pods are Ready", remedy))
        elif not wanted:
            bad.append(failed(name(each["kind"], each), "scaled to zero", "Scale it up, or remove it."))
    return judged("workloads", len(workloads), bad, "with all of their pods Ready")


def claims_bound(scene: Scene) -> list[Finding]:
    """Each PersistentVolumeClaim is Bound."""
    claims = scene.mine("persistentvolumeclaims")
    if not claims:
        return [passed("claims", "no workload of the platform asks for a volume")]
    bad = (
        failed(name("claim", each), f"{each['status'].get('phase')}", "Look at its StorageClass and its provisioner.")
        for each in claims
        if each["status"].get("phase") != "Bound"
    )
    return judged("claims", len(claims), bad, "Bound")
