"""Reaching a PostgreSQL server: whose password, through what, and for how long."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from drill import postgres, settings
from drill.cluster import Cluster
from drill.errors import UsageError
from drill.postgres import PostgresUnreachableError, Sessions
from drill.settings import Settings

SETTINGS = """
[contexts.here]
drillable = true
namespaces = ["kong"]
[contexts.here.postgres]
dsn = "host=127.0.0.1 port=1 user=postgres"
{more}
"""
WITH_ITS_KEY = 'password = { name = "kong-postgres", key = "password" }'


class _Secrets:
    def secret(self, namespace: str, name: str, key: str) -> str:
        """As `Cluster.secret`."""
        return f"{namespace}/{name}/{key}"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A settings file to fill in."""
    file = tmp_path / "drill.toml"
    monkeypatch.setenv(settings.FILE_VARIABLE, str(file))
    monkeypatch.setattr(Cluster, "connect", lambda _settings: _Secrets())
    return file


def _load(file: Path, more: str) -> Settings:
    file.write_text(SETTINGS.format(more=more))
    return settings.load(context="here")


def test_the_password_comes_from_the_secret(here: Path) -> None:
    """And no settings file holds it."""
    found = conninfo_to_dict(postgres.conninfo(_load(here, WITH_ITS_KEY)))
    assert found["password"] == "kong/kong-postgres/password"  # noqa: S105 - it is the Secret's name
    assert (found["user"], found["connect_timeout"]) == ("postgres", "5")


def test_without_a_secret_libpq_finds_its_own_way(here: Path) -> None:
    """PGPASSWORD or ~/.pgpass, as for psql."""
    assert "password" not in conninfo_to_dict(postgres.conninfo(_load(here, "")))


def test_what_is_asked_for_beats_the_settings(here: Path) -> None:
    """Another database, another role with another password."""
    found = conninfo_to_dict(
        postgres.conninfo(_load(here, WITH_ITS_KEY), user="drill", password="x", dbname="kong")  # noqa: S106
    )
    assert (found["user"], found["password"], found["dbname"]) == ("drill", "x", "kong")


def test_the_pool_is_another_address(here: Path) -> None:
    """And a context without one says so."""
    loaded = _load(here, 'pooler = "postgresql://postgres@127.0.0.1:2/kong"')
    assert conninfo_to_dict(postgres.conninfo(loaded, pooled=True))["port"] == "2"
    with pytest.raises(UsageError, match="declares no pool"):
        postgres.conninfo(_load(here, ""), pooled=True)


def test_shares_and_limits() -> None:
    """What is reserved is not for clients."""
    now = Sessions({"idle": 70, "active": 5}, max_connections=100, reserved=3)
    assert (now.used, now.usable, now.share) == (75, 97, 0.75)


def test_nobody_there() -> None:
    """A closed port is an answer."""
    with socket.socket() as closed, pytest.raises(PostgresUnreachableError, match="refused"):
        closed.bind(("127.0.0.1", 0))
        postgres.ensure_answers(f"host=127.0.0.1 port={closed.getsockname()[1]} user=x", within=2)


def test_somebody_who_says_nothing() -> None:
    """A server that takes the connection and never answers is not waited for."""
    with socket.socket() as silent, pytest.raises(PostgresUnreachableError, match="timeout"):
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        postgres.ensure_answers(f"host=127.0.0.1 port={silent.getsockname()[1]} user=x", within=2)
