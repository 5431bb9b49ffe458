"""The base layer of the lab's images: a small Debian with a Java runtime, made by mmdebstrap."""

import platform
from pathlib import Path

from lab._cache import content_hash
from lab._errors import LabError
from lab._run import run
from lab._tools import Tools

PACKAGES = ("coreutils", "default-jre-headless", "procps", "tini")
LAYER = "layer.tar"

_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/lintian/*", "/usr/share/locale/*", "/usr/share/man/*")

# The JRE's links to its manual pages fail without their folder.
_BEFORE_PACKAGES = 'mkdir -p "$1/usr/share/man/man1"'

# What no program of the images reads, and what tells of the machine that built them. Every node unpacks this layer.
_AFTER_PACKAGES = """cd "$1" && rm -rf \
usr/share/fonts usr/share/i18n usr/share/perl usr/lib/*/perl usr/lib/*/libperl.so* usr/lib/*/gconv \
usr/lib/jvm/*/lib/ct.sym usr/lib/jvm/*/lib/server/classes_nocoops.jsa var/cache/* var/log/* \
etc/apt/sources.list etc/apt/sources.list.d/* etc/hostname etc/resolv.conf"""


def key() -> str:
    """Content hash of what the layer is made from; newer packages of the same release do not change it."""
    return content_hash(_release(), *_contents())


def build(tools: Tools, folder: Path) -> None:
    """Write the layer, an uncompressed tar file, into `folder`.

    Raises:
        LabError: this is no Debian, or mmdebstrap failed.
    """
    sources = folder / "sources.list"
    sources.write_text(_sources())
    access = [f"--aptopt={option}" for option in _apt_options()]
    command = ["mmdebstrap", "--mode=root", *_contents(), *access, _release(), str(folder / LAYER), str(sources)]
    # No file has the time of the build (https://reproducible-builds.org/specs/source-date-epoch/); of the contents only
    # Java's key store has. It unpacks in our folder, since /tmp may be small or forbid device files.
    tools.run("mmdebstrap", command, env={"SOURCE_DATE_EPOCH": "0", "TMPDIR": str(folder)})
    sources.unlink()


def _contents() -> list[str]:
    """The options that say what is in the layer."""
    return [
        "--variant=essential",
        f"--include={','.join(PACKAGES)}",
        '--aptopt=APT::Install-Recommends "false"',
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
        f"--essential-hook={_BEFORE_PACKAGES}",
        f"--customize-hook={_AFTER_PACKAGES}",
        "--skip=output/dev",
    ]


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
