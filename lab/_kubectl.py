"""The lab's own kubectl."""

from pathlib import Path

from lab._addresses import kubeconfig
from lab._run import run


def kubectl(kube: Path, *arguments: object, text: str = "", timeout: float = 300) -> str:
    """Run `kubectl` against the lab, with `text` on its stdin, and return its output.

    Raises:
        LabError: it failed; the message has kubectl's.
    """
    access = (f"--kubeconfig={kubeconfig()}", f"--cache-dir={kubectl_cache()}")
    # It may wait for minutes, and must not outlive an `up` that is killed.
    return run("setpriv", "--pdeathsig=KILL", kube, "kubectl", *access, *arguments, text=text, timeout=timeout)


def kubectl_cache() -> Path:
    """Where kubectl keeps what it knows of the lab's API, apart from what the user's own kubectl knows of others."""
    return kubeconfig().with_name("kubectl")
