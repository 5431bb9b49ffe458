"""The platform's systems, each asked as its clients ask it: Kafka, PostgreSQL, DolphinScheduler, Prometheus, Velero."""

from collections.abc import Iterator
from typing import Any

import requests

from drill import kafka, postgres
from drill.errors import DrillError
from drill.settings import VeleroTarget
from experiments.checklist._finding import Finding, failed, judged, passed, unknown
from experiments.checklist._scene import Object, Scene, name

_CONNECTIONS = 0.8
_REPLICAS, _IN_SYNC = 3, 2
_TIMEOUT = 5


class UnansweredError(DrillError):
    """A system did not answer, or not what it is documented to answer."""


def kafka_whole(scene: Scene) -> list[Finding]:
    """Every broker that has a pod is live, and each partition has a leader and all of its replicas in sync."""
    target = scene.settings.kafka
    state = kafka.describe(target)
    wanted = sum(
        each["spec"].get("replicas", 1)
        for each in scene.workloads()
        if (each["metadata"]["namespace"], each["metadata"]["name"]) == (target.namespace, target.statefulset)
    )
    bad = []
    if len(state.brokers) < wanted:
        reason = f"{len(state.brokers)} of {wanted} brokers are live"
        bad.append(failed("kafka", reason, "Look at the pods of the brokers that are missing, and at their logs."))
    for each in state.partitions:
        if each.offline:
            bad.append(failed(f"partition {each.name}", "nobody leads it", "Bring back a broker that has a replica."))
        elif each.under_replicated:
            reason = f"{len(each.isr)} of {len(each.replicas)} replicas are in sync"
            bad.append(failed(f"partition {each.name}", reason, "Look at the brokers that lag: disk, network, pauses."))
    if not wanted and not bad:
        remedy = "Correct `statefulset` in the settings' kafka table."
        return [unknown("kafka", f"no StatefulSet {target.statefulset} says how many brokers there should be", remedy)]
    return judged("kafka", len(state.partitions), bad, f"partitions in sync on {len(state.brokers)} brokers")


def topics_durable(scene: Scene) -> list[Finding]:
    """Each topic survives the loss of a broker: three replicas, two of them in sync, and no unclean election."""
    topics = sorted({each.topic for each in kafka.describe(scene.settings.kafka).partitions})
    bad = [finding for topic in topics for finding in _topic_trouble(scene, topic)]
    return judged("topics", len(topics), bad, "with three replicas, two of them in sync, and no unclean election")


def _topic_trouble(scene: Scene, topic: str) -> Iterator[Finding]:
    settings, what = kafka.topic_settings(scene.settings.kafka, topic), f"topic {topic}"
    if (replicas := int(settings["replication_factor"])) < _REPLICAS:
        remedy = f"Give it {_REPLICAS} replicas: `kafka-reassign-partitions.sh`."
        yield failed(what, f"replication factor {replicas}", remedy)
    if (in_sync := int(settings["min.insync.replicas"])) < _IN_SYNC:
        reason = f"min.insync.replicas {in_sync}: a record may be acknowledged by a single broker, and die with it"
        yield failed(what, reason, f"Set min.insync.replicas to {_IN_SYNC}.")
    if settings["unclean.leader.election.enable"] == "true":
        reason = "unclean leader election: a replica that lags may lead, and what it lacks is lost"
        yield failed(what, reason, "Set unclean.leader.election.enable to false.")


def postgres_connections(scene: Scene) -> list[Finding]:
    """Clients use no more than 80 % of the connections that they may have."""
    with postgres.connected(postgres.conninfo(scene.settings)) as connection:
        sessions = postgres.sessions(connection)
    reason = f"{sessions.used} of {sessions.usable} connections are used"
    if sessions.used > _CONNECTIONS * sessions.usable:
        idle = sessions.by_state.get("idle", 0)
        return [failed("postgres", f"{reason}, {idle} of them idle", "End idle sessions, or make the pools smaller.")]
    return [passed("postgres", reason)]


def dolphinscheduler_healthy(scene: Scene) -> list[Finding]:
    """Its API says of itself that it is UP, its database included (Spring Boot's health endpoint)."""
    status = _json(f"{scene.settings.dolphinscheduler.url.rstrip('/')}/actuator/health").get("status")
    if status != "UP":
        remedy = "Read the API's log, and look at its database."
        return [failed("dolphinscheduler", f"its health is {status}", remedy)]
    return [passed("dolphinscheduler", "UP")]


def alerts_quiet(scene: Scene) -> list[Finding]:
    """No alert fires. Without any rule nothing could."""
    base = f"{scene.settings.prometheus.url.rstrip('/')}/api/v1"
    groups = _data(f"{base}/rules?type=alert")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    if not rules:
        return [unknown("alerts", "Prometheus has no alerting rule, so its silence says nothing", "Give it some.")]
    firing = [each for each in _data(f"{base}/alerts")["alerts"] if each["state"] == "firing"]
    bad = [
        failed(f"alert {each['labels'].get('alertname')}", _alert(each), "Follow the alert's own runbook.")
        for each in firing
    ]
    broken = [rule["name"] for rule in rules if rule.get("health") == "err"]
    bad += [failed(f"rule {rule}", "it can't be evaluated", "Correct its expression.") for rule in broken]
    return judged("alerts", len(rules), bad, "alerting rules, and none fires")


def _alert(each: Object) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in sorted(each["labels"].items()) if key != "alertname")
    return f"it fires since {each.get('activeAt', '?')}{f' ({labels})' if labels else ''}"


def targets_scraped(scene: Scene) -> list[Finding]:
    """Prometheus reaches all that it is told to scrape."""
    targets = _data(f"{scene.settings.prometheus.url.rstrip('/')}/api/v1/targets?state=active")["activeTargets"]
    bad = (
        failed(
            f"target {each['labels'].get('job')} {each['labels'].get('instance')}",
            f"{each['health']}: {each.get('lastError') or 'not scraped yet'}",
            "Look whether it runs and answers; what it would tell is missing meanwhile.",
        )
        for each in targets
        if each["health"] != "up"
    )
    return judged("targets", len(targets), bad, "scraped")


def backups_fresh(scene: Scene) -> list[Finding]:
    """Every Velero schedule has a Completed backup as young as the settings want it, and none is stuck before it.

    Whether that backup is whole, and in the bucket, is what `drill backups` tells.
    """
    schedules, backups = scene.all("schedules"), scene.all("backups")
    if schedules is None or backups is None:
        reason = "Velero is not installed here, and nothing else tells of a backup"
        return [unknown("backups", reason, "Install Velero with a schedule, or look after your own backups elsewhere.")]
    if not schedules:
        return [failed("backups", "Velero has no schedule", "Make one: `velero schedule create`.")]
    bad = [finding for each in schedules for finding in _schedule_trouble(scene, each, backups)]
    return judged("schedules", len(schedules), bad, "with a fresh, completed backup")


def _schedule_trouble(scene: Scene, schedule: Object, backups: list[Object]) -> Iterator[Finding]:
    what, its_name = name("schedule", schedule), schedule["metadata"]["name"]
    rules = scene.settings.target.velero or VeleroTarget()
    most = rules.rpo_hours_of.get(its_name, rules.rpo_hours)
    if schedule["spec"].get("paused"):
        yield failed(what, "paused", "Unpause it: `velero schedule unpause`.")
    mine = [each for each in backups if each["metadata"].get("labels", {}).get("velero.io/schedule-name") == its_name]
    done = [each for each in mine if each.get("status", {}).get("phase") == "Completed"]
    ages = [scene.minutes_since(each["status"]["startTimestamp"]) for each in done]
    created = schedule["metadata"].get("creationTimestamp")
    if not mine and created and scene.minutes_since(created) < most * 60:  # as `drill backups` judges it
        reason = "it is new, and its first backup is not due yet; there is nothing to restore"
        yield unknown(what, reason, f"Make one now: `velero backup create --from-schedule {its_name}`.")
    elif not mine:
        yield failed(what, "it has made no backup", f"`velero schedule describe {its_name}` and Velero's log tell why.")
    elif not ages:
        yield failed(what, f"none of its {len(mine)} backups is Completed", "`velero backup describe` tells why.")
    elif min(ages) > most * 60:
        reason = f"its last completed backup began {min(ages) / 60:.0f} h ago"
        yield failed(what, reason, "Look at the backups since: `drill backups`, `velero backup get`.")
    for each in mine:
        status = each.get("status", {})
        begun = status.get("startTimestamp")
        if status.get("phase") == "InProgress" and begun and scene.minutes_since(begun) > rules.stuck_hours * 60:
            reason = f"in progress for {scene.minutes_since(begun) / 60:.0f} h, and the schedule waits for it"
            yield failed(name("backup", each), reason, "Restart Velero, which fails it, or delete it.")


def _data(url: str) -> Any:
    """What Prometheus answers.

    Its forms: https://prometheus.io/docs/prometheus/latest/querying/api/.
    """
    content = _json(url)
    if content.get("status") != "success":
        raise UnansweredError(f"{url}: {content.get('error', content)}")
    return content["data"]


def _json(url: str) -> dict[str, Any]:
    try:
        content = requests.get(url, timeout=_TIMEOUT).json()
    except (requests.RequestException, ValueError) as error:
        raise UnansweredError(f"{url}: {error}") from error
    if not isinstance(content, dict):
        raise UnansweredError(f"{url}: not an object: {str(content)[:100]}")
    return content
