"""Debian packages that the lab needs; `python3 lab/packages.py` prints those that this machine lacks.

Only the standard library: `make` runs this file before the virtual environment exists. What counts is that the program
is there, not the package: containerd may well have come from somewhere else, and must not be replaced.
"""

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

PROVIDED_BY = {
    "apt-get": "apt",
    "bridge": "containernetworking-plugins",
    "containerd": "containerd",
    "ctr": "containerd",
    "host-local": "containernetworking-plugins",
    "ip": "iproute2",
    "java": "default-jre-headless",
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "mvn": "maven",
    "nft": "nftables",
    "nsenter": "util-linux",
    "runc": "runc",
    "setpriv": "util-linux",
    "ss": "iproute2",
    "unshare": "util-linux",
}
"""The package that brings each program (bridge and host-local are CNI plugins, which are not on PATH)."""

CNI_PLUGINS = Path("/usr/lib/cni")
SYSTEM_PATH = os.pathsep.join(
    (os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin", str(CNI_PLUGINS))
)


def missing_packages() -> list[str]:
    """Packages of which at least one program is missing, sorted."""
    return sorted({PROVIDED_BY[tool] for tool in PROVIDED_BY if shutil.which(tool, path=SYSTEM_PATH) is None})


def install_command(tools: Iterable[str]) -> str:
    """The command that installs these programs; Go has no package that is new enough on every Debian."""
    packages = sorted({PROVIDED_BY[tool] for tool in tools if tool != "go"})
    commands = ["apt-get install --yes " + " ".join(packages)] if packages else []
    return "; ".join([*commands, *(["see https://go.dev/doc/install"] if "go" in tools else [])])


if __name__ == "__main__":
    sys.stdout.write("".join(f"{package}\n" for package in missing_packages()))
