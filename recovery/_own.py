"""Checks that a scenario brings along, by their dotted names (`my_checks.name`), beside those that drill has."""

from importlib import import_module

from drill.errors import UsageError
from drill.verdicts import Outcome, Verdict
from recovery._check import Check
from recovery._run import Run


def find(name: str) -> Check:
    """The check of a dotted name.

    Raises:
        UsageError: there is no such module (PYTHONPATH leads to none), it has no such name, or that is no check.
    """
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute, None)
    except ImportError as error:
        raise UsageError(f"{name}: {error}: PYTHONPATH must lead to the module") from error
    if not isinstance(found, Check):
        raise UsageError(f"{name} is no check: make it one with `recovery.check`")
    return found


def verdict(name: str, run: Run) -> Verdict | None:
    """The verdict of a scenario's own check; one that can't be had here is inconclusive, and never left out."""
    try:
        check = find(name)
    except UsageError as error:
        reason = f"The check can't be had: {error}."
        return Verdict(check=name_of(name), outcome=Outcome.INCONCLUSIVE, reason=reason)
    return check(run)


def name_of(name: str) -> str:
    """What a check of a dotted name is called in verdicts."""
    return name.rpartition(".")[2].replace("_", "-")
