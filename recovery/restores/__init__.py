"""Whether a restore gave back what it had to: judged from the evidence of a drill, by the data and not by a phase."""

from recovery._check import Check
from recovery.restores._cluster import cluster_replaced
from recovery.restores._objects import backup_whole, restore_completed, restored_whole, volumes_restored
from recovery.restores._proof import OF_DATA, OF_KAFKA, Times, data_restored, times
from recovery.restores._scratch import source_untouched
from recovery.restores._services import services_in_time
from recovery.restores._times import rpo

__all__ = ["CHECKS", "OF_KAFKA", "Times", "times"]

CHECKS: tuple[Check, ...] = (
    *OF_DATA,
    rpo,
    data_restored,
    backup_whole,
    restore_completed,
    volumes_restored,
    restored_whole,
    source_untouched,
    cluster_replaced,
    services_in_time,
)
"""All checks of a restore; each applies to a run whose scenario has an objective for its RPO."""
