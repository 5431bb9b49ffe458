"""A namespace is lost with its volumes, and comes back from a backup: markers tell what of its data did."""

from functools import partial
from typing import Any, Literal

from drill import postgres
from drill.cluster import Permission, secret_permission
from drill.errors import RefusedError, UsageError
from experiments import _volumes
from experiments._fault import Injection
from experiments._guard import drillable, ensure_within
from experiments.platform._critical import platform
from experiments.runbooks._phases import Evidence, Phase, Runbook, StepFailedError
from experiments.runbooks._rehearsal import Rehearsal, rehearsal
from experiments.runbooks._services import System
from experiments.velero import _backups, _data, _namespace, _objects, _scratch, _site
from experiments.velero._meanwhile import Way
from experiments.velero._restores import Spec, restore
from experiments.velero._times import Times


@rehearsal
def lose_namespace(
    namespace: str,
    *,
    answering: list[System],
    changing: list[str] | None = None,
    allowed_warnings: list[str] | None = None,
    existing_resources: Literal["none", "update"] = "none",
    read_only_location: bool = False,
    mark_budget: float = 120,
    backup_budget: float = 600,
    mutate_budget: float = 60,
    assess_budget: float = 300,
    restore_budget: float = 900,
    ready_budget: float = 600,
    prove_budget: float = 300,
    answer_budget: float = 300,
    max_pods: int | str = "100%",
    effect_timeout: float = 240,
    recovery_timeout: float = 600,
) -> Rehearsal:
    """Fault: mark the data, back it up, change it, delete the namespace with its volumes, and restore it.

    Nothing is deleted before the backup is Completed. The undo restores the same backup where the drill did not.

    Args:
        namespace: PostgreSQL's; it is deleted.
        answering: The critical systems that must answer their clients afterwards.
        changing: Patterns (`dolphinscheduler.public.t_ds_*`) of tables that never stand still.
        allowed_warnings: Patterns of Velero's warnings that are known to be harmless.
        existing_resources: What becomes of objects that are there again before the restore: they stay, or are updated.
        read_only_location: Set the backup's location ReadOnly while it is restored from.
        mark_budget: Seconds for: write markers and take the fingerprint.
        backup_budget: Seconds for: back it up, and take the fingerprint again.
        mutate_budget: Seconds for: write what must not come back.
        assess_budget: Seconds for: the last backup's status and time.
        restore_budget: Seconds for: restore it.
        ready_budget: Seconds for: claims Bound, pods Ready, Services with endpoints.
        prove_budget: Seconds for: databases listed, markers and every table read.
        answer_budget: Seconds for: each service answers a client.
        max_pods: Blast radius: how many of the namespace's pods may be lost.
        effect_timeout: How long it is awaited that the namespace is gone.
        recovery_timeout: How long it is awaited, after all that was done, that all is whole.

    Returns:
        `{targets, proof, since, phases}`.

    Raises:
        ActivityFailed: the backup failed, the namespace did not go, or it is not whole in time.
        RefusedError: not drillable, beyond the blast radius, or the volumes' data would outlive the namespace.
    """
    settings, cluster = drillable(namespace)
    if settings.postgres.namespace != namespace:
        raise UsageError(
            f"PostgreSQL is in {settings.postgres.namespace!r}, so no data of {namespace!r} could be proven"
        )
    if (found := _scratch.find(cluster, namespace)) is None:
        raise RefusedError(f"namespace {namespace} is not there")
    pods = [each.name for each in cluster.pods(namespace, "app.kubernetes.io/managed-by!=drill")]
    ensure_within(len(pods), len(pods), max_pods, f"pods of {namespace}")
    volumes = _volumes.lost_with(cluster, namespace)
    way, spec = Way(read_only_location), {**_namespace.SPEC, "existingResourcePolicy": existing_resources}
    drill = _Drill(_site.of(settings, cluster), namespace, answering, changing or [], allowed_warnings or [], way, spec)
    before = (
        Phase("mark", mark_budget, "Write markers into each database, and take its fingerprint.", drill.mark),
        Phase("back-up", backup_budget, "Back the namespace up, and take the fingerprint again.", drill.back_up),
        Phase("mutate", mutate_budget, "Write what must not come back.", drill.mutate),
    )
    phases = (
        Phase("assess", assess_budget, "Look up the last backup's status and time.", drill.assess),
        Phase("restore", restore_budget, "Restore the namespace from it.", drill.restore, acts=True),
        Phase("ready", ready_budget, "Wait until claims are Bound and workloads Ready.", drill.ready),
        Phase("prove", prove_budget, "List the databases; read the markers and every table.", drill.prove),
        Phase("answer", answer_budget, "Wait until each service answers a client.", drill.answer),
    )
    injection = Injection(
        fault="lose_namespace",
        method="namespace deleted",
        targets=({"kind": "Namespace", "namespace": namespace, "name": namespace, "pods": pods, "volumes": volumes},),
        permissions=(
            *(Permission(verb, "namespaces", name=namespace) for verb in ("get", "delete")),
            Permission("list", "pods", namespace),
            *_volumes.permissions(namespace),
            *drill.site.permissions("backups", "restores"),
            *secret_permission(settings.postgres),
            *_objects.permissions(namespace),
            *way.permissions(drill.site.velero.namespace),
        ),
        prepare=partial(_namespace.prepare, Runbook("data-loss", "runbook", before)),
        inject=partial(_namespace.delete, cluster, namespace),
        effect=partial(_namespace.gone, cluster, namespace, volumes),
        undo=restore_namespace,
        undo_arguments={
            "context": str(settings.context),
            "namespace": namespace,
            "uid": found.metadata.uid,
            "backup": drill.name,
            "run": drill.site.run,
            "server": postgres.identity(_data.original(settings)()),
            "idle": drill.idle,
        },
        recovered=drill.whole,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )
    return Rehearsal(injection, Runbook("data-loss", "runbook", phases, drill.platform.permissions))


class _Drill:
    """What the phases share."""

    def __init__(
        self,
        site: _site.Site,
        namespace: str,
        answering: list[System],
        changing: list[str],
        allowed: list[str],
        way: Way,
        spec: Spec,
    ) -> None:
        self.site, self._namespace, self._allowed = site, namespace, allowed
        self._way, self._spec = way, spec
        self._answering = answering
        self.platform = platform(site.settings, answering)
        self.name = f"drill-{namespace}-{site.run}"
        self.idle = _objects.idle(site.cluster, namespace)
        self._reference = _data.Reference(_data.original(site.settings), site.run, changing)
        # Whoever else must answer keeps its data in PostgreSQL, too.
        self._times = Times(site.settings, answering, ["postgres"])
        self._backup: dict[str, Any] | None = None

    def mark(self, _: float) -> Evidence:
        return {**self._reference.mark(), **self._reference.take()}

    def back_up(self, within: float) -> Evidence:
        made = _backups.make(self.site, self.name, self._namespace, within)
        self._backup = _backups.describe(self.site, self.name, self._namespace, idle=self.idle)
        return {**made, **self._reference.take_again()}

    def mutate(self, _: float) -> Evidence:
        return self._reference.mutate()

    def assess(self, _: float) -> Evidence:
        found = _backups.inventory(self.site, self._namespace)
        if found["chosen"] != self.name:
            # The markers are of ours: a later one of a schedule has the mutations, too.
            raise StepFailedError(
                f"the newest backup is {found['chosen']}, and that of the drill is {self.name}", found
            )
        return {"backup": found["chosen"], "backups": len(found["backups"])}

    def restore(self, within: float) -> Evidence:
        with self._way.held(self.site, self._described()["location"]):
            done = restore(self.site, self.name, self._namespace, self._namespace, [self._spec], self._allowed, within)
        return {"restore": done["name"], "phase": done["phase"], "items": done["items"]}

    def ready(self, within: float) -> Evidence:
        return _objects.await_whole(self.site.cluster, self._namespace, self._described, within)

    def prove(self, _: float) -> Evidence:
        said = self._reference.prove(_data.original(self.site.settings))
        for system in dict.fromkeys(("postgres", *self._answering)):
            self._times.proven(system, self._described()["started"])
        return said

    def answer(self, within: float) -> Evidence:
        return self._times.answer(within)

    def whole(self) -> Evidence:
        """Look once whether each critical workload is whole and answers; raises NotSeenError where one does not."""
        return {**self.platform.whole(), "answers": self.platform.answering()}

    def _described(self) -> dict[str, Any]:
        if self._backup is None:
            raise StepFailedError("no backup was made", {})
        return self._backup


def restore_namespace(
    context: str, namespace: str, uid: str, backup: str, run: str, server: str, idle: list[str]
) -> dict[str, Any]:
    """Undo: restore the namespace from the backup of before, where it or its data is lost; take the markers away.

    Args:
        context: Which context.
        namespace: PostgreSQL's.
        uid: Of the namespace that was lost: while it is there, nothing was.
        backup: Its name.
        run: Of the drill.
        server: The identity of the server of before: another one began anew, on an empty volume.
        idle: Services that led nowhere before.

    Raises:
        NotRestoredError: it is not whole in time.
        DrillError: the backup, the cluster or the server can't be asked.
    """
    site = _site.again(context, run)
    connect = _data.original(site.settings)
    proof = _namespace.ensure_restored(
        site,
        namespace,
        uid,
        backup,
        site.settings.postgres.statefulset,
        idle,
        lambda: postgres.identity(connect()) == server,
    )
    proof["markers_removed"] = _data.forget(connect, run)
    return proof
