"""The root file systems of the lab's images: small Debians made by mmdebstrap."""

import platform
from dataclasses import dataclass
from pathlib import Path

from lab._cache import content_hash
from lab._errors import LabError
from lab._run import run
from lab._tools import Tools

LAYER = "layer.tar"

_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/lintian/*", "/usr/share/locale/*", "/usr/share/man/*")

# What no program of the images reads, and what tells of the machine that built them. Every node unpacks these layers.
_UNUSED = (
    "usr/share/fonts usr/share/i18n usr/share/perl usr/lib/*/perl usr/lib/*/libperl.so* usr/lib/*/gconv "
    "var/cache/* var/log/* etc/apt/sources.list etc/apt/sources.list.d/* etc/hostname etc/resolv.conf"
)


@dataclass(frozen=True)
class Root:
    """What is in a root file system.

    Attributes:
        packages: beyond Debian's essential ones.
        left_out: files that are never unpacked, as patterns.
        removed: what goes once every package is configured, as patterns below the root.
        before: shell commands that prepare the root, `$1`, before the packages come.
    """

    packages: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    removed: str = ""
    before: str = "true"

    def key(self) -> str:
        """Content hash of what the layer is made from; newer packages of the same release do not change it."""
        return content_hash(_release(), *self._contents())

    def build(self, tools: Tools, folder: Path) -> None:
        """Write the layer, an uncompressed tar file, into `folder`.

        Raises:
            LabError: this is no Debian, or mmdebstrap failed.
        """
        sources = folder / "sources.list"
        sources.write_text(_sources())
        access = [f"--aptopt={option}" for option in _apt_options()]
        command = ["mmdebstrap", "--mode=root", *self._contents(), *access]
        # No file has the time of the build (https://reproducible-builds.org/specs/source-date-epoch/); of the contents
        # only Java's key store has. It unpacks in our folder, since /tmp may be small or forbid device files.
        environment = {"SOURCE_DATE_EPOCH": "0", "TMPDIR": str(folder)}
        tools.run("mmdebstrap", [*command, _release(), str(folder / LAYER), str(sources)], env=environment)
        sources.unlink()

    def _contents(self) -> list[str]:
        """The options that say what is in the layer."""
        return [
            "--variant=essential",
            f"--include={','.join(self.packages)}",
            '--aptopt=APT::Install-Recommends "false"',
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in (*_LEFT_OUT, *self.left_out)),
            f"--essential-hook={self.before}",
            f'--customize-hook=cd "$1" && rm -rf {_UNUSED} {self.removed}'.rstrip(),
            "--skip=output/dev",
        ]


BASE = Root(
    packages=("coreutils", "default-jre-headless", "iproute2", "nftables", "procps", "tini"),
    removed="usr/lib/jvm/*/lib/ct.sym usr/lib/jvm/*/lib/server/classes_nocoops.jsa",
    # The JRE's links to its manual pages fail without their folder.
    before='mkdir -p "$1/usr/share/man/man1"',
)
"""A Java runtime, and what the helper containers of network faults need."""

PLATFORM = Root(
    packages=(
        "coreutils",
        "pgbouncer",
        "postgresql-15",
        "procps",
        "prometheus",
        "prometheus-postgres-exporter",
        "python3-aiohttp",
        "python3-psycopg",
        "python3-psycopg-pool",
        "tini",
    ),
    left_out=(
        # PostgreSQL's just-in-time compiler brings LLVM, which is larger than all the rest; it is switched off.
        "/usr/lib/*/libLLVM*",
        "/usr/lib/*/libz3.so*",
        "/usr/lib/postgresql/*/lib/bitcode/*",
        "/usr/lib/postgresql/*/lib/llvmjit*",
        "/usr/bin/promtool",
        # Libraries of Prometheus' old pages.
        "/usr/share/javascript/*",
        "/usr/share/nodejs/*",
    ),
    removed="usr/lib/python3*/pydoc_data",
    # One user id for every build, since volumes outlive an image; and no cluster that nobody asked for.
    before='echo postgres:x:999:999::/var/lib/postgresql:/bin/sh >>"$1/etc/passwd" && '
    'echo postgres:x:999: >>"$1/etc/group" && mkdir -p "$1/etc/postgresql-common" && '
    'echo create_main_cluster=false >"$1/etc/postgresql-common/createcluster.conf"',
)
"""PostgreSQL, PgBouncer, Prometheus and Python; PostgreSQL's version is that of Debian 12."""


def _release() -> str:
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "")


def _sources() -> str:
    """The machine's own package sources of its Debian release, others left out."""
    line = "deb $(SITE) $(RELEASE) $(COMPONENT)"
    sources = run("apt-get", "indextargets", "--format", line, "Created-By: Packages", "Origin: Debian")
    if not sources:
        raise LabError(
            "apt-get knows of no Debian package source here; check /etc/apt/sources.list, then run: apt-get update"
        )
    return sources


def _apt_options() -> list[str]:
    """How this machine reaches its package sources (a proxy, for example), which mmdebstrap does not look up itself."""
    prefixes = ("Acquire::http::", "Acquire::https::", "Acquire::Check-")
    return [line.removesuffix(";") for line in run("apt-config", "dump").splitlines() if line.startswith(prefixes)]
