"""What the rest of the house asks of a Prometheus: an instant query. No data is an answer of its own, never a zero.

The answer's form: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

import math
from dataclasses import dataclass
from typing import Any

import requests

from drill.errors import DrillError
from drill.settings import PrometheusTarget


class PrometheusError(DrillError):
    """Prometheus did not answer, or refused the query; the message says which."""


@dataclass(frozen=True)
class Sample:
    """One series at one instant."""

    value: float
    labels: dict[str, str]


def query(target: PrometheusTarget, expr: str, timeout: float = 5) -> tuple[Sample, ...]:
    """Evaluate an expression now; empty: Prometheus has no data for it. A value that is no number is no data either.

    Raises:
        PrometheusError: no answer within `timeout` seconds, or the expression can't be evaluated to numbers.
    """
    try:
        # Prometheus gives an evaluation up after `timeout` too, and says so.
        answer = requests.get(
            f"{target.url.rstrip('/')}/api/v1/query",
            params={"query": expr, "timeout": f"{timeout:g}s"},
            timeout=timeout,
        )
        content = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise PrometheusError(f"{target.url}: {error}") from error
    try:
        if content["status"] != "success":
            raise PrometheusError(f"{target.url}: {expr}: {content['errorType']}: {content['error']}")
        kind = content["data"]["resultType"]
        samples = _samples(kind, content["data"]["result"])
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise PrometheusError(f"{target.url}: not an answer of Prometheus: {str(content)[:200]}") from error
    if samples is None:
        raise PrometheusError(
            f"{target.url}: {expr}: gives no number at an instant, but {content['data']['resultType']}"
        )
    return tuple(sample for sample in samples if not math.isnan(sample.value))


def _samples(kind: str, result: Any) -> list[Sample] | None:
    if kind == "scalar":
        return [Sample(float(result[1]), {})]
    if kind == "vector":
        return [Sample(float(each["value"][1]), dict(each["metric"])) for each in result]
    return None
