"""Looks at the machine before anything is started: what is missing or in the way, and what puts it right."""

import json
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from lab import _go
from lab._addresses import API_PORT, ETCD_PEER_PORT, ETCD_PORT, RANGE, STATE, cache
from lab._errors import LabError
from lab._parts import GIB, Part
from lab._run import run
from lab.packages import install_command, missing_packages

DISK_NEEDED = 8 * GIB
MEMORY_NEEDED = 4 * GIB
JAVA_NEEDED = 17
"""Kafka 4's brokers run on Java 17 or later (https://kafka.apache.org/41/operations/java-version/)."""

OURS = "drill-"
"""What the names of the lab's network devices begin with."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is right, what was seen, and what to do if it is not."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def doctor(parts: Iterable[Part] = ()) -> list[Finding]:
    """Look at everything that a lab with these parts needs of this machine; changes nothing."""
    if platform.system() != "Linux":
        return [_system()]
    wanted = tuple(parts)
    disk = DISK_NEEDED + sum(part.disk for part in wanted)
    return [
        _system(),
        _root(),
        *(_kernel(feature, trial) for feature, trial in KERNEL_TRIALS.items()),
        _cgroups(),
        *(_disk(name, path, disk) for name, path in (("cache", cache()), ("state", STATE))),
        _memory(MEMORY_NEEDED + sum(part.memory for part in wanted)),
        _packages(),
        _version("go", ("go", "env", "GOVERSION"), _go_needed()),
        _version("java", ("java", "--version"), (JAVA_NEEDED,)),
        _version("mvn", ("mvn", "--version"), (3, 6)),
        _range(),
        *(_port(port) for port in (API_PORT, ETCD_PORT, ETCD_PEER_PORT)),
    ]


def _finding(name: str, ok: bool, detail: str, remedy: str) -> Finding:
    return Finding(name, ok, detail, "" if ok else remedy)


def _system() -> Finding:
    system, machine = platform.system(), platform.machine()
    ok = system == "Linux" and machine in ("x86_64", "aarch64")
    return _finding("system", ok, f"{system} {platform.release()} {machine}", "use a Linux machine, x86_64 or aarch64")


def _root() -> Finding:
    return _finding("root", os.geteuid() == 0, f"user id {os.geteuid()}", "run as root (sudo --preserve-env=HOME ...)")


KERNEL_TRIALS = {
    "network namespaces": "true",
    "veth": "ip link add drill-a type veth peer name drill-b",
    "bridge": "ip link add drill-a type bridge",
    "nftables": "nft add table ip drill && nft add chain ip drill c '{ type nat hook prerouting priority 0; }' "
    "&& nft add rule ip drill c ct state new counter",
    "overlayfs": "mount -t tmpfs none /mnt && mkdir /mnt/lower /mnt/upper /mnt/work /mnt/all && mount -t overlay"
    " -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/all",
    "loop devices, ext4": "mount -t tmpfs none /mnt && mkdir /mnt/all && truncate -s 16M /mnt/image && "
    "mkfs.ext4 -q -F /mnt/image && mount -o loop /mnt/image /mnt/all",
}
"""What to try for each feature, in network and mount namespaces that end with the trial: a kernel's configuration can
be absent, and a module that is not loaded yet is loaded by its use."""


def _kernel(feature: str, trial: str) -> Finding:
    name = f"kernel: {feature}"
    if os.geteuid() != 0:
        return _finding(name, False, "can only be tried as root", "run as root")
    try:
        run("unshare", "--net", "--mount", "sh", "-c", trial)
    except LabError as error:
        return _finding(name, False, str(error).strip(), "use a kernel with this feature; see also: packages")
    return Finding(name, True, "tried, works")


def _cgroups(root: Path = Path("/sys/fs/cgroup")) -> Finding:
    wanted = {"cpu", "cpuset", "memory", "pids"}
    unified = root / "cgroup.controllers"
    if unified.exists():
        version, found = "v2", set(unified.read_text().split())
    else:
        version, found = "v1", {name for name in wanted if (root / name / "cgroup.procs").exists()}
    missing = ", ".join(sorted(wanted - found))
    detail = f"{version}, missing: {missing}" if missing else version
    return _finding("cgroups", not missing, detail, "enable these controllers on the kernel's command line")


def _disk(name: str, path: Path, needed: int) -> Finding:
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    remedy = f"make room under {existing}" + (", or set XDG_CACHE_HOME" if name == "cache" else "")
    detail = f"{free / GIB:.1f} GiB free of the {needed / GIB:.0f} GiB needed at {path}"
    return _finding(f"disk: {name}", free >= needed, detail, remedy)


def _memory(needed: int, meminfo: Path = Path("/proc/meminfo")) -> Finding:
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", meminfo.read_text(), re.MULTILINE)
    available = int(found[1]) * 1024 if found else 0
    detail = f"{available / GIB:.1f} GiB available of the {needed / GIB:.2g} GiB needed"
    return _finding("memory", available >= needed, detail, "end other programs, or use a larger machine")


def _packages() -> Finding:
    missing = missing_packages()
    detail = f"missing: {', '.join(missing)}" if missing else "all there"
    return _finding("packages", not missing, detail, f"apt-get install --yes {' '.join(missing)}")


def _version(program: str, command: tuple[str, ...], needed: tuple[int, ...]) -> Finding:
    """Whether a program is there in at least this version, by the first number that it prints."""
    at_least = ".".join(map(str, needed))
    remedy = install_command([program])
    if shutil.which(program) is None:
        return _finding(program, False, f"not found; {at_least} or later is needed", remedy)
    try:
        printed = run(*command)
    except LabError as error:
        return _finding(program, False, str(error), remedy)
    # After a letter: Maven begins with the colour codes of a terminal, which have digits too.
    found = re.search(r"[a-z] ?(\d+(?:\.\d+)*)", printed)
    version = found[1] if found else ""
    ok = bool(version) and tuple(map(int, version.split("."))) >= needed
    return _finding(program, ok, f"{version or printed.strip()} ({at_least} or later is needed)", remedy)


def _go_needed() -> tuple[int, ...]:
    found = re.search(r"^go (\d+)\.(\d+)", (_go.SOURCE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{_go.SOURCE / 'go.mod'} names no version of Go")
    return int(found[1]), int(found[2])


def _range(routes: Callable[[], str] = lambda: run("ip", "-json", "-4", "route", "show", "table", "all")) -> Finding:
    """Whether nobody but the lab has addresses of its range: some VPNs hand them out as placeholders."""
    name = f"addresses {RANGE}"
    try:
        found = json.loads(routes() or "[]")
    except LabError as error:
        return _finding(name, False, str(error), install_command(["ip"]))
    taken = sorted({f"{route['dst']} on {route.get('dev', '?')}" for route in found if _foreign(route)})
    return _finding(
        name,
        not taken,
        f"taken: {'; '.join(taken)}" if taken else "free, or the lab's own",
        "end what uses them (a VPN?)",
    )


def _foreign(route: dict[str, str]) -> bool:
    if route["dst"] == "default" or route.get("dev", "").startswith(OURS):
        return False
    return IPv4Network(route["dst"]).overlaps(RANGE)


def _port(port: int, listeners: Callable[[], str] = lambda: run("ss", "-Hltnp")) -> Finding:
    """Whether nobody but the lab listens on a port of the control plane, on an address where it would be in the way."""
    name = f"port {port}"
    try:
        lines = [line for line in listeners().splitlines() if line.split()[3].endswith(f":{port}")]
    except LabError as error:
        return _finding(name, False, str(error), install_command(["ss"]))
    taken = [" ".join(line.split()[3:]) for line in lines if '"kube"' not in line]
    return _finding(
        name,
        not taken,
        f"taken: {'; '.join(taken)}" if taken else "free, or the lab's own",
        "end the program that listens there",
    )
