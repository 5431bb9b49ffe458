"""Judgements of a restore: pure functions from two fingerprints (or from markers) to verdicts; no system is asked.

`before` is what the restore is held to, `after` is what was found. A comparison of nothing is inconclusive.
"""

from recovery.fingerprints._bucket import judge_bucket
from recovery.fingerprints._iceberg import judge_iceberg
from recovery.fingerprints._kafka import judge_kafka, measured_rpo
from recovery.fingerprints._limits import not_verified
from recovery.fingerprints._markers import judge_markers
from recovery.fingerprints._postgres import judge_postgres

__all__ = [
    "judge_bucket",
    "judge_iceberg",
    "judge_kafka",
    "judge_markers",
    "judge_postgres",
    "measured_rpo",
    "not_verified",
]
