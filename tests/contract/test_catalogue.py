"""The catalogue of the documentation is what the code and the files say."""

from pathlib import Path

import pytest
import yaml

from drill.cli import _catalogue
from recovery._judge import CHECKS
from scenarios import reader
from scenarios.model import EXPERIMENTS

PAGE = Path(__file__).parents[2] / "docs" / "catalogue.md"


@pytest.fixture(scope="module")
def page() -> str:
    """As the code makes it now."""
    return _catalogue.page()


def test_the_page_is_up_to_date(page: str) -> None:
    """Whoever adds something to the catalogue makes it anew."""
    assert PAGE.read_text() == page, "docs/catalogue.md is not what the code says: run `make catalogue`"


def test_it_has_a_row_for_everything(page: str) -> None:
    """Scenarios, faults and checks."""
    names = [path.stem for path in (*reader.catalogue(), *EXPERIMENTS.glob("*.yaml"))]
    assert [name for name in (*names, *(check.name for check in CHECKS)) if f"\n| `{name}` |" not in page] == []


def test_it_follows_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page would differ if a fault did: the first test can fail."""
    for path in EXPERIMENTS.glob("*.yaml"):
        experiment = yaml.safe_load(path.read_text())
        experiment["extensions"][0]["undo"] = "nobody knows"
        (tmp_path / path.name).write_text(yaml.safe_dump(experiment))
    monkeypatch.setattr(_catalogue, "_folder", lambda: tmp_path)
    assert "nobody knows" in _catalogue.page()


def test_arguments_are_told_in_the_words_of_their_function() -> None:
    """Also where they take several lines."""

    def function(one: int, two: int = 2) -> None:
        """Do it.

        Args:
            one: The first
                of two.
            two: The other.

        Returns:
            Nothing: it has an effect.
        """

    assert _catalogue.argument_docs(function) == {"one": "The first of two.", "two": "The other."}
