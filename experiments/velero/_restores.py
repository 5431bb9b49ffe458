"""A restore, awaited to its end and kept as evidence with what the bucket says of it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from drill import clock
from drill.errors import DrillError
from drill.velero import RUN_LABEL, Restore
from experiments.runbooks._phases import Evidence, StepFailedError
from experiments.velero._backups import volume
from experiments.velero._site import Site, keep

Spec = dict[str, Any]
"""The fields of a Restore's spec, in Velero's own words."""


def restore(
    site: Site, backup: str, namespace: str, into: str, specs: Sequence[Spec], allowed: Sequence[str], within: float
) -> Evidence:
    """Restore a namespace of a backup in one or several steps, each awaited to its end.

    Args:
        site: Where.
        backup: Its name.
        namespace: Which namespace of it.
        into: Into which namespace; the same, or a scratch one.
        specs: Of each step, in their order.
        allowed: Patterns (re.search) of warnings that are known to be harmless.
        within: Seconds for all of it.

    Raises:
        StepFailedError: one of them did not end as Completed, or not in time.
    """
    ends = clock.now() + within
    ended: list[Restore] = []
    trouble: str | None = None
    for number, spec in enumerate(specs, 1):
        name = f"drill-{into.removeprefix('drill-')}-{site.run}-{number}"
        mapping = {namespace: into} if into != namespace else None
        site.velero.create_restore(
            name, backup, namespaces=[namespace], mapping=mapping, labels={RUN_LABEL: site.run}, **spec
        )
        try:
            ended.append(site.velero.await_restore(name, max(0.0, ends - clock.now()), each=0.5))
        except DrillError as error:
            trouble = str(error)
            ended.append(site.velero.restore(name))
            break
        if ended[-1].phase != "Completed":
            trouble = f"restore {name} is {ended[-1].phase}: {'; '.join(ended[-1].troubles) or 'see its results'}"
            break
    evidence = _evidence(site, ended, into, allowed)
    keep("restore", evidence)
    if trouble is not None:
        raise StepFailedError(trouble, evidence)
    return evidence


def _evidence(site: Site, done: Sequence[Restore], into: str, allowed: Sequence[str]) -> dict[str, Any]:
    """Of several steps together; what of the bucket can't be read is left out, and why is said."""
    results: dict[str, Any] = {kind: {"velero": [], "cluster": [], "namespaces": {}} for kind in ("warnings", "errors")}
    listed: defaultdict[str, list[str]] = defaultdict(list)
    unread: list[str] = []
    for each in done:
        if not each.ended:
            unread.append(f"{each.name} has not ended")
            continue
        location = site.velero.backup(each.backup).location
        try:
            for key, entries in site.stored(location, _key(each.name, "resource-list.json.gz")).items():
                listed[key] += entries
            _add(results, site.stored(location, _key(each.name, "results.gz")))
        except DrillError as error:
            unread.append(str(error))
    last = next((each for each in done if each.phase != "Completed"), done[-1])
    return {
        "name": last.name,
        "steps": [each.name for each in done],
        "phase": last.phase,
        "backup": last.backup,
        "into": into,
        "existing": last.existing,
        "failure_reason": "; ".join(last.troubles) or None,
        "errors": sum(each.errors for each in done),
        "warnings": sum(each.warnings for each in done),
        "items": sum(each.items.done for each in done),
        "allowed": list(allowed),
        "results": None if unread else results,
        "resource_list": None if unread else dict(listed),
        "unread": unread,
        "volumes": [volume(one) for each in done for one in site.velero.pod_volume_restores(each.name)],
    }


def _key(name: str, what: str) -> str:
    return f"restores/{name}/restore-{name}-{what}"


def _add(results: dict[str, Any], more: dict[str, Any]) -> None:
    for kind, found in results.items():
        said = more.get(kind) or {}
        found["velero"] += said.get("velero") or []
        found["cluster"] += said.get("cluster") or []
        for namespace, messages in (said.get("namespaces") or {}).items():
            found["namespaces"].setdefault(namespace, []).extend(messages or [])
