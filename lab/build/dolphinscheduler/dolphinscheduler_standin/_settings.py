"""What the environment says; the database is libpq's own business (`DATABASE_URL`, or PGHOST, PGUSER, ...)."""

import os
import socket
from dataclasses import dataclass

PORTS = {"api": 12345, "master": 5679, "worker": 1235}
"""As DolphinScheduler's own servers listen (docs/docs/en/guide/api/healthcheck.md)."""


@dataclass(frozen=True)
class Settings:
    """The settings of one process; durations in seconds."""

    role: str
    database: str
    """A connection string; empty: libpq's variables."""
    port: int
    host: str
    """Under which name it registers and signs what it runs."""
    admin_password: str | None
    pool_size: int
    pool_timeout: float
    """How long a request waits for a connection: HikariCP's connectionTimeout, whose default DolphinScheduler keeps."""
    task_slots: int
    """How many tasks a worker runs at once."""
    session_timeout: float
    """A server whose last heartbeat is older is dead."""

    @classmethod
    def load(cls, role: str) -> "Settings":
        """Read the environment."""
        port = int(os.environ.get("PORT", PORTS[role]))
        return cls(
            role=role,
            database=os.environ.get("DATABASE_URL", ""),
            port=port,
            host=f"{os.environ.get('HOSTNAME') or socket.gethostname()}:{port}",
            admin_password=os.environ.get("ADMIN_PASSWORD"),
            pool_size=int(os.environ.get("POOL_SIZE", "50")),
            pool_timeout=float(os.environ.get("POOL_TIMEOUT", "30")),
            task_slots=int(os.environ.get("TASK_SLOTS", "20")),
            session_timeout=float(os.environ.get("SESSION_TIMEOUT", "10")),
        )
