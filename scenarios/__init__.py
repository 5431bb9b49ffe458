"""Scenarios: what to hold true, under which load, which experiment, which objectives; and the runner of one."""
