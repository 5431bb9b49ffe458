"""The scenario is valid, and holds the platform to what it shall; run it by `pytest`, no cluster is asked."""

from pathlib import Path

import pytest

from drill.errors import InputError
from scenarios import reader

SCENARIO = Path(__file__).with_name("example-name.yaml")


def test_it_is_valid() -> None:
    """With the experiment that it names."""
    assert reader.read(SCENARIO).scenario.name == SCENARIO.stem


def test_it_holds_clients_to_something() -> None:
    """A drill that can't fail proves nothing."""
    objectives = reader.read(SCENARIO).scenario.objectives
    assert objectives.client_outage is not None
    assert objectives.rto is not None
    assert objectives.lost_records == 0


def test_a_mistake_would_be_noticed(tmp_path: Path) -> None:
    """Each is told with its line, its field and what to do."""
    (tmp_path / SCENARIO.name).write_text(SCENARIO.read_text().replace("rate: 1000", "rate: -1"))
    with pytest.raises(InputError, match=r"load\.rate"):
        reader.read(tmp_path / SCENARIO.name)
