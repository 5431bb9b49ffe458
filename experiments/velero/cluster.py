"""The whole cluster is lost with all that it held, and the platform comes back in a fresh one, from a backup."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from drill import guard, lease, nodes, rollback
from drill import settings as settings_of
from drill.cluster import Cluster, Permission, secret_permission
from drill.errors import RefusedError, UsageError
from drill.settings import Settings
from drill.velero import permissions as velero_permissions
from experiments._fault import Injection
from experiments._guard import ensure_within
from experiments._watch import GivenUpError, NotSeenError, await_seen
from experiments.platform._critical import platform
from experiments.runbooks._phases import Evidence, Phase, Runbook, StepFailedError
from experiments.runbooks._rehearsal import Rehearsal, rehearsal
from experiments.runbooks._services import System
from experiments.velero import _backups, _data, _fresh, _namespace, _objects, _safe, _site
from experiments.velero._restores import restore
from experiments.velero._systems import Systems
from experiments.velero._times import Times
from experiments.velero.comeback import INTO, Needed, Stages, bring_cluster_back, specs

_DATA: tuple[System, ...] = ("postgres", "kafka")
"""Systems that others are clients of: they are restored first."""


@rehearsal
def lose_cluster(
    select: list[System],
    *,
    more_namespaces: list[str] | None = None,
    topic: str | None = "commodities",
    kafka_records: int = 10_000,
    changing: list[str] | None = None,
    allowed_warnings: list[str] | None = None,
    mark_budget: float = 180,
    backup_budget: float = 900,
    secure_budget: float = 30,
    mutate_budget: float = 60,
    rebuild_budget: float = 360,
    secrets_budget: float = 30,
    install_budget: float = 300,
    sync_budget: float = 150,
    restore_budget: float = 480,
    ready_budget: float = 240,
    prove_budget: float = 180,
    answer_budget: float = 60,
    max_nodes: int = 1,
    effect_timeout: float = 120,
    recovery_timeout: float = 600,
) -> Rehearsal:
    """Fault: mark the data, back it up, change it, destroy the cluster, build a fresh one, and restore all of it there.

    What destroys the cluster and what builds one are hooks of the settings. Nothing is destroyed before the backup is
    Completed and the Secrets that it can't be opened without are kept outside of the cluster. The undo goes the same
    way back, from wherever the drill died.

    Args:
        select: The systems that the cluster holds and that must be back: `postgres` and more.
        more_namespaces: Further namespaces that are backed up and restored with theirs.
        topic: Where records are written that must come back, some that must not, and one that shows that Kafka answers;
            None: Kafka is not looked into.
        kafka_records: So many records at the end of each partition are compared by their content.
        changing: Patterns (`dolphinscheduler.public.t_ds_*`) of tables that never stand still.
        allowed_warnings: Patterns of Velero's warnings that are known to be harmless.
        mark_budget: Seconds for: write markers and take the fingerprints.
        backup_budget: Seconds for: back all of it up, and take the fingerprints again.
        secure_budget: Seconds for: keep the Secrets outside of the cluster.
        mutate_budget: Seconds for: write what must not come back.
        rebuild_budget: Seconds for: a fresh cluster with its nodes Ready.
        secrets_budget: Seconds for: put the Secrets back.
        install_budget: Seconds for: Velero runs and reaches its bucket.
        sync_budget: Seconds for: Velero finds the backup in the bucket.
        restore_budget: Seconds for: restore it, the data first, then its clients.
        ready_budget: Seconds for: claims Bound, workloads Ready, Services with endpoints.
        prove_budget: Seconds for: markers, tables, records and objects read.
        answer_budget: Seconds for: each service answers a client.
        max_nodes: Blast radius: how many nodes the cluster may have.
        effect_timeout: How long it is awaited that the cluster is gone.
        recovery_timeout: How long it is awaited, after all that was done, that all is whole.

    Returns:
        `{targets, proof, since, phases}`.

    Raises:
        ActivityFailed: the backup failed, the cluster did not go, or the platform is not whole in time.
        RefusedError: not drillable, no consent to lose the cluster, it holds what would not come back, or beyond the
            blast radius.
    """
    settings = settings_of.load()
    if "postgres" not in select:
        raise UsageError(f"select is {list(select)!r}: without postgres there is nothing to write markers into")
    stages = _stages(settings, select, more_namespaces or [])
    spaces = [each for stage in stages for each in stage]
    if reason := guard.cluster_refusal(settings, spaces):
        raise RefusedError(reason)
    cluster = Cluster.connect(settings)
    if reason := lease.frozen(cluster, settings.target.lease_namespace):
        raise RefusedError(reason)
    there = nodes.nodes(cluster)
    ensure_within(len(there), len(there), max_nodes, "nodes")
    _fresh.ensure_restored_whole(settings, cluster, spaces)
    needed = {each: _needed(cluster, each) for each in spaces}
    site = _site.of(settings, cluster)
    systems = Systems(site, topic if "kafka" in select else None, kafka_records)
    drill = _Drill(site, select, stages, needed, systems, changing or [], allowed_warnings or [], len(there), topic)
    before = (
        Phase("mark", mark_budget, "Write markers into each database, and take fingerprints.", drill.mark),
        Phase("back-up", backup_budget, "Back all of it up, and take the fingerprints again.", drill.back_up),
        Phase("secure", secure_budget, "Keep the Secrets outside of the cluster.", drill.secure),
        Phase("mutate", mutate_budget, "Write what must not come back.", drill.mutate),
    )
    phases = (
        Phase("rebuild", rebuild_budget, "Build a fresh cluster.", drill.rebuild, acts=True),
        Phase("secrets", secrets_budget, "Put the Secrets back that the backups are opened with.", drill.secrets),
        Phase("install", install_budget, "Install Velero, and let it only read its bucket.", drill.install),
        Phase("sync", sync_budget, "Wait until Velero has found the backups in the bucket.", drill.sync),
        Phase("restore", restore_budget, "Restore the data, then its clients.", drill.restore),
        Phase("ready", ready_budget, "Wait until claims are Bound and workloads Ready.", drill.ready),
        Phase("prove", prove_budget, "Read the markers, every table, the records and the objects.", drill.prove),
        Phase("answer", answer_budget, "Wait until each service answers a client.", drill.answer),
    )
    hooks = settings.target.hooks
    injection = Injection(
        fault="lose_cluster",
        method="hook",
        targets=(
            {
                "kind": "Cluster",
                "namespace": None,
                "name": cluster.context,
                "uid": drill.uid,
                "nodes": sorted(there),
                "hook": " ".join(hooks.cluster_lose),
            },
            *({"kind": "Namespace", "namespace": each, "name": each} for each in spaces),
        ),
        permissions=_permissions(site, spaces),
        prepare=partial(_namespace.prepare, Runbook("cluster-loss", "runbook", before)),
        inject=partial(_fresh.lose, settings),
        effect=partial(_fresh.lost, cluster, drill.uid),
        undo=bring_cluster_back,
        undo_arguments={
            "context": str(settings.context),
            "uid": drill.uid,
            "number": len(there),
            "backup": drill.name,
            "stages": stages,
            "needed": needed,
            "safe": str(drill.safe),
            "run": site.run,
        },
        recovered=drill.whole,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )
    return Rehearsal(injection, Runbook("cluster-loss", "runbook", phases, drill.platform.permissions))


class _Drill:
    """What the phases share."""

    def __init__(
        self,
        site: _site.Site,
        select: list[System],
        stages: Stages,
        needed: Needed,
        systems: Systems,
        changing: list[str],
        allowed: list[str],
        number: int,
        topic: str | None,
    ) -> None:
        self.site, self._stages, self._needed, self._systems = site, stages, needed, systems
        self._select, self._allowed, self._number, self._topic = select, allowed, number, topic
        self._spaces = [each for stage in stages for each in stage]
        self.platform = platform(site.settings, select, topic if "kafka" in select else None)
        self.uid = _fresh.identity(site.cluster)
        self.name = f"drill-cluster-{site.run}"
        self.safe = _safe.place(site.run)
        self._reference = _data.Reference(_data.original(site.settings), site.run, changing)
        self._backup: dict[str, Any] | None = None
        self._times = Times(
            site.settings,
            select,
            systems.names,
            outliving={"lakehouse", "iceberg"},  # the object store outlives the cluster
            topic=topic,
        )

    # -- before the disaster

    def mark(self, _: float) -> Evidence:
        marked = {**self._reference.mark(), **self._systems.mark()}
        return {**marked, **self._reference.take(), **self._systems.take()}

    def back_up(self, within: float) -> Evidence:
        first, *others = self._spaces
        made = _backups.make(self.site, self.name, first, within, more=others)
        described = [self._describe(each) for each in self._spaces]
        merged = {**described[0], **{key: [row for each in described for row in each[key]] for key in _LISTS}}
        self._backup = {**merged, "namespaces": self._spaces}
        _site.keep("backup", self._backup)
        self._systems.take_again()
        return {**made, **self._reference.take_again()}

    def _describe(self, namespace: str) -> dict[str, Any]:
        idle = self._needed[namespace]["idle_services"]
        return _qualified(_backups.describe(self.site, self.name, namespace, idle=idle), namespace)

    def secure(self, _: float) -> Evidence:
        return {"secrets": _safe.take(self.site, self.safe)}

    def mutate(self, _: float) -> Evidence:
        return {**self._reference.mutate(), **self._systems.mutate()}

    # -- after it

    def rebuild(self, within: float) -> Evidence:
        found = _fresh.build(self.site.settings, self.site.cluster, self._number, within)
        _site.keep("cluster", {"before": self.uid, "after": found["cluster"], **found, "restored": self._spaces})
        if found["cluster"] == self.uid:
            raise StepFailedError("the cluster is the one of before: it was not lost", found)
        if early := [each for each in self._spaces if each in found["namespaces"]]:
            raise StepFailedError(f"namespace {early[0]} is there before anything was restored", found)
        return found

    def secrets(self, _: float) -> Evidence:
        put = _safe.put_back(self.site.cluster, self.safe)
        # The log of undos in the lost cluster is lost with it.
        return {"secrets": put, "undos_shared_again": rollback.share_again()}

    def install(self, within: float) -> Evidence:
        location = str(self._described()["location"])
        seen = _fresh.install(self.site, location, within)
        self.site.velero.set_access_mode(location, "ReadOnly")  # no schedule writes, and nothing is collected meanwhile
        return seen

    def sync(self, within: float) -> Evidence:
        found = _fresh.synced(self.site, self.name, len(self._described()["volumes"]), within)
        # By its name, also where a schedule has made a later one: the markers are of this one.
        known = {**_backups.inventory(self.site, self._spaces[0]), "chosen": self.name}
        _site.keep("inventory", known)
        return {"backup": found.name, "backups": len(known["backups"])}

    def restore(self, within: float) -> Evidence:
        steps = specs(self._stages)
        try:
            done = restore(self.site, self.name, INTO, INTO, steps, self._allowed, within)
        except StepFailedError as error:
            self._keep_restore(error.evidence)
            raise
        self._keep_restore(done)
        return {"restore": done["name"], "steps": done["steps"], "phase": done["phase"], "items": done["items"]}

    def ready(self, within: float) -> Evidence:
        seen: dict[str, Any] = {}

        def look() -> dict[str, Any]:
            seen.update(_look(self.site.cluster, self._spaces))
            if (trouble := _objects.missing(seen, self._described())) is not None:
                raise NotSeenError(trouble)
            return {**seen, **self.platform.whole()}

        try:
            return await_seen(look, within, 1)
        except GivenUpError as error:
            raise StepFailedError(f"the platform is not whole: {error}", seen) from error
        finally:
            if seen:
                _site.keep("objects", seen)

    def prove(self, _: float) -> Evidence:
        said = self._reference.prove(_data.original(self.site.settings))
        started = self._described()["started"]
        for system in ("postgres", "dolphinscheduler"):  # whose data is PostgreSQL's
            if system in self._select:
                self._times.proven(system, started)
        for system in self._systems.prove():
            self._times.proven(system, started)
        return {**said, "systems": list(self._systems.names)}

    def answer(self, within: float) -> Evidence:
        return self._times.answer(within)

    def whole(self) -> Evidence:
        """Look once whether each critical workload is whole and answers; raises NotSeenError where one does not."""
        return {**self.platform.whole(), "answers": self.platform.answering()}

    def _keep_restore(self, done: dict[str, Any]) -> None:
        _site.keep("restore", {**_with_namespaces(done), "into": self._spaces})

    def _described(self) -> dict[str, Any]:
        if self._backup is None:
            raise StepFailedError("no backup was made", {})
        return self._backup


_LISTS = ("volumes", "claims", "pods", "workloads", "idle_services")


def _stages(settings: Settings, select: Sequence[System], more: Sequence[str]) -> Stages:
    homes = {each: getattr(settings, each).namespace for each in select}
    data = list(dict.fromkeys(homes[each] for each in _DATA if each in homes))
    clients = list(dict.fromkeys(each for each in (*homes.values(), *more) if each not in data))
    return [data, clients] if clients else [data]


def _needed(cluster: Cluster, namespace: str) -> dict[str, list[str]]:
    """What must be there again, and the Services that need not lead anywhere."""
    seen = _objects.look(cluster, namespace)
    names = {kind: [each["name"] for each in seen[kind]] for kind in ("claims", "workloads")}
    return {**names, "idle_services": _objects.idle(cluster, namespace)}


def _look(cluster: Cluster, spaces: Sequence[str]) -> dict[str, Any]:
    """The objects of several namespaces, each called `namespace/name`."""
    looked = {each: _objects.look(cluster, each) for each in spaces}
    return {
        "namespaces": list(spaces),
        **{
            kind: [{**row, "name": f"{space}/{row['name']}"} for space, seen in looked.items() for row in seen[kind]]
            for kind in ("claims", "workloads", "services")
        },
    }


def _qualified(described: dict[str, Any], namespace: str) -> dict[str, Any]:
    """What a backup holds of a namespace, each thing called `namespace/name`."""
    named = {key: [f"{namespace}/{each}" for each in described[key]] for key in _LISTS if key != "volumes"}
    return {**_with_namespaces(described), **named}


def _with_namespaces(found: dict[str, Any]) -> dict[str, Any]:
    named = [
        {**each, **{key: each[key] and f"{each['namespace']}/{each[key]}" for key in ("pod", "claim")}}
        for each in found["volumes"]
    ]
    return {**found, "volumes": named}


def _permissions(site: _site.Site, spaces: Sequence[str]) -> tuple[Permission, ...]:
    """What all of it takes: of the fresh cluster too, where the same identity must have it again."""
    where = site.velero.namespace
    return (
        Permission("list", "nodes"),
        Permission("list", "namespaces"),
        Permission("list", "pods"),
        Permission("list", "persistentvolumeclaims"),
        *(Permission(verb, "namespaces", name=each) for each in spaces for verb in ("get", "delete")),
        *site.permissions("backups", "restores"),
        *secret_permission(site.settings.postgres),
        *velero_permissions(where, "backupstoragelocations", verbs=("patch",)),
        Permission("get", "deployments", where, group="apps", name="velero"),
        Permission("get", "daemonsets", where, group="apps", name="node-agent"),
        *_safe.permissions(site),
        *(permission for each in spaces for permission in _objects.permissions(each)),
        *_trino(site.settings),
    )


def _trino(settings: Settings) -> tuple[Permission, ...]:
    target = settings.target.trino
    if target is None:
        return ()
    return (Permission("get", "deployments", target.namespace, group="apps", name=target.coordinator),)
