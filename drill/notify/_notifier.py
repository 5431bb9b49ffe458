"""Follows a run and tells of it, beside it."""

import contextlib
import queue
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import stamina

from drill import clock
from drill.actor import actor
from drill.cluster import Cluster, Permission
from drill.news import News
from drill.notify._channels import Channel, channels
from drill.notify._http import NotSentError
from drill.notify._messages import Message, Origin, messages, unfinished
from drill.record import Event, RunRecord
from drill.settings import Settings
from drill.verdicts import Outcome

PERIOD = 0.5
"""Seconds between two looks at the time line."""
MOST = 100
"""Messages that may wait in one channel; what comes when it is full is not sent."""
ATTEMPTS = 5
PATIENCE = 60.0
"""Seconds after which a message is given up, however often it was tried."""
LAST = 15.0
"""Seconds that the end of a drill waits for what is still to be sent."""
_PAUSE = 0.5


class _Sender:
    """One channel: a bounded queue and the thread that empties it."""

    def __init__(self, channel: Channel, told: Callable[..., None]) -> None:
        self.channel, self._told = channel, told
        self._queue: queue.Queue[Message | None] = queue.Queue(MOST)
        self._given_up = threading.Event()
        self._lock = threading.Lock()
        self._under_way: Message | None = None
        self._thread = threading.Thread(target=self._serve, name=f"notify-{channel.name}", daemon=True)
        self._thread.start()

    def put(self, message: Message) -> None:
        """Queue a message; never waits."""
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self._failed(message, f"{MOST} others were waiting")

    def end(self, deadline: float) -> None:
        """Send what waits, until `deadline` (monotonic); the rest is told as not sent."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if not self._thread.is_alive():
            return
        with self._lock:
            self._given_up.set()
            waiting = [] if self._under_way is None else [self._under_way]
            with contextlib.suppress(queue.Empty):
                while True:
                    if (message := self._queue.get_nowait()) is not None:
                        waiting.append(message)
        for message in waiting:
            self._failed(message, "the drill was over before it was sent")

    def _serve(self) -> None:
        while (message := self._queue.get()) is not None:
            with self._lock:
                if self._given_up.is_set():
                    return
                self._under_way = message
            problem = self._send(message)
            with self._lock:
                if self._given_up.is_set():
                    return
                self._under_way = None
            if problem is None:
                self._told("notify.sent", channel=self.channel.name, message=message.kind)
            else:
                self._failed(message, problem)

    def _send(self, message: Message) -> str | None:
        """Why it was not sent; None: it was."""
        delivery = uuid.uuid4().hex
        tried = 0
        try:
            for attempt in stamina.retry_context(
                on=lambda error: isinstance(error, NotSentError) and error.again and not self._given_up.is_set(),
                attempts=ATTEMPTS,
                timeout=PATIENCE,
                wait_initial=_PAUSE,
            ):
                with attempt:
                    tried = attempt.num
                    self.channel.say(message, delivery)
        except NotSentError as error:
            return f"{error} (tried {tried} times)" if tried > 1 else str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is: told without its text, which may hold a secret
            return type(error).__name__
        return None

    def _failed(self, message: Message, error: str) -> None:
        self._told("notify.failed", channel=self.channel.name, message=message.kind, error=error)


class Notifier:
    """A witness of runs that tells of them; without a channel in the settings it does nothing.

    Raises:
        UsageError: a channel's environment variable is not set.
        ClusterError: a channel's Secret can't be read.
    """

    def __init__(self, settings: Settings, connect: Callable[[], Cluster] | None = None) -> None:
        self._settings = settings
        self._channels = tuple(channels(settings, connect or (lambda: Cluster.connect(settings))))
        self._senders: Sequence[_Sender] = ()
        self._record: RunRecord | None = None
        self._origin = Origin("", "", "")
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._sealed = False
        self._later: list[tuple[str, float, dict[str, Any]]] = []

    def opened(self, record: RunRecord) -> None:
        """Begin to tell of a run."""
        if not self._channels:
            return
        self._record, self._sealed, self._later = record, False, []
        self._over = threading.Event()
        started = record.first("run.started")
        self._origin = Origin(*(str(started.data[name]) for name in ("scenario", "context", "run_id")))
        self._senders = tuple(_Sender(each, self._tell) for each in self._channels)
        self._put(self._origin.message("started", started.t, f"{self._origin.scenario} is begun by {actor()}"))
        self._thread = threading.Thread(target=self._follow, args=(News(record),), name="notify", daemon=True)
        self._thread.start()

    def closing(self) -> None:
        """From here on results are kept until the record is sealed and may be amended."""
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None
        with self._lock:
            self._sealed = True

    def judged(self, outcome: Outcome, report: str) -> bool:
        """Tell how the run ended, wait for what is still to be sent, and write into its record what became of it.

        Args:
            outcome: of all checks.
            report: the page's path, where the settings have no link.

        Returns: whether the record was amended, so that its page is to be drawn anew.
        """
        if self._record is None:
            return False
        record, self._record = self._record, None
        link = self._link(record) or report
        text = f"{self._origin.scenario} has ended: {outcome.upper()}"
        message = self._origin.message("ended", clock.now(), text, outcome=outcome.value)
        self._put(Message(**{**vars(message), "link": link}))
        deadline = time.monotonic() + LAST
        for each in self._senders:
            each.end(deadline)
        with self._lock:
            later, self._later = self._later, []
        record.amend(lambda: [record.emit("notify", kind, at=at, **data) for kind, at, data in later])
        return bool(later)

    def _follow(self, news: News) -> None:
        held: list[Event] = []
        while True:
            last = self._over.is_set()
            new = news.events()
            # A fault's targets are told one by one: the latest ones wait until no more of them have come for a while.
            ready, held = (held + new, []) if last or not new else unfinished(held + new)
            for message in messages(ready, self._origin):
                self._put(message)
            if last:
                return
            self._over.wait(PERIOD)

    def _put(self, message: Message) -> None:
        for each in self._senders:
            each.put(message)

    def _tell(self, kind: str, **data: Any) -> None:
        with self._lock:
            if self._sealed or self._record is None:
                self._later.append((kind, clock.now(), data))
            else:
                self._record.emit("notify", kind, **data)

    def _link(self, record: RunRecord) -> str | None:
        link = self._settings.target.notify.link
        if link is None:
            return None
        return link.replace("{scenario}", self._origin.scenario).replace("{run}", record.path.name)


def permissions(settings: Settings) -> tuple[Permission, ...]:
    """What telling takes on the cluster."""
    notify = settings.target.notify
    places = [
        *([notify.slack.url] if notify.slack else []),
        *([notify.webhook.url, notify.webhook.key] if notify.webhook else []),
        *([notify.grafana.token] if notify.grafana else []),
    ]
    secrets = dict.fromkeys((each.secret.namespace, each.secret.name) for each in places if each.secret)
    return (
        *(Permission("get", "secrets", namespace, name=name) for namespace, name in secrets),
        *([Permission("create", "events", settings.target.lease_namespace)] if notify.kubernetes_events else []),
    )
