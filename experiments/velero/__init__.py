"""Drills of restores: a backup into a scratch namespace, and a namespace that is lost and comes back from one."""

from experiments.velero.loss import lose_namespace
from experiments.velero.scratch import restore_into_scratch

__all__ = ["lose_namespace", "restore_into_scratch"]
