"""Faults of a PostgreSQL server and of the pool before it, cures for them, and the probes beside them."""

from experiments.postgres.cures import end_idle_sessions, plan_end_idle_sessions
from experiments.postgres.exhaustion import exhaust_connections, exhaust_pool
from experiments.postgres.locks import lock_table
from experiments.postgres.probes import (
    accepts_connections,
    connections_used_share,
    idle_sessions,
    locks_waiting,
    max_connections,
)

__all__ = [
    "accepts_connections",
    "connections_used_share",
    "end_idle_sessions",
    "exhaust_connections",
    "exhaust_pool",
    "idle_sessions",
    "lock_table",
    "locks_waiting",
    "max_connections",
    "plan_end_idle_sessions",
]
