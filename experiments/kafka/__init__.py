"""Faults of a Kafka cluster on Kubernetes, and the probes beside them."""

from experiments.kafka.flaps import flap_broker, plan_flap_broker
from experiments.kafka.kills import kill_broker, kill_each_broker, plan_kill_broker, plan_kill_each_broker
from experiments.kafka.leadership import move_leadership
from experiments.kafka.losses import lose_volume
from experiments.kafka.pauses import pause_brokers, plan_pause_brokers
from experiments.kafka.probes import (
    active_controller,
    all_brokers_live,
    await_recovery,
    isr_full,
    live_brokers,
    offline_partitions,
    under_replicated_partitions,
)
from experiments.kafka.topics import ensure_topic, plan_ensure_topic
from experiments.kafka.unclean import force_unclean_election, plan_force_unclean_election
from experiments.kafka.volumes import fill_log_volume

__all__ = [
    "active_controller",
    "all_brokers_live",
    "await_recovery",
    "ensure_topic",
    "fill_log_volume",
    "flap_broker",
    "force_unclean_election",
    "isr_full",
    "kill_broker",
    "kill_each_broker",
    "live_brokers",
    "lose_volume",
    "move_leadership",
    "offline_partitions",
    "pause_brokers",
    "plan_ensure_topic",
    "plan_flap_broker",
    "plan_force_unclean_election",
    "plan_kill_broker",
    "plan_kill_each_broker",
    "plan_pause_brokers",
    "under_replicated_partitions",
]
