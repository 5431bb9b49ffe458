"""Backups judged before the disaster: pure functions from evidence of a Velero and its bucket to verdicts."""

from recovery.backups._judge import CHECKS, judge

__all__ = ["CHECKS", "judge"]
