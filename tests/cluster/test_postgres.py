"""Each fault of PostgreSQL on the lab, seen by a client of the tests' own; undone; and each where it does not bite."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from chaoslib.exceptions import ActivityFailed

from drill import postgres, record, rollback
from drill.cluster import Cluster
from drill.errors import RefusedError, UsageError
from drill.postgres import PostgresUnreachableError
from drill.record import RunRecord
from drill.settings import Settings
from experiments import postgres as faults
from experiments._fault import injected
from experiments._watch import NotSeenError, await_seen
from experiments.postgres import _holding
from tests.cluster.scratch import FRUITLESS, WHOLE_LIFE

SERVER = "kong-postgres"
EXHAUST = faults.exhaust_connections.injection
_HARNESS = """
import time
from experiments import postgres
postgres.exhaust_connections("kong-postgres", kind="long_query", share=0.5, hold=120)
"""


@pytest.fixture
def run(tmp_path: Path, lab_platform: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunRecord]:
    """A run record to look into; nothing of a fault is left afterwards."""
    made = RunRecord.create(tmp_path / "runs", "test")
    monkeypatch.setenv(record.RECORD_VARIABLE, str(made.path))
    yield made
    assert not rollback.pending()
    assert not _left(lab_platform)


@pytest.fixture
def client(lab_platform: Settings) -> str:
    """How the gateway connects: as its own role, which is no superuser."""
    password = Cluster.connect(lab_platform).secret("kong", "kong-postgres", "kong")
    return postgres.conninfo(lab_platform, user="kong", password=password, dbname="kong")


def _left(settings: Settings) -> list[str]:
    """Sessions and roles that faults have left."""
    query = """
        select application_name from pg_stat_activity where application_name like 'drill-holder-%'
        union all select rolname from pg_roles where rolname like 'drill\\_holder\\_%'
    """
    with postgres.connected(postgres.conninfo(settings)) as control:
        return [name for (name,) in control.execute(query)]


def _kinds(run: RunRecord) -> list[str]:
    if not (run.path / "events.jsonl").exists():
        return []
    return [each.kind for each in RunRecord(run.path).events if each.source == "experiment"]


def _meanwhile(do: Callable[[], None]) -> Thread:
    thread = Thread(target=do)
    thread.start()
    return thread


# -- every session of the server -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["idle", "idle_in_transaction", "long_query"])
def test_every_session(run: RunRecord, client: str, kind: str) -> None:
    """The gateway is told that there are too many clients, a superuser is not, and afterwards all is as before."""
    with injected(EXHAUST(SERVER, kind=kind)) as on:
        with pytest.raises(PostgresUnreachableError, match=r"too many clients|slots are reserved"):
            postgres.ensure_answers(client, within=5)
        assert not faults.accepts_connections()
        assert faults.connections_used_share() > 0.95
    assert on.proof["sqlstate"] == "53300"
    assert on.proof["crowd_refused"].endswith("sorry, too many clients already")
    assert on.proof["state"] == {"idle_in_transaction": "idle in transaction", "long_query": "active"}.get(kind, kind)
    postgres.ensure_answers(client, within=5)
    assert faults.accepts_connections()
    assert _kinds(run) == WHOLE_LIFE


def test_a_share_of_them(run: RunRecord, client: str) -> None:
    """Half of them taken: counted by the server, and clients still get in."""
    with injected(EXHAUST(SERVER, share=0.5)) as on:
        postgres.ensure_answers(client, within=5)
        assert 0.45 < faults.connections_used_share() < 0.6
    assert on.proof["held"] > 100
    assert "refused" not in on.proof
    assert _kinds(run) == WHOLE_LIFE


def test_sessions_that_are_not_kept(run: RunRecord) -> None:
    """Killed at once, the holder holds nothing: the fault does not claim to be on, and is undone all the same."""

    def kill() -> None:
        holder = await_seen(_holder, within=30, each=0.01)
        os.kill(holder, signal.SIGKILL)

    killer = _meanwhile(kill)
    with pytest.raises(ActivityFailed, match=r"the process that holds the sessions has ended|still let in"):
        faults.exhaust_connections(SERVER, effect_timeout=5)
    killer.join()
    assert _kinds(run) == FRUITLESS


def _holder() -> int:
    """The process id of this process's holder, as soon as there is one."""
    for holder in list(_holding._RUNNING.values()):
        return holder.process.pid
    raise NotSeenError("no holder runs")


def test_both_killed(run: RunRecord, lab_platform: Settings) -> None:
    """Holder and harness are killed -9 while long queries run: the server keeps them, and another process ends them."""
    with _harness(run):
        (undo,) = rollback.pending()
        name = undo.arguments["name"]
        os.kill(await_seen(lambda: _process(name), within=5), signal.SIGKILL)
    assert name in _left(lab_platform)
    (result,) = rollback.undo_pending()
    assert result.ok, result.error


@contextmanager
def _harness(run: RunRecord) -> Iterator[None]:
    """A harness of its own, its fault seen to be on; killed -9 when the block ends. What it says is in the test's."""
    harness = subprocess.Popen([sys.executable, "-c", _HARNESS])

    def effective() -> None:
        assert harness.poll() is None, "the harness has ended"
        if "fault.effective" not in _kinds(run):
            raise NotSeenError(f"so far: {_kinds(run)}")

    try:
        await_seen(effective, within=60)
        yield
    finally:
        harness.kill()
        harness.wait()


def _process(name: str) -> int:
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if name.encode() in each.read_bytes():
                return int(each.parent.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
    raise NotSeenError(f"no process has {name} in its command line")


def test_an_orphan_ends_itself(run: RunRecord, lab_platform: Settings) -> None:
    """Its harness killed -9, the holder ends by itself: no process is left, whatever the server keeps."""
    with _harness(run):
        (undo,) = rollback.pending()
        name = undo.arguments["name"]
        assert _process(name)
    await_seen(lambda: _no_process(name), within=10)
    assert [each.ok for each in rollback.undo_pending()] == [True]
    assert not _left(lab_platform)


def _no_process(name: str) -> None:
    try:
        _process(name)
    except NotSeenError:
        return
    raise NotSeenError(f"{name} still runs")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"server": SERVER, "max_sessions": "50%"}, "the blast radius is 50% \\(150\\)"),
        ({"server": SERVER, "share": 0.5, "max_sessions": 10}, "the blast radius is 10"),
    ],
)
@pytest.mark.usefixtures("run")
def test_beyond_the_blast_radius(arguments: dict[str, object], says: str) -> None:
    """More sessions than the scenario allows are never opened."""
    with pytest.raises(RefusedError, match=says):
        faults.exhaust_connections(**arguments)


@pytest.mark.usefixtures("run")
def test_a_plan_touches_nothing() -> None:
    """It names the server and how many sessions; and another server than that of the settings is not meant."""
    (target,) = faults.exhaust_connections.plan(SERVER).targets
    assert target == {"kind": "StatefulSet", "namespace": "kong", "name": SERVER, "sessions": 297}
    with pytest.raises(UsageError, match="the settings know 'kong-postgres'"):
        faults.exhaust_connections.plan("another")


def test_no_superuser_no_fault(
    run: RunRecord,  # noqa: ARG001 - its own end checks that nothing is left
    client: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who could not end the sessions afterwards does not open them."""
    monkeypatch.setattr(postgres, "conninfo", lambda *_, **__: client)
    with pytest.raises(RefusedError, match="kong is no superuser"):
        faults.exhaust_connections(SERVER)


# -- a table -------------------------------------------------------------------------------------------------------


def test_a_locked_table(run: RunRecord, client: str) -> None:
    """The gateway waits for its routes and not for its services; afterwards it reads both."""
    with injected(faults.lock_table.injection(SERVER, "routes")) as on, postgres.connected(client) as gateway:
        gateway.execute("set lock_timeout = 1000")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            gateway.execute("select count(*) from routes")
        assert gateway.execute("select count(*) from services").fetchone() == (3,)
    assert on.proof["sqlstate"] == "55P03"
    with postgres.connected(client) as gateway:
        assert gateway.execute("select count(*) from routes").fetchone() == (3,)
    assert _kinds(run) == WHOLE_LIFE


def test_a_lock_that_is_released(run: RunRecord, lab_platform: Settings) -> None:
    """Somebody ends the session that has the lock before anybody was blocked: the fault does not claim to be on."""

    def release() -> None:
        with postgres.connected(postgres.conninfo(lab_platform)) as control:
            query = (
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'drill-holder-%'"
            )
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and not control.execute(query).rowcount:
                time.sleep(0.01)

    released = _meanwhile(release)
    with pytest.raises(ActivityFailed, match=r"the process that holds the sessions has ended|still reads"):
        faults.lock_table(SERVER, "routes", effect_timeout=4)
    released.join()
    assert _kinds(run) == FRUITLESS


@pytest.mark.usefixtures("run")
def test_no_such_table() -> None:
    """Nothing to lock."""
    with pytest.raises(RefusedError, match="database 'kong' has no table no_such"):
        faults.lock_table(SERVER, "no_such")


# -- the pool before it --------------------------------------------------------------------------------------------


def test_every_session_of_the_pool(run: RunRecord, client: str, lab_platform: Settings) -> None:
    """Through the pool nobody is served, to the server itself everybody gets in; afterwards both."""
    pooled = postgres.conninfo(lab_platform, pooled=True, dbname="kong")
    with injected(faults.exhaust_pool.injection(SERVER)) as on:
        with pytest.raises(PostgresUnreachableError, match=r"no answer to a query|query_wait_timeout"):
            postgres.ensure_answers(pooled, within=2)
        assert not faults.accepts_connections("pool", timeout=2)
        postgres.ensure_answers(client, within=5)
    assert on.proof["held"] == 50
    assert faults.accepts_connections("pool")
    assert _kinds(run) == WHOLE_LIFE


def test_a_pool_with_room(run: RunRecord) -> None:
    """Ten of fifty taken hurt nobody, and the fault does not claim that they do."""
    with pytest.raises(ActivityFailed, match="the pool still serves another client"):
        faults.exhaust_pool(SERVER, sessions=10, effect_timeout=4)
    assert _kinds(run) == FRUITLESS


# -- the runbook's cure --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("run")
def test_the_cure_for_idle_sessions(client: str) -> None:
    """While all sessions are taken by idle ones, ending them lets the gateway in, and each is listed with its owner."""
    with injected(EXHAUST(SERVER)):
        with pytest.raises(PostgresUnreachableError):
            postgres.ensure_answers(client, within=5)
        planned = faults.plan_end_idle_sessions(SERVER, older_than=0)
        said = faults.end_idle_sessions(SERVER, older_than=0)
        postgres.ensure_answers(client, within=5)
    assert planned.targets[0]["sessions"] > 250
    assert sum(each["role"].startswith("drill_holder_") for each in said["ended"]) > 250
    assert said["after"]["used"] < said["before"]["used"]


@pytest.mark.usefixtures("run")
def test_the_cure_spares_who_works(client: str) -> None:
    """A session that was busy just now is not ended."""
    with postgres.connected(client) as gateway:
        gateway.execute("select 1")
        faults.end_idle_sessions(SERVER, older_than=3600)
        assert gateway.execute("select 1").fetchone() == (1,)
