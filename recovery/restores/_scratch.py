"""A restore drill hurts nothing: the namespace whose backup it restores is as it was."""

from typing import Any

from drill.errors import RecordIncompleteError
from recovery._check import Finding, check, counted, failed, passed
from recovery._run import Run
from recovery.restores._evidence import held


@check(
    "evidence/cluster-before.json",
    "evidence/cluster-after.json",
    target=lambda o: "no pod replaced or restarted" if held(o) else None,
    applies=lambda run: bool((run.record.scenario.get("target") or {}).get("scratch")),
)
def source_untouched(run: Run) -> Finding:
    """Each pod of the namespaces that are only read is the same, and its containers did not restart."""
    before, after = (_pods(run, name) for name in ("cluster-before", "cluster-after"))
    changed = [name for name, identity in before.items() if after.get(name) != identity]
    if changed:
        return failed(f"Not the same pod as before: {', '.join(changed)}.", f"{len(changed)} changed", changed=changed)
    return passed("Every pod of the source is the same as before.", f"{counted(len(before), 'pod')} unchanged")


def _pods(run: Run, name: str) -> dict[str, tuple[Any, ...]]:
    snapshot = run.record.evidence(name)
    if not snapshot.get("pods"):
        raise RecordIncompleteError(
            f"evidence/{name}.json lists no pods: {snapshot.get('error', 'it does not say why')}"
        )
    return {f"{pod['namespace']}/{pod['name']}": (pod["uid"], pod["restarts"]) for pod in snapshot["pods"]}
