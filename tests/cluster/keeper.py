"""A namespace of a test's own whose one pod keeps files on a volume; backups of it; parts of the lab that are away."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client, config, utils

import lab
from drill.cluster import Cluster
from drill.object_store import ObjectStore
from drill.settings import Settings
from drill.velero import Backup, Velero
from experiments._watch import NotSeenError, await_seen
from tests.cluster.scratch import workload

POD = "keeper-0"
CLAIM = "data-keeper-0"
ASLEEP = "exec sleep 1000000"
FILE = "mkdir -p /data/deep/er && head -c 300000 /dev/urandom > /data/deep/er/{0} && echo {0} >> /data/deep/names"
"""Writes a file of this name that no compression makes smaller."""


@dataclass
class Keeper:
    """What the tests have of the lab."""

    namespace: str
    settings: Settings
    cluster: Cluster
    velero: Velero
    store: ObjectStore
    admin: client.ApiClient
    made: list[str] = field(default_factory=list)
    """Backups, to be deleted at the end."""

    def backup(self, name: str, phase: str = "Completed", **spec: Any) -> str:
        """A backup of the namespace that has ended in this phase."""
        self.start(name, **spec)
        made = self.velero.await_backup(name, within=300)
        assert made.phase == phase, (made.troubles, made.raw["status"])
        return name

    def start(self, name: str, **spec: Any) -> str:
        """A backup of the namespace is begun."""
        self.made.append(name)
        self.velero.create_backup(name, namespaces=[self.namespace], ttl="1h0m0s", **spec)
        return name

    def run(self, script: str, namespace: str | None = None) -> str:
        """What a script in the pod, or in the pod of its name in another namespace, prints."""
        done = self.cluster.exec(namespace or self.namespace, POD, "main", ["sh", "-c", script])
        assert done.exit_code == 0, done.stderr
        return done.stdout

    def annotate(self, **annotations: str | None) -> None:
        """Annotations of the pod."""
        body = {"metadata": {"annotations": annotations}}
        self.cluster.core.patch_namespaced_pod(POD, self.namespace, body)


@contextmanager
def keeping(namespace: str, settings: Settings) -> Iterator[Keeper]:
    """The namespace with its pod Ready; gone at the end, with its backups and all that the bucket has of them."""
    cluster = Cluster.connect(settings)
    admin = config.new_client_from_config(str(lab.kubeconfig()), context="drill-lab")
    server, store = Velero.connect(settings, cluster), ObjectStore.connect(settings, cluster)
    keeper = Keeper(namespace, settings, cluster, server, store, admin)
    remove_namespace(cluster, namespace)
    cluster.core.create_namespace({"metadata": {"name": namespace}})
    try:
        utils.create_from_yaml(admin, yaml_objects=[_stateful_set(namespace)])
        await_ready(cluster, namespace, POD)
        yield keeper
    finally:
        delete_backups(server, keeper.made)
        cluster.core.delete_namespace(namespace)
        for each in server.repositories():
            if each.namespace == namespace:
                remove_resource(server, "backuprepositories", each.name)
        for one in list(store.listed(f"kopia/{namespace}/")):
            store.s3.delete_object(Bucket=store.target.bucket, Key=one.key)
        admin.rest_client.pool_manager.clear()


def _stateful_set(namespace: str) -> dict[str, Any]:
    made = workload("StatefulSet", "keeper", 1, script=ASLEEP)
    made["metadata"]["namespace"] = namespace
    made["spec"]["template"]["spec"]["volumes"] = []
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "64Mi"}}}
    made["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": spec}]
    return made


def await_ready(cluster: Cluster, namespace: str, name: str) -> None:
    """The pod is Ready."""

    def look() -> None:
        found = [each for each in cluster.pods(namespace, "app") if each.name == name]
        if not found or not found[0].ready:
            raise NotSeenError(f"pod {name} is not Ready: {found}")

    await_seen(look, within=120)


def remove_namespace(cluster: Cluster, namespace: str) -> None:
    """A namespace is gone."""

    def look() -> None:
        if any(each.metadata.name == namespace for each in cluster.core.list_namespace().items):
            raise NotSeenError(f"namespace {namespace} is still there")

    if any(each.metadata.name == namespace for each in cluster.core.list_namespace().items):
        cluster.core.delete_namespace(namespace)
    await_seen(look, within=120)


def delete_backups(server: Velero, names: Iterable[str]) -> None:
    """Backups are gone, with what the bucket has of them."""
    there = {each.name for each in server.backups()}
    asked = {name: server.delete_backup(name) for name in names if name in there}
    for name, request in asked.items():
        server.await_backup_deleted(name, request)


def remove_resource(server: Velero, plural: str, name: str) -> None:
    """Delete a resource of Velero's."""
    server.cluster.objects.delete_namespaced_custom_object("velero.io", "v1", server.namespace, plural, name)


def await_phase(server: Velero, name: str, phase: str) -> Backup:
    """A backup that is seen in this phase."""

    def look() -> Backup:
        found = server.backup(name)
        if found.phase != phase:
            raise NotSeenError(f"backup {name} is {found.phase or 'new'}")
        return found

    return await_seen(look, within=120)


def await_location(server: Velero, phase: str, name: str = "default") -> None:
    """A location is seen in this phase, which Velero looks at every minute."""

    def look() -> None:
        found = server.location(name)
        if found.phase != phase:
            raise NotSeenError(f"location {name} is {found.phase}: {found.message}")

    await_seen(look, within=240, each=1)


@contextmanager
def scaled_to_none(admin: client.ApiClient, kind: str, namespace: str, name: str) -> Iterator[None]:
    """A `deployment` or `stateful_set` of the lab has no pod; its one is Ready again at the end."""
    apps = client.AppsV1Api(admin)

    def scale(replicas: int) -> None:
        getattr(apps, f"patch_namespaced_{kind}_scale")(name, namespace, {"spec": {"replicas": replicas}})

    def ready(replicas: int) -> None:
        status = getattr(apps, f"read_namespaced_{kind}")(name, namespace).status
        if (status.ready_replicas or 0) != replicas or (status.replicas or 0) != replicas:
            raise NotSeenError(f"{name} has {status.ready_replicas} of {replicas}")

    scale(0)
    try:
        await_seen(lambda: ready(0), within=120)
        yield
    finally:
        scale(1)
        await_seen(lambda: ready(1), within=180)
