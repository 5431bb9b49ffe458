"""Go programs that come as they are from modules of others: MinIO, and Velero with its plugin.

Each has a module of its own in lab/build, because they do not agree with Kubernetes' on versions, and are built apart.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from lab._cache import content_hash
from lab._tools import Tools

_BUILD = Path(__file__).parent / "build"


@dataclass(frozen=True)
class Module:
    """Programs of one go.mod.

    Attributes:
        source: the folder of go.mod and go.sum.
        packages: what is compiled, each into a program of its last name.
        versioned: the module whose version is told to the programs, and the variable that holds it there.
    """

    source: Path
    packages: tuple[str, ...]
    versioned: tuple[str, str] | None = None

    def key(self) -> str:
        """Content hash of what the programs are made from."""
        return content_hash(self.source, *self._command(), *self.packages)

    def build(self, tools: Tools, folder: Path) -> None:
        """Compile the programs into `folder`.

        Raises:
            LabError: the compiler failed.
        """
        command = [*self._command(), "-o", f"{folder}/", *self.packages]
        env = {"CGO_ENABLED": "0", "GOWORK": "off", "GOTMPDIR": str(folder)}
        tools.run(f"go-{self.source.name}", command, cwd=self.source, env=env)

    def version(self, module: str) -> str:
        """The version of a module that go.mod names, such as v1.18.3.

        Raises:
            ValueError: it names none.
        """
        file = self.source / "go.mod"
        found = re.search(rf"^\t{re.escape(module)} (v\S+)", file.read_text(), re.MULTILINE)
        if found is None:
            raise ValueError(f"{file} requires no {module}")
        return found[1]

    def _command(self) -> list[str]:
        flags = "-s -w"
        if self.versioned is not None:
            module, variable = self.versioned
            flags += f" -X {variable}={self.version(module)}"
        return ["go", "build", "-mod=readonly", "-trimpath", "-ldflags", flags]


_VELERO = "github.com/vmware-tanzu/velero"

MINIO = Module(_BUILD / "minio", ("github.com/minio/minio",))
VELERO = Module(
    _BUILD / "velero",
    (
        f"{_VELERO}/cmd/velero",
        f"{_VELERO}/cmd/velero-restore-helper",
        f"{_VELERO}-plugin-for-aws/velero-plugin-for-aws",
    ),
    # It names images by its version (pkg/buildinfo).
    versioned=(_VELERO, f"{_VELERO}/pkg/buildinfo.Version"),
)
