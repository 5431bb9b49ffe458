"""Whether a restore gave back what it had to: judged from the evidence of a drill, by the data and not by a phase."""

from recovery._check import Check
from recovery.restores._cluster import cluster_replaced, systems_as_backed_up
from recovery.restores._data import markers_kept, mutations_gone, tables_as_backed_up
from recovery.restores._definitions import definitions_as_backed_up
from recovery.restores._kafka import (
    kafka_cluster_kept,
    kafka_positions_kept,
    kafka_records_kept,
    kafka_records_lost,
    kafka_topics_kept,
)
from recovery.restores._objects import backup_whole, restore_completed, restored_whole, volumes_restored
from recovery.restores._scratch import source_untouched
from recovery.restores._services import services_in_time
from recovery.restores._times import Times, data_restored, rpo, times

__all__ = ["CHECKS", "OF_KAFKA", "Times", "times"]

OF_KAFKA: tuple[Check, ...] = (
    kafka_records_kept,
    kafka_records_lost,
    kafka_topics_kept,
    kafka_positions_kept,
    kafka_cluster_kept,
)
"""Those that are about the data of Kafka."""
CHECKS: tuple[Check, ...] = (
    markers_kept,
    mutations_gone,
    tables_as_backed_up,
    definitions_as_backed_up,
    *OF_KAFKA,
    rpo,
    data_restored,
    backup_whole,
    restore_completed,
    volumes_restored,
    restored_whole,
    source_untouched,
    cluster_replaced,
    systems_as_backed_up,
    services_in_time,
)
"""All checks of a restore; each applies to a run whose scenario has an objective for its RPO."""
