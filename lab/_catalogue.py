"""The catalogue of the lakehouse: a database of its own in PostgreSQL, which says where each Iceberg table is."""

import base64
import json
from pathlib import Path

from lab._kubectl import kubectl

SECRET = ("data-platform", "trino-catalogue")
"""Namespace and name of the Secret that has the role's password."""
PASSWORD = "password"  # noqa: S105 - the name of a key
_SERVER = ("--namespace=kong", "kong-postgres-0")

_ROLE = r"""
SELECT 'CREATE ROLE iceberg LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'iceberg')
\gexec
ALTER ROLE iceberg PASSWORD :'password';
SELECT 'CREATE DATABASE iceberg OWNER iceberg' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'iceberg')
\gexec
\connect iceberg
SET ROLE iceberg;
SET client_min_messages = warning;
"""
# As org.apache.iceberg.jdbc.JdbcUtil has them (schema version V1): Trino wants them to be there.
_TABLES = """
CREATE TABLE IF NOT EXISTS iceberg_tables (
  catalog_name VARCHAR(255) NOT NULL,
  table_namespace VARCHAR(255) NOT NULL,
  table_name VARCHAR(255) NOT NULL,
  metadata_location VARCHAR(1000),
  previous_metadata_location VARCHAR(1000),
  iceberg_type VARCHAR(5),
  PRIMARY KEY (catalog_name, table_namespace, table_name)
);
CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
  catalog_name VARCHAR(255) NOT NULL,
  namespace VARCHAR(255) NOT NULL,
  property_key VARCHAR(255),
  property_value VARCHAR(1000),
  PRIMARY KEY (catalog_name, namespace, property_key)
);
"""


def create_catalogue(kube: Path) -> None:
    """Create the role, its database and the tables where they are not there; the role gets the Secret's password.

    PostgreSQL is up. Over its own socket, so that no superuser's password leaves its namespace.

    Raises:
        LabError: PostgreSQL refused, or can't be reached.
    """
    namespace, name = SECRET
    secret = json.loads(kubectl(kube, "get", "secret", f"--namespace={namespace}", name, "--output=json"))
    password = base64.b64decode(secret["data"][PASSWORD]).decode()
    psql = ("psql", "--no-psqlrc", "--quiet", "--username=postgres", "--set=ON_ERROR_STOP=1")
    # Not among the arguments, which everybody on the machine can read.
    text = f"\\set password '{password}'\n{_ROLE}{_TABLES}"
    kubectl(kube, "exec", "--stdin", *_SERVER, "--", *psql, text=text)
