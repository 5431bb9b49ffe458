"""The page of a run under several loads: a lane a path, books a stream, times a service; of one load as ever."""

import re
from pathlib import Path
from typing import Any

import pytest

import reports
from drill.record import RunRecord
from recovery import judge
from tests.unit.mixed import build_mixed


def _page(tmp_path: Path, **how: Any) -> str:
    record = build_mixed(tmp_path, **how)
    verdicts = [verdict.model_dump(mode="json") for verdict in judge(record)]
    record.write_json("verdicts.json", {"verdicts": verdicts})
    return reports.write(RunRecord.open(record.path)).read_text()


def _text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_mix_has_a_page_with_all_of_it(tmp_path: Path) -> None:
    """Each stream by its name, each service with its own recovery, each thing by what it is called."""
    page = _page(tmp_path, lost={"postgres": [5, 6, 7]})
    text = _text(page)
    for said in (
        "Under 200 records/s, 50 transactions/s and 5 requests/s",
        "of 2,801 acknowledged transactions 3 were lost",
        "of 52 acknowledged workflows none was lost",
        "slowest mandatory service: dolphinscheduler",
        "Services, from their clients",
        "postgres: 3 acknowledged transactions not found, in 1 interval",
        "None: all 52 acknowledged workflows were found.",
        "Complete: the table was read to its end after the last answer.",
        "dolphinscheduler-api: reads, which change nothing",
        "An outage is no sharper than the load asks",
        "PostgreSQL's sessions",
        "server_version 15.14",
    ):
        assert said in text, said
    for figure in ("throughput-commodities", "throughput-postgres", "throughput-workflows", "availability", "sessions"):
        assert f'id="figure-{figure}"' in page
    assert page.count('id="losses"') == page.count('id="drain"') == 1
    assert len(re.findall(r' id="([^"]+)"', page)) == len(set(re.findall(r' id="([^"]+)"', page)))
    lanes = page[page.index('id="figure-availability"') : page.index('id="figure-closeup"')]
    for path in ("commodities-0", "postgres", "dolphinscheduler-api", "workflows"):
        assert path in lanes


def test_a_run_of_transactions_alone_says_nothing_of_kafka(tmp_path: Path) -> None:
    """No brokers, no partitions, no records."""
    text = _text(_page(tmp_path, kafka=False, only=["postgres"]))
    assert "Acknowledged transactions lost" in text
    assert "Transactions seen twice" in text
    assert "Pods Ready" in text
    for word in (
        "Brokers and replication",
        "under-replicated",
        "end offset",
        "worst partition",
        "Outages by partition",
    ):
        assert word not in text, word


@pytest.mark.parametrize("unread", ["postgres", "workflows"])
def test_what_was_not_read_back_is_said_of_that_stream_only(tmp_path: Path, unread: str) -> None:
    """The others keep their books."""
    text = _text(_page(tmp_path, unread=[unread]))
    assert f"What was seen of {unread}, and so what was lost: not measured" in text
    assert "None: all 12,000 acknowledged records were found." in text
    assert "Not complete: the deadline came first" in text
