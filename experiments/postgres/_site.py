"""Where a fault of PostgreSQL lands, as whom it looks, and whether it may land there."""

from dataclasses import dataclass, field
from typing import Any

import psycopg

from drill import postgres, settings
from drill.cluster import Cluster, Permission, secret_permission
from drill.errors import RefusedError, UsageError
from drill.postgres import PostgresUnreachableError, Sessions
from drill.settings import PostgresTarget, Settings
from experiments._guard import drillable
from experiments._watch import NotSeenError


@dataclass(frozen=True)
class Site:
    """A selected context's PostgreSQL and the cluster it runs on."""

    settings: Settings
    cluster: Cluster
    server: str = field(repr=False)
    """Connection string of a superuser, to the server itself."""

    @property
    def context(self) -> str:
        """The context's name."""
        return str(self.settings.context)

    @property
    def target(self) -> PostgresTarget:
        """What the settings say of it."""
        return self.settings.postgres

    def conninfo(self, *, pooled: bool = False, **more: Any) -> str:
        """As `drill.postgres.conninfo`."""
        return postgres.conninfo(self.settings, pooled=pooled, **more)

    def sessions(self) -> Sessions:
        """The sessions there are now, ours included."""
        with postgres.connected(self.server) as control:
            return postgres.sessions(control)

    def recovered(self) -> dict[str, Any]:
        """What shows that clients are served: a free slot, a query answered by the server and through the pool.

        Raises:
            NotSeenError: no slot is free.
            PostgresUnreachableError: no answer.
        """
        now = self.sessions()
        if now.used > now.usable:
            raise NotSeenError(f"{now.used} of {now.max_connections} sessions are taken")
        postgres.ensure_answers(self.server, within=5)
        if self.target.pooler is not None:
            postgres.ensure_answers(self.conninfo(pooled=True), within=5)
        return {**now.as_dict(), "server_answers": True, "pool_answers": self.target.pooler is not None or None}

    @property
    def permissions(self) -> tuple[Permission, ...]:
        """What a fault of sessions needs of Kubernetes: to read the password. All else is PostgreSQL's own."""
        return secret_permission(self.target)


def site(context: str | None = None) -> Site:
    """The selected context's PostgreSQL, to look at."""
    loaded = settings.load(context=context)
    return Site(loaded, Cluster.connect(loaded), postgres.conninfo(loaded))


def drillable_site(server: str) -> Site:
    """The selected context's PostgreSQL, to inject faults into; `server` has to name its StatefulSet.

    Raises:
        RefusedError: no fault may be injected there now, or we are not let in as a superuser: then nobody could end
            the sessions that a fault holds.
        UsageError: the settings know no such server.
    """
    target = settings.load().postgres
    if server != target.statefulset:
        raise UsageError(f"server is {server!r}, and the settings know {target.statefulset!r}")
    loaded, cluster = drillable(target.namespace)
    here = Site(loaded, cluster, postgres.conninfo(loaded))
    try:
        with postgres.connected(here.server) as control:
            role = control.execute("select current_user, current_setting('is_superuser')::bool").fetchone()
    except PostgresUnreachableError as error:
        raise RefusedError(f"no superuser session, so nobody could end what a fault holds: {error}") from error
    if role is None or not role[1]:
        raise RefusedError(f"{role[0] if role else 'nobody'} is no superuser, and could not end what a fault holds")
    return here


def held(control: psycopg.Connection, name: str) -> dict[str, int]:
    """How many sessions a fault holds, by their state, as the server has them."""
    by_name = "select coalesce(state, 'unknown'), count(*) from pg_stat_activity where application_name = %s group by 1"
    return dict(control.execute(by_name, [name]).fetchall())
