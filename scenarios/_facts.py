"""What the manifest says of a run besides its files: who, where, with which versions and settings."""

import importlib.metadata
import platform
import shlex
import sys
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import libversion

from drill import clock
from drill.cluster import Cluster
from drill.settings import Settings

_PACKAGES = ("drill", "chaostoolkit", "chaostoolkit-lib", "locust", "confluent-kafka", "kubernetes", "numpy")


def facts(
    cluster: Cluster, settings: Settings, *, run_id: str, scenario: str, started: float, seed: int
) -> dict[str, Any]:
    """The manifest without its file hashes. No secret enters: of the Kafka client only the names of its settings."""
    kafka = settings.kafka
    try:
        identity: dict[str, Any] = cluster.identity()
    except Exception as error:  # noqa: BLE001 - a cluster that can't be asked at the end is said, not fatal
        identity = {"context": settings.context, "error": str(error)}
    return {
        "run_id": run_id,
        "scenario": scenario,
        "started": _utc(started),
        "finished": _utc(clock.now()),
        "seconds": clock.now() - started,
        "seed": seed,
        "command": shlex.join(["drill", *sys.argv[1:]]),
        "versions": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "librdkafka": libversion()[0],
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
        "cluster": identity,
        "configuration": {
            "kafka": {**kafka.model_dump(exclude={"client"}), "client": sorted(kafka.client)},
            "namespaces": list(settings.target.namespaces),
        },
    }


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
