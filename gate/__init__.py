"""The gate: drills as tests of pytest, profiles of them, and the comparison with a baseline."""
