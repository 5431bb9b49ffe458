"""Drills of the lakehouse: Trino's tables, and the objects that they are made of."""

from experiments.trino.loss import lose_objects

__all__ = ["lose_objects"]
