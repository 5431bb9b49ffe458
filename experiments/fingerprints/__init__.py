"""Captures: what a system holds now, read only, as the fingerprint that a restore is held to.

Besides, the markers that a drill writes before and after a backup. `recovery.fingerprints` judges both.
"""
