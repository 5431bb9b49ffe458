"""Faults of PostgreSQL without a server: what they refuse, how their holder ends, what a refusal reads like."""

import json
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from drill import postgres, settings
from drill.cluster import Cluster
from drill.errors import RefusedError, UsageError
from drill.postgres import PostgresUnreachableError, Sessions
from experiments.postgres import _crowd, _holder, _holding, _undo, exhaust_connections, exhaust_pool, exhaustion, probes
from experiments.postgres._site import Site

SETTINGS = """
[contexts.here]
drillable = true
namespaces = {namespaces}
[contexts.here.postgres]
dsn = "host=127.0.0.1 port=1 user=postgres"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A drillable context whose server is not there."""
    file = tmp_path / "drill.toml"
    file.write_text(SETTINGS.format(namespaces='["kong"]'))
    monkeypatch.setenv(settings.FILE_VARIABLE, str(file))
    monkeypatch.setenv("DRILL_CONTEXT", "here")
    monkeypatch.setattr(Cluster, "connect", lambda _settings: None)
    return file


@pytest.fixture
def served(here: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:  # noqa: ARG001 - its settings
    """A server with so many sessions by state, of 100 of which 3 are reserved."""
    by_state = {"idle": 10}
    loaded = settings.load()
    played = Site(loaded, None, postgres.conninfo(loaded))  # type: ignore[arg-type]
    monkeypatch.setattr(Site, "sessions", lambda _self: Sessions(by_state, 100, 3))
    monkeypatch.setattr(exhaustion, "drillable_site", lambda _server: played)
    return by_state


# -- whom they hit, and what they refuse ---------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_another_server_than_that_of_the_settings() -> None:
    """A fault is told its server, and that has to be the one that the settings lead to."""
    with pytest.raises(UsageError, match="server is 'other', and the settings know 'kong-postgres'"):
        exhaust_connections.plan("other")


def test_a_namespace_that_is_not_drillable(here: Path) -> None:
    """Without the word of the settings not even a session of our own is opened."""
    here.write_text(SETTINGS.format(namespaces='["kafka"]'))
    with pytest.raises(RefusedError, match="'kong' is not declared drillable"):
        exhaust_connections.plan("kong-postgres")


@pytest.mark.usefixtures("here")
def test_nobody_who_could_end_the_sessions() -> None:
    """No superuser's session, no fault."""
    with pytest.raises(RefusedError, match="no superuser session, so nobody could end what a fault holds"):
        exhaust_connections.plan("kong-postgres")


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("arguments", "sessions"),
    [({}, 97), ({"share": 0.98}, 97), ({"share": 0.5}, 40), ({"share": 0.5, "max_sessions": 40}, 40)],
)
def test_how_many_sessions(arguments: dict[str, Any], sessions: int) -> None:
    """All that are not reserved, as others leave; for a share, what it lacks."""
    (target,) = exhaust_connections.plan("kong-postgres", **arguments).targets
    assert target["sessions"] == sessions


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"max_sessions": "50%"}, "97 of 100 sessions would be broken at once, and the blast radius is 50%"),
        ({"share": 0.1}, "10 of 100 sessions \\(3 reserved\\) are taken already"),
    ],
)
def test_sessions_that_are_not_taken(arguments: dict[str, Any], says: str) -> None:
    """Beyond the blast radius, or none that are lacking."""
    with pytest.raises(RefusedError, match=says):
        exhaust_connections.plan("kong-postgres", **arguments)


def test_a_server_that_is_full_already(served: dict[str, int]) -> None:
    """It would prove nothing."""
    served["active"] = 87
    with pytest.raises(RefusedError, match="97 of 100 sessions"):
        exhaust_connections.plan("kong-postgres")


@pytest.mark.parametrize("arguments", [{"kind": "busy"}, {"share": 0.0}, {"share": 1.1}])
def test_what_cannot_be_meant(arguments: dict[str, Any]) -> None:
    """Nothing is guessed."""
    with pytest.raises(UsageError):
        exhaust_connections.plan("kong-postgres", **arguments)


@pytest.mark.usefixtures("served")
def test_no_pool_to_exhaust() -> None:
    """A context that declares no pool, and a pool of no size."""
    with pytest.raises(UsageError, match="declares no pool"):
        exhaust_pool.plan("kong-postgres")
    with pytest.raises(UsageError, match="give the size of the pool"):
        exhaust_pool.plan("kong-postgres", sessions=0)


@pytest.mark.parametrize("name", ["", "drill", "drill-holder-", "drill-holder-0123456789ab'", "%", "psql"])
def test_an_undo_ends_no_sessions_but_a_faults(name: str) -> None:
    """Whoever writes the rollback log does not thereby choose whose sessions are ended."""
    for undo, more in [(_undo.end_sessions, ()), (_undo.free_pool, ("d",)), (_undo.release_table, ("d", "t"))]:
        with pytest.raises(UsageError, match="is not the name of a fault's sessions"):
            undo("here", name, *more)


def test_names_are_of_their_own() -> None:
    """Two faults never share one, and each is one that an undo takes."""
    names = {_holding.new_name() for _ in range(100)}
    assert len(names) == 100
    for name in names:
        _holding.ensure_ours(name)


def test_a_probe_through_nothing_that_is_known() -> None:
    """A typing error is no answer."""
    with pytest.raises(UsageError, match="give server or pool"):
        probes.accepts_connections("pgbouncer")


# -- the holder ----------------------------------------------------------------------------------------------------


def _hold(seconds: float) -> subprocess.Popen[bytes]:
    order = {"conninfo": "host=127.0.0.1 port=1 user=x", "sessions": 1, "statement": "", "seconds": seconds}
    holder = subprocess.Popen(
        [sys.executable, "-P", str(_holder.__file__)], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert holder.stdin is not None
    holder.stdin.write(json.dumps(order).encode() + b"\n")
    holder.stdin.flush()
    return holder


def test_the_holder_ends_with_its_parent() -> None:
    """When nobody is left to write to it; until then it tries, and says once what keeps it from holding."""
    with _hold(60) as holder:
        assert holder.stderr is not None
        assert holder.stderr.readline().startswith(b"0 of 1 sessions: connection failed")
        assert holder.poll() is None
        assert holder.stdin is not None
        holder.stdin.close()
        assert holder.wait(timeout=20) == 0


def test_the_holder_ends_at_its_deadline() -> None:
    """By the kernel's alarm, whatever it is doing."""
    with _hold(1) as holder:
        assert holder.wait(timeout=20) == -signal.SIGALRM


# -- what a refusal reads like -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        'connection to server at "198.18.0.11", port 30432 failed: FATAL: sorry, too many clients already',
        "failed: FATAL: remaining connection slots are reserved for non-replication superuser connections",
        "failed: FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute",
        "FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute Multiple attempts",
    ],
)
def test_too_many_clients(said: str) -> None:
    """In the words of PostgreSQL 15 and of 16, from one host or from several."""
    found = exhaustion._REFUSAL.search(said)
    assert found is not None
    assert "Multiple" not in found[0]


@pytest.mark.parametrize(
    "said",
    [
        'failed: FATAL: password authentication failed for user "x"',
        "connection failed: Connection refused",
        'failed: FATAL: no pg_hba.conf entry for host "198.18.0.1"',
    ],
)
def test_a_refusal_of_another_kind(said: str) -> None:
    """A client that is kept out for another reason proves nothing about sessions."""
    assert exhaustion._REFUSAL.search(said) is None


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


AUTHENTICATE = _message(b"R", struct.pack("!i", 10) + b"SCRAM-SHA-256\0\0")
FATAL = _message(b"E", b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0Fproc.c\0\0")


@contextmanager
def _server(*answers: bytes) -> Iterator[tuple[str, int]]:
    """A server that answers each client in turn, and keeps those whom it let in."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            clients = []
            for answer in answers:
                client, _ = door.accept()
                (size,) = struct.unpack("!i", client.recv(4, socket.MSG_WAITALL))
                client.recv(size - 4, socket.MSG_WAITALL)
                client.sendall(answer)
                clients.append(client)
            for client in clients:
                client.close()

        server = Thread(target=serve)
        server.start()
        yield door.getsockname()
        server.join()


def test_a_crowd_at_the_door() -> None:
    """Who comes while the others' places are still taken is told so, with the SQLSTATE."""
    with _server(AUTHENTICATE, AUTHENTICATE, FATAL) as address:
        refused = _crowd.refusal(*address, "x", "y", clients=5)
    assert refused == _crowd.Refusal("53300", "FATAL:  sorry, too many clients already")


def test_a_door_that_is_open() -> None:
    """Everybody would be let in: nobody was refused."""
    with _server(AUTHENTICATE, AUTHENTICATE) as address:
        assert _crowd.refusal(*address, "x", "y", clients=2) is None


def test_a_door_that_is_slammed() -> None:
    """A server that says nothing has refused nobody for a reason."""
    with _server(b"") as address, pytest.raises(PostgresUnreachableError, match="closed the connection"):
        _crowd.refusal(*address, "x", "y", clients=1)
