"""The page of lost objects: how each was found and came back, what the query said, and what nobody can tell."""

import json
import re
from pathlib import Path

import pytest

from drill.record import RunRecord
from recovery import judge
from reports.page import render
from tests.unit.lakehouses import HIT, Evidence, evidence, record_of


def page(tmp_path: Path, pieces: Evidence, *, proven: bool = True) -> str:
    """The words of the page of a record, judged."""
    record = record_of(tmp_path, pieces, proven=proven)
    verdicts = [each.model_dump(mode="json") for each in judge(record)]
    record.write_text("verdicts.json", json.dumps({"outcome": "inconclusive", "verdicts": verdicts}))
    html = render(RunRecord.open(record.path))
    assert "<script" not in html
    return " ".join(re.sub(r"<[^>]+>", " ", html.replace("&#34;", '"').replace("\u200b", "")).split())


def test_what_was_lost_and_how_it_came_back(tmp_path: Path) -> None:
    """Each object with what both ways of looking had against it, and the query's answer before, during and after."""
    text = page(tmp_path, evidence())
    assert "The data was proven 60.00 s after it was lost, and nothing of it is gone." in text
    assert f"{HIT} 10 B deleted named, and not in the bucket not listed" in text
    assert "version v1: the marker of its deletion removed" in text
    assert "While the objects were lost none: Trino: ICEBERG_CANNOT_OPEN_SPLIT: gone" in text
    assert "2 rows, the same as before" in text
    assert "No backup" not in text
    assert "Backups that there were" not in text


def test_what_was_not_proven_is_not_claimed(tmp_path: Path) -> None:
    """Neither the time nor the answer."""
    pieces = evidence()
    pieces["found"] |= {"answer": [["GOLD", "1", "1"]], "objects": {HIT: None}}
    text = page(tmp_path, pieces, proven=False)
    assert "It was not seen that the data came back" in text
    assert "1 row, not the same as before" in text
    assert "nothing of it is gone" not in text


@pytest.mark.parametrize("piece", ["reference", "damage", "metadata", "manifest", "restored", "found"])
def test_the_page_is_there_whatever_is_not(tmp_path: Path, piece: str) -> None:
    """A drill that died leaves a page that says what is missing."""
    pieces = evidence()
    del pieces[piece]
    assert f"lakehouse-{piece}.json" in page(tmp_path, pieces)


def test_a_run_of_anything_else_has_no_such_section(tmp_path: Path) -> None:
    """Nothing is shown of objects that nobody damaged."""
    record = record_of(tmp_path, {})
    scenario = record.scenario | {"target": {"namespaces": ["kafka"]}}
    record.write_text("scenario.yaml", json.dumps(scenario))
    assert "The lost objects" not in render(RunRecord.open(record.path))
