"""DolphinScheduler: its API healthy and open to the drill's user; sampled by its own word on its health."""

from typing import TYPE_CHECKING, Any

import requests

from drill import dolphinscheduler
from drill.cluster import secret_permission
from drill.errors import DrillError
from drill.settings import Settings
from scenarios._services._service import Check, Looked
from scenarios.model import Scenario

if TYPE_CHECKING:
    from scenarios.reader import Drill

_PATIENT = 10.0
_PROMPT = 2.0
"""How long a sample waits for an answer, s: what does not answer by then is not reachable."""


class DolphinScheduler:
    """The selected context's DolphinScheduler."""

    name = "dolphinscheduler"

    def __init__(self, settings: Settings, scenario: Scenario) -> None:  # noqa: ARG002 - as every service is made
        self._settings, self._target = settings, settings.dolphinscheduler
        self.permissions = secret_permission(self._target)

    def look(self, drill: "Drill") -> Looked:  # noqa: ARG002 - a service's signature
        """Its health is UP, and it lets the drill's user in."""
        try:
            state = self.snapshot()
        except DrillError as error:
            return Looked((Check("dolphinscheduler-healthy", ok=False, detail=str(error)),))
        return Looked(
            (
                Check("dolphinscheduler-healthy", ok=state["status"] == "UP", detail=f"health {state['status']}"),
                self._login(),
            ),
            state,
        )

    def sample(self) -> dict[str, Any]:
        """What one of its API servers says of itself."""
        return {"status": str(dolphinscheduler.health(self._target, _PROMPT)["status"])}

    def snapshot(self) -> Any:
        """As a sample."""
        return {"status": str(dolphinscheduler.health(self._target)["status"])}

    def setup(self) -> dict[str, Any]:
        """Which server answers: a stand-in names itself in the header by which servers do."""
        try:
            answer = requests.get(f"{self._target.url.rstrip('/')}/actuator/health", timeout=_PATIENT)
        except requests.RequestException as error:
            raise dolphinscheduler.UnreachableError(f"{self._target.url}: {error}") from error
        return {"dolphinscheduler-server": {"server": answer.headers.get("Server", "does not say"), **self._where()}}

    def configuration(self) -> dict[str, Any]:
        """As the settings have it: they name the Secret, and hold none."""
        return self._target.model_dump(mode="json")

    def _where(self) -> dict[str, str]:
        return {"url": self._target.url, "project": self._target.project}

    def _login(self) -> Check:
        try:
            with dolphinscheduler.Client.connect(self._settings) as client:
                client.login()
        except DrillError as error:
            return Check("dolphinscheduler-login", ok=False, detail=str(error))
        return Check("dolphinscheduler-login", ok=True, detail=f"as {self._target.user}")
