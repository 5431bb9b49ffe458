"""Kafka's namespace is lost with all of its volumes, and comes back from a backup: what of its records did is counted.

A file-system backup copies the brokers' volumes while they are written, each file at another moment: no copy is of one
instant, and no two of them are of the same. That is enough for this, and for no more: a log is only ever appended to,
so that a copy of one is a beginning of it, which Kafka cuts off behind its last whole batch after an unclean start; and
each copy begins after the backup did, so that what was in sync by then is in all of them, whoever comes to lead. Hence
what must be there is what was acknowledged before the backup's start, in the order and at the offsets that it had, and
nothing of after its end; between the two, anything up to some offset of each partition. It holds as long as replicas
are in sync and nobody else comes to lead while the backup is made, which the drill looks at.
"""

from functools import partial
from typing import Any

from drill.cluster import Permission
from drill.errors import RefusedError, UsageError
from drill.rollback import NotRestoredError
from experiments import _volumes
from experiments._fault import Injection
from experiments._guard import drillable, ensure_within
from experiments._watch import GivenUpError, await_seen
from experiments.kafka import _recovery
from experiments.kafka._brokers import Site as Brokers
from experiments.platform._critical import platform
from experiments.runbooks._phases import Evidence, Phase, Runbook, StepFailedError
from experiments.runbooks._rehearsal import Rehearsal, rehearsal
from experiments.velero import _backups, _kafka_data, _namespace, _objects, _scratch, _site
from experiments.velero._restores import restore
from experiments.velero._times import Times

_SETTLING = 300.0
"""Seconds for which an undo awaits that every replica is in sync."""


@rehearsal
def lose_kafka(
    namespace: str,
    *,
    rate: float = 50,
    records: int = 500,
    content_records: int = 20000,
    allowed_warnings: list[str] | None = None,
    mark_budget: float = 120,
    backup_budget: float = 600,
    mutate_budget: float = 120,
    assess_budget: float = 300,
    restore_budget: float = 900,
    ready_budget: float = 600,
    prove_budget: float = 300,
    answer_budget: float = 300,
    max_brokers_down: int = 3,
    max_pods: int | str = "100%",
    effect_timeout: float = 240,
    recovery_timeout: float = 600,
) -> Rehearsal:
    """Fault: write records on and on, back Kafka up, delete its namespace with the volumes, and restore it.

    Nothing is deleted before the backup is Completed. The undo restores the same backup where the drill did not.

    Args:
        namespace: Kafka's; it is deleted.
        rate: Records that the drill writes into a topic of its own, a second, from before the backup on.
        records: How many of them are acknowledged before the backup, and how many after it, at the least.
        content_records: So many records at the end of each partition of all topics are compared by their content.
        allowed_warnings: Patterns of Velero's warnings that are known to be harmless.
        mark_budget: Seconds for: write the first records, commit a consumer's position, take the fingerprint.
        backup_budget: Seconds for: back it up, and take the fingerprint again.
        mutate_budget: Seconds for: write and change what must not come back.
        assess_budget: Seconds for: the last backup's status and time.
        restore_budget: Seconds for: restore it.
        ready_budget: Seconds for: claims Bound, pods Ready, Services with endpoints, every replica in sync.
        prove_budget: Seconds for: read the cluster, its topics, positions and records.
        answer_budget: Seconds for: Kafka answers a client.
        max_brokers_down: Blast radius: how many brokers may be lost.
        max_pods: Blast radius: how many of the namespace's pods may be lost.
        effect_timeout: How long it is awaited that the namespace and the volumes are gone.
        recovery_timeout: How long it is awaited, after all that was done, that all is whole.

    Returns:
        `{targets, proof, since, phases}`.

    Raises:
        ActivityFailed: the backup failed, the namespace did not go, or it is not whole in time.
        RefusedError: not drillable, beyond the blast radius, or the volumes' data would outlive the namespace.
    """
    settings, cluster = drillable(namespace)
    if settings.kafka.namespace != namespace:
        raise UsageError(f"Kafka is in {settings.kafka.namespace!r}, so no data of {namespace!r} could be proven")
    if (found := _scratch.find(cluster, namespace)) is None:
        raise RefusedError(f"namespace {namespace} is not there")
    here = Brokers(str(settings.context), settings.kafka, cluster)
    pods = [each.name for each in cluster.pods(namespace, "app.kubernetes.io/managed-by!=drill")]
    ensure_within(len(pods), len(pods), max_pods, f"pods of {namespace}")
    if (brokers := len(here.brokers())) > max_brokers_down:
        raise RefusedError(f"{brokers} brokers would be lost, and max_brokers_down is {max_brokers_down}")
    volumes = _volumes.lost_with(cluster, namespace)
    drill = _Drill(_site.of(settings, cluster), here, rate, records, content_records, allowed_warnings or [])
    before = (
        Phase("mark", mark_budget, "Write records and go on, commit a position, take the fingerprint.", drill.mark),
        Phase("back-up", backup_budget, "Back the namespace up, and take the fingerprint again.", drill.back_up),
        Phase("mutate", mutate_budget, "Write and change what must not come back.", drill.mutate),
    )
    phases = (
        Phase("assess", assess_budget, "Look up the last backup's status and time.", drill.assess),
        Phase("restore", restore_budget, "Restore the namespace from it.", drill.restore, acts=True),
        Phase("ready", ready_budget, "Wait until claims are Bound, brokers Ready, replicas in sync.", drill.ready),
        Phase("prove", prove_budget, "Read the cluster, its topics, positions and records.", drill.prove),
        Phase("answer", answer_budget, "Wait until Kafka answers a client.", drill.answer),
    )
    injection = Injection(
        fault="lose_kafka",
        method="namespace deleted",
        targets=({"kind": "Namespace", "namespace": namespace, "name": namespace, "pods": pods, "volumes": volumes},),
        permissions=(
            *(Permission(verb, "namespaces", name=namespace) for verb in ("get", "delete")),
            Permission("list", "pods", namespace),
            *_volumes.permissions(namespace),
            *drill.site.permissions("backups", "restores"),
            *_objects.permissions(namespace),
        ),
        prepare=partial(drill.prepare, Runbook("kafka-loss", "runbook", before)),
        inject=drill.lose,
        effect=partial(_namespace.gone, cluster, namespace, volumes),
        undo=restore_kafka,
        undo_arguments={
            "context": str(settings.context),
            "namespace": namespace,
            "uid": found.metadata.uid,
            "backup": drill.name,
            "run": drill.site.run,
            "topics": _kafka_data.topics(settings.kafka),
            "idle": drill.idle,
        },
        recovered=partial(_recovery.whole, here),
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )
    return Rehearsal(injection, Runbook("kafka-loss", "runbook", phases, drill.platform.permissions))


class _Drill:
    """What the phases share."""

    def __init__(
        self, site: _site.Site, here: Brokers, rate: float, records: int, content_records: int, allowed: list[str]
    ) -> None:
        self.site, self._here, self._records, self._allowed = site, here, records, allowed
        self._namespace = here.target.namespace
        self.name = f"drill-{self._namespace}-{site.run}"
        self.idle = _objects.idle(site.cluster, self._namespace)
        self.platform = platform(site.settings, ["kafka"])
        self._times = Times(site.settings, ["kafka"], topic=_kafka_data.topic(site.run))
        self._reference = _kafka_data.Reference(here.target, site.run, rate, content_records)
        self._backup: dict[str, Any] | None = None
        self._written: Evidence = {}

    def prepare(self, before: Runbook) -> None:
        try:
            _namespace.prepare(before)
        except BaseException:
            self._reference.end()  # the undo takes the topic away, and nobody may write into it by then
            raise

    def lose(self) -> None:
        """Records are acknowledged until the namespace is being deleted, and a little longer."""
        try:
            _namespace.delete(self.site.cluster, self._namespace)
        finally:
            self._written = self._reference.end()

    def mark(self, within: float) -> Evidence:
        return self._reference.mark(self._records, within)

    def back_up(self, within: float) -> Evidence:
        made = _backups.make(self.site, self.name, self._namespace, within)
        self._backup = _backups.describe(self.site, self.name, self._namespace, idle=self.idle)
        return {**made, **self._reference.take_again()}

    def mutate(self, within: float) -> Evidence:
        return self._reference.mutate(self._records, within)

    def assess(self, _: float) -> Evidence:
        found = _backups.inventory(self.site, self._namespace)
        if found["chosen"] != self.name:
            # What is held against it was written around ours: a later one of a schedule has more.
            raise StepFailedError(
                f"the newest backup is {found['chosen']}, and that of the drill is {self.name}", found
            )
        return {"backup": found["chosen"], "backups": len(found["backups"]), **self._written}

    def restore(self, within: float) -> Evidence:
        done = restore(self.site, self.name, self._namespace, self._namespace, [_namespace.SPEC], self._allowed, within)
        return {"restore": done["name"], "phase": done["phase"], "items": done["items"]}

    def ready(self, within: float) -> Evidence:
        seen = _objects.await_whole(self.site.cluster, self._namespace, self._described, within)
        return {**seen, **await_seen(lambda: _recovery.whole(self._here), within)}

    def prove(self, _: float) -> Evidence:
        said = self._reference.prove()
        self._times.proven("kafka", self._described()["started"])
        return said

    def answer(self, within: float) -> Evidence:
        return self._times.answer(within)

    def _described(self) -> dict[str, Any]:
        if self._backup is None:
            raise StepFailedError("no backup was made", {})
        return self._backup


def restore_kafka(
    context: str, namespace: str, uid: str, backup: str, run: str, topics: list[str], idle: list[str]
) -> dict[str, Any]:
    """Undo: restore the namespace from the backup of before, where it or its data is not there; take the topics away.

    Args:
        context: Which context.
        namespace: Kafka's.
        uid: Of the namespace that was lost: while it is there, nothing was.
        backup: Its name.
        run: Of the drill.
        topics: That were there before: a cluster without any of them is an empty one.
        idle: Services that led nowhere before.

    Raises:
        NotRestoredError: it is not whole in time.
        DrillError: the backup, the cluster or Kafka can't be asked.
    """
    site = _site.again(context, run)
    loaded, cluster = site.settings, site.cluster
    has_data = partial(_kafka_data.has_data, loaded.kafka, topics)
    proof = _namespace.ensure_restored(site, namespace, uid, backup, loaded.kafka.statefulset, idle, has_data)
    here = Brokers(context, loaded.kafka, cluster)
    try:
        proof.update(await_seen(lambda: _recovery.whole(here), _SETTLING))
    except GivenUpError as error:
        raise NotRestoredError(f"Kafka is not whole after {_SETTLING:g} s: {error}") from error
    return {**proof, "removed": _kafka_data.forget(loaded.kafka, run)}
