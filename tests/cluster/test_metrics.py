"""The alerts on drills are expressions that a real Prometheus takes."""

from pathlib import Path

import pytest
import yaml

from drill import prometheus
from drill.settings import Settings

RULES = Path(__file__).parents[2] / "docs" / "alerts" / "drill.rules.yaml"


def test_prometheus_takes_the_alerts(lab_platform: Settings) -> None:
    """Each can be evaluated; without metrics of drills only their absence is an alert; a control is refused."""
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    firing = [rule["alert"] for rule in rules if prometheus.query(lab_platform.prometheus, rule["expr"])]
    assert firing == ["DrillMetricsStale"]
    with pytest.raises(prometheus.PrometheusError):
        prometheus.query(lab_platform.prometheus, "time() - > 5")
