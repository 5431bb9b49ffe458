"""Least privilege for scenarios: what their faults, probes and runner need, as Kubernetes RBAC manifests.

The permissions are those that preflight asks for, with the targets resolved on a real cluster: they are generated as an
administrator there, and no drill needs more.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from drill.cluster import Cluster, Permission
from drill.errors import InputError, Mistake, RefusedError
from drill.settings import Settings
from scenarios import reader
from scenarios.preflight import guard, preflight
from scenarios.reader import Drill

_API = "rbac.authorization.k8s.io"
_CHOSEN = {"Node": "nodes", "Pod": "pods"}
"""What a fault may choose anew in each run, by kind; workloads are always named by the scenario or the settings."""


def family(drill: Drill) -> str:
    """The system whose fault it is: the room of its first action that is a fault (`experiments.<family>`)."""
    actions = [each["provider"] for each in drill.experiment["method"] if each.get("type") == "action"]
    faults = [each["module"] for each in actions if not each["func"].startswith("ensure_")]
    parts = (faults or [each["module"] for each in actions])[0].split(".")
    return str(parts[1] if parts[0] == "experiments" and parts[1:] else parts[0])


def families() -> dict[str, tuple[str, ...]]:
    """The scenarios of the catalogue by their family."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in reader.catalogue():
        drill = reader.read(path)
        found[family(drill)].append(drill.scenario.name)
    return {name: tuple(sorted(scenarios)) for name, scenarios in sorted(found.items())}


def find(names: Sequence[str]) -> list[Drill]:
    """The drills that families, names of the catalogue and files mean.

    Raises:
        InputError: one of them means none.
    """
    known = families()
    wanted = [scenario for name in names for scenario in known.get(name, (name,))]
    try:
        return [reader.read(reader.find(name)) for name in dict.fromkeys(wanted)]
    except InputError as error:
        remedy = f"Families: {', '.join(known)}."
        more = [
            Mistake(each.file, each.line, each.field, each.problem, f"{each.remedy} {remedy}")
            for each in error.mistakes
            if each.field == "scenario"
        ]
        raise InputError(more or error.mistakes) from error


def needed(drill: Drill, settings: Settings, cluster: Cluster) -> tuple[Permission, ...]:
    """All that a run of the drill needs on this cluster.

    Raises:
        RefusedError: its targets can't be resolved now, so nobody knows what it needs.
        UsageError: the settings do not let it run here.
    """
    guard(drill.scenario, settings)
    found = preflight(drill.seeded(0), settings, cluster)
    for check in found.checks:
        if check.name == "targets" and not check.ok:
            raise RefusedError(f"{drill.scenario.name}: nobody knows what it needs while it can't run: {check.detail}")
    return tuple(_lasting(each, drill, found.targets) for each in found.permissions)


def _lasting(permission: Permission, drill: Drill, targets: Sequence[dict[str, Any]]) -> Permission:
    """The same without the name of a node or a pod that this plan chose: the next run may choose another one."""
    told = {str(value).rpartition("/")[2] for value in drill.experiment.get("configuration", {}).values()}
    chosen = {(_CHOSEN[each["kind"]], each.get("name")) for each in targets if each.get("kind") in _CHOSEN}
    if (permission.resource, permission.name) in chosen and permission.name not in told:
        return replace(permission, name="")
    return permission


def manifest(permissions: Iterable[Permission], name: str, account: str, namespace: str) -> list[dict[str, Any]]:
    """A service account, and Roles and a ClusterRole called `name` that let it do just this."""
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": namespace}}
    ]
    by_namespace: defaultdict[str, list[Permission]] = defaultdict(list)
    for permission in permissions:
        by_namespace[permission.namespace or ""].append(permission)
    for where, granted in sorted(by_namespace.items()):
        role, metadata = ("Role", {"name": name, "namespace": where}) if where else ("ClusterRole", {"name": name})
        objects += [
            {"apiVersion": f"{_API}/v1", "kind": role, "metadata": metadata, "rules": _rules(granted)},
            {
                "apiVersion": f"{_API}/v1",
                "kind": f"{role}Binding",
                "metadata": metadata,
                "roleRef": {"apiGroup": _API, "kind": role, "name": name},
                "subjects": [subject],
            },
        ]
    return objects


def _rules(permissions: Sequence[Permission]) -> list[dict[str, Any]]:
    """One rule for each resource and each set of its objects; what is granted for all needs no names."""
    everywhere = {(each.group, _resource(each), each.verb) for each in permissions if not each.name}
    verbs: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    for each in permissions:
        if not each.name or (each.group, _resource(each), each.verb) not in everywhere:
            verbs[each.group, _resource(each), each.name].add(each.verb)
    names: defaultdict[tuple[str, str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (group, resource, name), allowed in verbs.items():
        names[group, resource, tuple(sorted(allowed))].append(name)
    return [
        {
            "apiGroups": [group],
            "resources": [resource],
            **({"resourceNames": sorted(objects)} if all(objects) else {}),
            "verbs": list(allowed),
        }
        for (group, resource, allowed), objects in sorted(names.items())
    ]


def _resource(permission: Permission) -> str:
    return "/".join(filter(None, (permission.resource, permission.subresource)))
