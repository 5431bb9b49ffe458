"""Three-valued verdicts."""

import pytest

from drill.exits import ExitCode
from drill.verdicts import Outcome, Verdict, overall


def _verdict(outcome: Outcome) -> Verdict:
    return Verdict(check="x", outcome=outcome, reason="because")


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], Outcome.INCONCLUSIVE),
        ([Outcome.PASS], Outcome.PASS),
        ([Outcome.PASS, Outcome.INCONCLUSIVE], Outcome.INCONCLUSIVE),
        ([Outcome.INCONCLUSIVE, Outcome.FAIL, Outcome.PASS], Outcome.FAIL),
    ],
)
def test_fail_beats_inconclusive_beats_pass(outcomes: list[Outcome], expected: Outcome) -> None:
    """And no checks at all prove nothing."""
    assert overall(map(_verdict, outcomes)) is expected


def test_each_outcome_has_its_own_exit_code() -> None:
    """A shell can tell the three apart."""
    assert [outcome.exit_code for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE)] == [
        ExitCode.PASS,
        ExitCode.FAIL,
        ExitCode.INCONCLUSIVE,
    ]
