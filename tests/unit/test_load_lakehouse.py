"""What becomes of a range of records on its way into the lakehouse."""

import json
from typing import Any

import pytest

from drill.errors import UsageError
from drill.settings import TrinoTarget
from drill.trino import Trino, TrinoUnreachableError
from lab import _prices
from load import lakehouse
from load._codec import Encoder
from load.lakehouse import Loaded, Range, RangeUnreadableError, UnfitError, parse

PRICE: dict[str, Any] = {
    "timestamp": "2026-11-24T05:59:59.999Z",
    "symbol": "XAU",
    "price": 2650.1,
    "currency": "USD",
    "exchange": "COMEX",
    "volume": 3,
    "unit": "troy ounce",
    "name": "Gold",
}


def value(**changes: object) -> bytes:
    """A record's value; what is None is left out."""
    return json.dumps({key: each for key, each in (PRICE | changes).items() if each is not None}).encode()


def test_a_price_is_a_row_of_its_date() -> None:
    """With all decimals, so that no float is rounded on the way."""
    assert parse(value()) == (
        "2026-11-24",
        "2026-11-24 05:59:59.999000 UTC",
        "XAU",
        "2650.1000",
        "USD",
        "COMEX",
        3,
        "troy ounce",
        "Gold",
    )


def test_what_the_load_sends_is_fit() -> None:
    """The records of a drill's own load are prices."""
    import numpy as np  # noqa: PLC0415 - only here

    for each in Encoder("run", 0, 200).encode(np.arange(100), np.full(100, 1_764_000_000.0)):
        assert parse(each)[0] == "2025-11-24"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (None, "not JSON"),
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[1]", "no object"),
        (value(symbol=None), "no symbol"),
        (value(symbol=""), "no symbol"),
        (value(name=3), "no name"),
        (value(price=None), "no price"),
        (value(price="2650"), "no price"),
        (value(price=True), "no price"),
        (b'{"price": NaN, ' + value(price=None)[1:], "no price"),
        (value(price=0), "price out of range"),
        (value(price=-1.5), "price out of range"),
        (value(price=10**14), "price out of range"),
        (value(price=1.00001), "price with more than four decimals"),
        (value(volume=None), "no volume"),
        (value(volume=-1), "no volume"),
        (value(volume=1 << 63), "no volume"),
        (value(timestamp="yesterday"), "no timestamp"),
        (value(timestamp=1), "no timestamp"),
        (value(timestamp="2026-11-24T05:59:59"), "timestamp is not UTC"),
        (value(timestamp="2026-11-24T05:59:59+01:00"), "timestamp is not UTC"),
    ],
)
def test_what_is_no_price_is_refused_with_its_reason(record: bytes | None, reason: str) -> None:
    """Nothing is mended, and nothing is guessed."""
    with pytest.raises(UnfitError, match=f"^{reason}$"):
        parse(record)


class Message:
    """A record as the consumer gives it."""

    def __init__(self, offset: int, error: object = None) -> None:
        self._offset, self._error = offset, error

    def offset(self) -> int:
        """Where it is."""
        return self._offset

    def value(self) -> bytes:
        """What it says: a price, but for offset 3."""
        return b"?" if self._offset == 3 else value(volume=self._offset)

    def error(self) -> object:
        """Why it is none."""
        return self._error


class Place:
    """A position."""

    def __init__(self, offset: int) -> None:
        self.offset = offset


class Log:
    """A consumer of one partition that has these offsets; it ends at `end`."""

    def __init__(self, offsets: list[int], end: int) -> None:
        self._left, self._end, self._position = offsets, end, 0

    def assign(self, places: list[Any]) -> None:
        """Begin there."""
        self._position = places[0].offset
        self._left = [each for each in self._left if each >= self._position]

    def consume(self, count: int, _: float) -> list[Message]:
        """The next ones, at most three at a time, as a broker's answers come."""
        given, self._left = self._left[: min(count, 3)], self._left[min(count, 3) :]
        self._position = self._left[0] if self._left else self._end
        return [Message(each) for each in given]

    def position(self, _: object) -> list[Place]:
        """After what was given."""
        return [Place(self._position)]


def batches(log: Log, wanted: Range, size: int) -> list[list[int]]:
    """The offsets of each batch."""
    made = lakehouse._batches(log, "commodities", wanted, size)  # type: ignore[arg-type]
    return [[offset for offset, _ in batch] for batch in made]


def test_batches_have_all_of_the_range_and_nothing_else() -> None:
    """Whatever sizes the broker's answers have; gaps (a transaction's markers) are passed."""
    assert batches(Log([*range(4), 5, *range(7, 12)], 12), Range(0, 1, 10), 4) == [[1, 2, 3, 5], [7, 8, 9]]
    assert batches(Log(list(range(8)), 8), Range(0, 0, 8), 4) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert batches(Log([], 8), Range(0, 4, 8), 4) == []


def test_a_range_that_does_not_come_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never half loaded and called done."""
    monkeypatch.setattr(lakehouse, "PATIENCE", -1.0)
    with pytest.raises(RangeUnreadableError, match="nothing came"):
        batches(Log([], 4), Range(0, 4, 8), 4)


class Table(Trino):
    """Trino with a table that has so many of the rows already."""

    present: int
    asked: list[tuple[str, tuple[str | int, ...]]]

    def change(self, statement: str, *parameters: str | int) -> int:
        """How many rows are new."""
        self.asked.append((statement, parameters))
        return len(json.loads(str(parameters[0]))) - self.present


def table(present: int) -> Table:
    """One."""
    made = Table(TrinoTarget(url="http://trino:8080"))
    object.__setattr__(made, "present", present)
    object.__setattr__(made, "asked", [])
    return made


def test_every_record_of_a_batch_is_accounted_for() -> None:
    """Read = loaded + present + rejected; each row says where it comes from."""
    trino = table(present=1)
    values = [(offset, Message(offset).value()) for offset in range(5)]
    done = lakehouse._load_batch(trino, "prices", ("topic-id", 2), values)
    assert done == Loaded(read=5, loaded=3, present=1, rejected=done.rejected, batches=1)
    assert done.rejected == {"not JSON": 1}
    ((statement, (rows,)),) = trino.asked
    assert [row[-3:] for row in json.loads(str(rows))] == [["topic-id", 2, offset] for offset in (0, 1, 2, 4)]
    assert statement.startswith("MERGE INTO prices AS kept")
    assert "kept.topic_id = fresh.topic_id AND kept.topic_partition = fresh.topic_partition" in statement


def test_a_batch_without_a_price_asks_nothing_of_trino() -> None:
    """An empty MERGE would be a snapshot of nothing."""
    trino = table(present=0)
    assert lakehouse._load_batch(trino, "prices", ("id", 0), [(3, b"?")]).rejected == {"not JSON": 1}
    assert trino.asked == []


def test_a_name_that_is_none_is_refused() -> None:
    """Names become part of statements."""
    with pytest.raises(UsageError, match="no name of a table"):
        lakehouse.ensure_table(table(0), 'prices" --')


def test_nobody_there_is_said_so() -> None:
    """With the address, as one line."""
    with pytest.raises(TrinoUnreachableError, match=r"^http://127\.0\.0\.1:9: [^\n]+$"):
        Trino(TrinoTarget(url="http://127.0.0.1:9")).rows("SELECT 1")


def test_the_labs_prices_are_the_flows_own() -> None:
    """The table that a lab has from the start is the one that the flow goes on filling."""
    assert ", ".join(f"{name} {kind}" for name, kind in lakehouse._COLUMNS.items()) == _prices.COLUMNS
    assert f"CREATE TABLE IF NOT EXISTS {lakehouse.TABLE} " in _prices._TABLE


@pytest.mark.parametrize(("rows", "filled"), [(0, True), (2400, False)])
def test_the_labs_prices_are_filled_once(rows: int, filled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever has been loaded since stays, and is not there twice."""
    asked: list[str] = []

    def answer(statement: str) -> list[list[int]]:
        asked.append(statement.split(maxsplit=1)[0])
        return [[rows]] if "FROM prices" in statement else [[1]]

    monkeypatch.setattr(_prices, "_rows", answer)
    _prices.fill()
    assert ("INSERT" in asked) is filled
