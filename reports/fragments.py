"""Pieces of a run's report for somebody else's page: verdicts as a table, and the figures that show what they say."""

import re
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files

from drill.record import RunRecord
from drill.verdicts import Verdict
from recovery import Timeline, timeline
from reports._faults import faults
from reports._measured import Missing, measured
from reports._scene import Scene
from reports._templates import draw
from reports.figures import Drawn, figures, gantt

CLASS = "drill-report"
"""Of the element that holds a piece; the style sheet reaches no further."""
SHOWN_BY = {
    "client-outage": ("availability", "closeup"),
    "rto": ("availability",),
    "platform-restored": ("runbook",),
    "phases-within-budget": ("runbook",),
    "latency-p99": ("latency",),
    "baseline-sane": ("latency",),
    "achieved-over-offered": ("throughput",),
    "offered-load-achieved": ("throughput",),
    "cluster-healthy-after": ("brokers", "sessions", "pods"),
}
"""Which figures show what a check is about, by the beginnings of their names."""
_ID = re.compile(r'(?<=\bid=")([^"]+)(?=")')
_REFERENCE = re.compile(r'(?P<before>\b(?:id|aria-labelledby)="|\bhref="#|url\(#)(?P<ids>[^")]+)')
_NARROW = re.compile(r'<div class="chart narrow">.*?</div>', re.DOTALL)


class Fragments:
    """The pieces of one record's report.

    Args:
        record: The record, judged.
        href: Where its folder is, seen from the page.
        prefix: Unique on the page; ids of several records must not clash.
    """

    def __init__(self, record: RunRecord, href: str, prefix: str) -> None:
        self._record, self._href, self._prefix = record, href, prefix

    def overview(self, ran: Verdict) -> str:
        """Every verdict, `ran` first, and the figures that belong to no single check."""
        verdicts = measured(self._record, lambda: self._record.verdicts)
        told = () if isinstance(verdicts, Missing) else verdicts
        claimed = {name for verdict in told for name in SHOWN_BY.get(verdict.check, ())}
        unclaimed = [each for each in self._figures if not each.name.startswith(tuple(claimed) or ("\0",))]
        return self._piece((ran, *told), unclaimed, "overview")

    def of(self, verdict: Verdict) -> str:
        """One verdict, and the figures that show what it is about."""
        names = SHOWN_BY.get(verdict.check, ())
        shown = [each for each in self._figures if each.name.startswith(names)] if names else []
        return self._piece((verdict,), shown, verdict.check)

    @staticmethod
    def table(verdicts: Sequence[Verdict]) -> str:
        """Verdicts on what has no record, or several."""
        return draw("fragment.html.j2", {"verdicts": verdicts, "figures": ()})

    @cached_property
    def _figures(self) -> tuple[Drawn, ...]:
        record = self._record
        times = measured(record, lambda: timeline(record))
        hits = measured(record, lambda: faults(record))
        scene = Scene(
            record, Timeline() if isinstance(times, Missing) else times, () if isinstance(hits, Missing) else hits
        )
        drawn = figures(scene)
        has_runbook = not isinstance(measured(record, lambda: record.first("runbook.started")), Missing)
        return (*drawn, gantt(scene)) if has_runbook else drawn

    def _piece(self, verdicts: Sequence[Verdict], drawn: Sequence[Drawn], name: str) -> str:
        html = _NARROW.sub("", draw("fragment.html.j2", {"verdicts": verdicts, "figures": drawn}, self._href))
        return _prefixed(html, f"{self._prefix}-{name}-")


def stylesheet() -> str:
    """The report's own style sheet for its pieces, in its light colours; it reaches nothing else on the page."""
    css = (files("reports") / "templates" / "styles.css").read_text(encoding="utf-8")
    # The media queries are for a page of its own: a dark one, a narrow one, one on paper.
    plain = re.sub(r"^@media [^{]+\{\n.*?^\}\n", "", css, flags=re.DOTALL | re.MULTILINE)
    rooted = re.sub(r"^(:root|body) \{", ":scope {", plain, flags=re.MULTILINE).replace("light dark", "light")
    return f"@scope (.{CLASS}) {{\n{rooted}}}\n"


def _prefixed(html: str, prefix: str) -> str:
    """The same with every id, and whatever refers to one, its own."""
    ids = set(_ID.findall(html))

    def own(found: re.Match[str]) -> str:
        names = [prefix + name if name in ids else name for name in found["ids"].split()]
        return found["before"] + " ".join(names)

    return _REFERENCE.sub(own, html)
