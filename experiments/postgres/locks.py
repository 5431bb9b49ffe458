"""The fault that locks a table."""

import psycopg
from psycopg import sql

from drill import postgres
from drill.errors import RefusedError
from experiments._fault import Injection, Proof, fault
from experiments._guard import Limit, ensure_within
from experiments._watch import NotSeenError
from experiments.postgres import _holding, _undo
from experiments.postgres._holder import Order
from experiments.postgres._site import drillable_site

_HELD = """
select count(*) filter (where granted and mode = 'AccessExclusiveLock' and application_name = %(name)s),
       count(*) filter (where not granted)
from pg_locks join pg_stat_activity using (pid)
where locktype = 'relation' and relation = %(table)s::regclass
"""


@fault
def lock_table(
    server: str,
    table: str,
    *,
    database: str | None = None,
    hold: float = 20,
    lock_timeout: int = 2000,
    max_sessions: Limit = "100%",
    effect_timeout: float = 60,
    recovery_timeout: float = 60,
) -> Injection:
    """Fault: hold an ACCESS EXCLUSIVE lock on a table, so that whoever reads or writes it waits.

    One session holds it, in a process of its own that ends by itself at its deadline or with the harness.

    Args:
        server: StatefulSet of the server, as the settings name it.
        table: `table` or `schema.table`.
        database: Its database; None: the one of the settings.
        hold: Seconds for which it is kept.
        lock_timeout: Milliseconds for which another client waits before it counts as blocked.
        max_sessions: Blast radius: how many sessions it may hold; it holds one.
        effect_timeout: Seconds for which the effect is awaited.
        recovery_timeout: Seconds for which it is awaited that clients are served again.

    Raises:
        RefusedError: no such table, no superuser to end the session, not drillable, or beyond the blast radius.
        UsageError: arguments that cannot be meant.
    """
    here = drillable_site(server)
    database = database or here.target.database
    in_database = here.conninfo(dbname=database)
    with postgres.connected(in_database) as control:
        quoted = _undo.identifier(table).as_string(control)
        if control.execute("select to_regclass(%s)", [quoted]).fetchone() in {None, (None,)}:
            raise RefusedError(f"database {database!r} has no table {table}")
        statement = sql.SQL("begin; lock table {} in access exclusive mode").format(_undo.identifier(table))
        order = statement.as_string(control)
        ensure_within(1, postgres.sessions(control).max_connections, max_sessions, "sessions")
    name, seconds = _holding.new_name(), _holding.deadline(hold, effect_timeout)

    def inject() -> None:
        conninfo = here.conninfo(
            dbname=database, application_name=name, options="-c idle_in_transaction_session_timeout=0 -c lock_timeout=0"
        )
        _holding.start(name, Order(conninfo, 1, order, seconds), in_database)

    def effect() -> Proof:
        control = _holding.control(name)
        with postgres.using(control):
            found = control.execute(_HELD, {"name": name, "table": quoted}).fetchone()
        if found is None or not found[0]:
            raise NotSeenError(f"the lock on {table} is not held{_holding.trouble(name)}")
        try:
            _undo.read(in_database, table, lock_timeout)
        except psycopg.errors.LockNotAvailable as error:
            message = str(error).splitlines()[0]
            return {"blocked": message, "sqlstate": error.sqlstate, "others_waiting": found[1]}
        raise NotSeenError(f"another client still reads {table}")

    return Injection(
        fault="lock_table",
        method="access exclusive",
        targets=(
            {"kind": "Table", "namespace": here.target.namespace, "name": table}
            | {"server": server, "database": database},
        ),
        permissions=here.permissions,
        inject=inject,
        effect=effect,
        undo=_undo.release_table,
        undo_arguments={"context": here.context, "name": name, "database": database, "table": table},
        recovered=here.recovered,
        hold=hold,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )
