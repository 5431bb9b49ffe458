"""The configuration files of a node's containerd, CNI plugins, kubelet and kube-proxy."""

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import yaml

from lab._addresses import DNS_ADDRESS, NAME, POD_NETWORK

_CONTAINERD = """\
version = 2
oom_score = 0
# The opt plugin would make /opt/containerd on the host.
disabled_plugins = ["io.containerd.internal.v1.opt"]

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "drill.local/pause:lab"
  # Lowering the score takes CAP_SYS_RESOURCE, which root in a container or a small virtual machine may not have.
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "/var/lib/drill-node/cni"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


def configuration(name: str, address: IPv4Address, pods: IPv4Network, folder: Path) -> dict[str, str]:
    """The node's files by their path below /var/lib; `folder` is where most of them are, as the node sees it."""
    files = {
        "containerd.toml": _CONTAINERD,
        "cni/10-bridge.conflist": json.dumps(_cni(pods), indent=2),
        "kubelet.yaml": yaml.safe_dump(_kubelet(name, address, folder), sort_keys=False),
        "kube-proxy.yaml": yaml.safe_dump(_kube_proxy(name, folder), sort_keys=False),
    }
    return {f"{folder.name}/{file}": text for file, text in files.items()}


def _cni(pods: IPv4Network) -> dict[str, object]:
    return {
        "cniVersion": "1.0.0",
        "name": NAME,
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "hairpinMode": True,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": str(pods)}]], "routes": [{"dst": "0.0.0.0/0"}]},
            }
        ],
    }


def _kubelet(name: str, address: IPv4Address, folder: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": str(address),
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": f"{folder}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "providerID": f"{NAME}://{name}",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{NAME}/{name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "clusterDNS": [str(DNS_ADDRESS)],
        "clusterDomain": "cluster.local",
        # The lab resolves its own names and no others.
        "resolvConf": "",
        "maxPods": 30,
        # A lab is drilled over and over: the kubelet's memory of ten minutes of kills would add up to minutes of
        # CrashLoopBackOff, and the next drill would measure that.
        "crashLoopBackOff": {"maxContainerRestartPeriod": "10s"},
        # The nodes share one disk with everything else on the machine: it may be fuller than a node's would be.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "3%",
            "nodefs.inodesFree": "2%",
            "imagefs.available": "3%",
        },
        # The images come from no registry, so one that was collected would never come back.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    }


def _kube_proxy(name: str, folder: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": name,
        "clusterCIDR": str(POD_NETWORK),
        "clientConnection": {"kubeconfig": f"{folder}/kube-proxy.conf"},
        "oomScoreAdj": 0,
        # Not the business of one node on a shared machine: these would set limits of the whole kernel.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
