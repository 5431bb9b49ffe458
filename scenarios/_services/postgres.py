"""PostgreSQL: reachable itself and through its clients' pool; sampled by the sessions that it has of those it may."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from psycopg.conninfo import make_conninfo

from drill import postgres
from drill.cluster import secret_permission
from drill.errors import DrillError
from drill.settings import Settings
from load._bounded import Session
from scenarios._services._service import Check, Looked
from scenarios.model import Scenario

if TYPE_CHECKING:
    from scenarios.reader import Drill

_ANSWER = 10.0
"""How long the pool may take to answer a query before the drill, s."""
_PROMPT = 2
"""How long a sample waits for the server, s: what does not answer by then is not reachable."""


class Postgres:
    """The selected context's PostgreSQL."""

    name = "postgres"

    def __init__(self, settings: Settings, scenario: Scenario) -> None:  # noqa: ARG002 - as every service is made
        self._settings, self._target = settings, settings.postgres
        self.permissions = secret_permission(self._target)

    def look(self, drill: "Drill") -> Looked:  # noqa: ARG002 - a service's signature
        """The server lets a superuser in, and answers a client of the pool."""
        try:
            state = self.snapshot()
        except DrillError as error:
            return Looked((Check("postgres-reachable", ok=False, detail=str(error)),))
        used = f"{state['used']} of {state['max_connections']} connections used"
        return Looked((Check("postgres-reachable", ok=True, detail=used), *self._pool()), state)

    def sample(self) -> dict[str, Any]:
        """Sessions by their state, and how many there may be."""
        with Session.asking(make_conninfo(self._server, connect_timeout=_PROMPT), _PROMPT) as session:
            return postgres.sessions(session).as_dict()

    def snapshot(self) -> Any:
        """As a sample."""
        return self.sample()

    def setup(self) -> dict[str, Any]:
        """Which server it is, and what decides whether a committed transaction outlives a crash."""
        with Session.asking(self._server, _ANSWER) as session:
            found = session.execute(
                "select name, setting from pg_settings where name in ('server_version', 'max_connections', 'fsync',"
                " 'synchronous_commit', 'synchronous_standby_names', 'full_page_writes', 'wal_sync_method')"
            ).fetchall()
        return {"postgres-settings": dict(found)}

    def configuration(self) -> dict[str, Any]:
        """As the settings have it: they name the Secret, and hold none."""
        return self._target.model_dump(mode="json")

    def _pool(self) -> tuple[Check, ...]:
        if self._target.pooler is None:
            return ()
        try:
            pooled = postgres.conninfo(self._settings, pooled=True, dbname=self._target.database)
            postgres.ensure_answers(pooled, _ANSWER)
        except DrillError as error:
            return (Check("pool-answers", ok=False, detail=str(error)),)
        return (Check("pool-answers", ok=True, detail=f"to a client of database {self._target.database}"),)

    @cached_property
    def _server(self) -> str:
        """Read once: the Secret does not change while a drill runs, and the API server is not to be asked so often."""
        return postgres.conninfo(self._settings, dbname=self._target.database, application_name="drill-look")
