"""When the data of each service was proven after a restore, and when it answered a client: kept as it comes."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from drill import clock
from drill.settings import Settings
from experiments._watch import NotSeenError, await_seen
from experiments.runbooks import _services
from experiments.runbooks._phases import Evidence
from experiments.runbooks._services import System
from experiments.velero._site import keep


class Times:
    """Of the services that are to be back.

    Args:
        settings: Which context.
        answering: Those that have clients, which they must answer.
        others: Further systems, of which only the data is proven.
        outliving: What of them is not restored, because it was not lost.
        topic: Kafka is asked to take a record for it; None: it is not.
    """

    def __init__(
        self,
        settings: Settings,
        answering: Sequence[System],
        others: Sequence[str] = (),
        *,
        outliving: Collection[str] = (),
        topic: str | None = None,
    ) -> None:
        self._settings, self._answering, self._others = settings, answering, others
        self._outliving, self._topic = outliving, topic
        self._seen: dict[str, dict[str, Any]] = {}

    def proven(self, system: str, backup_started: float) -> None:
        """Note that its data is proven, and whether it answers by now: it need not wait for the proof of others."""
        self._note(system, "proven", backup_started)
        for each in self._answering:
            if each == system:
                with suppress(NotSeenError):  # `answer` waits for it
                    self._answer(each)

    def answer(self, within: float) -> Evidence:
        """Wait until each answers; what each said.

        Raises:
            GivenUpError: one does not within so many seconds.
        """
        ends = clock.now() + within
        answers: dict[str, Any] = {}
        for each in self._answering:
            answers |= await_seen(partial(self._answer, each), max(0.0, ends - clock.now()), 1)
        return {"answers": answers}

    def _answer(self, system: System) -> Evidence:
        answered = _services.answering(self._settings, [system], self._topic)
        self._note(system, "answered")
        return answered

    def _note(self, system: str, what: str, backup_started: float | None = None) -> None:
        times = self._seen.setdefault(system, {"backup_started": None})
        times.setdefault(what, clock.now())
        if backup_started is not None and system not in self._outliving:
            times["backup_started"] = backup_started
        wanted = [*self._answering, *(each for each in self._others if each not in self._answering)]
        keep("services", {"wanted": wanted, "answering": list(self._answering), "services": self._seen})
