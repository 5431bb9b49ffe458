"""Settings: flag over environment over file over default, and clear words for what is wrong."""

from pathlib import Path

import pytest

from drill import settings
from drill.errors import InputError, UsageError

FILE = """
context = "from-file"
[contexts.from-file]
[contexts.from-env]
kubeconfig = "~/somewhere"
[contexts.from-flag]
drillable = true
namespaces = ["kafka"]
kafka = { bootstrap = "127.0.0.1:9092" }
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file of the test's own, and no `DRILL_*` from outside."""
    for name in ("DRILL_CONTEXT", "DRILL_KUBECONFIG", "DRILL_RUNS"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "drill.toml"
    path.write_text(FILE)
    monkeypatch.setenv(settings.FILE_VARIABLE, str(path))
    return path


def test_flag_beats_environment_beats_file_beats_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """In that order."""
    assert settings.load().context == "from-file"
    monkeypatch.setenv("DRILL_CONTEXT", "from-env")
    assert settings.load().context == "from-env"
    assert settings.load(context="from-flag").context == "from-flag"
    assert settings.load().runs == Path("runs")


def test_a_child_sees_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flags travel by environment."""
    for name, value in settings.load(context="from-env").environment().items():
        monkeypatch.setenv(name, value)
    child = settings.load()
    assert child.context == "from-env"
    assert child.kubeconfig_file == Path("~/somewhere").expanduser()


def test_nothing_is_drillable_by_default() -> None:
    """A context must say so itself."""
    assert not settings.load().target.drillable
    assert settings.load(context="from-flag").target.drillable


def test_a_context_that_is_not_declared_is_refused() -> None:
    """Even though the kubeconfig may have it."""
    with pytest.raises(UsageError, match="production"):
        _ = settings.load(context="production").target


def test_a_context_without_kafka_says_what_to_add() -> None:
    """Not an attribute error deep inside."""
    with pytest.raises(UsageError, match=r"\[contexts\.from-file\.kafka\]"):
        _ = settings.load().kafka


def test_a_mistake_names_file_and_field(file: Path) -> None:
    """Exit code 2 by its class."""
    file.write_text("[contexts.a]\ndrilable = true\n[contexts.b]\nnamespaces = 3\n")
    with pytest.raises(InputError) as caught:
        settings.load()
    assert [mistake.field for mistake in caught.value.mistakes] == ["contexts.a.drilable", "contexts.b.namespaces"]
    assert {mistake.file for mistake in caught.value.mistakes} == {str(file)}


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ('prometheus = { url = "http://ops:hunter2@prometheus:9090" }', "prometheus.url"),
        ('prometheus = { url = "http://ops:hun/ter2@prometheus:9090" }', "prometheus.url"),
        ('dolphinscheduler = { url = "http://ops:hunter2@ds:12345/dolphinscheduler" }', "dolphinscheduler.url"),
        ('trino = { url = "https://hunter2@trino:8080" }', "trino.url"),
        ('object_store = { bucket = "velero", endpoint = "http://ops:hunter2@minio:9000" }', "object_store.endpoint"),
        ('publish = { bucket = "drills", endpoint = "http://ops:hunter2@minio:9000" }', "publish.endpoint"),
        ('notify = { link = "https://ops:hunter2@reports/{run}" }', "notify.link"),
        (
            'notify = { grafana = { url = "https://ops:hunter2@grafana", token = { env = "TOKEN" } } }',
            "notify.grafana.url",
        ),
        ('kafka = { bootstrap = "ops:hunter2@kafka:9092" }', "kafka.bootstrap"),
        ('kafka = { bootstrap = "a:1", client = { "sasl.password" = "hunter2" } }', "kafka.client"),
        ('kafka = { bootstrap = "a:1", client = { "ssl.key.pem" = "hunter2" } }', "kafka.client"),
        ('kafka = { bootstrap = "a:1", client = { "sasl.oauthbearer.client.secret" = "hunter2" } }', "kafka.client"),
    ],
)
def test_a_password_is_refused_where_it_would_be_shown(file: Path, table: str, field: str) -> None:
    """By the field, with what to do instead, and without saying it once more."""
    file.write_text(f"[contexts.a]\n{table}\n")
    with pytest.raises(InputError) as caught:
        settings.load()
    assert [mistake.field for mistake in caught.value.mistakes] == [f"contexts.a.{field}"]
    assert "ter2" not in str(caught.value)


def test_what_is_refused_says_where_a_secret_belongs(file: Path) -> None:
    """In words that can be followed."""
    file.write_text(
        '[contexts.a.kafka]\nbootstrap = "a:1"\nclient = { "sasl.password" = "x", "sasl.username" = "y" }\n'
    )
    with pytest.raises(InputError, match=r'client_secrets = \{"sasl.password" = \{env = "NAME"\}\}'):
        settings.load()
    file.write_text(
        '[contexts.a.kafka]\nbootstrap = "a:1"\nclient = { "sasl.username" = "y", "ssl.certificate.pem" = "public" }\n'
        'client_secrets = { "sasl.password" = { env = "NAME" } }\n'
    )
    assert settings.load(context="a").kafka.client_secrets["sasl.password"].env == "NAME"


def test_a_client_setting_is_given_once(file: Path) -> None:
    """Otherwise one of the two would not be meant."""
    file.write_text(
        '[contexts.a.kafka]\nbootstrap = "a:1"\nclient = { "sasl.username" = "y" }\n'
        'client_secrets = { "sasl.username" = { env = "NAME" } }\n'
    )
    with pytest.raises(InputError, match=r"both client and client_secrets have sasl\.username"):
        settings.load()


def test_a_settings_file_that_is_named_must_be_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What protects a cluster may be in it; a folder is no file."""
    file.unlink()
    with pytest.raises(UsageError, match=f"DRILL_SETTINGS names {file}, where no file is"):
        settings.load(context="from-file")
    monkeypatch.setenv(settings.FILE_VARIABLE, str(file.parent))
    with pytest.raises(UsageError, match=f"{file.parent} is a folder"):
        settings.load(context="from-file")


@pytest.mark.parametrize("context", ["from-file", None])
def test_without_a_settings_file_its_place_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch, context: str | None
) -> None:
    """Not a table to add to a file that is not there; its children are not told of one either."""
    file.unlink()
    monkeypatch.delenv(settings.FILE_VARIABLE)
    monkeypatch.chdir(file.parent)
    assert settings.FILE_VARIABLE not in settings.load().environment()
    with pytest.raises(UsageError, match=rf"no settings file at {file}: .*DRILL_SETTINGS.*drill init"):
        _ = settings.load(context=context).target
