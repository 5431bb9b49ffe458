"""The master: commands become running workflow instances, finished tasks lead to the next, dead workers lose theirs.

Each step is one transaction that takes its rows by `FOR UPDATE SKIP LOCKED`, so that a master that dies in the middle
has done nothing, and two masters never do the same. The real master keeps its instances in memory, and another one has
to take them over; this one keeps nothing.
"""

import asyncio
import json
import logging
import time

from ._answers import merged
from ._database import LOST, NOW, Connection, Database
from ._model import ACTIVE, Relation, Step, TaskState, WorkflowState, next_step
from ._registry import alive, fail_over
from ._settings import Settings

_IDLE = 0.5
"""Seconds until an idle master looks again (the real one: 1)."""
_BATCH = 100

_logger = logging.getLogger(__name__)


class Master:
    """The loop of a master."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._watching_since = self._watched = time.monotonic()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop, through any loss of the database."""
        while not stopping.is_set():
            try:
                busy = await self._round()
            except LOST as error:
                _logger.warning("database: %s", " ".join(str(error).split()) or repr(error))
                busy = False
            if not busy:
                await asyncio.sleep(_IDLE)

    async def _round(self) -> bool:
        async with self._database.transaction() as connection:
            started = await self._start_commands(connection)
        async with self._database.transaction() as connection:
            advanced = await self._advance(connection)
        async with self._database.transaction() as connection:
            await self._fail_over_dead(connection)
        return bool(started or advanced)

    async def _start_commands(self, connection: Connection) -> int:
        found = await connection.execute(
            "SELECT c.id, c.workflow_definition_code, c.workflow_instance_id, c.command_param, d.global_params "
            "FROM t_ds_command c JOIN t_ds_workflow_definition d ON d.code = c.workflow_definition_code "
            "ORDER BY c.workflow_instance_priority, c.id LIMIT %s FOR UPDATE OF c SKIP LOCKED",
            [_BATCH],
        )
        commands = await found.fetchall()
        if not commands:
            return 0
        graphs = await _graphs(connection, {each["workflow_definition_code"] for each in commands})
        for each in commands:
            given = json.loads(each["command_param"] or "{}").get("commandParams") or []
            parameters = merged(json.loads(each["global_params"] or "[]"), given)
            await connection.execute(
                "UPDATE t_ds_workflow_instance SET state = %s, host = %s, command_param = %s, global_params = %s "
                "WHERE id = %s AND state = %s",
                [
                    WorkflowState.RUNNING_EXECUTION,
                    self._settings.host,
                    each["command_param"],
                    json.dumps(parameters),
                    each["workflow_instance_id"],
                    WorkflowState.SUBMITTED_SUCCESS,
                ],
            )
            step = next_step(graphs[each["workflow_definition_code"]], {})
            await _take(connection, each["workflow_instance_id"], step)
        await connection.execute("DELETE FROM t_ds_command WHERE id = ANY(%s)", [[each["id"] for each in commands]])
        return len(commands)

    async def _advance(self, connection: Connection) -> int:
        found = await connection.execute(
            "SELECT i.id, i.workflow_definition_code FROM t_ds_workflow_instance i WHERE i.state = 1 AND NOT EXISTS ("
            "  SELECT 1 FROM t_ds_task_instance t"
            "  WHERE t.workflow_instance_id = i.id AND t.flag = 1 AND t.state = ANY(%s)"
            ") LIMIT %s FOR UPDATE OF i SKIP LOCKED",
            [list(ACTIVE), _BATCH],
        )
        instances = await found.fetchall()
        if not instances:
            return 0
        graphs = await _graphs(connection, {each["workflow_definition_code"] for each in instances})
        found = await connection.execute(
            "SELECT workflow_instance_id, task_code, state FROM t_ds_task_instance "
            "WHERE flag = 1 AND workflow_instance_id = ANY(%s)",
            [[each["id"] for each in instances]],
        )
        states: dict[int, dict[int, TaskState]] = {each["id"]: {} for each in instances}
        for row in await found.fetchall():
            states[row["workflow_instance_id"]][row["task_code"]] = TaskState(row["state"])
        for each in instances:
            await _take(connection, each["id"], next_step(graphs[each["workflow_definition_code"]], states[each["id"]]))
        return len(instances)

    async def _fail_over_dead(self, connection: Connection) -> None:
        """Fail over what runs on hosts without a heartbeat, unless it is the master that could not see one."""
        now, patience = time.monotonic(), self._settings.session_timeout
        if now - self._watched > patience / 2:
            self._watching_since = now
        self._watched = now
        if now - self._watching_since < patience:
            return
        found = await connection.execute(
            "SELECT DISTINCT host FROM t_ds_task_instance WHERE flag = 1 AND state = %s", [TaskState.RUNNING_EXECUTION]
        )
        hosts = {row["host"] for row in await found.fetchall()}
        if hosts and (dead := hosts - set(await alive(connection, "worker", patience))):
            count = await fail_over(connection, sorted(dead))
            _logger.warning("failed over %d tasks of %s", count, ", ".join(sorted(dead)))


async def _graphs(connection: Connection, codes: set[int]) -> dict[int, list[Relation]]:
    found = await connection.execute(
        "SELECT workflow_definition_code, pre_task_code, post_task_code FROM t_ds_workflow_task_relation "
        "WHERE workflow_definition_code = ANY(%s)",
        [list(codes)],
    )
    graphs: dict[int, list[Relation]] = {code: [] for code in codes}
    for row in await found.fetchall():
        graphs[row["workflow_definition_code"]].append(Relation(row["pre_task_code"], row["post_task_code"]))
    return graphs


async def _take(connection: Connection, instance: int, step: Step) -> None:
    if step.start:
        await connection.execute(
            f"""
            INSERT INTO t_ds_task_instance (name, task_type, task_code, task_definition_version, workflow_instance_id,
              workflow_instance_name, project_code, state, first_submit_time, submit_time, task_params, worker_group,
              executor_id)
            SELECT d.name, d.task_type, d.code, d.version, i.id, i.name, i.project_code, %s, {NOW}, {NOW},
              d.task_params, i.worker_group, i.executor_id
            FROM t_ds_workflow_instance i, t_ds_task_definition d WHERE i.id = %s AND d.code = ANY(%s)
            """,
            [TaskState.SUBMITTED_SUCCESS, instance, list(step.start)],
        )
    elif step.end is not None:
        await connection.execute(
            f"UPDATE t_ds_workflow_instance SET state = %s, end_time = {NOW} WHERE id = %s AND state = %s",
            [step.end, instance, WorkflowState.RUNNING_EXECUTION],
        )
