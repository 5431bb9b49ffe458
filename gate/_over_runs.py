"""All runs of a scenario together: median and worst of what was measured, held to budgets and to a baseline."""

import statistics
from collections.abc import Iterator, Sequence

from drill.errors import RecordIncompleteError
from drill.record import RunRecord
from drill.verdicts import WORST_FIRST, Outcome, Verdict
from gate._conditions import Conditions, conditions, differences
from gate._drilled import Drilled
from gate._result import HIGHER_IS_BETTER, RunResult, ScenarioResult, Summed, shown
from gate.profile import MEASURES, Baseline, Budgets
from recovery import Measure


def checks(budgets: Budgets, baseline: Baseline | None) -> tuple[str, ...]:
    """The names of what all runs of a scenario are held to, before they are made."""
    names = []
    for name in MEASURES:
        budget = getattr(budgets, name)
        names += [_check(name, bound) for bound in ({} if budget is None else budget.model_dump(exclude_none=True))]
        if baseline is not None and getattr(baseline.regression, name) is not None:
            names.append(_check(name, "against-baseline"))
    return tuple(names)


def _check(measure: str, what: str) -> str:
    return f"{measure}-{what}".replace("_", "-")


def result_of(scenario: str, runs: Sequence[Drilled], verdicts: Sequence[Verdict] = ()) -> ScenarioResult:
    """All runs of one scenario, as the result has them."""
    return ScenarioResult(
        scenario=scenario,
        runs=tuple(_run(each) for each in runs),
        measures=tuple(summed([each.measures for each in runs])),
        verdicts=tuple(verdicts),
    )


def _run(drilled: Drilled) -> RunResult:
    outcomes = [verdict.outcome for verdict in (drilled.ran, *drilled.verdicts)]
    return RunResult(
        record=None if drilled.record is None else str(drilled.record.path),
        outcome=drilled.outcome,
        reason=drilled.ran.reason,
        counts={each: outcomes.count(each) for each in Outcome},
        measures=drilled.measures,
        conditions=None if drilled.record is None else _conditions(drilled.record),
    )


def _conditions(record: RunRecord) -> Conditions | None:
    try:
        return conditions(record)
    except RecordIncompleteError:
        return None  # a comparison says that they are not known


def summed(runs: Sequence[Sequence[Measure]]) -> Iterator[Summed]:
    """Median and worst of each measure; None where one of the runs does not have it."""
    keys = dict.fromkeys((each.name, each.of) for run in runs for each in run)
    for name, of in keys:
        found = [next((each for each in run if (each.name, each.of) == (name, of)), None) for run in runs]
        values = [each.value for each in found if each is not None and each.value is not None]
        if len(values) < len(runs):
            lacking = next((each for each in found if each is None or each.value is None), None)
            why = lacking.why if lacking is not None else "one of the runs does not have it"
            yield Summed(name=name, of=of, median=None, worst=None, why=why)
            continue
        worst = min(values) if name in HIGHER_IS_BETTER else max(values)
        yield Summed(name=name, of=of, median=statistics.median(values), worst=worst)


def judge(
    scenario: ScenarioResult, budgets: Budgets, baseline: Baseline | None, before: ScenarioResult | None
) -> tuple[Verdict, ...]:
    """One verdict for each name of `checks`, in that order.

    Args:
        scenario: All runs of now.
        budgets: What they are held to.
        baseline: What of a baseline they are held to; None: nothing.
        before: The baseline's own runs of the scenario; None: it has none.
    """
    verdicts = []
    for name in MEASURES:
        budget = getattr(budgets, name)
        limits = {} if budget is None else budget.model_dump(exclude_none=True)
        verdicts += [_within(scenario, name, bound, limit) for bound, limit in limits.items()]
        if baseline is not None and (share := getattr(baseline.regression, name)) is not None:
            verdicts.append(_beside(scenario, name, share, baseline, before))
    return tuple(verdicts)


def _within(scenario: ScenarioResult, name: str, bound: str, limit: float) -> Verdict:
    """A budget; a value that is over it by less than it is exact is not known to be."""
    check, sign = _check(name, bound), ">=" if name in HIGHER_IS_BETTER else "<="
    target = f"{bound} {sign} {shown(name, limit)}"
    rows = [each for each in scenario.measures if each.name == name]
    if not rows:
        return _verdict(check, Outcome.INCONCLUSIVE, "No run has it measured.", target)
    outcomes, told = [], []
    for row in rows:
        value = row.median if bound == "median" else row.worst
        if value is None:
            outcomes.append(Outcome.INCONCLUSIVE)
            told.append(f"{_of(row)}not measured in every run: {row.why}")
            continue
        outcomes.append(_held(name, value, limit, _error(scenario, row)))
        told.append(f"{_of(row)}{shown(name, value)}")
    outcome = _worst(outcomes)
    runs = len(scenario.runs)
    reasons = {
        Outcome.PASS: f"The {bound} of {_runs(runs)} is within the budget.",
        Outcome.FAIL: f"The {bound} of {_runs(runs)} is not within the budget.",
        Outcome.INCONCLUSIVE: f"Whether the {bound} of {_runs(runs)} is within the budget can't be told.",
    }
    return _verdict(check, outcome, reasons[outcome], target, "; ".join(told))


def _beside(
    scenario: ScenarioResult, name: str, share: float, baseline: Baseline, before: ScenarioResult | None
) -> Verdict:
    """The medians of now beside those of the baseline, where the conditions are the same."""
    check, better = _check(name, "against-baseline"), name in HIGHER_IS_BETTER
    target = f"at most {share:.0%} {'less' if better else 'longer'} than the baseline's median"

    def unsure(reason: str) -> Verdict:
        return _verdict(check, Outcome.INCONCLUSIVE, reason, target)

    if before is None:
        return unsure("The baseline has no run of this scenario.")
    if trouble := _incomparable(scenario, before, baseline):
        return unsure(trouble)
    rows = {(each.name, each.of): each for each in scenario.measures if each.name == name}
    were = {(each.name, each.of): each for each in before.measures if each.name == name}
    if not rows:
        return unsure("No run has it measured.")
    outcomes, told = [], []
    for key, row in rows.items():
        was = were.get(key)
        if row.median is None or was is None or was.median is None:
            why = row.why if row.median is None else "the baseline does not have it"
            outcomes.append(Outcome.INCONCLUSIVE)
            told.append(f"{_of(row)}not measured in every run: {why}")
            continue
        limit = was.median * (1 - share if better else 1 + share)
        no_worse = row.median >= was.median if better else row.median <= was.median
        exact = _error(scenario, row) + _error(before, was)
        outcomes.append(Outcome.PASS if no_worse else _held(name, row.median, limit, exact))
        change = f" ({row.median / was.median - 1:+.0%})" if was.median else ""
        told.append(f"{_of(row)}{shown(name, row.median)}{change}, was {shown(name, was.median)}")
    outcome = _worst(outcomes)
    reasons = {
        Outcome.PASS: "No worse than the baseline, measured in the same conditions, but for what is allowed.",
        Outcome.FAIL: "Worse than the baseline, measured in the same conditions, by more than is allowed.",
        Outcome.INCONCLUSIVE: "Whether it is worse than the baseline by more than is allowed can't be told.",
    }
    return _verdict(check, outcome, reasons[outcome], target, "; ".join(told))


def _incomparable(scenario: ScenarioResult, before: ScenarioResult, baseline: Baseline) -> str | None:
    """Why numbers of now and of the baseline mean nothing beside each other; None: they do."""
    known = [run.conditions for run in (*scenario.runs, *before.runs)]
    if any(each is None for each in known):
        return "The conditions of a run are not in its record, so that nobody knows whether they were the same."
    first, *others = [each for each in known if each is not None]
    for each in others:
        found = {group: words for group, words in differences(first, each).items() if group not in baseline.may_differ}
        if found:
            words = [word for group in found.values() for word in group]
            more = f" and {len(words) - 3} more" if len(words) > 3 else ""  # noqa: PLR2004 - enough to know where to look
            return f"Not measured in the same conditions: {'; '.join(words[:3])}{more}."
    return None


def _held(name: str, value: float, limit: float, error: float) -> Outcome:
    """Within a limit, beyond it, or too near to it to be told."""
    over = limit - value if name in HIGHER_IS_BETTER else value - limit
    if over > error:
        return Outcome.FAIL
    return Outcome.PASS if over <= -error else Outcome.INCONCLUSIVE


def _error(scenario: ScenarioResult, row: Summed) -> float:
    """How exact a median or a worst is: as exact as the least exact of what it is made of."""
    found = [each.error for run in scenario.runs for each in run.measures if (each.name, each.of) == (row.name, row.of)]
    return max(found, default=0.0)


def _worst(outcomes: Sequence[Outcome]) -> Outcome:
    return next(each for each in WORST_FIRST if each in outcomes)


def _verdict(check: str, outcome: Outcome, reason: str, target: str, actual: str | None = None) -> Verdict:
    return Verdict(check=check, outcome=outcome, reason=reason, target=target, actual=actual)


def _of(row: Summed) -> str:
    return f"{row.of}: " if row.of else ""


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"
