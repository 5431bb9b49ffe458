"""A broker's claimed volume: whose it is, what Kafka keeps on it, how it goes, and how a new one comes in its place."""

from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from kubernetes import client

from drill import clock
from drill.cluster import TIMEOUT, ClusterError, MissingError, Permission, answering
from drill.errors import RefusedError
from drill.rollback import NotRestoredError
from experiments import _volumes
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.kafka._brokers import Broker, Site, site
from experiments.pods._site import Container, shell

_WITHIN = 300.0
"""Seconds for which it is awaited that a broker has a claim, a pod and its place in the metadata again."""
_STUCK = 20.0
"""Seconds that a pod may wait for a claim that is not there, before it is deleted so that both are made anew."""

# $1: a folder. Of each log directory below it: its path and its id, as Kafka wrote them when it was formatted, and how
# many partitions it has (those that are being deleted are in folders with another name); then all that is used, KiB.
_KEPT = """
find "$1" -maxdepth 3 -name meta.properties | while read -r each; do
  folder=$(dirname "$each")
  kept=$(find "$folder" -mindepth 1 -maxdepth 1 -type d ! -name '*-delete' | grep -c .)
  echo "$folder $(sed -n 's/^directory.id=//p' "$each") $kept"
done
du -sk "$1" | { read -r used _; echo "$used"; }
"""


@dataclass(frozen=True)
class Claim:
    """A PersistentVolumeClaim as the API server has it."""

    name: str
    uid: str
    volume: str | None
    """Of the PersistentVolume that it is bound to."""
    terminating: bool
    """Deleted, and still there because a pod uses it."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Kept:
    """What Kafka keeps on a volume."""

    directories: dict[str, str]
    """The id of each log directory by its path: another one, each time that it is formatted."""
    partitions: int
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)


def permissions(namespace: str) -> tuple[Permission, ...]:
    """What losing a claim takes, and seeing it gone."""
    return (
        Permission("get", "pods", namespace),
        *(Permission(verb, "persistentvolumeclaims", namespace) for verb in ("get", "delete")),
        Permission("get", "persistentvolumes"),
    )


def claim_of(here: Site, broker: Broker, path: str) -> Claim:
    """The claim whose volume a path in a broker's container is on.

    Raises:
        RefusedError: it is on none.
        ClusterError: the API server refused or did not answer.
    """
    pod = broker.pod
    with answering(f"pod {pod.namespace}/{pod.name}"):
        found = here.cluster.core.read_namespaced_pod(pod.name, pod.namespace, _request_timeout=TIMEOUT)
    container = next(each for each in found.spec.containers if each.name == broker.container)
    mounts = {PurePosixPath(each.mount_path): each.name for each in container.volume_mounts or ()}
    above = (PurePosixPath(path), *PurePosixPath(path).parents)
    volume = next((mounts[each] for each in above if each in mounts), None)
    for each in found.spec.volumes or ():
        if each.name == volume and each.persistent_volume_claim:
            claim = read(here, each.persistent_volume_claim.claim_name)
            if claim is None or claim.volume is None or claim.terminating:
                raise RefusedError(f"{pod.name}: claim {each.persistent_volume_claim.claim_name} is not whole already")
            return claim
    raise RefusedError(f"{pod.name}: {path} is not on the volume of a claim, so there is none to lose")


def read(here: Site, name: str) -> Claim | None:
    """A claim as it is now; None: it is not there."""
    namespace = here.target.namespace
    try:
        with answering(f"claim {namespace}/{name}"):
            found = here.cluster.core.read_namespaced_persistent_volume_claim(name, namespace, _request_timeout=TIMEOUT)
    except MissingError:
        return None
    bound = found.spec.volume_name if found.status.phase == "Bound" else None
    return Claim(name, found.metadata.uid, bound, found.metadata.deletion_timestamp is not None)


def replaced(here: Site, before: Claim) -> Claim:
    """Look whether a claim and its volume are gone, and another claim of the name is bound.

    A volume whose data the provisioner has to delete is there until it has done so.

    Raises:
        NotSeenError: they are not.
    """
    if (policy := _volumes.reclaimed(here.cluster, str(before.volume))) is not None:
        raise NotSeenError(f"volume {before.volume} is still there, to be reclaimed by {policy}")
    now = read(here, before.name)
    if now is None or now.uid == before.uid or now.volume is None:
        raise NotSeenError(f"claim {before.name} has no new volume")
    return now


def delete(here: Site, claim: Claim) -> None:
    """Delete exactly this claim; it goes, and its volume with it, once no pod uses it."""
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=claim.uid))
    with answering(f"delete claim {claim.name}"):
        here.cluster.core.delete_namespaced_persistent_volume_claim(
            claim.name, here.target.namespace, body=options, _request_timeout=TIMEOUT
        )


def kept(here: Site, broker: Broker, path: str) -> Kept:
    """What Kafka keeps below a path in a broker's container.

    Raises:
        ClusterError: the container can't be entered, or no log directory is there.
    """
    *lines, used = shell(here.cluster, Container(broker.pod, broker.container), _KEPT, path).splitlines()
    rows = [line.split() for line in lines]
    if not rows or any(len(row) != 3 for row in rows):  # noqa: PLR2004 - as _KEPT prints it
        raise ClusterError(f"{broker.pod.name}: no formatted log directory is seen below {path}: {lines}")
    # One of the folders is the quorum's own log, where the broker is a controller too.
    return Kept({folder: id_ for folder, id_, _ in rows}, sum(int(row[2]) for row in rows), int(used) * 1024)


def bring_back(context: str, broker: int, claim: str, claim_uid: str, pod_uid: str) -> dict[str, Any]:
    """Undo of a lost volume: see the broker with a claim, a pod and its place in the cluster again.

    The StatefulSet makes a claim and a pod anew. Where the drill died between the two deletions, the claim goes as soon
    as its pod does, and nothing can call that off: the pod is deleted here, once every record is in sync elsewhere.

    Args:
        context: Whose Kafka.
        broker: Its id.
        claim: The claim's name.
        claim_uid: Of the claim that was lost.
        pod_uid: Of the pod that used it.

    Raises:
        NotRestoredError: it is not there in time.
    """
    here = site(context)
    missing_since: float | None = None

    def look() -> dict[str, Any]:
        nonlocal missing_since
        now, found = here.brokers().get(broker), read(here, claim)
        pod = None if now is None or now.pod.terminating else now.pod
        missing_since = None if found is not None else missing_since or clock.now()
        if pod is not None and found is not None and found.terminating and (found.uid, pod.uid) == (claim_uid, pod_uid):
            _ensure_elsewhere(here, broker)
            here.cluster.delete_pod(pod, grace_period=1)
        elif pod is not None and not pod.ready and missing_since and clock.now() - missing_since > _STUCK:
            missing_since = None
            here.cluster.delete_pod(pod, grace_period=1)
        if found is None or found.terminating or found.volume is None:
            raise NotSeenError(f"claim {claim} is {_state(found)}")
        if pod is None or not pod.ready:
            raise NotSeenError(f"the pod of broker {broker} is not Ready")
        if broker not in here.state().brokers:
            raise NotSeenError(f"broker {broker} is not in the cluster's metadata")
        return {"claim": found.as_dict(), "pod": pod.name, "pod_uid": pod.uid, "broker": broker}

    try:
        return await_seen(look, _WITHIN)
    except GivenUpError as given_up:
        raise NotRestoredError(f"volume of broker {broker} after {_WITHIN:g} s: {given_up}") from given_up


def _state(claim: Claim | None) -> str:
    if claim is None:
        return "not there"
    return "being deleted" if claim.terminating else "not bound"


def ensure_replicated(here: Site, broker: int) -> None:
    """Refuse where records are on this broker only.

    Raises:
        RefusedError: they are.
    """
    if alone := [each.name for each in here.state().partitions if set(each.replicas) == {broker}]:
        raise RefusedError(
            f"{len(alone)} partitions, {alone[0]} for one, have their only replica on broker {broker}, and would be "
            "lost for good with its volume"
        )


def _ensure_elsewhere(here: Site, broker: int) -> None:
    """Look whether every record that the broker has is in sync on another one."""
    only = [each.name for each in here.state().partitions if broker in each.isr and len(each.isr) < 2]  # noqa: PLR2004
    if only:
        raise NotSeenError(f"{only[0]} is in sync on broker {broker} only, so its pod is not deleted yet")
