"""A stand-in for DolphinScheduler: the part of its REST API that drills use, a master and a worker, on PostgreSQL.

It is not DolphinScheduler, and says so in the `Server` header of every answer. Paths, parameters, answers, states and
tables carry the names of DolphinScheduler 3.3 (sources: docs/dolphinscheduler-contract.json); where it is simpler
than the real one, the docstring of the module in question says how.

    python3 -m dolphinscheduler_standin api|master|worker
"""
