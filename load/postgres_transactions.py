"""Transactions into PostgreSQL through its clients' pool, at a rate that no outage slows down; also runs by itself.

    locust -f load/postgres_transactions.py --headless -u 1 -t 20s --rate 50

Each transaction is BEGIN, an INSERT of one accounted row into the table `drill_ledger`, and COMMIT, each answered
before the next is sent; what the server says of the COMMIT is what the client is promised. The table is made where it
is missing, in the database that the context's settings name, and rows that are older than a day are deleted at the
start, so that drills leave no more than a day of rows behind. psycopg cooperates with gevent by itself (since 3.1.14,
says https://github.com/psycopg/psycogreen).
"""

import psycopg

from drill import settings
from drill.errors import DrillError
from drill.ledger import LedgerHeader
from drill.postgres import conninfo
from load import _lifecycle, _rows
from load._bounded import Session
from load._row_writer import RowWriter
from load._users import PRODUCERS, OpenLoopUser
from load.plan import PostgresPlan

_lifecycle.attend(PostgresPlan)


class NoTableError(DrillError):
    """The table could not be made: the platform was not well before the load began."""


class PostgresTransactions(OpenLoopUser):
    """The one user of this load: its clients are the connections of a bounded pool."""

    kind = PostgresPlan

    def open_streams(self, plan: PostgresPlan, run_id: str) -> None:
        """Make the table, and open the stream of transactions."""
        chosen = settings.load()
        connection = conninfo(
            chosen,
            pooled=chosen.postgres.pooler is not None,
            dbname=chosen.postgres.database,
            application_name=_rows.application(run_id),
            connect_timeout=max(2, round(plan.timeout)),
        )
        try:
            with Session.connect(connection, autocommit=True, prepare_threshold=None) as session:
                session.patience = plan.timeout
                for statement in (_rows.CREATE, _rows.INDEX, _rows.FORGET):
                    session.execute(statement)
        except psycopg.Error as error:
            raise NoTableError(f"table {_rows.TABLE} in database {chosen.postgres.database!r}: {error}") from error
        header = LedgerHeader(
            run_id=run_id,
            producer_id=PRODUCERS[_rows.STREAM],
            system="postgres",
            topic=_rows.STREAM,
            partitions=1,
            noun="transaction",
            record_size=plan.row_bytes,
            producer_settings={
                "connections": plan.connections,
                "pooled": chosen.postgres.pooler is not None,
                "timeout": plan.timeout,
            },
        )
        self.open(
            header,
            plan.rate,
            lambda: RowWriter(connection, header, plan.row_bytes, plan.timeout),
            plan.connections,
            plan.timeout,
        )
