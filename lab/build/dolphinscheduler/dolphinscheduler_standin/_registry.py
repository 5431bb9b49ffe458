"""Who is alive: a heartbeat row for each server, as in DolphinScheduler's JDBC registry, and failover of the dead."""

import asyncio
import logging
import secrets

from ._database import LOST, NOW, Connection, Database
from ._model import ACTIVE, TaskState
from ._settings import Settings

HEARTBEAT = 1.0
_MILLISECONDS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

ALIVE = (
    "SELECT client_name FROM t_ds_jdbc_registry_client_heartbeat "
    f"WHERE client_name LIKE %(role)s || '/%%' AND last_heartbeat_time > {_MILLISECONDS} - %(timeout)s * 1000"
)

_logger = logging.getLogger(__name__)


class Registration:
    """This server's row, kept fresh until `leave`."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._name = f"{settings.role}/{settings.host}"
        self._id = secrets.randbits(62)

    async def keep(self) -> None:
        """Beat for ever; a database that is away is met again at the next beat."""
        while True:
            try:
                async with self._database.connection() as connection:
                    await connection.execute(
                        "INSERT INTO t_ds_jdbc_registry_client_heartbeat "
                        f"(id, client_name, last_heartbeat_time, connection_config) "
                        f"VALUES (%s, %s, {_MILLISECONDS}, '{{}}') "
                        "ON CONFLICT (id) DO UPDATE SET last_heartbeat_time = excluded.last_heartbeat_time",
                        [self._id, self._name],
                    )
            except LOST as error:
                _logger.warning("no heartbeat: %s", " ".join(str(error).split()) or repr(error))
            await asyncio.sleep(HEARTBEAT)

    async def leave(self) -> None:
        """Take the row back, so that nobody has to wait until it is stale."""
        async with self._database.connection() as connection:
            await connection.execute("DELETE FROM t_ds_jdbc_registry_client_heartbeat WHERE id = %s", [self._id])


async def alive(connection: Connection, role: str, within: float) -> list[str]:
    """The hosts of a role whose heartbeat is fresh."""
    found = await connection.execute(ALIVE, {"role": role, "timeout": within})
    return [row["client_name"].partition("/")[2] for row in await found.fetchall()]


async def fail_over(connection: Connection, hosts: list[str]) -> int:
    """Give what ran on dead hosts to the living: the old task instance ends, a new one of the same task begins.

    Within one transaction, so that a task has one valid instance (flag YES) at any time; the dead worker, should it
    live after all, finds its instance no longer running and its effect is not written.
    """
    found = await connection.execute(
        f"""
        WITH lost AS (
          UPDATE t_ds_task_instance SET state = %(lost)s, flag = 0, end_time = {NOW}
          WHERE flag = 1 AND state = %(running)s AND host = ANY(%(hosts)s) RETURNING *)
        INSERT INTO t_ds_task_instance (name, task_type, task_code, task_definition_version, workflow_instance_id,
          workflow_instance_name, project_code, state, first_submit_time, submit_time, retry_times, task_params,
          worker_group, executor_id)
        SELECT name, task_type, task_code, task_definition_version, workflow_instance_id, workflow_instance_name,
          project_code, %(submitted)s, first_submit_time, {NOW}, retry_times, task_params, worker_group, executor_id
        FROM lost
        """,
        {
            "lost": TaskState.NEED_FAULT_TOLERANCE,
            "running": TaskState.RUNNING_EXECUTION,
            "submitted": ACTIVE[0],
            "hosts": hosts,
        },
    )
    return found.rowcount
