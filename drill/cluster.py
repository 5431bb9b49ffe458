"""The connection to a Kubernetes cluster: one client, and what the rooms ask of it."""

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import yaml
from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException
from kubernetes.stream import stream
from kubernetes.stream.ws_client import ERROR_CHANNEL, WSClient
from urllib3.exceptions import HTTPError
from websocket import WebSocketException

from drill.errors import DrillError, UsageError
from drill.settings import DolphinSchedulerTarget, PostgresTarget, Settings

TIMEOUT = 10.0
"""Seconds after which a request to the API server is given up."""
_NOT_FOUND = 404


class ClusterError(DrillError):
    """The API server or a container refused or did not answer; the message says which."""


class MissingError(ClusterError):
    """What was asked for is not there."""


@dataclass(frozen=True)
class Permission:
    """One thing that a drill must be allowed to do, as RBAC words it."""

    verb: str
    resource: str
    namespace: str | None = None
    """None: cluster-wide."""
    group: str = ""
    subresource: str = ""
    name: str = ""
    """Of the one object that it is about; empty: all of them."""

    def __str__(self) -> str:
        resource = "/".join(filter(None, (self.resource, self.subresource)))
        group, name = f".{self.group}" if self.group else "", f" {self.name}" if self.name else ""
        return f"{self.verb} {resource}{group}{name} in {self.namespace or 'all namespaces'}"


def secret_permission(system: PostgresTarget | DolphinSchedulerTarget) -> tuple[Permission, ...]:
    """What reading a system's password takes; nothing where no Secret has it."""
    secret = system.password
    if secret is None:
        return ()
    return (Permission("get", "secrets", secret.namespace or system.namespace, name=secret.name),)


@dataclass(frozen=True)
class ExecResult:
    """What a command in a container answered."""

    stdout: str
    stderr: str
    exit_code: int | None
    """None: the connection ended without a status, as it does when the container dies under the command."""


@dataclass(frozen=True)
class PodState:
    """One pod as the API server has it."""

    namespace: str
    name: str
    uid: str
    node: str | None
    phase: str
    ready: bool
    restarts: int
    """Over all its containers."""
    container_ids: dict[str, str]
    """Id by container name; a container that never started has none."""
    waiting: tuple[str, ...]
    """Why containers wait: CrashLoopBackOff, ImagePullBackOff, ContainerCreating, ..."""
    running: frozenset[str]
    """Names of the containers that run."""
    owner: str | None
    """Name of the controller that owns it, a StatefulSet for instance."""
    terminating: bool
    owner_kind: str | None = None
    address: str | None = None
    """Its IP address, once it has one."""
    revision: str | None = None
    """Which version of its workload's template it was made from."""
    ended: dict[str, str] = field(default_factory=dict)
    """Why the last run of a container ended (OOMKilled, Error, Completed), by its name."""

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON types, for events and evidence."""
        return {**asdict(self), "running": sorted(self.running), "waiting": list(self.waiting)}


class Cluster:
    """One kubeconfig context's cluster; safe for use by several threads."""

    def __init__(self, context: str, api: client.ApiClient) -> None:
        self.context = context
        self._api = api
        self.core = client.CoreV1Api(api)
        self.apps = client.AppsV1Api(api)
        self.authorization = client.AuthorizationV1Api(api)
        self.coordination = client.CoordinationV1Api(api)
        self.objects = client.CustomObjectsApi(api)
        """Objects of any API group as plain JSON, with all that this client's own models do not know."""

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Make a client of the selected context; sends nothing yet.

        Raises:
            UsageError: no context is selected, or the kubeconfig can't be read or has no such context.
        """
        settings.target  # noqa: B018 - a context that the settings do not know is never connected to
        file = settings.kubeconfig_file
        if file is not None and (file.is_dir() or not file.exists()):
            problem = "is a folder" if file.is_dir() else "no such file"
            cure = "give the file by --kubeconfig, or as `kubeconfig` of the context in the settings"
            raise UsageError(f"kubeconfig {file}: {problem}: {cure}")
        try:
            api = config.new_client_from_config(config_file=str(file) if file else None, context=settings.context)
        except (OSError, yaml.YAMLError) as error:
            raise UsageError(f"kubeconfig {file or 'of kubectl'}: can't be read: {error}") from error
        except ConfigException as error:
            raise UsageError(f"kubeconfig {file or 'of kubectl'}: context {settings.context!r}: {error}") from error
        return cls(str(settings.context), api)

    def identity(self) -> dict[str, Any]:
        """Which cluster this is: `context`, `uid` (of the namespace kube-system), `server_version`, `nodes`.

        Raises:
            ClusterError: the API server refused or did not answer.
        """
        with answering("identity of the cluster"):
            system = self.core.read_namespace("kube-system", _request_timeout=TIMEOUT)
            version = client.VersionApi(self._api).get_code(_request_timeout=TIMEOUT)
            nodes = self.core.list_node(_request_timeout=TIMEOUT)
        return {
            "context": self.context,
            "uid": system.metadata.uid,
            "server_version": version.git_version,
            "nodes": [
                {
                    "name": node.metadata.name,
                    "ready": any(each.type == "Ready" and each.status == "True" for each in node.status.conditions),
                    "kubelet": node.status.node_info.kubelet_version,
                    "kernel": node.status.node_info.kernel_version,
                    "runtime": node.status.node_info.container_runtime_version,
                    "cpu": node.status.capacity["cpu"],
                    "memory": node.status.capacity["memory"],
                }
                for node in nodes.items
            ],
        }

    def pods(self, namespace: str, selector: str) -> list[PodState]:
        """The pods of a label selector, by name.

        Raises:
            UsageError: the selector is empty; it would take every pod.
            ClusterError: the API server refused or did not answer.
        """
        if not selector.strip():
            raise UsageError(f"an empty label selector would take every pod of namespace {namespace!r}")
        with answering(f"pods of {namespace} with {selector}"):
            listed = self.core.list_namespaced_pod(namespace, label_selector=selector, _request_timeout=TIMEOUT)
        return sorted((pod_state(pod) for pod in listed.items), key=lambda pod: pod.name)

    def pod(self, namespace: str, name: str, uid: str) -> PodState | None:
        """Exactly this pod; None: it is gone, whoever has its name now.

        Raises:
            ClusterError: the API server refused or did not answer.
        """
        try:
            with answering(f"pod {namespace}/{name}"):
                found = self.core.read_namespaced_pod(name, namespace, _request_timeout=TIMEOUT)
        except MissingError:
            return None
        return pod_state(found) if found.metadata.uid == uid else None

    def secret(self, namespace: str, name: str, key: str) -> str:
        """One value of a Secret.

        Raises:
            ClusterError: the API server refused, or the Secret has no such key.
        """
        with answering(f"secret {namespace}/{name}"):
            data = self.core.read_namespaced_secret(name, namespace, _request_timeout=TIMEOUT).data or {}
        if key not in data:
            raise ClusterError(
                f"secret {namespace}/{name} has no key {key!r}, but: {', '.join(sorted(data)) or 'none'}"
            )
        return base64.b64decode(data[key]).decode()

    def delete_pod(self, pod: PodState, grace_period: int) -> None:
        """Delete exactly this pod, not a later one of the same name; `grace_period` in seconds.

        Raises:
            ClusterError: the API server refused (the pod is gone, for instance) or did not answer.
        """
        options = client.V1DeleteOptions(
            grace_period_seconds=grace_period, preconditions=client.V1Preconditions(uid=pod.uid)
        )
        with answering(f"delete pod {pod.namespace}/{pod.name}"):
            self.core.delete_namespaced_pod(pod.name, pod.namespace, body=options, _request_timeout=TIMEOUT)

    def open_exec(self, namespace: str, pod: str, container: str, argv: Sequence[str]) -> WSClient:
        """Start a command in a container and return its open streams (stdin, stdout, stderr).

        Raises:
            ClusterError: the container could not be entered.
        """
        # `stream` swaps a method of its ApiClient for the time of the call, so each call gets one of its own.
        core = client.CoreV1Api(client.ApiClient(configuration=self._api.configuration))
        try:
            streams: WSClient = stream(
                core.connect_get_namespaced_pod_exec,
                pod,
                namespace,
                container=container,
                command=list(argv),
                stdin=True,
                stdout=True,
                stderr=True,
                tty=False,
                _preload_content=False,
            )
        except (client.ApiException, WebSocketException, OSError) as error:
            raise ClusterError(f"exec in {namespace}/{pod}/{container}: {error}") from error
        except AttributeError as error:  # before version 37 the client decodes the body of an error that has none
            if not isinstance(error.__context__, client.ApiException):
                raise
            raise ClusterError(f"exec in {namespace}/{pod}/{container}: {error.__context__.reason}") from error
        return streams

    def exec(self, namespace: str, pod: str, container: str, argv: Sequence[str], timeout: float = 30) -> ExecResult:
        """Run a command in a container to its end.

        Raises:
            ClusterError: the container could not be entered, or the command did not end within `timeout` seconds.
        """
        streams = self.open_exec(namespace, pod, container, argv)
        try:
            streams.run_forever(timeout=timeout)
            if streams.is_open():
                raise ClusterError(f"exec in {namespace}/{pod}/{container}: {argv[0]} still ran after {timeout:g} s")
            return exec_result(streams)
        except WebSocketException as error:
            raise ClusterError(f"exec in {namespace}/{pod}/{container}: {error}") from error
        finally:
            close_exec(streams)

    def listed(self, plural: str, group: str = "", version: str = "v1") -> list[dict[str, Any]] | None:
        """All objects of a kind, of all namespaces, as plain JSON; None: the server does not know the kind.

        Raises:
            ClusterError: the API server refused or did not answer.
        """
        lists = {
            "nodes": self.core.list_node,
            "pods": self.core.list_pod_for_all_namespaces,
            "services": self.core.list_service_for_all_namespaces,
            "persistentvolumes": self.core.list_persistent_volume,
            "persistentvolumeclaims": self.core.list_persistent_volume_claim_for_all_namespaces,
        }
        with answering(f"all {plural}"):
            try:
                if not group:
                    found = self._api.sanitize_for_serialization(lists[plural](_request_timeout=TIMEOUT))
                else:
                    found = self.objects.list_cluster_custom_object(group, version, plural, _request_timeout=TIMEOUT)
            except client.ApiException as error:
                if error.status == _NOT_FOUND:
                    return None
                raise
        return list(found["items"])

    def missing_permissions(self, permissions: Iterable[Permission]) -> list[Permission]:
        """Those of `permissions` that the API server says we do not have (SelfSubjectAccessReview)."""
        return [permission for permission in permissions if not self._allowed(permission)]

    def _allowed(self, permission: Permission) -> bool:
        review = client.V1SelfSubjectAccessReview(
            spec=client.V1SelfSubjectAccessReviewSpec(
                resource_attributes=client.V1ResourceAttributes(
                    verb=permission.verb,
                    resource=permission.resource,
                    namespace=permission.namespace,
                    group=permission.group,
                    subresource=permission.subresource,
                    name=permission.name,
                )
            )
        )
        with answering(f"may we {permission}"):
            answer = self.authorization.create_self_subject_access_review(review, _request_timeout=TIMEOUT)
        return bool(answer.status.allowed)


@contextmanager
def answering(request: str) -> Iterator[None]:
    """Turn what the client raises when the API server refuses or stays silent into a ClusterError."""
    try:
        yield
    except client.ApiException as error:
        kind = MissingError if error.status == 404 else ClusterError  # noqa: PLR2004 - HTTP Not Found
        raise kind(f"{request}: {error.status} {error.reason}: {_message(error.body)}") from error
    except HTTPError as error:
        raise ClusterError(f"{request}: {getattr(error, 'reason', None) or error}") from error


def _message(body: str | None) -> str:
    """The message of the `v1.Status` in an answer's body, or the body as it is."""
    try:
        return str(json.loads(body or "{}").get("message", body))
    except ValueError:
        return str(body)


def close_exec(streams: WSClient, timeout: float = 3) -> None:
    """End an exec and free its socket, which `close` leaves open where the other side has closed already."""
    streams.close(timeout=timeout)
    streams.sock.shutdown()


def exec_result(streams: WSClient) -> ExecResult:
    """What a command whose streams have closed answered."""
    stdout, stderr = streams.read_stdout(timeout=0), streams.read_stderr(timeout=0)
    return ExecResult(stdout, stderr, _exit_code(streams.read_channel(ERROR_CHANNEL)))


def _exit_code(status: str) -> int | None:
    """The exit code in the `v1.Status` that ends an exec (its last channel); other failures have no code."""
    if not status:
        return None
    content = json.loads(status)
    if content["status"] == "Success":
        return 0
    for cause in content.get("details", {}).get("causes", []):
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise ClusterError(f"exec: {content.get('message', status)}")


def pod_state(pod: Any) -> PodState:
    """What a drill needs of a pod as the client has it."""
    statuses = pod.status.container_statuses or []
    waiting = [each.state.waiting.reason for each in statuses if each.state and each.state.waiting]
    owners = [owner for owner in pod.metadata.owner_references or [] if owner.controller]
    labels = pod.metadata.labels or {}
    return PodState(
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        node=pod.spec.node_name,
        phase=pod.status.phase,
        ready=any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or []),
        restarts=sum(each.restart_count for each in statuses),
        container_ids={each.name: each.container_id for each in statuses if each.container_id},
        waiting=tuple(reason for reason in waiting if reason),
        running=frozenset(each.name for each in statuses if each.state and each.state.running),
        owner=owners[0].name if owners else None,
        owner_kind=owners[0].kind if owners else None,
        terminating=pod.metadata.deletion_timestamp is not None,
        address=pod.status.pod_ip,
        revision=labels.get("controller-revision-hash") or labels.get("pod-template-hash"),
        ended={each.name: reason for each in statuses if (reason := _ended(each))},
    )


def _ended(status: Any) -> str | None:
    """Why a container's last run ended; None: it has not ended yet."""
    for state in (status.state, status.last_state):
        if state and state.terminated:
            return str(state.terminated.reason)
    return None
