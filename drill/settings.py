"""Settings: a flag beats `DRILL_*`, which beats `drill.toml`, which beats the default.

A flag reaches the children of a run as its environment variable, so that Chaos Toolkit and Locust, run by the harness
or by hand, see the same settings.
"""

import os
import re
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from drill import _remedies, _toml
from drill.errors import InputError, Mistake, UsageError
from drill.names import Namespace, Namespaces
from drill.windows import Window

FILE_VARIABLE = "DRILL_SETTINGS"
DEFAULT_FILE = "drill.toml"

T = TypeVar("T")
_SECRET = re.compile(r"password|passphrase|secret|key\.pem$", re.IGNORECASE)
"""In names of client settings of librdkafka that hold a secret themselves, and not the file that has it."""
_BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"


def _without_user(url: str) -> str:
    if "@" in url:
        raise ValueError(
            "it has an `@`, as a URL with a password has, and a URL is in records and errors: take user and password "
            "out, and name a Secret or a variable where this table takes one, else use ~/.netrc (in a path, @ is %40)"
        )
    return url


Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+"), AfterValidator(_without_user)]
"""Of HTTP, and without a password: it is shown."""


class SecretKey(BaseModel):
    """Where a Kubernetes Secret holds a value; the value itself is in no settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    key: str = "password"
    namespace: str | None = Field(default=None, description="of the Secret; default: the system's own")


class Elsewhere(BaseModel):
    """Where a secret value is; the value itself is in no settings file, no log, no record and no report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: str | None = Field(default=None, pattern=r"^[A-Za-z_]\w*$", description="name of an environment variable")
    secret: SecretKey | None = Field(default=None, description="a Kubernetes Secret; its namespace must be given")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.env is None) is (self.secret is None):
            raise ValueError("it is in one place: give either `env` or `secret`")
        if self.secret is not None and self.secret.namespace is None:
            raise ValueError("the Secret's namespace is missing: secret = {name = ..., key = ..., namespace = ...}")
        return self


class KafkaTarget(BaseModel):
    """Where a context's Kafka is, for clients and for Kubernetes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bootstrap: str = Field(
        pattern=r"^[^\s,@]+:\d+(,[^\s,@]+:\d+)*$",
        description="bootstrap servers as seen from where drill runs, host:port[,host:port]",
    )
    namespace: str = "kafka"
    statefulset: str = Field(
        default="datahub-kafka-kafka-pool",
        description="owner of the broker pods; broker N runs in pod <statefulset>-N",
    )
    selector: str = Field(
        default="app.kubernetes.io/name=kafka",
        pattern=r"\S",
        description="label selector of the broker pods; an empty one would take every pod",
    )
    container: str = Field(default="kafka", description="container that runs the broker")
    process: str = Field(default="kafka.Kafka", description="text in the broker's command line, as `pgrep -f` finds it")
    client: dict[str, str] = Field(
        default={}, description="more client settings (security.protocol, sasl.*, ssl.*), none of them secret"
    )
    client_secrets: dict[str, Elsewhere] = Field(
        default={}, description="where the secret client settings are (sasl.password, ssl.key.password)"
    )

    @field_validator("client")
    @classmethod
    def _none_is_secret(cls, client: dict[str, str]) -> dict[str, str]:
        if secret := sorted(name for name in client if _SECRET.search(name)):
            raise ValueError(
                f"a secret has no place here: say in client_secrets where it is "
                f'(client_secrets = {{"{secret[0]}" = {{env = "NAME"}}}}): {", ".join(secret)}'
            )
        return client

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if twice := sorted(self.client.keys() & self.client_secrets.keys()):
            raise ValueError(f"both client and client_secrets have {', '.join(twice)}")
        return self


class PostgresTarget(BaseModel):
    """Where a context's PostgreSQL is, for clients and for Kubernetes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dsn: str = Field(
        description="libpq connection string of the server itself, as seen from where drill runs, of a superuser "
        "(host=... port=... user=...), without its password"
    )
    pooler: str | None = Field(default=None, description="the same through the clients' pool (PgBouncer), if any")
    password: SecretKey | None = Field(default=None, description="default: libpq's own ways (PGPASSWORD, ~/.pgpass)")
    database: str = Field(default="kong", description="database that drills write their accounted rows to")
    namespace: str = "kong"
    statefulset: str = "kong-postgres"
    selector: str = Field(
        default="app.kubernetes.io/name=kong-postgres",
        pattern=r"\S",
        description="label selector of its pods; an empty one would take every pod",
    )
    container: str = Field(default="postgres", description="container that runs the server")

    @field_validator("dsn", "pooler")
    @classmethod
    def _libpq_takes_it(cls, dsn: str | None) -> str | None:
        import psycopg  # noqa: PLC0415 - only who declares a PostgreSQL waits for it

        try:
            parts = psycopg.conninfo.conninfo_to_dict(dsn or "")
        except psycopg.Error as error:
            raise ValueError(f"libpq can't read it: {str(error).strip()}") from error
        if "password" in parts:
            raise ValueError("it holds a password: name the Secret that has it instead (`password = {name = ...}`)")
        if dsn is not None and not parts.get("host"):
            raise ValueError("it names no host")
        return dsn


class DolphinSchedulerTarget(BaseModel):
    """Where a context's DolphinScheduler is, for clients and for Kubernetes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Url = Field(description="of its API as seen from where drill runs: http://host:port/dolphinscheduler")
    user: str = "admin"
    password: SecretKey | None = Field(
        default=None, description="default: the variable DRILL_DOLPHINSCHEDULER_PASSWORD"
    )
    project: str = Field(default="drill", description="name of the project whose workflows drills start")
    namespace: str = "data-platform"
    api: str = Field(default="dolphinscheduler-api", description="Deployment of the API")
    master: str = Field(default="dolphinscheduler-master", description="Deployment of the master")
    worker: str = Field(default="dolphinscheduler-worker", description="Deployment of the workers")


class PrometheusTarget(BaseModel):
    """Where a context's Prometheus is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Url = Field(description="as seen from where drill runs: http://host:9090")


class TrinoTarget(BaseModel):
    """Where a context's Trino is, for clients and for Kubernetes."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    url: Url = Field(description="of its coordinator as seen from where drill runs: http://host:8080")
    user: str = "drill"
    catalog: str = Field(default="iceberg", pattern=r"^[a-z_][a-z0-9_]*$", description="an Iceberg catalog")
    schema_: str = Field(
        default="lakehouse", alias="schema", pattern=r"^[a-z_][a-z0-9_]*$", description="where the tables are"
    )
    namespace: str = "data-platform"
    coordinator: str = Field(default="trino-coordinator", description="Deployment of the coordinator")
    worker: str = Field(default="trino-worker", description="Deployment of the workers")


class ObjectStoreTarget(BaseModel):
    """Where a context's S3 object store is: the bucket of its backups, and the lakehouse's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: Url | None = Field(
        default=None, description="of the S3 API as seen from where drill runs; default: AWS itself"
    )
    region: str = "us-east-1"
    bucket: str = Field(pattern=_BUCKET, description="where Velero puts its backups")
    lakehouse: str | None = Field(default=None, pattern=_BUCKET, description="bucket of the lakehouse, if any")
    drillable: tuple[str, ...] = Field(default=(), description="buckets whose objects a drill may delete or damage")
    access_key: SecretKey | None = Field(default=None, description="default: boto3's own ways (AWS_*, ~/.aws)")
    secret_key: SecretKey | None = Field(default=None, description="default: boto3's own ways (AWS_*, ~/.aws)")
    path_style: bool = Field(default=True, description="http://host/bucket, not http://bucket.host; MinIO wants it")
    ca_file: Path | None = Field(default=None, description="certificates that its own is checked by")
    namespace: str = Field(default="minio", description="of the Secrets above, and of its pods if it has some here")

    @model_validator(mode="after")
    def _both_keys(self) -> Self:
        if (self.access_key is None) is not (self.secret_key is None):
            raise ValueError("access_key and secret_key go together: one of them is missing")
        return self


class PublishTarget(ObjectStoreTarget):
    """Where the records and reports of drills go: a bucket, by date, with a page of all of them."""

    bucket: str = Field(pattern=_BUCKET, description="takes the records; it must exist, and is best not Velero's")
    lakehouse: None = Field(default=None, description="not of this bucket")
    prefix: str = Field(
        default="drills",
        pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$",
        description="what all names begin with; nothing outside of it is ever deleted",
    )
    keep_days: int = Field(
        default=400,
        ge=1,
        description="older runs are deleted when another is published, but the newest of a scenario and context",
    )


class VeleroTarget(BaseModel):
    """Where a context's Velero is, and what its backups are held to."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    namespace: Namespace = "velero"
    rpo_hours: float = Field(
        default=26, gt=0, description="how long ago the newest completed backup of a schedule may have begun, h"
    )
    rpo_hours_of: dict[str, float] = Field(default={}, description="the same for some schedules, by their names")
    retention_hours: float = Field(default=72, gt=0, description="how long a backup must be kept at least, h")
    stuck_hours: float = Field(default=6, gt=0, description="how long a backup may be in progress, h")
    not_backed_up: tuple[Namespace, ...] = Field(
        default=(), description="namespaces of the context that need no backup; no schedule for any other is a failure"
    )
    allowed_warnings: tuple[str, ...] = Field(
        default=(), description="regular expressions of the warnings that a backup may have; any other is a failure"
    )

    @field_validator("rpo_hours_of")
    @classmethod
    def _hours_can_be_meant(cls, hours: dict[str, float]) -> dict[str, float]:
        if wrong := sorted(name for name, each in hours.items() if each <= 0):
            raise ValueError(f"hours must be more than 0: {', '.join(wrong)}")
        return hours

    @field_validator("allowed_warnings")
    @classmethod
    def _they_compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for each in patterns:
            try:
                re.compile(each)
            except re.error as error:
                raise ValueError(f"{each!r} is no regular expression: {error}") from error
        return patterns


class SlackNotice(BaseModel):
    """A channel in Slack, by its incoming webhook."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Elsewhere = Field(description="where the webhook's URL is; who has it may write, so it is a secret")


class WebhookNotice(BaseModel):
    """Anything that takes a signed POST."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Elsewhere = Field(description="where its URL is")
    key: Elsewhere = Field(description="where the key is that bodies are signed with (HMAC-SHA256)")


class GrafanaNotice(BaseModel):
    """Annotations in Grafana: each fault as a region."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Url = Field(description="of Grafana, as seen from where drill runs")
    token: Elsewhere = Field(description="where the token of a service account is that may write annotations")
    dashboard: str | None = Field(default=None, description="uid of the one dashboard that shows them; default: all")
    tags: tuple[str, ...] = ("drill",)


class KubernetesEventsNotice(BaseModel):
    """Events in the cluster that is drilled, about the drill Lease: `kubectl get events` shows them."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Notify(BaseModel):
    """Who is told of drills."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    link: Url | None = Field(
        default=None,
        description="where a run's report will be, with {scenario} and {run} in it; default: its path here",
    )
    slack: SlackNotice | None = None
    webhook: WebhookNotice | None = None
    grafana: GrafanaNotice | None = None
    kubernetes_events: KubernetesEventsNotice | None = None


class Hooks(BaseModel):
    """Commands that do to a node, or to the whole cluster, what Kubernetes can't; `{node}` stands for a node's name.

    `{seconds}` in node_down stands for when the node should come back by itself, should nobody live to start it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    node_down: tuple[str, ...] = Field(default=(), description="stops a node's kubelet and containers: argv")
    node_up: tuple[str, ...] = Field(default=(), description="starts them again; does nothing where they run: argv")

    cluster_lose: tuple[str, ...] = Field(
        default=(), description="destroys the whole cluster and its volumes, for cluster-loss: argv"
    )
    cluster_rebuild: tuple[str, ...] = Field(
        default=(),
        description="starts a fresh cluster in its place, which the same kubeconfig opens: nodes, DNS, volumes, and "
        "nothing that a restore is to bring back; goes on where a killed one stopped, and does nothing where all is "
        "there: argv",
    )
    velero_install: tuple[str, ...] = Field(
        default=(),
        description="installs Velero there as it was (and the object store, where that runs in the cluster), after the "
        "drill has put their Secrets back; does nothing where all is there: argv",
    )
    rebuilt_namespaces: tuple[str, ...] = Field(
        default=(), description="patterns of the namespaces that the last two bring back, besides kube-*"
    )

    @field_validator("node_down", "node_up")
    @classmethod
    def _says_which_node(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        if argv and not any("{node}" in part for part in argv):
            raise ValueError("no {node} in it, so it would do the same whichever node is meant")
        return argv


class ContextSettings(BaseModel):
    """What a kubeconfig context is to drill."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    drillable: bool = Field(default=False, description="faults may be injected here; nothing is ever killed without it")
    namespaces: Namespaces = Field(default=(), description="the namespaces in which faults may be injected")
    restore_drills: bool = Field(
        default=False,
        description="backups may be restored into namespaces that drill makes and deletes (drill-restore-...), whether "
        "or not faults may be injected",
    )
    cluster_loss: bool = Field(
        default=False,
        description="the whole cluster with all that it holds may be destroyed (hook cluster_lose) and restored from a "
        "backup; for a cluster that is there to be drilled, and no other",
    )
    protected_namespaces: tuple[str, ...] = Field(
        default=(), description="patterns (`*-prod`) of namespaces that are refused though they are declared drillable"
    )
    windows: tuple[str, ...] = Field(
        default=(), description='when drills are allowed: ["Mon-Fri 09:00-17:00 Europe/Berlin"]; none: always'
    )
    kubeconfig: Path | None = Field(default=None, description="kubeconfig file that has the context")
    lease_namespace: Namespace = Field(default="default", description="where the Lease of the one running drill lives")
    kafka: KafkaTarget | None = None
    postgres: PostgresTarget | None = None
    dolphinscheduler: DolphinSchedulerTarget | None = None
    prometheus: PrometheusTarget | None = None
    object_store: ObjectStoreTarget | None = None
    velero: VeleroTarget | None = None
    trino: TrinoTarget | None = None
    publish: PublishTarget | None = Field(default=None, description="where `drill publish` puts records")
    hooks: Hooks = Hooks()
    notify: Notify = Notify()
    helper_image: str | None = Field(
        default=None, description="image with a shell and nft, for the helper containers of network faults"
    )

    @field_validator("windows")
    @classmethod
    def _windows_can_be_meant(cls, windows: tuple[str, ...]) -> tuple[str, ...]:
        for text in windows:
            Window.parse(text)
        return windows


class Settings(BaseSettings):
    """The settings of one command."""

    model_config = SettingsConfigDict(env_prefix="DRILL_", env_nested_delimiter="__", frozen=True, extra="forbid")

    context: str | None = Field(default=None, description="kubeconfig context to drill")
    kubeconfig: Path | None = Field(default=None, description="kubeconfig file, before the context's own")
    runs: Path = Field(default=Path("runs"), description="folder of run records")
    answers: Path | None = Field(
        default=None, description="what an operator answers, one line a phase, where there is no terminal to ask on"
    )
    protected: tuple[str, ...] = Field(
        default=(), description="patterns (`*prod*`) of contexts that are refused though they are declared drillable"
    )
    freeze_file: Path | None = Field(
        default=None, description="while this file is there every drill is refused; its first line says why"
    )
    contexts: dict[str, ContextSettings] = Field(default={}, description="the contexts that drill may work on")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags (init), then environment, then the TOML file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, settings_file())

    @property
    def target(self) -> ContextSettings:
        """The settings of the selected context.

        Raises:
            UsageError: there is no settings file, no context is selected, or the selected one is not in the file.
        """
        if not self.contexts and not settings_file().exists():
            raise UsageError(
                f"no settings file at {settings_file().absolute()}: go to the folder of yours, set {FILE_VARIABLE} to "
                "it, or write a first one with `drill init --context NAME` (docs/own-cluster.md)"
            )
        if self.context is None:
            known = ", ".join(sorted(self.contexts)) or "none"
            raise UsageError(f"no context: give --context or set DRILL_CONTEXT (in {settings_file()}: {known})")
        if self.context not in self.contexts:
            raise UsageError(
                f"context {self.context!r} is not in {settings_file()}: add a [contexts.{self.context}] table "
                "with `drillable`, `namespaces` and its systems (`drill init` writes a first file; docs/own-cluster.md)"
            )
        return self.contexts[self.context]

    @property
    def kafka(self) -> KafkaTarget:
        """The selected context's Kafka.

        Raises:
            UsageError: the context declares none.
        """
        return self._declared(self.target.kafka, "kafka", "bootstrap")

    @property
    def postgres(self) -> PostgresTarget:
        """The selected context's PostgreSQL.

        Raises:
            UsageError: the context declares none.
        """
        return self._declared(self.target.postgres, "postgres", "dsn")

    @property
    def dolphinscheduler(self) -> DolphinSchedulerTarget:
        """The selected context's DolphinScheduler.

        Raises:
            UsageError: the context declares none.
        """
        return self._declared(self.target.dolphinscheduler, "dolphinscheduler", "url")

    @property
    def prometheus(self) -> PrometheusTarget:
        """The selected context's Prometheus.

        Raises:
            UsageError: the context declares none.
        """
        return self._declared(self.target.prometheus, "prometheus", "url")

    @property
    def trino(self) -> TrinoTarget:
        """The selected context's Trino.

        Raises:
            UsageError: the context declares none.
        """
        return self._declared(self.target.trino, "trino", "url")

    @property
    def object_store(self) -> ObjectStoreTarget:
        """The selected context's object store.

        Raises:
            UsageError: the context declares none.
        """
        return self._declared(self.target.object_store, "object_store", "bucket")

    @property
    def publish(self) -> PublishTarget:
        """Where the selected context's records go.

        Raises:
            UsageError: the context declares no such bucket.
        """
        return self._declared(self.target.publish, "publish", "bucket")

    @property
    def lakehouse(self) -> str:
        """The bucket of the selected context's lakehouse.

        Raises:
            UsageError: the context declares none.
        """
        return self._declared(self.object_store.lakehouse, "object_store", "lakehouse")

    @property
    def velero(self) -> VeleroTarget:
        """The selected context's Velero.

        Raises:
            UsageError: the context declares none.
        """
        return self._declared(self.target.velero, "velero", "namespace")

    def _declared(self, system: T | None, table: str, field: str) -> T:
        if system is None:
            raise UsageError(
                f"context {self.context!r} declares no {table}: add [contexts.{self.context}.{table}] "
                f"with `{field}` to {settings_file()}"
            )
        return system

    @property
    def kubeconfig_file(self) -> Path | None:
        """The kubeconfig to use: the flag's, or the context's; None: kubectl's own rule (`KUBECONFIG`, ~/.kube)."""
        chosen = self.kubeconfig or (self.target.kubeconfig if self.context else None)
        return Path(os.path.expandvars(chosen)).expanduser() if chosen else None

    @property
    def freeze_path(self) -> Path | None:
        """The freeze file, seen from the folder of the settings file."""
        if self.freeze_file is None:
            return None
        return settings_file().parent / Path(os.path.expandvars(self.freeze_file)).expanduser()

    def environment(self) -> dict[str, str]:
        """The variables by which a child process sees the same settings."""
        variables = {FILE_VARIABLE: str(settings_file().absolute())} if settings_file().exists() else {}
        if self.context:
            variables |= {"DRILL_CONTEXT": self.context, "KUBERNETES_CONTEXT": self.context}
        if file := self.kubeconfig_file:
            variables |= {"DRILL_KUBECONFIG": str(file), "KUBECONFIG": str(file)}
        return variables


def settings_file() -> Path:
    """The settings file: `DRILL_SETTINGS`, or drill.toml in the working folder."""
    return Path(os.environ.get(FILE_VARIABLE, DEFAULT_FILE))


def load(**flags: Any) -> Settings:
    """Read the settings; a flag that is None was not given.

    Raises:
        InputError: the file or the environment has a mistake, each named with its field.
        UsageError: `DRILL_SETTINGS` names no file, or the settings file is a folder.
    """
    file = settings_file()
    if file.is_dir():
        raise UsageError(f"the settings file {file.absolute()} is a folder: set {FILE_VARIABLE} to the file in it")
    if FILE_VARIABLE in os.environ and not file.exists():
        raise UsageError(
            f"{FILE_VARIABLE} names {file.absolute()}, where no file is: set it to a settings file, or write a first "
            "one there with `drill init --context NAME` (docs/own-cluster.md)"
        )
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        raise InputError([_mistake(each) for each in error.errors()]) from error
    except TOMLDecodeError as error:
        at = re.search(r"\(at (?:line (\d+), column \d+|end of document)\)$", str(error))  # its attribute is 3.14's
        line = int(at[1]) if at and at[1] else None
        problem = str(error)[: at.start()].strip() if at else str(error)
        raise _unreadable(f"not TOML: {problem}", "Mend the text at this line (https://toml.io).", line) from error
    except SettingsError as error:
        raise InputError(
            [Mistake("(environment)", None, "DRILL_*", str(error), "Unset it, or give it as JSON.")]
        ) from error
    except (UnicodeDecodeError, OSError) as error:
        line = error.object.count(b"\n", 0, error.start) + 1 if isinstance(error, UnicodeDecodeError) else None
        remedy = "Save it as UTF-8 text in TOML (https://toml.io)."
        raise _unreadable(f"not a TOML text: {error}", remedy, line) from error


def _unreadable(problem: str, remedy: str, line: int | None = None) -> InputError:
    return InputError([Mistake(str(settings_file()), line, "(document)", problem, remedy)])


def _mistake(error: ErrorDetails) -> Mistake:
    place = error["loc"]
    try:
        line = _toml.line(settings_file().read_text(encoding="utf-8"), place)
    except OSError:  # it said nothing, then: the environment did
        line = None
    return Mistake(
        file=str(settings_file()),
        line=line,
        field=".".join(map(str, place)),
        problem=_remedies.problem(error),
        remedy=_remedies.remedy(Settings, error["type"], place),
    )
