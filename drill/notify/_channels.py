"""The channels: how each says a message, once; retrying is the sender's."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Protocol

from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from drill import elsewhere
from drill.cluster import Cluster
from drill.notify import signature
from drill.notify._http import TIMEOUT, NotSentError, send
from drill.notify._messages import Message
from drill.settings import Elsewhere, GrafanaNotice, Settings

_SERVER = 500


class Channel(Protocol):
    """Somewhere that messages go."""

    name: str

    def say(self, message: Message, delivery: str) -> None:
        """Send it once; `delivery` is the same when it is sent again.

        Raises:
            NotSentError: it was not taken.
        """


class Slack:
    """An incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks."""

    name = "slack"
    _signs = {  # noqa: RUF012 - read only
        "started": ":arrow_forward:",
        "fault-on": ":zap:",
        "breach": ":octagonal_sign:",
        "rollback-failed": ":rotating_light:",
        "ended": ":checkered_flag:",
    }

    def __init__(self, url: str) -> None:
        self._url = url

    def say(self, message: Message, delivery: str) -> None:  # noqa: ARG002 - Slack knows no such thing
        """One line; a fault that is off is told by the end."""
        if message.kind not in self._signs:
            return
        link = message.link or ""
        more = f" <{link}|report>" if link.startswith("http") else f" (report: {_escaped(link)})" if link else ""
        text = f"{self._signs[message.kind]} {_escaped(message.text)} [{_escaped(message.context)}]{more}"
        send(self._url, json.dumps({"text": text}).encode(), {})


class Webhook:
    """A POST of JSON, signed (`drill.notify.signature`)."""

    name = "webhook"

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url, key

    def say(self, message: Message, delivery: str) -> None:
        """The whole message; signed anew each time, since a signature ages."""
        body = json.dumps({**message.as_dict(), "delivery": delivery}).encode()
        now = int(time.time())
        headers = {
            signature.TIMESTAMP: str(now),
            signature.SIGNATURE: signature.sign(body, self._key, now),
            signature.DELIVERY: delivery,
        }
        send(self._url, body, headers)


class Grafana:
    """Annotations: https://grafana.com/docs/grafana/latest/developers/http_api/annotations/."""

    name = "grafana"

    def __init__(self, target: GrafanaNotice, token: str) -> None:
        self._url, self._target = f"{target.url.rstrip('/')}/api/annotations", target
        self._headers = {"Authorization": f"Bearer {token}"}
        self._open: dict[str, int] = {}

    def say(self, message: Message, delivery: str) -> None:  # noqa: ARG002 - Grafana knows no such thing
        """A point; of a fault a region, which is open until it is undone."""
        milliseconds = int(message.t * 1000)
        fault = str(message.data.get("fault"))
        if message.kind == "fault-off":
            if (identity := self._open.get(fault)) is not None:
                self._send({"timeEnd": milliseconds}, f"/{identity}", "PATCH")
                self._open.pop(fault)
            return
        tags = [*self._target.tags, message.scenario, message.kind]
        note = {"time": milliseconds, "tags": tags, "text": message.text}
        if self._target.dashboard is not None:
            note["dashboardUID"] = self._target.dashboard
        answer = self._send(note)
        if message.kind == "fault-on" and isinstance(answer, dict) and isinstance(answer.get("id"), int):
            self._open[fault] = answer["id"]

    def _send(self, note: dict[str, object], place: str = "", method: str = "POST") -> object:
        answer: object = send(self._url + place, json.dumps(note).encode(), self._headers, method)
        return answer


class KubernetesEvents:
    """Events about the drill Lease, in its namespace."""

    name = "kubernetes-events"

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace

    def say(self, message: Message, delivery: str) -> None:
        """One Event; sent again it has the same name, so that it is there once."""
        at = datetime.fromtimestamp(message.t, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        words = message.kind.split("-")
        grave = message.kind in {"fault-on", "breach", "rollback-failed"}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "name": "drill", "namespace": self._namespace}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"drill.{delivery}", "namespace": self._namespace},
            "involvedObject": lease,
            "reason": f"Drill{''.join(word.capitalize() for word in words)}",
            "message": f"{message.text}{f' ({message.link})' if message.link else ''}"[:1024],
            "type": "Warning" if grave else "Normal",
            "source": {"component": "drill"},
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        }
        try:
            self._cluster.core.create_namespaced_event(self._namespace, event, _request_timeout=TIMEOUT)
        except ApiException as error:
            if error.status != 409:  # noqa: PLR2004 - it is there already: only the answer was lost
                raise NotSentError(f"HTTP {error.status}", again=(error.status or _SERVER) >= _SERVER) from None
        except HTTPError as error:
            raise NotSentError(type(error).__name__, again=True) from None


def channels(settings: Settings, connect: Callable[[], Cluster]) -> Iterator[Channel]:
    """Those that the context declares, with their secrets read.

    Raises:
        UsageError: an environment variable is not set.
        ClusterError: a Secret can't be read.
    """
    notify = settings.target.notify
    if notify.slack:
        yield Slack(_value(notify.slack.url, "slack.url", settings, connect))
    if notify.webhook:
        yield Webhook(
            _value(notify.webhook.url, "webhook.url", settings, connect),
            _value(notify.webhook.key, "webhook.key", settings, connect),
        )
    if notify.grafana:
        yield Grafana(notify.grafana, _value(notify.grafana.token, "grafana.token", settings, connect))
    if notify.kubernetes_events:
        yield KubernetesEvents(connect(), settings.target.lease_namespace)


def _value(place: Elsewhere, field: str, settings: Settings, connect: Callable[[], Cluster]) -> str:
    return elsewhere.value(place, f"contexts.{settings.context}.notify.{field}", connect)


def _escaped(text: str) -> str:
    """As Slack wants text: https://docs.slack.dev/messaging/formatting-message-text#escaping."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
