"""Faults of the pods of a Deployment or StatefulSet, and the probes beside them."""

from experiments.pods.deaths import delete_pods, kill_process
from experiments.pods.probes import await_ready, ready_pods, workload_ready
from experiments.pods.resources import burn_cpu, exhaust_memory, fill_volume
from experiments.pods.rollouts import crash_loop, restart_rollout, scale_to_zero, unpullable_image

__all__ = [
    "await_ready",
    "burn_cpu",
    "crash_loop",
    "delete_pods",
    "exhaust_memory",
    "fill_volume",
    "kill_process",
    "ready_pods",
    "restart_rollout",
    "scale_to_zero",
    "unpullable_image",
    "workload_ready",
]
