"""Faults of the network between pods, and between them and their clients."""

from experiments.network.partitions import isolate_broker, isolate_clients, isolate_pods
from experiments.network.policies import deny_by_policy
from experiments.network.slowdowns import delay_network, lose_packets

__all__ = [
    "delay_network",
    "deny_by_policy",
    "isolate_broker",
    "isolate_clients",
    "isolate_pods",
    "lose_packets",
]
