"""What surrounds an experiment: what it would hit, what it needs before, and what it may leave behind."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from chaoslib import substitute
from chaoslib.configuration import load_configuration
from chaoslib.exceptions import ActivityFailed

from drill import rollback
from drill.cluster import Permission
from drill.errors import UsageError
from drill.interruption import undisturbed


@dataclass(frozen=True)
class Plan:
    """What a fault would hit and what it must be allowed to do."""

    targets: tuple[dict[str, Any], ...]
    """Each {kind, namespace, name, ...}, as in the events of the fault."""
    permissions: tuple[Permission, ...]


def plan(experiment: dict[str, Any]) -> Plan:
    """Ask each action of the experiment's method what it would do, with the arguments that it would get.

    Raises:
        drill.errors.RefusedError: a fault would refuse to start.
        drill.errors.DrillError: a target cannot be resolved.
    """
    plans: list[Plan] = []
    for provider, arguments in _actions(experiment):
        planned = planner(provider["module"], provider["func"])
        if planned is None:
            raise UsageError(
                f"{provider['module']}.{provider['func']} can't be planned, so nothing bounds what it hits"
            )
        plans.append(planned(**arguments))
    return Plan(
        targets=tuple(target for each in plans for target in each.targets),
        permissions=tuple(dict.fromkeys(permission for each in plans for permission in each.permissions)),
    )


def planner(module: str, name: str) -> Callable[..., Plan] | None:
    """What plans an action: its own `plan` (made by `@fault`), or its `plan_` sibling; None: it can't be planned."""
    home = import_module(module)
    found: Callable[..., Plan] | None = getattr(getattr(home, name), "plan", None) or getattr(
        home, f"plan_{name}", None
    )
    return found


def prepare(experiment: dict[str, Any]) -> list[Any]:
    """Run the `ensure_` actions of the experiment's method now, before the load that needs what they bring about."""
    return [
        getattr(import_module(provider["module"]), provider["func"])(**arguments)
        for provider, arguments in _actions(experiment)
        if provider["func"].startswith("ensure_")
    ]


def undo() -> list[dict[str, Any]]:
    """Rollback of every experiment: undo what is still pending in the rollback log; nothing, after a whole run.

    Raises:
        ActivityFailed: something could not be undone; it stays pending.
    """
    with undisturbed():
        results = rollback.undo_pending()
    if failed := [result for result in results if not result.ok]:
        raise ActivityFailed("; ".join(f"{result.undo}: {result.error}" for result in failed))
    return [asdict(result) for result in results]


def _actions(experiment: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each Python action of the method: its provider, and its arguments with the configuration filled in."""
    configuration = load_configuration(experiment.get("configuration", {}))
    for activity in experiment["method"]:
        if activity.get("type") == "action" and activity["provider"]["type"] == "python":
            yield activity["provider"], substitute(activity["provider"].get("arguments", {}), configuration, {})
