"""What was recognised, as the tables of a context's settings; what nobody can see is said in a note."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from drill.discovery._addresses import Address, address
from drill.discovery._seen import Group, Seen
from drill.discovery._systems import SIGNS, System

_DRILLED = ("kafka", "postgres", "pgbouncer", "dolphinscheduler", "trino")
"""Systems whose namespaces faults are injected in."""
_CLIENTS_OF_KAFKA = (9094, 9092, 9095, 9093)
"""Where Kafka's listeners for clients are, by custom; outside first."""


@dataclass
class Table:
    """One table of the settings."""

    values: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    """What was found, by what, and what is left to say: comments."""

    def note(self, warning: str | None) -> None:
        """Add a note, if there is something to say."""
        if warning:
            self.notes.append(warning)


@dataclass(frozen=True)
class Declared:
    """What a context would declare."""

    namespaces: tuple[str, ...]
    tables: dict[str, Table]
    missing: tuple[str, ...]
    """Systems that drill knows and that were not found, or can't be declared: why."""


def declare(seen: Seen, found: dict[str, System]) -> Declared:
    """The settings for what was found."""
    tables = {name: table for name, make in _TABLES.items() if (table := make(seen, found)) is not None}
    missing = [f"no {name} was recognised" for name in _TABLES if name != "object_store" and name not in found]
    if "object_store" not in tables:
        missing.append("no object store: no storage location of Velero names an S3 bucket")
    namespaces = {found[name].group.namespace: None for name in _DRILLED if name in found}
    return Declared(tuple(namespaces), tables, tuple(missing))


def _kafka(seen: Seen, found: dict[str, System]) -> Table | None:
    if (system := found.get("kafka")) is None:
        return None
    group = system.group
    way = address(seen, group, _CLIENTS_OF_KAFKA)
    table = _table(system, {"bootstrap": way.all, "namespace": group.namespace, "statefulset": group.name})
    table.values |= {"selector": selector(seen, group), "container": _container(system)}
    table.note(way.warning)
    table.note('where clients must log in: client = { "security.protocol" = "SASL_SSL", ... }')
    return table


def _postgres(seen: Seen, found: dict[str, System]) -> Table | None:
    if (system := found.get("postgres")) is None:
        return None
    group = system.group
    user = _literal(group, "POSTGRES_USER") or "postgres"
    database = _literal(group, "POSTGRES_DB", "POSTGRES_DATABASE", "POSTGRESQL_DATABASE") or "postgres"
    way = address(seen, group, (5432,))
    table = _table(system, {"dsn": _dsn(way, user, database)})
    table.note(way.warning)
    if pooler := found.get("pgbouncer"):
        through = address(seen, pooler.group, (6432, 5432))
        table.values["pooler"] = _dsn(through, user, database)
        table.note(f"pool: {pooler.group.ref}, by {pooler.why}")
        table.note(through.warning and f"the pool: {through.warning}")
    names = ("POSTGRES_PASSWORD", "POSTGRES_POSTGRES_PASSWORD", "POSTGRESQL_POSTGRES_PASSWORD", "PGPASSWORD_SUPERUSER")
    if password := _secret(group, *names):
        table.values["password"] = password
    else:
        table.note('whose password is where: password = { name = "a Secret", key = "its key" }, or ~/.pgpass')
    table.note(f"user {user} must be a superuser; rows that are accounted for go to a table of its own in {database}")
    table.values |= {"database": database, "namespace": group.namespace, "statefulset": group.name}
    table.values |= {"selector": selector(seen, group), "container": _container(system)}
    return table


def _dolphinscheduler(seen: Seen, found: dict[str, System]) -> Table | None:
    if (system := found.get("dolphinscheduler")) is None:
        return None
    way = address(seen, system.group, (12345,))
    values = {"url": f"http://{way.first}/dolphinscheduler", "namespace": system.group.namespace}
    table = _table(system, values | {"api": system.group.name})
    for part in ("master", "worker"):
        if other := found.get(f"dolphinscheduler-{part}"):
            table.values[part] = other.group.name
    table.note(way.warning)
    table.note('password of `user` (admin): DRILL_DOLPHINSCHEDULER_PASSWORD, or password = { name = "a Secret" }')
    return table


def _prometheus(seen: Seen, found: dict[str, System]) -> Table | None:
    if (system := found.get("prometheus")) is None:
        return None
    way = address(seen, system.group, (9090,))
    table = _table(system, {"url": f"http://{way.first}"})
    table.note(way.warning)
    return table


def _trino(seen: Seen, found: dict[str, System]) -> Table | None:
    if (system := found.get("trino")) is None:
        return None
    group = system.group
    way = address(seen, group, (8080,))
    table = _table(system, {"url": f"http://{way.first}", "namespace": group.namespace, "coordinator": group.name})
    workers = [each for each in seen.groups if each.namespace == group.namespace and each.name.endswith("worker")]
    if worker := next((each for each in workers if "trino" in " ".join((each.name, *each.labels.values()))), None):
        table.values["worker"] = worker.name
    table.note(way.warning)
    table.note('an Iceberg catalog and a schema of it: catalog = "iceberg", schema = "lakehouse"')
    return table


def _object_store(seen: Seen, found: dict[str, System]) -> Table | None:
    location = next((each for each in seen.locations if _usable(each)), None)
    if location is None:
        return None
    spec, config = location["spec"], location["spec"].get("config") or {}
    values: dict[str, Any] = {"bucket": spec["objectStorage"]["bucket"]}
    if region := config.get("region"):
        values["region"] = region
    notes = [f"of Velero's storage location {location['metadata']['namespace']}/{location['metadata']['name']}"]
    table = Table(values, notes)
    url, minio = config.get("publicUrl") or config.get("s3Url"), found.get("minio")
    if minio and url and _leads_to(seen, minio.group, url):
        way = address(seen, minio.group, (9000,))
        values |= {"endpoint": f"{urlsplit(url).scheme}://{way.first}", "namespace": minio.group.namespace}
        keys = (_secret(minio.group, "MINIO_ROOT_USER"), _secret(minio.group, "MINIO_ROOT_PASSWORD"))
        if all(keys):
            values |= {"access_key": keys[0], "secret_key": keys[1]}
        table.note(f"{minio.group.ref}, by {minio.why}")
        table.note(way.warning)
    elif url:
        values["endpoint"] = url.rstrip("/")
        table.note("as Velero reaches it: put here how the machine that drills does, if that is another way")
    else:
        values["path_style"] = config.get("s3ForcePathStyle") == "true"
    if "access_key" not in values:
        table.note('keys: AWS_* or ~/.aws, or access_key = { name = "a Secret", key = "..." } and secret_key')
    return table


def _velero(seen: Seen, found: dict[str, System]) -> Table | None:  # noqa: ARG001 - as every table is made
    system = found.get("velero")
    return None if system is None else _table(system, {"namespace": system.group.namespace})


_TABLES: dict[str, Callable[[Seen, dict[str, System]], Table | None]] = {
    "kafka": _kafka,
    "postgres": _postgres,
    "dolphinscheduler": _dolphinscheduler,
    "prometheus": _prometheus,
    "trino": _trino,
    "object_store": _object_store,
    "velero": _velero,
}


def selector(seen: Seen, group: Group) -> str:
    """The fewest of a group's labels that select no pod of another group in its namespace."""
    others = [each.labels for each in seen.groups if each.namespace == group.namespace and each != group]
    chosen: dict[str, str] = {}
    for key, value in sorted(group.labels.items(), key=lambda each: not each[0].startswith("app.kubernetes.io/name")):
        if chosen and not any(chosen.items() <= other.items() for other in others):
            break
        chosen[key] = value
    return ",".join(f"{key}={value}" for key, value in chosen.items())


def _table(system: System, values: dict[str, Any]) -> Table:
    also = [f"also found, and not declared: {each.ref}" for each in system.others]
    return Table(values, [f"{system.group.ref}, by {system.why}", *also])


def _container(system: System) -> str:
    """The container that listens at the system's port, or the first one."""
    port = SIGNS[system.name].port
    listening = (
        each["name"]
        for each in system.group.containers
        if port in {one["containerPort"] for one in each.get("ports") or []}
    )
    return str(next(listening, system.group.containers[0]["name"]))


def _dsn(way: Address, user: str, database: str) -> str:
    hosts, ports = ",".join(way.hosts), ",".join(str(way.port) for _ in way.hosts)
    return f"host={hosts} port={ports} user={user} dbname={database} connect_timeout=3"


def _literal(group: Group, *names: str) -> str | None:
    found = (each.get("value") for name in names if (each := group.environment(name)))
    return next(filter(None, found), None)


def _secret(group: Group, *names: str) -> dict[str, str] | None:
    """Where a variable of a pod has its value from; its value itself is not looked at."""
    return next(_references(group, names), None)


def _references(group: Group, names: tuple[str, ...]) -> Iterator[dict[str, str]]:
    for name in names:
        reference = ((group.environment(name) or {}).get("valueFrom") or {}).get("secretKeyRef")
        if reference:
            yield {"name": reference["name"], "key": reference["key"]}


def _usable(location: dict[str, Any]) -> bool:
    spec = location["spec"]
    return spec.get("provider", "").rpartition("/")[2] == "aws" and bool(spec.get("objectStorage", {}).get("bucket"))


def _leads_to(seen: Seen, group: Group, url: str) -> bool:
    """Whether a URL inside the cluster is that of a Service of a group."""
    host = urlsplit(url).hostname or ""
    names = [each["metadata"]["name"] for each in seen.services_of(group)]
    return any(host == name or host.startswith(f"{name}.{group.namespace}") for name in names)
