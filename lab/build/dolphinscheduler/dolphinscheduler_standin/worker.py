"""The worker: takes tasks by row locks, runs their shell scripts, and writes each effect once.

A task's effect is its row in t_ds_standin_execution, written in the transaction that ends the task, and only where the
task is still this worker's. A task whose worker died runs again elsewhere, as in the real one: its script may have run
twice then, its effect is there once.
"""

import asyncio
import json
import logging
import os
import signal

from ._answers import filled
from ._database import LOST, NOW, Database, Row, persevere
from ._model import TaskState
from ._registry import fail_over
from ._settings import Settings

_IDLE = 0.25
_GRACE = 10.0
"""Seconds that running tasks have when the worker is told to stop; then they go to another."""

_logger = logging.getLogger(__name__)


class Worker:
    """The loop of a worker."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until told to stop, through any loss of the database."""
        await persevere("what this host ran before it died", self._hand_back)
        while not stopping.is_set():
            taken: list[Row] = []
            try:
                if free := self._settings.task_slots - len(self._running):
                    taken = await self._take(free)
            except LOST as error:
                _logger.warning("database: %s", " ".join(str(error).split()) or repr(error))
            for each in taken:
                task = asyncio.create_task(self._execute(each))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            if not taken:
                await asyncio.sleep(_IDLE)
        await self._stop()

    async def _stop(self) -> None:
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=_GRACE)
            for each in late:
                each.cancel()
            if late:
                await asyncio.wait(late)
        await self._hand_back()

    async def _hand_back(self) -> None:
        async with self._database.transaction() as connection:
            if count := await fail_over(connection, [self._settings.host]):
                _logger.warning("handed %d tasks back", count)

    async def _take(self, limit: int) -> list[Row]:
        async with self._database.connection() as connection:
            found = await connection.execute(
                f"""
                WITH taken AS (
                  UPDATE t_ds_task_instance SET state = %s, host = %s, start_time = {NOW} WHERE id IN (
                    SELECT id FROM t_ds_task_instance WHERE state = %s ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
                  ) RETURNING *)
                SELECT taken.*, i.global_params FROM taken
                JOIN t_ds_workflow_instance i ON i.id = taken.workflow_instance_id
                """,
                [TaskState.RUNNING_EXECUTION, self._settings.host, TaskState.SUBMITTED_SUCCESS, limit],
            )
            return await found.fetchall()

    async def _execute(self, task: Row) -> None:
        script = str(json.loads(task["task_params"] or "{}").get("rawScript", ""))
        code = await run_script(filled(script, json.loads(task["global_params"] or "[]")))
        if code:
            _logger.warning("task %d: exit code %d", task["id"], code)
        await persevere(f"end of task {task['id']}", lambda: self._end(task, success=code == 0))

    async def _end(self, task: Row, *, success: bool) -> None:
        async with self._database.transaction() as connection:
            ended = await connection.execute(
                f"UPDATE t_ds_task_instance SET state = %s, end_time = {NOW} "
                "WHERE id = %s AND state = %s AND host = %s",
                [
                    TaskState.SUCCESS if success else TaskState.FAILURE,
                    task["id"],
                    TaskState.RUNNING_EXECUTION,
                    self._settings.host,
                ],
            )
            if not ended.rowcount:
                _logger.warning("task %d is no longer this worker's: nothing is written", task["id"])
            elif success:
                await connection.execute(
                    "INSERT INTO t_ds_standin_execution "
                    f"(workflow_instance_id, task_code, task_instance_id, host, execute_time) "
                    f"VALUES (%s, %s, %s, %s, {NOW})",
                    [task["workflow_instance_id"], task["task_code"], task["id"], self._settings.host],
                )


async def run_script(script: str) -> int:
    """Run a shell script to its end and return its exit code; it dies with the caller."""
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        script,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
