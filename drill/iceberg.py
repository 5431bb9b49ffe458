"""What an Iceberg catalog holds at one time: the fingerprint that a restored lakehouse is held to."""

from typing import Literal

from pydantic import Field

from drill.fingerprints import Fingerprint, Part


class IcebergSelection(Part):
    """What is looked at."""

    catalog: str
    schema_name: str
    tables: tuple[str, ...] | None = None
    """None: every one of the schema."""


class Snapshot(Part):
    """One version of a table."""

    parent: str | None
    committed: str
    """When, as the metadata says, UTC."""
    operation: str
    manifest_list: str


class NamedFile(Part):
    """A file that a table's metadata names, and what the bucket has of it."""

    kind: Literal["data", "position deletes", "equality deletes", "manifest", "manifest list", "metadata"]
    size: int | None = None
    """Bytes, as the metadata says; None: it does not say."""
    stored: int | None = None
    """Bytes, as the bucket lists it; None: it is not there, or the bucket was not listed."""


class Rows(Part):
    """The rows of one partition, as a query read them."""

    rows: int
    checksum: str
    """Trino's own, of all columns, in any order of the rows."""


class IcebergTable(Part):
    """One table; what could not be read is empty, and has its reason in `problems`."""

    columns: dict[str, str] = Field(default={})
    """Name to type."""
    current: str | None = None
    """Id of the snapshot that a query reads; None: the table never had a row."""
    snapshots: dict[str, Snapshot] = Field(default={})
    """By id."""
    files: dict[str, NamedFile] = Field(default={})
    """By location: those of the current snapshot, and every snapshot's list of manifests."""
    partitions: dict[str, Rows] = Field(default={})
    """By the values of the partition, as JSON; of a table without partitions there is one, `{}`."""
    problems: dict[str, str] = Field(default={})
    """Why something could not be read, by its name above."""


class IcebergFingerprint(Fingerprint):
    """The tables of one schema of an Iceberg catalog."""

    system: Literal["iceberg"] = "iceberg"
    selection: IcebergSelection
    url: str
    """Of Trino."""
    version: str
    """Of Trino."""
    listed: bool
    """Whether the bucket was listed, so that `stored` means something."""
    tables: dict[str, IcebergTable]
    """Those that were asked for and are not there are not in it."""
