"""How far to trust a page: what was measured and how well, what was not, and what one run cannot say."""

from collections.abc import Sequence

from drill.record import RunRecord
from recovery import Timeline
from reports._books import Account
from reports._faults import Fault
from reports._format import duration, number, plural
from reports._measured import Missing, measured
from reports._scene import View


def limits(
    record: RunRecord,
    timeline: Timeline,
    faults: Sequence[Fault],
    accounts: Sequence[Account],
    views: Sequence[View] | Missing,
    *,
    loaded: bool,
) -> tuple[str, ...]:
    """Plain sentences, those that bear on the verdict first."""
    found = []
    once = (
        f"This is one run with {plural(len(faults), 'fault')}. It shows what happened, not how often or how bad it can "
    )
    found.append(once + "get: another moment, load or broker may recover slower.")
    if not loaded:
        found[0] = once + "get: another moment, or more data, may take longer."
        found.append("No clients ran, so that nothing is known of what they would have seen.")
        found.append("All times are of one clock, that of the machine that ran the drill; a backup's are Velero's own.")
        return tuple(found)
    if timeline.error is not None:
        found.append(
            f"Outages are exact to ± {duration(timeline.error)}: the width of the bins that answers are counted in and "
            "the worst time by which the load itself was late."
        )
    if timeline.paths:
        low, high = (pick(path.threshold for path in timeline.paths) for pick in (min, max))
        part = "partition" if all(path.service == "kafka" for path in timeline.paths) else "path"
        span = duration(low) if low == high else f"{duration(low)} to {duration(high)}, by {part}"
        found.append(f"A silence is an outage from {span} on; a shorter one is not told from jitter.")
    seldom = [path for path in timeline.paths if path.service != "kafka" and path.baseline_gap > 0.1]  # noqa: PLR2004
    if seldom:
        asked = ", ".join(f"{path.name} every {duration(path.baseline_gap)} at most" for path in seldom)
        found.append(f"An outage is no sharper than the load asks: {asked}. It can only look longer by that.")
    found += [
        f"{each.noun.capitalize()}s without a definite answer: {number(each.books.indeterminate)}, of them found in "
        f"the {each.store}: {number(each.books.indeterminate_seen)}. They count neither as acknowledged nor as lost."
        for each in accounts
        if not isinstance(each.books, Missing)
    ]
    series = [] if isinstance(views, Missing) else [measured(record, lambda view=view: view.series) for view in views]  # type: ignore[misc]
    lagged = [each for each in series if not isinstance(each, Missing)]
    if lagged and not isinstance(views, Missing):
        worst = max(lagged, key=lambda each: each.max_lag)
        late = f"The load itself was at most {duration(worst.max_lag)} late (p99 {duration(worst.lag_p99)})."
        noun = views[0].noun if len(views) == 1 else "request"
        found.append(
            f"Latency counts from when a {noun} was due, not from when it was sent, so that a stalled client can't "
            f"hide waiting {noun}s. {late} {noun.capitalize()}s that were never acknowledged have no latency and are "
            "in no chart of it."
        )
    found.append("All times are of one clock, that of the machine that ran the load; it never steps during a run.")
    found.append(
        "Clients were where the load ran. What a client elsewhere saw (another network, DNS, proxy) was not measured."
    )
    if not record.events_of("observed.pods"):
        found.append("The pods were not observed, so that the control plane's view (t4) is not known.")
    return tuple(found)
