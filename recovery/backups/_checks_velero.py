"""Whether backups are made at all: the server, its locations, its schedules and what they have made."""

from collections.abc import Iterator

from drill.backup_evidence import RESOURCES
from drill.velero import PASSWORD_SECRET, Backup, Schedule
from drill.verdicts import Outcome
from recovery.backups._finding import Finding, bad, good, hours, unseen
from recovery.backups._scene import Scene, UnseenError, go_hours

_VALIDATION = 1 / 60
"""Velero's default between two looks at a location, h (defaultStoreValidationFrequency in pkg/cmd/server/config)."""
_VALIDATIONS_MISSED = 5
_TTL = 720.0
"""Velero's default for how long a backup is kept, h: pkg/cmd/server/config/config.go, defaultBackupTTL."""
_COLLECTED = 25.0
"""Hours after which an expired backup must be gone; Velero collects every hour, and its deletion may take a while."""
_TIME = "See that the clocks of the nodes and of this machine are right."
_WAITS = {"", "New", "Queued", "ReadyToStart"}
_SUPPRESS = {"", "New", "InProgress"}
"""Phases of a backup because of which its schedule makes no other: pkg/controller/schedule_controller.go."""
_ENDS = {"Completed", "PartiallyFailed", "Failed", "FailedValidation", "Deleting"}
_CLOCKS = 5 / 60
"""Hours by which clocks may differ; what is further ahead is no time at all."""
_ASK = "See that drill reaches the API server and may list it (`drill rbac`)."


def velero_serves(scene: Scene) -> Iterator[Finding]:
    """The server and all node agents are ready; without them no backup is made, whatever the schedules say."""
    server, what = scene.evidence.server, f"deployment {scene.evidence.namespace}/velero"
    if server is None:
        yield unseen(what, scene.evidence.server_error or "It was not seen.", _ASK)
        return
    actual = f"{server['ready']} of {server['replicas']} ready"
    if not server["replicas"] or server["ready"] < server["replicas"]:
        yield bad(what, "Velero's server does not run.", "Look at its pod: `kubectl describe`, then its log.", actual)
    else:
        yield good(what, "Velero's server runs.", actual)
    what = "node agents"
    if server["agents"] is None:
        if need := _needs_agents(scene):
            remedy = (
                "Install it: `velero install --use-node-agent`. Without it no such volume is backed up or restored."
            )
            yield bad(what, f"There is no DaemonSet node-agent, and {need}.", remedy, "none")
    else:
        actual = f"{server['agents_ready']} of {server['agents']} ready"
        if server["agents_ready"] < server["agents"] or not server["agents"]:
            remedy = "Look at the pods of its DaemonSet: volumes on those nodes are not backed up."
            yield bad(what, "Not every node has an agent that moves its volumes.", remedy, actual)
        else:
            yield good(what, "Every node's volumes can be moved.", actual)


def location_available(scene: Scene) -> Iterator[Finding]:
    """Every storage location is Available, was validated recently, and may be written to."""
    if error := scene.evidence.locations.error:
        yield unseen("storage locations", error, _ASK)
    elif not scene.locations:
        remedy = "Make one: `velero backup-location create`."
        yield bad("storage locations", "There is no place for backups to go.", remedy)
    for each in scene.locations:
        what = f"location {each.name}"
        frequency = go_hours(each.validation_frequency, _VALIDATION)
        most = max(_VALIDATIONS_MISSED * frequency, 10 / 60)
        target = f"Available, validated {hours(most)} ago at most"
        if each.phase != "Available":
            reason = f"It is {each.phase or 'not validated yet'}: {each.message or 'Velero says no more'}."
            remedy = "See that the bucket is there and that Velero's keys open it."
            make = unseen if not each.phase else bad
            yield make(what, reason, remedy, each.phase or "no phase", target)
        elif each.last_validated is None:
            yield unseen(what, "Velero does not say when it looked last.", "Look at Velero's log.", each.phase, target)
        elif (age := scene.age(each.last_validated)) < -_CLOCKS:
            yield unseen(what, "Velero looked last in the future.", _TIME, f"in {hours(-age)}", target)
        elif age > most:
            remedy = "Restart Velero: nobody looks whether the bucket is still there."
            yield bad(what, "It was Available, but that is long ago.", remedy, f"{hours(age)} ago", target)
        elif each.access_mode != "ReadWrite":
            remedy = "Set it back when the restore is over: `spec.accessMode: ReadWrite`."
            yield bad(what, "No backup can be made: it is set to be read only.", remedy, each.access_mode, target)
        else:
            yield good(what, "Velero reaches it.", f"Available, {hours(max(age, 0))} ago", target)


def schedule_active(scene: Scene) -> Iterator[Finding]:
    """Every schedule makes backups: it is enabled, not paused, and no backup that is stuck keeps it from its next."""
    if error := scene.evidence.schedules.error:
        yield unseen("schedules", error, _ASK)
    elif not scene.schedules:
        yield bad("schedules", "Nothing is backed up by itself.", "Make one: `velero schedule create`.", "0 schedules")
    for each in scene.schedules:
        what, target = f"schedule {each.name}", "Enabled, not paused, no backup stuck"
        stuck = [backup for backup in scene.of_schedule(each.name) if _stuck(scene, backup)]
        if each.paused:
            yield bad(what, "It is paused.", f"`velero schedule unpause {each.name}`.", "paused", target)
        elif each.phase != "Enabled":
            said = "; ".join(each.validation_errors) or "Velero has not looked at it yet"
            make = bad if each.phase else unseen
            yield make(what, f"It makes no backups: {said}.", "Correct it.", each.phase or "no phase", target)
        elif scene.evidence.backups.error:
            yield unseen(what, scene.evidence.backups.error, _ASK, target=target)
        elif stuck:
            oldest = stuck[0]
            reason = f"Backup {oldest.name} is {oldest.phase or 'New'} for {hours(_since(scene, oldest))}"
            keeps = ", and the schedule makes no other meanwhile" if oldest.phase in _SUPPRESS else ""
            remedy = "Restart Velero, which fails it, or delete it."
            yield bad(what, f"{reason}{keeps}.", remedy, f"{len(stuck)} stuck", target)
        else:
            yield good(what, "It makes backups.", f"Enabled, {each.cron}", target)


def backup_fresh(scene: Scene) -> Iterator[Finding]:
    """The newest completed backup of every schedule began no longer ago than its recovery point objective."""
    for each in scene.schedules:
        what, most = f"schedule {each.name}", scene.rules.rpo_hours_of.get(each.name, scene.rules.rpo_hours)
        target = f"<= {hours(most)}"
        if scene.evidence.backups.error:
            yield unseen(what, scene.evidence.backups.error, _ASK, target=target)
            continue
        mine = scene.of_schedule(each.name)
        began = [backup.started for backup in mine if backup.phase == "Completed" and backup.started]
        if not began:
            yield _never(scene, each, mine, most, target)
            continue
        age = scene.age(max(began))
        if age < -_CLOCKS:
            reason = "The newest completed backup began in the future, so its age can't be told."
            yield unseen(what, reason, _TIME, f"in {hours(-age)}", target)
        elif age > most:
            later = [backup for backup in mine if backup.created and backup.created > max(began)]
            phases = ", ".join(sorted({backup.phase or "New" for backup in later}))
            since = f"; those since are {phases}" if phases else "; none was made since"
            reason = f"The newest completed backup is stale{since}."
            remedy = "`velero backup describe` tells why those since did not complete."
            yield bad(what, reason, remedy, f"{hours(age)} ago", target)
        else:
            yield good(what, "The newest completed backup is fresh.", f"{hours(max(age, 0))} ago", target)


def namespaces_covered(scene: Scene) -> Iterator[Finding]:
    """Every namespace of the settings is in a schedule and in its newest backup, or declared to need no backup.

    A schedule that is paused does not count.
    """
    target = "in a schedule and its newest backup"
    for name in scene.evidence.namespaces:
        what = f"namespace {name}"
        if name in scene.rules.not_backed_up:
            yield good(what, "It is declared to need no backup.", "not_backed_up", target)
            continue
        if scene.evidence.schedules.error:
            yield unseen(what, scene.evidence.schedules.error, _ASK, target=target)
            continue
        having = [each for each in scene.schedules if not each.paused and each.scope.has_namespace(name)]
        if having and scene.evidence.backups.error:
            yield unseen(what, scene.evidence.backups.error, _ASK, target=target)
        elif having:
            yield _covered(scene, name, having, target)
        else:
            remedy = "Have a schedule include it, or declare it in `not_backed_up` of the settings."
            yield bad(what, "No schedule includes it: it is never backed up.", remedy, "in none", target)


def retention(scene: Scene) -> Iterator[Finding]:
    """Backups are kept as long as wanted, longer than until the next one, and go when they have expired."""
    for each in scene.schedules:
        what, least = f"schedule {each.name}", scene.rules.retention_hours
        rpo = scene.rules.rpo_hours_of.get(each.name, scene.rules.rpo_hours)
        kept, target = go_hours(each.ttl, _TTL), f">= {hours(least)}"
        if kept < max(least, rpo):
            why = "are gone before they are wanted no more" if kept < least else "expire before the next one is due"
            yield bad(what, f"Its backups {why}.", "Set a longer `spec.template.ttl`.", hours(kept), target)
        else:
            yield good(what, "Its backups are kept long enough.", hours(kept), target)
    late = [each for each in scene.backups if each.expires and scene.age(each.expires) > _COLLECTED]
    if late:
        reason = f"{len(late)} backups have expired and are still there, {late[0].name} for one."
        remedy = "See that the location is ReadWrite, and what the backups' DeleteBackupRequests say."
        yield bad("expired backups", reason, remedy, f"{len(late)} left", "0 left")


def password_own(scene: Scene) -> Iterator[Finding]:
    """The volumes' repositories are not locked with the password that is in Velero's source."""
    what, target = f"secret {PASSWORD_SECRET}", "not Velero's default"
    remedy = (
        "Make the Secret with a password of your own before the first backup; a repository keeps the one that it was "
        "made with, so an old one has to be made anew."
    )
    match scene.evidence.password:
        case "own":
            yield good(what, "The repositories have a password of their own.", "its own", target)
        case "default":
            reason = "Who gets at the bucket can read all volumes: the password is in Velero's source."
            yield bad(what, reason, remedy, "Velero's default", target)
        case "absent" if scene.evidence.server is None:
            yield unseen(what, "There is none, and no Velero was seen either.", _ASK, "absent", target)
        case "absent":
            yield bad(what, "There is none: Velero will make it with its default.", remedy, "absent", target)
        case _:
            yield unseen(what, scene.evidence.password_error or "It was not seen.", _ASK, target=target)


def _never(scene: Scene, schedule: Schedule, mine: list[Backup], most: float, target: str) -> Finding:
    """A schedule with no completed backup: of a new one nothing else can be expected yet."""
    what, actual = f"schedule {schedule.name}", f"0 of {len(mine)} completed"
    if not mine and schedule.created and scene.age(schedule.created) < most:
        reason = "It is new, and its first backup is not due yet; there is nothing to restore."
        remedy = f"Make one now: `velero backup create --from-schedule {schedule.name}`."
        return unseen(what, reason, remedy, actual, target)
    return bad(what, "None of its backups is Completed.", "`velero backup describe` tells why.", actual, target)


def _needs_agents(scene: Scene) -> str | None:
    """Why volumes can't do without node agents; None: nothing is known that needs them."""
    moved = [f"backup {each.of_name} has volumes that were moved by it" for each in scene.pod_volumes]
    wanting = {f"schedule {each.name}": each.scope for each in scene.schedules if not each.paused}
    wanting |= {each.what: each.backup.scope for each in scene.judged}
    wanted = [f"{what} wants volumes to be moved by it" for what, scope in wanting.items() if scope.moves_volumes]
    return next(iter(moved + wanted), None)


def _covered(scene: Scene, namespace: str, schedules: list[Schedule], target: str) -> Finding:
    """What the newest backups of schedules have of a namespace that all of these include; the best of them counts."""
    found = [_coverage(scene, namespace, each) for each in schedules]
    order = [Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL]
    outcome, said = min(found, key=lambda each: order.index(each[0]))
    what, actual = f"namespace {namespace}", ", ".join(each.name for each in schedules)
    match outcome:
        case Outcome.PASS:
            return good(what, f"It is backed up: {said}.", actual, target)
        case Outcome.FAIL:
            remedy = (
                f"Make a backup now: `velero backup create --from-schedule {schedules[0].name}`, and see what it has."
            )
            return bad(what, f"It is in a schedule, but in no newest backup: {said}.", remedy, actual, target)
        case _:
            remedy = "See the checks of the schedule and of the backup's objects."
            return unseen(what, f"Whether a backup has it was not seen: {said}.", remedy, actual, target)


def _coverage(scene: Scene, namespace: str, schedule: Schedule) -> tuple[Outcome, str]:
    """Whether the newest completed backup of a schedule has objects of a namespace, and how that is told."""
    newest = scene.newest(schedule.name)
    if newest is None:
        return Outcome.INCONCLUSIVE, f"schedule {schedule.name} has no completed backup"
    if not newest.backup.scope.has_namespace(namespace):
        return Outcome.FAIL, f"{newest.what} is not of it"
    try:
        listed: dict[str, list[str]] = newest.content(RESOURCES)
    except UnseenError as error:
        return Outcome.INCONCLUSIVE, f"of {newest.what}, {error}"
    if any(each.startswith(f"{namespace}/") for names in listed.values() for each in names):
        return Outcome.PASS, f"{newest.what} has objects of it"
    if any(each.created for each in scene.evidence.held if each.namespace == namespace):
        return Outcome.FAIL, f"{newest.what} has nothing of it, and the cluster has"
    return Outcome.INCONCLUSIVE, f"{newest.what} has nothing of it, nor was anything of it seen in the cluster"


def _stuck(scene: Scene, backup: Backup) -> bool:
    return backup.phase not in _ENDS and _since(scene, backup) > scene.rules.stuck_hours


def _since(scene: Scene, backup: Backup) -> float:
    """Hours since a backup began, or since it waits."""
    began = backup.created if backup.phase in _WAITS else backup.started or backup.created
    return scene.age(began) if began else 0.0
