"""What the manifest says of a run besides its files: who, where, with which versions and settings."""

import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import libversion

from drill import clock
from drill.cluster import Cluster
from drill.settings import Settings
from scenarios._services import Service

_PACKAGES = ("drill", "chaostoolkit", "chaostoolkit-lib", "locust", "confluent-kafka", "psycopg", "kubernetes", "numpy")


def facts(
    cluster: Cluster,
    settings: Settings,
    services: Sequence[Service],
    *,
    run_id: str,
    scenario: str,
    started: float,
    seed: int,
) -> dict[str, Any]:
    """The manifest without its file hashes; no secret enters."""
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
        "harness": {
            "cpus": len(os.sched_getaffinity(0)),
            "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        },
        "cluster": identity,
        "configuration": {
            **{each.name: said for each in services if (said := each.configuration())},
            "namespaces": list(settings.target.namespaces),
        },
    }


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
