"""Whether lost objects of a lakehouse were found, and came back: judged from the evidence of a drill, by the data."""

from recovery._check import Check
from recovery.lakehouse._answer import answer_the_same
from recovery.lakehouse._found import loss_found_by_manifest, loss_found_by_metadata
from recovery.lakehouse._objects import lakehouse_whole, objects_as_before
from recovery.lakehouse._times import lakehouse_restored, nothing_newer_lost

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = (
    loss_found_by_metadata,
    loss_found_by_manifest,
    objects_as_before,
    answer_the_same,
    lakehouse_whole,
    nothing_newer_lost,
    lakehouse_restored,
)
"""All checks of lost objects; each applies to a run whose scenario names buckets to damage."""
