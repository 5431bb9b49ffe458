"""Probes of a PostgreSQL server: they only read."""

from typing import Literal

from drill import postgres
from drill.errors import UsageError
from drill.postgres import PostgresUnreachableError
from experiments.postgres._site import site


def accepts_connections(through: Literal["server", "pool"] = "server", timeout: float = 5) -> bool:
    """Probe: whether a client is let in and has a query answered.

    We come as a superuser, whom a full server still lets in: so a slot that is not reserved has to be free as well.

    Args:
        through: `server`: to the server itself; `pool`: through the clients' pool.
        timeout: Seconds to wait.
    """
    if through not in {"server", "pool"}:
        raise UsageError(f"through is {through!r}: give server or pool")
    here = site()
    try:
        if through == "server":
            now = here.sessions()
            if now.used > now.usable:
                return False
            postgres.ensure_answers(here.server, timeout)
        else:
            postgres.ensure_answers(here.conninfo(pooled=True, dbname=here.target.database), timeout)
    except PostgresUnreachableError:
        return False
    return True


def max_connections() -> int:
    """Probe: how many sessions the server has room for, those reserved for superusers included."""
    return site().sessions().max_connections


def connections_used_share() -> float:
    """Probe: the share of max_connections that is taken."""
    return site().sessions().share


def idle_sessions(older_than: float = 0) -> int:
    """Probe: how many clients' sessions are idle, in a transaction or not.

    Args:
        older_than: Only those that have been idle for so many seconds.
    """
    query = """
        select count(*) from pg_stat_activity
        where backend_type = 'client backend' and state like 'idle%%' and pid <> pg_backend_pid()
          and state_change <= clock_timestamp() - make_interval(secs => %s)
    """
    with postgres.connected(site().server) as control:
        ((count,),) = control.execute(query, [older_than]).fetchall()
    return int(count)


def locks_waiting() -> int:
    """Probe: how many sessions wait for a lock that another one holds."""
    with postgres.connected(site().server) as control:
        ((count,),) = control.execute("select count(distinct pid) from pg_locks where not granted").fetchall()
    return int(count)
