"""The lab's certificates and kubeconfigs, made by kubeadm."""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from lab._addresses import API_PORT, BRIDGE_ADDRESS, NAME, POD_NETWORK, SERVICE_NETWORK, STATE
from lab._run import run

_CONFIG = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {address}, bindPort: {port}}}
nodeRegistration: {{name: {name}, criSocket: unix:///run/containerd/containerd.sock}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: {name}
kubernetesVersion: {version}
controlPlaneEndpoint: {address}:{port}
certificatesDir: {folder}
encryptionAlgorithm: ECDSA-P256
networking: {{serviceSubnet: {services}, podSubnet: {pods}, dnsDomain: cluster.local}}
etcd: {{local: {{serverCertSANs: ["{address}"], peerCertSANs: ["{address}"]}}}}
"""


@dataclass(frozen=True)
class Pki:
    """The certificates in `folder`, and kubeconfigs signed with them."""

    kube: Path
    folder: Path = STATE / "pki"

    @property
    def authority(self) -> Path:
        """The certificate of the cluster's authority."""
        return self.folder / "ca.crt"

    def create(self) -> None:
        """Make all certificates, unless they are there."""
        if self.folder.exists():
            return
        partial = self.folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        run(self.kube, "kubeadm", "init", "phase", "certs", "all", "--config", self._config(partial))
        self._config(partial, certificates=self.folder)
        partial.rename(self.folder)

    def kubeconfig(self, user: str, *groups: str, context: str | None = None) -> str:
        """A kubeconfig for `user` in `groups`; with `context`, context and user are called so.

        A certificate is signed at each call, so callers keep what they get.
        """
        organisations = [argument for group in groups for argument in ("--org", group)]
        command = ("kubeadm", "kubeconfig", "user", "--config", self.folder / "kubeadm.yaml", "--client-name", user)
        text = run(self.kube, *command, *organisations)
        if context is None:
            return text
        config = yaml.safe_load(text)
        config["users"][0]["name"] = context
        config["contexts"][0] = {"name": context, "context": {"cluster": NAME, "user": context}}
        config["current-context"] = context
        return str(yaml.safe_dump(config, sort_keys=False))

    @cached_property
    def _version(self) -> str:
        return run(self.kube, "kubeadm", "version", "--output", "short").strip()

    def _config(self, folder: Path, certificates: Path | None = None) -> Path:
        text = _CONFIG.format(
            address=BRIDGE_ADDRESS,
            port=API_PORT,
            name=NAME,
            version=self._version,
            folder=certificates or folder,
            services=SERVICE_NETWORK,
            pods=POD_NETWORK,
        )
        (folder / "kubeadm.yaml").write_text(text)
        return folder / "kubeadm.yaml"
