"""A crowd at the door: clients that connect at the same moment, as those of a pool do, and what the server tells them.

A client that is no superuser is refused while slots are reserved for superusers ("remaining connection slots are
reserved ..."). But whoever connects has a slot until it is known who it is (`InitProcess` comes before authentication
in PostgreSQL), so that of a crowd those who come when even these are taken get "sorry, too many clients already". Both
are SQLSTATE 53300, which libpq keeps to itself until a session is there; hence these few lines of the protocol
(https://www.postgresql.org/docs/current/protocol-flow.html).
"""

import socket
import struct
from contextlib import ExitStack
from dataclasses import dataclass

from drill.postgres import PostgresUnreachableError

TOO_MANY_CONNECTIONS = "53300"
_VERSION = 196608
"""3.0."""
_TIMEOUT = 5.0


@dataclass(frozen=True)
class Refusal:
    """A server's FATAL."""

    sqlstate: str
    message: str


def refusal(host: str, port: int, user: str, database: str, clients: int) -> Refusal | None:
    """Knock `clients` times at the most, each keeping its place, until one is refused at the door; then all leave.

    Nobody authenticates, and all of it takes some milliseconds: superusers, too, are kept out for no longer.

    Raises:
        PostgresUnreachableError: nobody answers.
    """
    with ExitStack() as stack:
        try:
            for _ in range(clients):
                knocking = stack.enter_context(_open(host, port))
                if refused := _knock(knocking, user, database):
                    return refused
        except (OSError, struct.error) as error:
            raise PostgresUnreachableError(f"{host}:{port}: {error}") from error
    return None


def _open(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port), timeout=_TIMEOUT)
    local = socket.socket(socket.AF_UNIX)
    local.settimeout(_TIMEOUT)
    local.connect(f"{host}/.s.PGSQL.{port}")
    return local


def _knock(link: socket.socket, user: str, database: str) -> Refusal | None:
    parameters = {"user": user, "database": database, "application_name": "drill"}
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items()) + b"\0"
    link.sendall(struct.pack("!ii", len(body) + 8, _VERSION) + body)
    kind, length = struct.unpack("!ci", _exactly(link, 5))
    answer = _exactly(link, length - 4)
    if kind != b"E":
        return None
    fields = {field[:1]: field[1:].decode(errors="replace") for field in answer.split(b"\0") if field}
    return Refusal(fields.get(b"C", ""), f"{fields.get(b'S', '')}:  {fields.get(b'M', '')}")


def _exactly(link: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        if not (part := link.recv(size - len(received))):
            raise ConnectionResetError("the server closed the connection")
        received += part
    return received
