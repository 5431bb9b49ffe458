"""What a cluster and a bucket have of backups, looked up read only: the evidence that `recovery.backups` judges."""

from experiments.backups._collect import collect, permissions

__all__ = ["collect", "permissions"]
