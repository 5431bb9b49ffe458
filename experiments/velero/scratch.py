"""The restore drill that hurts nothing: a backup into a scratch namespace, its data proven there, and all deleted."""

from functools import partial
from typing import Any, Literal

from drill import postgres
from drill.cluster import Cluster, Permission, secret_permission
from drill.errors import RefusedError, UsageError
from drill.settings import Settings
from experiments._fault import Injection
from experiments._guard import Limit, ensure_within
from experiments.runbooks._phases import Evidence, Phase, Runbook, StepFailedError
from experiments.runbooks._rehearsal import Rehearsal, rehearsal
from experiments.velero import _backups, _data, _objects, _scratch, _site, _tunnel
from experiments.velero._meanwhile import Way
from experiments.velero._restores import restore

Source = Literal["newest", "new"]
_THINGS = ["secrets", "configmaps", "serviceaccounts"]
"""What a workload may refer to; it bears no label of its own."""
_DATA = ["statefulsets", "pods", "persistentvolumeclaims", "persistentvolumes"]
"""The workload itself, by its label. No Service: its node port is the original's."""
_PORT = 5432


@rehearsal
def restore_into_scratch(
    namespace: str,
    *,
    scratch: str,
    backup: Source = "newest",
    changing: list[str] | None = None,
    allowed_warnings: list[str] | None = None,
    storage_classes: dict[str, str] | None = None,
    read_only_location: bool = False,
    backup_budget: float = 600,
    restore_budget: float = 900,
    ready_budget: float = 300,
    prove_budget: float = 300,
    max_pods: int | str = 1,
    effect_timeout: float = 60,
    recovery_timeout: float = 180,
) -> Rehearsal:
    """Drill: restore a backup of PostgreSQL's namespace into one that is made for it, prove its data, and delete it.

    Nothing else is touched: the workload that holds the data is restored and no client of it, so that nothing of what
    is restored acts on the original, and a network policy keeps it in.

    Args:
        namespace: Whose backup is restored; it is only read.
        scratch: Into which namespace; it must not be there, and is made, labelled with the run and deleted.
        backup: `newest`: the newest completed one; `new`: one that is made now.
        changing: Patterns (`kong.public.sessions*`) of tables that never stand still, so that no sum can be held to.
        allowed_warnings: Patterns of Velero's warnings that are known to be harmless.
        storage_classes: Which storage class the volumes of each get instead, by Velero's own mapping.
        read_only_location: Set the backup's location ReadOnly while it is restored from.
        backup_budget: Seconds for: find the backup, or make it, and note what is there now.
        restore_budget: Seconds for: restore it.
        ready_budget: Seconds for: its claims Bound and its workload Ready.
        prove_budget: Seconds for: read every table and hold it against the reference.
        max_pods: Blast radius: how many pods the restore may start.
        effect_timeout: How long it is awaited that the namespace is there.
        recovery_timeout: How long it is awaited that it is gone.

    Returns:
        `{targets, proof, since, phases}`.

    Raises:
        ActivityFailed: the namespace could not be made, or is not gone in time.
        RefusedError: no restore drills here, the namespace is there already, or beyond the blast radius.
    """
    settings, cluster = _scratch.permitted(scratch)
    if settings.postgres.namespace != namespace:
        raise UsageError(
            f"PostgreSQL is in {settings.postgres.namespace!r}, so no data of {namespace!r} could be proven"
        )
    _scratch.ensure_absent(cluster, scratch)
    pods = _pods(cluster, settings, namespace, max_pods)
    way = Way(read_only_location, storage_classes or {})
    way.ensure_possible(cluster)
    drill = _Drill(_site.of(settings, cluster), namespace, scratch, pods, changing or [], allowed_warnings or [], way)
    phases = (
        Phase(
            "back-up",
            backup_budget,
            "Find the newest completed backup, or make one, and note what is there.",
            partial(drill.back_up, backup),
        ),
        Phase("restore", restore_budget, "Restore it into the scratch namespace.", drill.restore, acts=True),
        Phase("ready", ready_budget, "Wait until its claims are Bound and its workload is Ready.", drill.ready),
        Phase("prove", prove_budget, "Read every table, and hold it against what was backed up.", drill.prove),
    )
    identity = {"context": str(settings.context), "namespace": scratch, "run": drill.site.run}
    injection = Injection(
        fault="restore_into_scratch",
        method="restore by namespace mapping",
        targets=({"kind": "Namespace", "namespace": scratch, "name": scratch, "source": namespace},),
        permissions=(
            *_scratch.permissions(scratch, drill.site.velero.namespace),
            *drill.site.permissions("restores", *(["backups"] if backup == "new" else [])),
            *_objects.permissions(None),
            *way.permissions(drill.site.velero.namespace),
            *secret_permission(settings.postgres),
            *_tunnel.permission(None),
            *(Permission(verb, "pods", namespace) for verb in ("list", "get")),
            Permission("list", "pods"),
            *_secret(settings),
        ),
        inject=partial(_scratch.make, cluster, scratch, drill.site.run),
        effect=partial(_scratch.seen, cluster, scratch, drill.site.run),
        undo=_scratch.delete_scratch,
        undo_arguments=identity,
        recovered=partial(_scratch.absent, cluster, scratch),
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )
    return Rehearsal(injection, Runbook("restore-drill", "runbook", phases))


class _Drill:
    """What the phases share."""

    def __init__(
        self,
        site: _site.Site,
        namespace: str,
        scratch: str,
        pods: tuple[str, ...],
        changing: list[str],
        allowed: list[str],
        way: Way,
    ) -> None:
        self.site, self._namespace, self._scratch, self._pods = site, namespace, scratch, pods
        self._allowed, self._way = allowed, way
        self._reference = _data.Reference(_data.original(site.settings), site.run, changing)
        self._backup: dict[str, Any] | None = None

    def back_up(self, source: Source, within: float) -> Evidence:
        evidence = self._reference.take()
        if source == "new":
            name = f"drill-{self._namespace}-{self.site.run}"
            _backups.make(self.site, name, self._namespace, within)
            # What is the same before and after it stood still while it was made.
            self._reference.take_again()
        found = _backups.inventory(self.site, self._namespace)
        if found["chosen"] is None:
            raise StepFailedError(f"there is no completed backup of {self._namespace}", evidence)
        described = _backups.describe(self.site, found["chosen"], self._namespace, self._pods)
        # No client is restored, so none is to be there.
        described["workloads"] = [f"statefulset/{self.site.settings.postgres.statefulset}"]
        described["storage_classes"] = dict(self._way.storage_classes)
        _site.keep("backup", described)
        self._backup = described
        return {**evidence, "backup": described["name"], "backups": len(found["backups"])}

    def restore(self, within: float) -> Evidence:
        key, _, value = self.site.settings.postgres.selector.partition("=")
        specs: list[dict[str, Any]] = [
            {"includedResources": _THINGS},
            {"includedResources": _DATA, "labelSelector": {"matchLabels": {key: value}}},
        ]
        described = self._described()
        with self._way.held(self.site, described["location"]):
            done = restore(self.site, described["name"], self._namespace, self._scratch, specs, self._allowed, within)
        return {"restore": done["name"], "phase": done["phase"], "items": done["items"]}

    def ready(self, within: float) -> Evidence:
        return _objects.await_whole(self.site.cluster, self._scratch, self._described, within)

    def prove(self, _: float) -> Evidence:
        target, cluster = self.site.settings.postgres, self.site.cluster
        found = cluster.pods(self._scratch, target.selector)
        if not found:
            raise StepFailedError(f"no pod of {self._scratch} is {target.selector}", {})
        # Its own password, from its own Secret: that the Secrets came back is a part of the proof.
        own = {} if target.password is None else {"password": self._password()}
        with _tunnel.tunnel(cluster, self._scratch, found[0].name, _PORT) as port:
            here: dict[str, Any] = {"host": "127.0.0.1", "port": port, **own}
            return self._reference.prove(lambda **more: postgres.conninfo(self.site.settings, **here, **more))

    def _password(self) -> str:
        secret = self.site.settings.postgres.password
        assert secret is not None  # noqa: S101 - asked by the caller
        return self.site.cluster.secret(self._scratch, secret.name, secret.key)

    def _described(self) -> dict[str, Any]:
        if self._backup is None:
            raise StepFailedError("no backup was found, so that there is nothing to restore", {})
        return self._backup


def _pods(cluster: Cluster, settings: Settings, namespace: str, limit: Limit) -> tuple[str, ...]:
    """The pods whose copies will be started."""
    found = [each.name for each in cluster.pods(namespace, settings.postgres.selector)]
    if not found:
        raise RefusedError(f"no pod of {namespace} is {settings.postgres.selector}: there is nothing to compare with")
    ensure_within(len(found), len(found), limit, f"pods beside those of {namespace}")
    return tuple(found)


def _secret(settings: Settings) -> tuple[Permission, ...]:
    secret = settings.postgres.password
    return () if secret is None else (Permission("get", "secrets", name=secret.name),)
