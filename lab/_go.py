"""The lab's Go programs: Kubernetes with etcd in one binary, CoreDNS, the volume provisioner and pause."""

import re
from pathlib import Path

from lab._cache import content_hash
from lab._tools import Tools

SOURCE = Path(__file__).parent / "build" / "go"
PROVISIONER = "github.com/rancher/local-path-provisioner"


def key() -> str:
    """Content hash of what the programs are made from."""
    return content_hash(SOURCE, *_command())


def build(tools: Tools, folder: Path) -> None:
    """Compile the programs into `folder`: kube, coredns, pause and local-path-provisioner.

    A build that was killed goes on where it stopped, from Go's own cache of compiled packages.
    """
    # The provisioner and Kubernetes spell one import path in different case, which Go refuses within one command.
    for packages in (["./kube", "./coredns", "./pause"], [PROVISIONER]):
        command = [*_command(), "-o", f"{folder}/", *packages]
        tools.run("go", command, cwd=SOURCE, env={"CGO_ENABLED": "0", "GOWORK": "off", "GOTMPDIR": str(folder)})


def _command() -> list[str]:
    return ["go", "build", "-mod=readonly", "-trimpath", "-ldflags", _linker_flags()]


def kubernetes_version() -> str:
    """The version of Kubernetes that go.mod names, such as v1.35.4."""
    found = re.search(r"^\tk8s\.io/kubernetes (v\S+)$", (SOURCE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{SOURCE / 'go.mod'} requires no k8s.io/kubernetes")
    return found[1]


def _linker_flags() -> str:
    """What Kubernetes' own build sets (hack/lib/version.sh); the components refuse to guess their version."""
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(
        ["-s -w", *(f"-X {package}.{name}={value}" for package in packages for name, value in values.items())]
    )
