"""What a check of backups finds of one object: a schedule, a location, a backup, a volume."""

from dataclasses import dataclass

from drill.verdicts import Outcome, Verdict


@dataclass(frozen=True)
class Finding:
    """What was found of one object."""

    object: str
    outcome: Outcome
    reason: str
    actual: str | None
    target: str | None
    remedy: str
    """What to do about it; empty: nothing."""

    def verdict(self, check: str) -> Verdict:
        """As a verdict; its details have the object and the remedy."""
        return Verdict(
            check=check,
            outcome=self.outcome,
            reason=self.reason,
            actual=self.actual,
            target=self.target,
            details={"object": self.object, "remedy": self.remedy},
        )


def good(what: str, reason: str, actual: str | None = None, target: str | None = None) -> Finding:
    """As it should be, and that was seen."""
    return Finding(what, Outcome.PASS, reason, actual, target, "")


def bad(what: str, reason: str, remedy: str, actual: str | None = None, target: str | None = None) -> Finding:
    """Not as it should be, and that was seen."""
    return Finding(what, Outcome.FAIL, reason, actual, target, remedy)


def unseen(what: str, reason: str, remedy: str, actual: str | None = None, target: str | None = None) -> Finding:
    """Neither can be told."""
    return Finding(what, Outcome.INCONCLUSIVE, reason, actual, target, remedy)


def some(names: list[str], most: int = 3) -> str:
    """The first of many names, and how many there are more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def hours(value: float) -> str:
    """A duration as people say it, from hours."""
    for size, unit in ((24.0, "d"), (1.0, "h"), (1 / 60, "min")):
        if abs(value) >= 2 * size or unit == "min":
            return f"{value / size:.3g} {unit}"
    raise AssertionError  # min takes all
