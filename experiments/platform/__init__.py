"""The fault of the whole platform: everything critical at once, and what its runbook does about it."""

from experiments.platform.down import platform_down

__all__ = ["platform_down"]
