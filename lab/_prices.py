"""What the lakehouse has from the start: some days of prices, as the daily flow would have left them.

The table is the one that the flow goes on filling (load/lakehouse.py), so its columns are the same.
"""

from typing import Any

from lab._addresses import node_address
from lab._errors import LabError
from lab._run import until

PORT = 30880
"""NodePort of Trino's coordinator."""
DAYS = 3
"""Each is a partition, and a data file."""

COLUMNS = (
    "price_date date, observed_at timestamp(6) with time zone, symbol varchar, price decimal(18, 4), currency varchar, "
    "exchange varchar, volume bigint, unit varchar, name varchar, topic_id varchar, topic_partition integer, "
    "topic_offset bigint"
)
_TABLE = f"CREATE TABLE IF NOT EXISTS prices ({COLUMNS}) WITH (format = 'PARQUET', partitioning = ARRAY['price_date'])"
# Made of the numbers 0 to 199 of each day and symbol: the same rows in every lab, but for the days.
_ROWS = f"""
INSERT INTO prices
SELECT
  CAST(day AS date), CAST(day AS timestamp(6)) AT TIME ZONE 'UTC' + minute * INTERVAL '1' MINUTE, symbol,
  CAST(base + (minute * 7919 + length(name)) % 1000 / 100.0 AS decimal(18, 4)), 'USD', exchange,
  1000 + minute * 13 % 500, unit, name, 'history', 0, row_number() OVER (ORDER BY day, symbol, minute)
FROM UNNEST(sequence(current_date - INTERVAL '{DAYS}' DAY, current_date - INTERVAL '1' DAY)) AS days (day)
CROSS JOIN UNNEST(sequence(0, 199)) AS minutes (minute)
CROSS JOIN (VALUES
  ('WTI', 70, 'NYMEX', 'barrel', 'Crude oil'), ('GOLD', 2400, 'COMEX', 'ounce', 'Gold'),
  ('COPPER', 4, 'COMEX', 'pound', 'Copper'), ('WHEAT', 6, 'CBOT', 'bushel', 'Wheat')
) AS commodities (symbol, base, exchange, unit, name)
"""  # noqa: S608 - a number of ours
_ANSWER = 60.0
_FILLED = 60.0


def url() -> str:
    """Of Trino's coordinator as seen from the host."""
    return f"http://{node_address(1)}:{PORT}"


def fill(timeout: float = 240) -> None:
    """Make the table, and fill it where it has no row.

    Raises:
        LabError: Trino has no worker in time, or refused.
    """
    # Only here: a lab without Trino has no use for a client of it.
    import requests  # noqa: PLC0415
    from trino.exceptions import Error  # noqa: PLC0415

    workers = "SELECT count(*) FROM system.runtime.nodes WHERE state = 'active' AND NOT coordinator"

    def worker() -> bool:
        try:
            return bool(_rows(workers)[0][0])
        except (Error, requests.RequestException):  # it is Ready before each node leads to it
            return False

    last: Exception | None = None

    def filled() -> bool:
        """One try; its connections to the catalogue's database are broken, if that was restored under it."""
        nonlocal last
        try:
            _rows("CREATE SCHEMA IF NOT EXISTS lakehouse")
            _rows(_TABLE)
            if _rows("SELECT count(*) FROM prices") == [[0]]:
                _rows(_ROWS)
        except (Error, requests.RequestException) as error:
            last = error
            return False
        return True

    until(worker, timeout=timeout, what=f"a worker of Trino at {url()}")
    try:
        until(filled, timeout=_FILLED, what=f"the lakehouse's table by Trino at {url()}")
    except LabError as error:
        raise LabError(f"Trino at {url()} did not fill the lakehouse: {last or error}") from error


def _rows(statement: str) -> list[list[Any]]:
    from trino import dbapi  # noqa: PLC0415 - as above

    connection = dbapi.connect(  # type: ignore[no-untyped-call]
        host=str(node_address(1)),
        port=PORT,
        user="lab",
        source="drill-lab",
        catalog="iceberg",
        schema="lakehouse",
        timezone="UTC",
        request_timeout=_ANSWER,
    )
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        return [list(row) for row in cursor.fetchall()]
    finally:
        connection.close()
