"""How far to trust a page: what was measured and how well, what was not, and what one run cannot say."""

from collections.abc import Sequence

from drill.ledger import Accounting
from drill.record import RunRecord
from drill.series import ClientSeries
from recovery import Timeline
from reports._faults import Fault
from reports._format import duration, number, plural
from reports._measured import Missing


def limits(
    record: RunRecord,
    timeline: Timeline,
    faults: Sequence[Fault],
    books: Accounting | Missing,
    series: ClientSeries | Missing,
) -> tuple[str, ...]:
    """Plain sentences, those that bear on the verdict first."""
    found = []
    once = (
        f"This is one run with {plural(len(faults), 'fault')}. It shows what happened, not how often or how bad it can "
    )
    found.append(once + "get: another moment, load or broker may recover slower.")
    if timeline.error is not None:
        found.append(
            f"Outages are exact to ± {duration(timeline.error)}: the width of the bins that answers are counted in and "
            "the worst time by which the load itself was late."
        )
    if timeline.paths:
        low, high = (pick(path.threshold for path in timeline.paths) for pick in (min, max))
        span = duration(low) if low == high else f"{duration(low)} to {duration(high)}, by partition"
        found.append(f"A silence is an outage from {span} on; a shorter one is not told from jitter.")
    if not isinstance(books, Missing):
        found.append(
            f"Records without a definite answer: {number(books.indeterminate)}, of them found in the topic: "
            f"{number(books.indeterminate_seen)}. They count neither as acknowledged nor as lost."
        )
    if not isinstance(series, Missing):
        late = f"The load itself was at most {duration(series.max_lag)} late (p99 {duration(series.lag_p99)})."
        found.append(
            "Latency counts from when a record was due, not from when it was sent, so that a stalled client can't hide "
            f"waiting records. {late} Records that were never acknowledged have no latency and are in no chart of it."
        )
    found.append("All times are of one clock, that of the machine that ran the load; it never steps during a run.")
    found.append(
        "Clients were where the load ran. What a client elsewhere saw (another network, DNS, proxy) was not measured."
    )
    if not record.events_of("observed.pods"):
        found.append("The pods were not observed, so that the control plane's view (t4) is not known.")
    return tuple(found)
