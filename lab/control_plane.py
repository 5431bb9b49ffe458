"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler on the host's end of the lab's bridge."""

import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from lab import _network
from lab._addresses import (
    API_PORT,
    API_SERVER,
    BRIDGE_ADDRESS,
    ETCD_PEER_PORT,
    ETCD_PORT,
    NAME,
    SERVICE_NETWORK,
    STATE,
    kubeconfig,
)
from lab._files import write
from lab._group import Group
from lab._pki import Pki
from lab._run import until

GROUP = Group("control-plane")

# Small heaps, paid with a little processor time: an idle lab should weigh little.
_FRUGAL = ("env", "GOGC=40")

# There is one of each, so nobody to elect a leader among; and nobody scrapes them.
_SINGLE = ("--leader-elect=false", "--secure-port=0", "--profiling=false")


@dataclass(frozen=True)
class ControlPlane:
    """The control plane as one object; `kube` is the multi-call binary."""

    kube: Path

    @property
    def pki(self) -> Pki:
        """The cluster's certificates."""
        return Pki(self.kube)

    def start(self) -> None:
        """Start it unless it runs, with new certificates and an empty etcd if there are none yet; does not wait."""
        if GROUP.running:
            return
        _network.create_bridge()
        self.pki.create()
        for user in ("kube-controller-manager", "kube-scheduler"):
            self._credentials(STATE / f"{user}.conf", f"system:{user}")
        self._credentials(kubeconfig(), f"{NAME}-admin", "system:masters", context=NAME)
        GROUP.stop()  # whatever a half-killed start has left
        GROUP.start(self._processes())

    def await_ready(self, timeout: float = 120) -> None:
        """Wait for the API server's own word that it is ready.

        Raises:
            LabError: it is not within `timeout` seconds.
        """
        trusted = ssl.create_default_context(cafile=str(self.pki.authority))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        )

        def ready() -> bool:
            try:
                with opener.open(f"{API_SERVER}/readyz", timeout=2) as answer:
                    return bool(answer.status == 200)  # noqa: PLR2004 - HTTP OK
            except (urllib.error.URLError, OSError):
                return False

        until(ready, timeout=timeout, what=f"{API_SERVER}/readyz (see {GROUP.logs})")

    def _credentials(self, file: Path, user: str, *groups: str, context: str | None = None) -> None:
        # A kubeconfig of an older lab, signed by another authority, must not survive.
        authority = self.pki.authority.stat().st_mtime
        if not file.exists() or file.stat().st_mtime < authority:
            write(file, self.pki.kubeconfig(user, *groups, context=context))

    def _processes(self) -> dict[str, list[object]]:
        pki = self.pki.folder
        etcd = f"https://{BRIDGE_ADDRESS}:{ETCD_PORT}"
        peer = f"https://{BRIDGE_ADDRESS}:{ETCD_PEER_PORT}"
        return {
            "etcd": [
                *_FRUGAL,
                self.kube,
                "etcd",
                f"--name={NAME}",
                f"--data-dir={STATE}/etcd",
                f"--listen-client-urls={etcd}",
                f"--advertise-client-urls={etcd}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster={NAME}={peer}",
                "--client-cert-auth",
                f"--trusted-ca-file={pki}/etcd/ca.crt",
                f"--cert-file={pki}/etcd/server.crt",
                f"--key-file={pki}/etcd/server.key",
                "--peer-client-cert-auth",
                f"--peer-trusted-ca-file={pki}/etcd/ca.crt",
                f"--peer-cert-file={pki}/etcd/peer.crt",
                f"--peer-key-file={pki}/etcd/peer.key",
                # For a lab only: a power cut may lose the cluster's state, and each write is some ms faster.
                "--unsafe-no-fsync",
                "--snapshot-count=5000",
                "--auto-compaction-retention=10m",
                "--log-level=warn",
            ],
            "kube-apiserver": [
                *_FRUGAL,
                self.kube,
                "kube-apiserver",
                f"--advertise-address={BRIDGE_ADDRESS}",
                f"--bind-address={BRIDGE_ADDRESS}",
                f"--secure-port={API_PORT}",
                f"--service-cluster-ip-range={SERVICE_NETWORK}",
                f"--etcd-servers={etcd}",
                f"--etcd-cafile={pki}/etcd/ca.crt",
                f"--etcd-certfile={pki}/apiserver-etcd-client.crt",
                f"--etcd-keyfile={pki}/apiserver-etcd-client.key",
                f"--client-ca-file={pki}/ca.crt",
                f"--tls-cert-file={pki}/apiserver.crt",
                f"--tls-private-key-file={pki}/apiserver.key",
                f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
                f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
                # Node names resolve nowhere here.
                "--kubelet-preferred-address-types=InternalIP",
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                f"--service-account-key-file={pki}/sa.pub",
                f"--service-account-signing-key-file={pki}/sa.key",
                f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
                f"--proxy-client-key-file={pki}/front-proxy-client.key",
                f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
                "--requestheader-allowed-names=front-proxy-client",
                "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                "--requestheader-group-headers=X-Remote-Group",
                "--requestheader-username-headers=X-Remote-User",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                "--allow-privileged=true",
                "--profiling=false",
            ],
            "kube-controller-manager": [
                *_FRUGAL,
                self.kube,
                "kube-controller-manager",
                f"--kubeconfig={STATE}/kube-controller-manager.conf",
                f"--root-ca-file={pki}/ca.crt",
                f"--service-account-private-key-file={pki}/sa.key",
                "--use-service-account-credentials=true",
                f"--cluster-signing-cert-file={pki}/ca.crt",
                f"--cluster-signing-key-file={pki}/ca.key",
                *_SINGLE,
            ],
            "kube-scheduler": [
                *_FRUGAL,
                self.kube,
                "kube-scheduler",
                f"--kubeconfig={STATE}/kube-scheduler.conf",
                *_SINGLE,
            ],
        }
