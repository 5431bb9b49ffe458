"""Faults of nodes, and the probes beside them."""

from experiments.nodes.drains import cordon_node, drain_node
from experiments.nodes.loss import lose_node
from experiments.nodes.probes import all_nodes_available, available_nodes, await_all_available

__all__ = [
    "all_nodes_available",
    "available_nodes",
    "await_all_available",
    "cordon_node",
    "drain_node",
    "lose_node",
]
