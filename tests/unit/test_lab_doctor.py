"""What the doctor finds on machines of every kind, and that each finding can be bad."""

import json
import os
import platform
import stat
from pathlib import Path

import pytest

from lab import _doctor, packages
from lab._parts import KAFKA, MINIO, VELERO, Part


def test_every_finding_has_its_own_name_and_bad_ones_a_remedy() -> None:
    """The table has no two rows of one name, and no bad row leaves its reader alone."""
    findings = _doctor.doctor()
    assert len({finding.name for finding in findings}) == len(findings)
    assert all(bool(finding.remedy) is not finding.ok for finding in findings)


def test_other_system_is_the_only_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no Linux nothing else is worth looking at."""
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert [(finding.name, finding.ok) for finding in _doctor.doctor()] == [("system", False)]


@pytest.mark.parametrize(
    ("printed", "needed", "ok"),
    [
        ("go1.26.8", (1, 25), True),
        ("go1.19.8", (1, 25), False),
        ("openjdk 17.0.15 2025-04-15", (17,), True),
        ("openjdk 21 2023-09-19", (17,), True),
        ("openjdk 11.0.2 2019-01-15", (17,), False),
        ("\x1b[1mApache Maven 3.8.7\x1b[m", (3, 6), True),
        ("\x1b[1mApache Maven 3.3.9\x1b[m", (3, 6), False),
        ("no number at all", (1,), False),
    ],
)
def test_versions_are_compared_by_number(
    printed: str, needed: tuple[int, ...], ok: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A program's version is right when it is at least the one needed."""
    program = tmp_path / "java"
    program.write_text(f"#!/bin/sh\ncat <<'end'\n{printed}\nend\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert _doctor._version("java", ("java", "--version"), needed).ok is ok


def test_missing_program_is_found_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is not there says which package brings it."""
    monkeypatch.setenv("PATH", "/nowhere")
    finding = _doctor._version("mvn", ("mvn", "--version"), (3, 6))
    assert (finding.ok, finding.remedy) == (False, "apt-get install --yes maven")


@pytest.mark.parametrize(
    ("route", "ok"),
    [
        ({"dst": "default", "dev": "eth0"}, True),
        ({"dst": "192.0.2.0/24", "dev": "eth0"}, True),
        ({"dst": "198.19.1.0/24", "dev": "drill-br0"}, True),
        ({"dst": "198.18.0.0/16", "dev": "tun0"}, False),
        ({"dst": "198.19.255.1", "dev": "tun0"}, False),
        ({"dst": "198.0.0.0/8", "dev": "tun0"}, False),
        ({"type": "blackhole", "dst": "198.18.0.0/15"}, False),
    ],
)
def test_addresses_in_use_by_others_are_found(route: dict[str, str], ok: bool) -> None:
    """A route of somebody else into the lab's range is in the way; the lab's own is not."""
    assert _doctor._range(lambda: json.dumps([route])).ok is ok


@pytest.mark.parametrize(
    ("line", "ok"),
    [
        ("", True),
        ('LISTEN 0 4096 0.0.0.0:16443 0.0.0.0:* users:(("k3s",pid=1,fd=3))', True),
        ('LISTEN 0 4096 198.18.0.1:6443 0.0.0.0:* users:(("kube",pid=1,fd=3))', True),
        ('LISTEN 0 4096 *:6443 *:* users:(("k3s",pid=1,fd=3))', False),
        ("LISTEN 0 4096 127.0.0.1:6443 0.0.0.0:*", False),
    ],
)
def test_ports_in_use_by_others_are_found(line: str, ok: bool) -> None:
    """A listener that is not the lab's own binary is in the way."""
    assert _doctor._port(6443, lambda: line).ok is ok


def test_cgroups_of_both_versions_are_known(tmp_path: Path) -> None:
    """All controllers are there, in either version, or the missing one is named."""
    assert _doctor._cgroups(tmp_path).detail == "v1, missing: cpu, cpuset, memory, pids"
    for name in ("cpu", "cpuset", "memory", "pids"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").touch()
    assert _doctor._cgroups(tmp_path).ok
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory\n")
    assert _doctor._cgroups(tmp_path).detail == "v2, missing: pids"


def test_too_little_memory_is_found(tmp_path: Path) -> None:
    """Available memory counts, not what is free."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 8000000 kB\nMemFree: 100000 kB\nMemAvailable: 6000000 kB\n")
    assert _doctor._memory(_doctor.MEMORY_NEEDED, meminfo).ok
    meminfo.write_text("MemTotal: 8000000 kB\nMemFree: 100000 kB\nMemAvailable: 2000000 kB\n")
    assert not _doctor._memory(_doctor.MEMORY_NEEDED, meminfo).ok


def test_too_little_disk_is_found(tmp_path: Path) -> None:
    """A folder that is not there yet is judged by the file system that it will be on."""
    assert _doctor._disk("state", tmp_path / "not" / "yet", 0).ok
    assert not _doctor._disk("state", tmp_path / "not" / "yet", 1 << 80).ok


def test_parts_add_to_what_is_needed() -> None:
    """Each by its own share of memory and disk."""

    def details(*parts: Part) -> dict[str, str]:
        return {finding.name: finding.detail for finding in _doctor.doctor(parts)}

    assert "of the 4 GiB needed" in details()["memory"]
    assert "of the 4.8 GiB needed" in details(MINIO, VELERO)["memory"]
    assert "of the 8 GiB needed" in details(KAFKA)["disk: cache"]
    assert "of the 13 GiB needed" in details(KAFKA, MINIO, VELERO)["disk: state"]


def test_kernel_feature_that_fails_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that fails, or that can't be made, is a bad finding."""
    assert not _doctor._kernel("none", "false").ok
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not _doctor._kernel("network namespaces", "true").ok
    assert not _doctor._root().ok


def test_packages_of_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no program to be found every package is missing, each named once."""
    monkeypatch.setattr(packages, "SYSTEM_PATH", "/nowhere")
    assert packages.missing_packages() == sorted(set(packages.PROVIDED_BY.values()))
    assert not _doctor._packages().ok


def test_install_command_names_packages_once_and_sends_elsewhere_for_go() -> None:
    """Two programs of one package are one word; Go is no Debian package here."""
    assert packages.install_command(["ip", "ss"]) == "apt-get install --yes iproute2"
    assert packages.install_command(["mvn", "go"]) == "apt-get install --yes maven; see https://go.dev/doc/install"
