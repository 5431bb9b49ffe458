"""Probes of DolphinScheduler; its pods are broken by `experiments.pods`, its database by `experiments.postgres`."""
