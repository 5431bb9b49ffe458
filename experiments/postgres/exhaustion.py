"""Faults that take every session there is: of the server, or of the clients' pool before it."""

import math
import re
import secrets
from functools import partial
from typing import Literal

from psycopg import sql

from drill import postgres
from drill.errors import RefusedError, UsageError
from drill.postgres import PostgresUnreachableError
from experiments._fault import Injection, Proof, fault
from experiments._guard import Limit, ensure_within
from experiments._values import AtLeastOne, Share
from experiments._watch import NotSeenError
from experiments.postgres import _crowd, _holding, _undo
from experiments.postgres._holder import Order
from experiments.postgres._site import Site, drillable_site, held

Kind = Literal["idle", "idle_in_transaction", "long_query"]

_STATES: dict[str, str] = {"idle": "idle", "idle_in_transaction": "idle in transaction", "long_query": "active"}
"""By kind, what pg_stat_activity calls it."""
_UNTIMED = "-c idle_in_transaction_session_timeout=0 -c statement_timeout=0 -c lock_timeout=0"
"""The server's own cures must not end the fault before its time."""
_REFUSAL = re.compile(
    r"FATAL: +(sorry, too many clients already|remaining connection slots are reserved [\w -]+?)(?= Mult|$)"
)
"""What SQLSTATE 53300 says; libpq keeps the code to itself until a session is there, and goes on to the next host."""
_KNOCKS = 8
"""More clients at the door than there are reserved slots: some come and go meanwhile."""


@fault
def exhaust_connections(
    server: str,
    *,
    kind: Kind = "idle",
    share: Share = 1.0,
    hold: float = 20,
    max_sessions: Limit = "100%",
    effect_timeout: float = 60,
    recovery_timeout: float = 60,
) -> Injection:
    """Fault: hold sessions until the server has none left for clients (or a share of them is taken).

    The sessions are those of a temporary role that is no superuser, so that the reserved slots stay free, in a process
    of its own that takes whatever comes free, and ends by itself at its deadline or with the harness.

    Args:
        server: StatefulSet of the server, as the settings name it.
        kind: What the sessions do: `idle`, `idle_in_transaction`, or `long_query` (in pg_sleep).
        share: Of max_connections, up to which sessions are taken, those of others included. 1: all that are not
            reserved for superusers; then the effect is that another client is refused (SQLSTATE 53300), and below it
            that the sessions are counted.
        hold: Seconds for which they are kept.
        max_sessions: Blast radius: how many sessions it may hold, a count, or a share of max_connections.
        effect_timeout: Seconds for which the effect is awaited.
        recovery_timeout: Seconds for which it is awaited that clients are served again.

    Raises:
        RefusedError: no superuser to end the sessions, none left to take, not drillable, or beyond the blast radius.
        UsageError: arguments that cannot be meant.
    """
    if kind not in _STATES:
        raise UsageError(f"kind is {kind!r}: give {', '.join(_STATES)}")
    if not 0 < share <= 1:
        raise UsageError(f"share is {share:g}: give more than 0 and at most 1, of max_connections")
    here = drillable_site(server)
    now = here.sessions()
    full = math.floor(share * now.max_connections) >= now.usable
    most = now.usable if full else math.floor(share * now.max_connections) - now.used
    if now.used >= now.usable or most < 1:
        raise RefusedError(f"{now.used} of {now.max_connections} sessions ({now.reserved} reserved) are taken already")
    ensure_within(most, now.max_connections, max_sessions, "sessions")
    name, password = _holding.new_name(), secrets.token_hex(16)
    role, seconds = _holding.role_of(name), _holding.deadline(hold, effect_timeout)
    client = partial(here.conninfo, user=role, password=password, dbname=here.target.database)

    def inject() -> None:
        statements = {"idle_in_transaction": "begin", "long_query": f"select pg_sleep({seconds})"}
        order = Order(client(application_name=name, options=_UNTIMED), most, statements.get(kind, ""), seconds)
        with postgres.connected(here.server) as control:
            _undo.set_password(control, role, password, "create")
            database = sql.Identifier(here.target.database)
            control.execute(sql.SQL("grant connect on database {} to {}").format(database, sql.Identifier(role)))
        _holding.start(name, order, here.server)

    def effect() -> Proof:
        refused = _refused(here, name, client(), now.reserved) if full else {}
        return {**_counted(name, _STATES[kind], 1 if full else most), **refused}

    return Injection(
        fault="exhaust_connections",
        method=f"{kind} sessions",
        targets=({"kind": "StatefulSet", "namespace": here.target.namespace, "name": server, "sessions": most},),
        permissions=here.permissions,
        inject=inject,
        effect=effect,
        undo=_undo.end_sessions,
        undo_arguments={"context": here.context, "name": name},
        recovered=here.recovered,
        hold=hold,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


@fault
def exhaust_pool(
    server: str,
    *,
    sessions: AtLeastOne = 50,
    hold: float = 20,
    patience: float = 3,
    max_sessions: Limit = "100%",
    effect_timeout: float = 60,
    recovery_timeout: float = 60,
) -> Injection:
    """Fault: hold open transactions through the clients' pool (PgBouncer) until it has no session left for others.

    They are those of the pool's own role and the drills' database, since a pool is one role's in one database. The
    server itself goes on: that it does is part of the proof.

    Args:
        server: StatefulSet of the server behind the pool, as the settings name it.
        sessions: The pool's size; so many transactions are opened, and those that get no session wait for one.
        hold: Seconds for which they are kept.
        patience: Seconds after which a client of the pool counts as not served.
        max_sessions: Blast radius: how many sessions it may hold, a count, or a share of max_connections.
        effect_timeout: Seconds for which the effect is awaited.
        recovery_timeout: Seconds for which it is awaited that clients are served again.

    Raises:
        RefusedError: no superuser to end the sessions, a pool that serves nobody already, not drillable, or beyond the
            blast radius.
        UsageError: arguments that cannot be meant, or the settings know no pool.
    """
    if sessions < 1:
        raise UsageError(f"sessions is {sessions}: give the size of the pool")
    here = drillable_site(server)
    database = here.target.database
    pooled = here.conninfo(pooled=True, dbname=database)
    try:
        postgres.ensure_answers(pooled, within=5)
    except PostgresUnreachableError as error:
        raise RefusedError(f"the pool serves nobody already: {error}") from error
    ensure_within(sessions, here.sessions().max_connections, max_sessions, "sessions")
    name, seconds = _holding.new_name(), _holding.deadline(hold, effect_timeout)

    def inject() -> None:
        # Local, since the pool gives the server's session to others afterwards, and their name must not be this one.
        statement = f"begin; set local application_name = '{name}'; select 1"
        order = Order(pooled, sessions, statement, seconds, queued=True)
        _holding.start(name, order, here.server)

    def effect() -> Proof:
        try:
            postgres.ensure_answers(pooled, within=patience)
        except PostgresUnreachableError as error:
            postgres.ensure_answers(here.server, within=5)
            return {**_counted(name, "idle in transaction", 1), "pool": str(error), "server_answers": True}
        raise NotSeenError(f"the pool still serves another client{_holding.trouble(name)}")

    return Injection(
        fault="exhaust_pool",
        method="open transactions",
        targets=(
            {"kind": "ConnectionPool", "namespace": here.target.namespace, "name": f"{server}/{database}"}
            | {"sessions": sessions},
        ),
        permissions=here.permissions,
        inject=inject,
        effect=effect,
        undo=_undo.free_pool,
        undo_arguments={"context": here.context, "name": name, "database": database},
        recovered=here.recovered,
        hold=hold,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


def _counted(name: str, state: str, wanted: int) -> Proof:
    """Our sessions as the server has them."""
    control = _holding.control(name)
    with postgres.using(control):
        ours, all_ = held(control, name), postgres.sessions(control)
    count = ours.get(state, 0)
    if count < wanted:
        raise NotSeenError(f"{count} of {wanted} sessions are held{_holding.trouble(name)}")
    return {"held": count, "state": state, **all_.as_dict()}


def _refused(here: Site, name: str, client: str, reserved: int) -> Proof:
    """Another client, with a session of its own, is refused; and so is one of a crowd, whoever it may be."""
    try:
        postgres.ensure_answers(client, within=5)
    except PostgresUnreachableError as error:
        refusal = _REFUSAL.search(str(error))
        if refusal is None:
            raise
    else:
        raise NotSeenError(f"another client is still let in{_holding.trouble(name)}")
    link = _holding.control(name).info
    crowd = _crowd.refusal(
        link.hostaddr or link.host, link.port, _holding.role_of(name), here.target.database, reserved + _KNOCKS
    )
    if crowd is None or crowd.sqlstate != _crowd.TOO_MANY_CONNECTIONS:
        raise NotSeenError(f"of a crowd, nobody was refused for too many connections, but: {crowd}")
    return {"refused": refusal[0], "crowd_refused": crowd.message, "sqlstate": crowd.sqlstate}
