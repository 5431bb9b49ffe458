"""What a runbook does to a PostgreSQL server whose sessions are all taken."""

from typing import Any

from drill import postgres
from experiments._guard import Limit, ensure_within
from experiments._plan import Plan
from experiments._watch import NotSeenError, await_seen
from experiments.postgres._site import Site, drillable_site

_IDLE = """
select pid, usename as role, datname as database, application_name, client_addr::text as client, state,
       extract(epoch from clock_timestamp() - state_change)::float8 as idle_for
from pg_stat_activity
where backend_type = 'client backend' and pid <> pg_backend_pid() and state = any(%(states)s)
  and state_change <= clock_timestamp() - make_interval(secs => %(older_than)s)
order by idle_for desc
"""
_ENDED_IN = 30.0
"""Seconds that a backend is given to leave."""


def end_idle_sessions(
    server: str, *, older_than: float = 60, in_transaction: bool = True, max_sessions: Limit = "100%"
) -> dict[str, Any]:
    """Cure: end the sessions that have been idle for a while (pg_terminate_backend), and see that they are gone.

    Clients whose pools still want them will open them again; what an open transaction had not committed is rolled back.

    Args:
        server: StatefulSet of the server, as the settings name it.
        older_than: Only those that have been idle for so many seconds.
        in_transaction: Also those that are idle in an open transaction.
        max_sessions: Blast radius: how many sessions it may end, a count, or a share of max_connections.

    Returns:
        `{before, ended, after}`: the sessions before and after, by state, and each one that was ended.

    Raises:
        RefusedError: not drillable, no superuser, or more sessions than the blast radius allows.
        GivenUpError: they were still there after 30 s.
    """
    here = drillable_site(server)
    idle = _idle(here, older_than, max_sessions, in_transaction=in_transaction)
    before, pids = here.sessions(), [each["pid"] for each in idle]
    with postgres.connected(here.server) as control:
        control.execute("select pg_terminate_backend(pid) from unnest(%s::int[]) as pid", [pids])
    await_seen(lambda: _gone(here, pids), _ENDED_IN)
    return {"before": before.as_dict(), "ended": idle, "after": here.sessions().as_dict()}


def plan_end_idle_sessions(
    server: str, *, older_than: float = 60, in_transaction: bool = True, max_sessions: Limit = "100%"
) -> Plan:
    """The server whose sessions `end_idle_sessions` would end, how many there are now, and what it needs."""
    here = drillable_site(server)
    idle = _idle(here, older_than, max_sessions, in_transaction=in_transaction)
    target = {"kind": "StatefulSet", "namespace": here.target.namespace, "name": server, "sessions": len(idle)}
    return Plan((target,), here.permissions)


def _idle(here: Site, older_than: float, max_sessions: Limit, *, in_transaction: bool) -> list[dict[str, Any]]:
    states = ["idle", *(["idle in transaction", "idle in transaction (aborted)"] if in_transaction else [])]
    with postgres.connected(here.server) as control:
        cursor = control.execute(_IDLE, {"states": states, "older_than": older_than})
        names = [column.name for column in cursor.description or ()]
        idle = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        ensure_within(len(idle), postgres.sessions(control).max_connections, max_sessions, "sessions")
    return idle


def _gone(here: Site, pids: list[int]) -> None:
    with postgres.connected(here.server) as control:
        ((left,),) = control.execute("select count(*) from pg_stat_activity where pid = any(%s)", [pids]).fetchall()
    if left:
        raise NotSeenError(f"{left} of {len(pids)} sessions are still there")
