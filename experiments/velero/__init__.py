"""Drills of restores: a backup into a scratch namespace; a namespace, or a cluster, that is lost and comes back."""

from experiments.velero.cluster import lose_cluster
from experiments.velero.kafka import lose_kafka
from experiments.velero.loss import lose_namespace
from experiments.velero.scratch import restore_into_scratch

__all__ = ["lose_cluster", "lose_kafka", "lose_namespace", "restore_into_scratch"]
