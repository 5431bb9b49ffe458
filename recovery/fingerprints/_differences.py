"""Differences by name, and the verdict that they make."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drill.verdicts import Outcome, Verdict

_SHOWN = 5
"""Differences in a verdict's sentence; all of them are in its details."""
_LONGEST = 160
"""Characters of one difference in a verdict's sentence."""
_NAMED = 40
"""Characters of a name's end by which it can be told from others."""


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was."""

    name: str
    what: str

    def __str__(self) -> str:
        text = f"{self.name}: {self.what}"
        if len(text) <= _LONGEST:
            return text
        room = _LONGEST - len(self.what) - len("…: ")
        # The end of a location says more than its beginning, and what is wrong with it more than either.
        return f"…{self.name[-room:]}: {self.what}" if room >= _NAMED else text[: _LONGEST - 1] + "…"


@dataclass
class Comparison:
    """What a check compared so far."""

    differences: list[Difference] = field(default_factory=list)
    doubts: list[Difference] = field(default_factory=list)
    """What could not be compared."""
    notes: list[str] = field(default_factory=list)
    """What is not as it was and may be so: sentences."""

    def differs(self, name: str, what: str) -> None:
        """Something is not as it was."""
        self.differences.append(Difference(name, what))

    def doubtful(self, name: str, what: str) -> None:
        """Something could not be compared."""
        self.doubts.append(Difference(name, what))

    def verdict(
        self,
        check: str,
        *,
        target: str,
        well: str,
        nothing: str | None = None,
        actual: str | None = None,
        evidence: Sequence[str] = (),
        **details: Any,
    ) -> Verdict:
        """Fail on any difference; else inconclusive on any doubt, or when there was nothing to compare; else pass.

        Args:
            check: Its name.
            target: What is held to.
            well: The sentence of a pass.
            nothing: The sentence when there was nothing to compare; None: there was something.
            actual: How much was compared.
            evidence: Files of the record.
            details: More of them.
        """
        if self.differences:
            outcome, reason = Outcome.FAIL, _listed(self.differences, "difference")
        elif self.doubts:
            outcome, reason = Outcome.INCONCLUSIVE, f"Not all could be compared: {_listed(self.doubts, 'doubt')}"
        elif nothing is not None:
            outcome, reason = Outcome.INCONCLUSIVE, nothing
        else:
            outcome, reason = Outcome.PASS, " ".join([well, *self.notes])
        return Verdict(
            check=check,
            outcome=outcome,
            reason=reason,
            target=target,
            actual=actual,
            evidence=tuple(evidence),
            details={
                "differences": [vars(each) for each in self.differences],
                "doubts": [vars(each) for each in self.doubts],
                "notes": list(self.notes),
                **details,
            },
        )


def names(
    before: Iterable[str], after: Iterable[str], found: Comparison, kind: str, *, extra: bool = True
) -> list[str]:
    """Note what is missing and, with `extra`, what is there beyond; returns the names that are on both sides."""
    old, new = set(before), set(after)
    for name in sorted(old - new):
        found.differs(name, f"the {kind} is missing")
    for name in sorted(new - old) if extra else ():
        found.differs(name, f"the {kind} was not there before")
    return sorted(old & new)


def texts(prefix: str, before: Mapping[str, str], after: Mapping[str, str], found: Comparison) -> None:
    """Note every text that is missing, beyond, or another; named `prefix: its name`."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if new is None:
            found.differs(prefix, f"{name} is missing")
        elif old is None:
            found.differs(prefix, f"{name} was not there before")
        else:
            found.differs(prefix, f"{name} is {_short(new)!r}, was {_short(old)!r}")


def incomparable(check: str, reason: str, evidence: Sequence[str]) -> tuple[Verdict, ...]:
    """The one verdict on fingerprints that are not of the same things."""
    return (Verdict(check=check, outcome=Outcome.INCONCLUSIVE, reason=reason, evidence=tuple(evidence)),)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST // 3 else line[: _LONGEST // 3] + "…"


def _listed(found: Sequence[Difference], noun: str) -> str:
    shown = "; ".join(map(str, found[:_SHOWN]))
    more = len(found) - _SHOWN
    return f"{shown}; and {more:,} more {noun}{'s' if more > 1 else ''}." if more > 0 else f"{shown}."
