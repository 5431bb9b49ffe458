"""Each scenario of the catalogue loads, validates and names real things."""

from pathlib import Path

import pytest

from scenarios import reader
from scenarios.model import Scenario

NAMES = {
    "broker-kill",
    "broker-isolation",
    "data-loss",
    "object-store-loss",
    "restore-drill",
    "broker-kill-leader",
    "client-isolation",
    "cluster-loss",
    "controller-kill",
    "node-drain",
    "node-loss",
    "rolling-broker-kill",
    "two-brokers-down",
    "durability-control",
    "kafka-broker-flapping",
    "kafka-leadership-moved",
    "kafka-log-volume-full",
    "kafka-loss",
    "kafka-volume-loss",
    "pgbouncer-pool-exhausted",
    "postgres-pool-exhausted",
    "platform-down",
    "platform-down-operator",
    "platform-down-self-heal",
    "runbook-crashloop",
    "runbook-kafka-latency",
    "runbook-pool-exhausted",
}


def test_the_catalogue_ships_what_it_shall() -> None:
    """No more and no less."""
    assert {path.stem for path in reader.catalogue()} == NAMES


@pytest.mark.parametrize("path", reader.catalogue(), ids=lambda path: path.stem)
def test_it_validates_and_its_name_is_its_files(path: Path) -> None:
    """So that `drill run NAME` and the record's folder agree."""
    assert reader.read(path).scenario.name == path.stem


@pytest.mark.parametrize("path", reader.catalogue(), ids=lambda path: path.stem)
def test_it_holds_the_platform_to_something(path: Path) -> None:
    """Outage, recovery and losses are always objectives."""
    scenario = reader.read(path).scenario
    objectives = scenario.objectives
    if not scenario.load:  # a restore is held to the data, not to what clients saw
        assert objectives.rpo is not None or scenario.target.buckets
        assert objectives.restored_within is not None
        return
    assert objectives.client_outage is not None
    assert objectives.rto is not None
    assert objectives.lost_records == 0


def test_the_schema_for_editors_describes_each_field() -> None:
    """Every field that is not self-evident carries its description."""
    schema = Scenario.model_json_schema()
    assert schema["additionalProperties"] is False
    assert {"name", "load", "experiment", "objectives"} <= schema["properties"].keys()
