"""What a Locust run of ours is told: by flag, by `DRILL_LOAD_*`, or by the master; and the record that it writes."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

import yaml

from drill import record, settings
from drill.record import RunRecord
from drill.settings import KafkaTarget
from load.plan import LoadPlan

_OURS = ("topic", "rate", "record_bytes", "acks", "idempotence", "linger_ms", "delivery_timeout", "compression")
"""Fields of the plan that a producer heeds; the others are the runner's."""


def variable(name: str) -> str:
    """The environment variable beside an option."""
    return f"DRILL_LOAD_{name.upper()}"


def add_arguments(parser: ArgumentParser) -> None:
    """Give Locust our options."""
    group = parser.add_argument_group("drill", "open-loop load whose every record is accounted for")

    def add(name: str, text: str, default: object = "") -> None:
        flag = f"--{name.replace('_', '-')}"
        # `env_var` is ConfigArgParse's, which Locust's parser is made of.
        group.add_argument(flag, env_var=variable(name), default=str(default), help=text)

    for name in _OURS:
        field = LoadPlan.model_fields[name]
        add(name, field.description or name, field.default)
    add("kafka_bootstrap", "Kafka's bootstrap servers; default: those of drill.toml's selected context")
    add("record", "folder of the run record; default: a new one in runs/locust/")
    add("run_id", "identity of the run inside every record; default: the record folder's name")


def plan(options: Namespace) -> LoadPlan:
    """The load plan that the options describe; Locust's own run time says how long it lasts."""
    return LoadPlan.model_validate({name: getattr(options, name) for name in _OURS})


def target(options: Namespace) -> KafkaTarget:
    """The Kafka to load."""
    if options.kafka_bootstrap:
        return KafkaTarget(bootstrap=options.kafka_bootstrap)
    return settings.load().kafka


def begin_record(options: Namespace) -> None:
    """Make a record if the options name none; what is chosen goes into the options, so that workers share it."""
    options.producers = options.num_users or 1  # Locust keeps the number of users in all to its master
    options.record = options.record or os.environ.get(record.RECORD_VARIABLE, "")
    if not options.record:
        made = RunRecord.create(Path("runs"), "locust")
        made.write_text("scenario.yaml", yaml.safe_dump({"name": "locust", "load": plan(options).model_dump()}))
        options.record = str(made.path.resolve())
    options.run_id = options.run_id or Path(options.record).name
