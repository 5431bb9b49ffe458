"""Asking a Prometheus: numbers, no data, and no answer are three different things."""

from collections.abc import Iterator
from typing import Any

import pytest

from drill import prometheus
from drill.settings import PrometheusTarget
from tests.unit.prometheus_world import Played, played_prometheus


@pytest.fixture
def played() -> Iterator[Played]:
    """A Prometheus over real HTTP."""
    with played_prometheus() as made:
        yield made


def test_numbers_with_their_labels(played: Played) -> None:
    """Of each series."""
    played.has(1.5, 2)
    samples = prometheus.query(played.target, 'sum by (pod) (up{job="kafka"})')
    assert [(each.value, each.labels["pod"]) for each in samples] == [(1.5, "p-0"), (2.0, "p-1")]
    assert played.asked == ['sum by (pod) (up{job="kafka"})']


def test_a_scalar_is_one_number(played: Played) -> None:
    """Without labels."""
    played.answer = {"status": "success", "data": {"resultType": "scalar", "result": [1, "4"]}}
    assert prometheus.query(played.target, "scalar(up)") == (prometheus.Sample(4.0, {}),)


@pytest.mark.parametrize("values", [(), ("NaN",)])
def test_no_data_is_no_number(played: Played, values: tuple[str, ...]) -> None:
    """Never a zero."""
    played.has(*values)
    assert prometheus.query(played.target, "up") == ()


@pytest.mark.parametrize(
    ("status", "answer", "says"),
    [
        (400, {"status": "error", "errorType": "bad_data", "error": "parse error"}, "bad_data: parse error"),
        (503, {"status": "error", "errorType": "timeout", "error": "too slow"}, "timeout: too slow"),
        (502, b"<html>bad gateway", "Expecting value"),
        (200, {"status": "success"}, "not an answer of Prometheus"),
        (200, [], "not an answer of Prometheus"),
        (200, {"status": "success", "data": {"resultType": "matrix", "result": []}}, "gives no number"),
        (200, {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}}]}}, "not an answer"),
    ],
)
def test_what_is_no_answer_is_an_error(played: Played, status: int, answer: Any, says: str) -> None:
    """With Prometheus' own words where it has any."""
    played.status, played.answer = status, answer
    with pytest.raises(prometheus.PrometheusError, match=says):
        prometheus.query(played.target, "up")


def test_nobody_there_is_an_error() -> None:
    """In so many seconds."""
    with pytest.raises(prometheus.PrometheusError, match=r"127\.0\.0\.1"):
        prometheus.query(PrometheusTarget(url="http://127.0.0.1:1"), "up", timeout=1)
