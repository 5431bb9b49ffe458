"""The platform's passwords: random, made by the first `up`, and nowhere but in the cluster's Secrets."""

import base64
import json
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from lab import _catalogue, _velero
from lab._kubectl import kubectl
from lab._parts import DOLPHINSCHEDULER, MINIO, MONITORING, POSTGRES, TRINO, VELERO, Part

_LABEL = "app.kubernetes.io/managed-by"
_OWNER = "drill-lab"

_DATABASE = "kong-postgres.kong.svc.cluster.local:5432"

Contents = Mapping[tuple[str, str], Mapping[str, str]]
"""The values of Secrets by namespace and name."""


def apply_secrets(kube: Path, parts: Iterable[Part]) -> None:
    """Make the Secrets that the pods of these parts start from, in their namespaces; passwords that are there stay.

    Raises:
        LabError: the API server did not take them.
    """
    wanted = tuple(parts)
    if not {POSTGRES, MINIO} & set(wanted):  # without them there are no clients of them either
        return
    found = json.loads(kubectl(kube, "get", "secrets", "--all-namespaces", f"--selector={_LABEL}={_OWNER}", "-o=json"))
    there = {(each["metadata"]["namespace"], each["metadata"]["name"]): _decoded(each) for each in found["items"]}
    names = dict.fromkeys(part.namespace for part in wanted)
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    values = contents(wanted, there)
    items = [*spaces, *(_secret(namespace, name, value) for (namespace, name), value in values.items())]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    kubectl(kube, "apply", "--server-side", "--force-conflicts", "--filename=-", text=text)


def contents(parts: Iterable[Part], there: Contents) -> Contents:
    """What the Secrets of these parts hold, given what is there already."""

    def kept(namespace: str, name: str, *keys: str) -> dict[str, str]:
        before = there.get((namespace, name), {})
        return {key: before.get(key) or secrets.token_urlsafe(18) for key in keys}

    wanted = set(parts)
    made: dict[tuple[str, str], Mapping[str, str]] = {}
    if POSTGRES in wanted:
        made.update(_of_postgres(wanted, kept))
    if MINIO in wanted:
        keys = kept("minio", "minio", "access-key", "secret-key")
        made["minio", "minio"] = keys
        if TRINO in wanted:
            made["data-platform", "trino-object-store"] = keys
            made[_catalogue.SECRET] = kept(*_catalogue.SECRET, _catalogue.PASSWORD)
        if VELERO in wanted:
            made["velero", _velero.CREDENTIALS] = {_velero.CREDENTIALS_KEY: _profile(keys)}
    if VELERO in wanted:
        made["velero", _velero.REPOSITORY] = kept("velero", _velero.REPOSITORY, _velero.REPOSITORY_KEY)
    return made


def _of_postgres(wanted: Collection[Part], kept: Callable[..., dict[str, str]]) -> Contents:
    made: dict[tuple[str, str], Mapping[str, str]] = {}
    # `password` is the superuser's; the others are of the roles that the first start of the server makes.
    roles = kept("kong", "kong-postgres", "password", "kong", "dolphinscheduler", "exporter")
    made["kong", "kong-postgres"] = roles
    users = {"postgres": roles["password"], "kong": roles["kong"], "dolphinscheduler": roles["dolphinscheduler"]}
    lines = "".join(f'"{user}" "{password}"\n' for user, password in users.items())
    made["kong", "kong-pgbouncer"] = {"userlist.txt": lines}
    if DOLPHINSCHEDULER in wanted:
        made["data-platform", "dolphinscheduler"] = kept("data-platform", "dolphinscheduler", "password")
        made["data-platform", "dolphinscheduler-database"] = {"password": roles["dolphinscheduler"]}
    if MONITORING in wanted:
        name = f"postgresql://exporter:{roles['exporter']}@{_DATABASE}/postgres?sslmode=disable"
        made["monitoring", "postgres-exporter"] = {"data-source": name}
    return made


def _profile(keys: Mapping[str, str]) -> str:
    """Credentials as the file that AWS' libraries read."""
    return f"[default]\naws_access_key_id={keys['access-key']}\naws_secret_access_key={keys['secret-key']}\n"


def _secret(namespace: str, name: str, values: Mapping[str, str]) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name, "labels": {_LABEL: _OWNER}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(values)}


def _decoded(secret: dict[str, Any]) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret.get("data", {}).items()}
