"""What a Locust run of ours is told: by flag, by `DRILL_LOAD_*`, or by the master; and the record that it writes."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TypeVar

import yaml

from drill import record, settings
from drill.record import RunRecord
from drill.settings import KafkaTarget
from load.plan import PROFILES, SCHEDULE, Arrivals, LoadPlan

_RUNNERS = ("profile", "workers", *SCHEDULE)
"""Fields of a plan that are the runner's; a load heeds the others."""

Plan = TypeVar("Plan", bound=Arrivals)


def variable(name: str) -> str:
    """The environment variable beside an option."""
    return f"DRILL_LOAD_{name.upper()}"


def ours(kind: type[Arrivals]) -> tuple[str, ...]:
    """The fields of a plan that are options of its Locust file."""
    return tuple(name for name in kind.model_fields if name not in _RUNNERS)


def add_arguments(parser: ArgumentParser, kind: type[Arrivals] = LoadPlan) -> None:
    """Give Locust our options."""
    group = parser.add_argument_group("drill", "open-loop load whose every record is accounted for")

    def add(name: str, text: str, default: object = "") -> None:
        flag = f"--{name.replace('_', '-')}"
        # `env_var` is ConfigArgParse's, which Locust's parser is made of.
        group.add_argument(flag, env_var=variable(name), default=str(default), help=text)

    for name in ours(kind):
        field = kind.model_fields[name]
        add(name, field.description or name, field.default)
    if kind is LoadPlan:
        add("kafka_bootstrap", "Kafka's bootstrap servers; default: those of drill.toml's selected context")
    add("record", "folder of the run record; default: a new one in runs/locust/")
    add("run_id", "identity of the run inside every record; default: the record folder's name")


def plan(options: Namespace) -> LoadPlan:
    """The plan of commodity prices that the options describe; Locust's own run time says how long it lasts."""
    return plan_of(LoadPlan, options)


def plan_of(kind: type[Plan], options: Namespace) -> Plan:
    """The plan of a kind that the options describe."""
    profile = next(name for name, each in PROFILES.items() if each is kind)
    return kind.model_validate({"profile": profile} | {name: getattr(options, name) for name in ours(kind)})


def target(options: Namespace) -> KafkaTarget:
    """The Kafka to load."""
    if options.kafka_bootstrap:
        return KafkaTarget(bootstrap=options.kafka_bootstrap)
    return settings.load().kafka


def begin_record(options: Namespace, kind: type[Arrivals] = LoadPlan) -> None:
    """Make a record if the options name none; what is chosen goes into the options, so that workers share it."""
    options.producers = options.num_users or 1  # Locust keeps the number of users in all to its master
    options.record = options.record or os.environ.get(record.RECORD_VARIABLE, "")
    if not options.record:
        made = RunRecord.create(Path("runs"), "locust")
        made.write_text(
            "scenario.yaml", yaml.safe_dump({"name": "locust", "load": plan_of(kind, options).model_dump()})
        )
        options.record = str(made.path.resolve())
    options.run_id = options.run_id or Path(options.record).name
