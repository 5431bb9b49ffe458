"""The rollback log in the cluster: what is to be undone, kept where another machine finds it.

One ConfigMap a cluster, one key an undo. A key is patched in and out by itself (a merge patch, which the API server
applies to what is there at that moment), so that writers never undo each other's and nobody has to read before writing.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Self

from kubernetes.client import ApiException, CoreV1Api, V1ConfigMap, V1ObjectMeta

from drill import settings
from drill.cluster import Cluster, answering

NAME = "drill-rollback"
_TIMEOUT = 5.0
_CONFLICT, _NOT_FOUND = 409, 404


class ClusterLog:
    """The undos that are pending on one cluster, whoever registered them."""

    def __init__(self, core: CoreV1Api, context: str, namespace: str) -> None:
        self._core, self.context, self._namespace = core, context, namespace
        self._what = f"configmap {namespace}/{NAME}"

    @classmethod
    def of_settings(cls) -> Self | None:
        """That of the selected context; None: no context is selected.

        Raises:
            DrillError: the settings, or the kubeconfig, do not say how to reach it.
        """
        loaded = settings.load()
        if loaded.context is None:
            return None
        return cls(_core(loaded.context, str(loaded.kubeconfig_file)), loaded.context, loaded.target.lease_namespace)

    def put(self, identity: str, entry: dict[str, Any]) -> None:
        """Write one undo down; it is in the cluster when this returns.

        Raises:
            ClusterError: the API server refused or did not answer.
        """
        data = {identity: json.dumps(entry)}
        with answering(f"write an undo to {self._what}"):
            if self._patch(data):
                return
            body = V1ConfigMap(metadata=V1ObjectMeta(name=NAME, namespace=self._namespace), data=data)
            try:
                self._core.create_namespaced_config_map(self._namespace, body, _request_timeout=_TIMEOUT)
            except ApiException as error:
                if error.status != _CONFLICT:  # somebody else has just made it
                    raise
                self._patch(data)

    def drop(self, identity: str) -> None:
        """Take one undo out; one that is not there is out already.

        Raises:
            ClusterError: the API server refused or did not answer.
        """
        with answering(f"take an undo out of {self._what}"):
            self._patch({identity: None})

    def entries(self) -> dict[str, str]:
        """What was put in and not dropped, as JSON by id.

        Raises:
            ClusterError: the API server refused or did not answer.
        """
        with answering(f"read {self._what}"):
            try:
                found = self._core.read_namespaced_config_map(NAME, self._namespace, _request_timeout=_TIMEOUT)
            except ApiException as error:
                if error.status == _NOT_FOUND:
                    return {}
                raise
        return dict(found.data or {})

    def _patch(self, data: Mapping[str, str | None]) -> bool:
        """Whether there is a ConfigMap to patch."""
        body = {"data": dict(data)}
        try:
            self._core.patch_namespaced_config_map(NAME, self._namespace, body, _request_timeout=_TIMEOUT)
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return False
            raise
        return True


@cache
def _core(context: str, _kubeconfig: str) -> CoreV1Api:
    """One connection a context and kubeconfig: a fault registers many undos."""
    core: CoreV1Api = Cluster.connect(settings.load(context=context)).core
    return core
