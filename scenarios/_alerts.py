"""Which alerts fired because of the fault: asked of Prometheus once, when the drill is over, for the whole of it."""

import math

from drill import clock, prometheus
from drill.record import RunRecord
from drill.settings import Settings

# A subquery gives each firing alert's every second; the earliest is when it began to fire. Prometheus keeps ALERTS for
# each rule: https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/#inspecting-alerts-during-runtime
_FIRST = (
    'min by (alertname, namespace, severity) (min_over_time(timestamp(ALERTS{{alertstate="firing"}})[{window}s:1s]))'
)
_BEFORE = 30.0
"""Seconds before t0 in which an alert that fires already is not the fault's."""


def note(record: RunRecord, settings: Settings) -> None:
    """Tell on the time line which alerts began to fire after the first fault, or why that can't be known."""
    target = settings.target.prometheus
    effective = RunRecord(record.path).events_of("fault.effective")
    if target is None or not effective:
        return
    t0 = min(float(event.data["since"]) for event in effective)
    window = math.ceil(clock.now() - t0 + _BEFORE)
    try:
        firing = prometheus.query(target, _FIRST.format(window=window))
    except prometheus.PrometheusError as error:
        record.emit("observer", "alerts.unreachable", error=str(error))
        return
    fired = sorted((each for each in firing if each.value >= t0), key=lambda each: each.value)
    for each in fired:
        record.emit("observer", "alert.fired", at=each.value, **{"alert": "unnamed", **_labels(each.labels)})
    record.emit("observer", "alerts.looked", fired=len(fired), before=len(firing) - len(fired), window=window)


def _labels(labels: dict[str, str]) -> dict[str, str]:
    return {"alert" if name == "alertname" else name: value for name, value in labels.items()}
