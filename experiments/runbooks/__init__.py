"""Runbooks that drills rehearse: followed by the harness, or by a person whom it prompts, while a fault is on."""

from experiments.runbooks.crashes import rehearse_crashloop
from experiments.runbooks.latency import rehearse_kafka_latency
from experiments.runbooks.pools import rehearse_pool_exhausted

__all__ = ["rehearse_crashloop", "rehearse_kafka_latency", "rehearse_pool_exhausted"]
