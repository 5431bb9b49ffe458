"""Who is told of a drill: by real HTTP, however the server behaves, and without a secret leaking."""

import contextlib
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import stamina
import structlog
from kubernetes.client import ApiException

from drill import notify, settings
from drill.cluster import Permission
from drill.errors import InputError, UsageError
from drill.notify import _channels, _http, _notifier
from drill.notify._http import NotSentError, send
from drill.notify._messages import Message, Origin, messages
from drill.notify.signature import DELIVERY, SIGNATURE, TIMESTAMP
from drill.record import RunRecord
from drill.verdicts import Outcome

SECRET = "T0000-s3cr3t-path"  # noqa: S105 - played
KEY = "k3y-of-the-webhook"
POD = {"kind": "Pod", "namespace": "kafka", "name": "pool-0"}
OTHER = {**POD, "name": "pool-1"}


class Server:
    """A real HTTP server on the loopback, which does what it is told."""

    def __init__(self) -> None:
        self.got: list[SimpleNamespace] = []
        self.answers: list[int] = []
        """Status codes to come; then always 200."""
        self.hang = threading.Event()
        self.hanging = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _take(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.got.append(SimpleNamespace(path=self.path, method=self.command, body=body, headers=self.headers))
                if outer.hanging:
                    outer.hang.wait()
                code = outer.answers.pop(0) if outer.answers else 200
                with contextlib.suppress(OSError):  # who waited in vain has gone
                    self.send_response(code)
                    if code == 302:
                        self.send_header("Location", f"/elsewhere/{SECRET}")
                    self.end_headers()
                    self.wfile.write(b'{"id": 7}')

            do_POST = do_PATCH = do_GET = _take  # noqa: N815 - http.server's names

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """End it."""
        self.hang.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server; retries wait for nothing to speak of."""
    monkeypatch.setattr(_notifier, "_PAUSE", 0.001)
    monkeypatch.setenv("no_proxy", "*")
    stamina.set_testing(testing=True, attempts=3, cap=True)
    one = Server()
    yield one
    one.close()
    stamina.set_testing(testing=False)


@pytest.fixture
def closed_port() -> str:
    """A URL at which nobody listens."""
    one = Server()
    one.close()
    return one.url


def _settings(**channels: Any) -> settings.Settings:
    target = settings.ContextSettings(notify=settings.Notify(**channels))
    return settings.Settings(context="lab", contexts={"lab": target})


def _webhook(url: str, monkeypatch: pytest.MonkeyPatch, **more: Any) -> settings.Settings:
    monkeypatch.setenv("HOOK", f"{url}/{SECRET}")
    monkeypatch.setenv("HOOK_KEY", KEY)
    return _settings(webhook={"url": {"env": "HOOK"}, "key": {"env": "HOOK_KEY"}}, **more)


def _record(tmp_path: Path) -> RunRecord:
    record = RunRecord.create(tmp_path, "broker-kill")
    record.write_text("scenario.yaml", "name: broker-kill\n")
    record.emit("runner", "run.started", run_id="1", scenario="broker-kill", context="lab")
    return record


def _run(notifier: notify.Notifier, tmp_path: Path) -> RunRecord:
    """A run as the runner and the front door have it."""
    record = _record(tmp_path)
    notifier.opened(record)
    record.emit("experiment", "fault.effective", fault="kill", target=POD, proof={}, since=0.0)
    record.emit("experiment", "fault.effective", fault="kill", target=OTHER, proof={}, since=0.0)
    record.emit("runner", "stop.fired", condition="error-budget", reason="stopped by the error budget: 95 %")
    record.emit("experiment", "fault.undone", fault="kill", target=POD, proof={})
    record.emit("runner", "run.finished")
    notifier.closing()
    record.seal({})
    notifier.judged(Outcome.FAIL, "runs/broker-kill/1/report.html")
    return RunRecord(record.path)


def _results(record: RunRecord) -> list[tuple[str, str]]:
    return [(each.kind, each.data["message"]) for each in record.events if each.source == "notify"]


# -- what is told ----------------------------------------------------------------------------------------------------


def test_a_run_is_told_from_its_start_to_its_verdict(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order, the targets of one fault together, with the verdict and a link; and the record says so."""
    chosen = _webhook(server.url, monkeypatch, link="https://reports.example/{scenario}/{run}/report.html")
    record = _run(notify.Notifier(chosen), tmp_path)
    bodies = [json.loads(each.body) for each in server.got]
    assert [each["kind"] for each in bodies] == ["started", "fault-on", "breach", "fault-off", "ended"]
    assert bodies[1]["text"] == "broker-kill: the fault is on: kill on pool-0, pool-1"
    assert bodies[-1]["text"] == "broker-kill has ended: FAIL"
    assert bodies[-1]["link"] == f"https://reports.example/broker-kill/{record.path.name}/report.html"
    assert _results(record) == [("notify.sent", each["kind"]) for each in bodies]
    assert record.altered_files() == ()


def test_slack_gets_text_that_it_can_read(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Escaped as Slack wants it; an undone fault is told by the end."""
    monkeypatch.setenv("SLACK", f"{server.url}/services/{SECRET}")
    chosen = _settings(slack={"url": {"env": "SLACK"}}, link="https://reports.example/{scenario}")
    _run(notify.Notifier(chosen), tmp_path)
    texts = [json.loads(each.body)["text"] for each in server.got]
    assert len(texts) == 4
    assert (
        texts[-1] == ":checkered_flag: broker-kill has ended: FAIL [lab] <https://reports.example/broker-kill|report>"
    )
    assert {each.path for each in server.got} == {f"/services/{SECRET}"}
    slack = _channels.Slack(server.url)
    slack.say(Message("breach", 0.0, "a < b & <!channel>", "s", "lab", "1"), "id")
    assert "a &lt; b &amp; &lt;!channel&gt;" in json.loads(server.got[-1].body)["text"]


def test_grafana_gets_a_region_a_fault(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened when the fault is on, and closed when it is undone: a harness that dies leaves it open."""
    monkeypatch.setenv("TOKEN", KEY)
    grafana = {"url": server.url, "token": {"env": "TOKEN"}, "dashboard": "abc"}
    _run(notify.Notifier(_settings(grafana=grafana)), tmp_path)
    on = next(each for each in server.got if b"fault is on" in each.body)
    assert on.path == "/api/annotations"
    assert on.headers["Authorization"] == f"Bearer {KEY}"
    assert json.loads(on.body)["dashboardUID"] == "abc"
    assert json.loads(on.body)["tags"] == ["drill", "broker-kill", "fault-on"]
    (closed,) = (each for each in server.got if each.method == "PATCH")
    assert closed.path == "/api/annotations/7"
    assert json.loads(closed.body)["timeEnd"] >= json.loads(on.body)["time"]


class _Core:
    """Plays the API server's Events."""

    def __init__(self, *statuses: int) -> None:
        self.statuses, self.made = list(statuses), list[dict[str, Any]]()

    def create_namespaced_event(self, namespace: str, event: dict[str, Any], **_: Any) -> None:
        assert namespace == event["metadata"]["namespace"] == event["involvedObject"]["namespace"]
        if self.statuses and (status := self.statuses.pop(0)):
            raise ApiException(status=status)
        self.made.append(event)


def test_the_cluster_gets_events_about_the_lease(server: Server, tmp_path: Path) -> None:  # noqa: ARG001 - retries
    """A lost answer makes no second one, a refusal is told, and the permission is asked for before the drill."""
    core = _Core(503, 409, 0)
    chosen = _settings(kubernetes_events={})
    record = _run(notify.Notifier(chosen, lambda: SimpleNamespace(core=core)), tmp_path)  # type: ignore[arg-type, return-value]
    assert [each["reason"] for each in core.made] == ["DrillFaultOn", "DrillBreach", "DrillFaultOff", "DrillEnded"]
    assert [each["type"] for each in core.made] == ["Warning", "Warning", "Normal", "Normal"]
    assert all(kind == "notify.sent" for kind, _ in _results(record))
    assert notify.permissions(chosen) == (Permission("create", "events", "default"),)
    refused = _run(notify.Notifier(chosen, lambda: SimpleNamespace(core=_Core(*[403] * 9))), tmp_path)  # type: ignore[arg-type, return-value]
    assert {each.data["error"] for each in refused.events_of("notify.failed")} == {"HTTP 403"}


def test_nobody_to_tell_is_nothing_to_do(tmp_path: Path) -> None:
    """No thread, no event, and the record is left as it was sealed."""
    threads = threading.active_count()
    record = _run(notify.Notifier(_settings()), tmp_path)
    assert _results(record) == []
    assert threading.active_count() == threads


def test_a_rollback_that_failed_is_told_as_what_it_is(tmp_path: Path) -> None:
    """With what to do."""
    event = _record(tmp_path).emit("rollback", "rollback.failed", id="1", error="refused")
    (message,) = messages([event], Origin("broker-kill", "lab", "1"))
    assert message.text == "broker-kill: ROLLBACK FAILED, look at the cluster now: refused"


# -- servers that do not behave --------------------------------------------------------------------------------------


def test_a_server_that_fails_is_asked_again(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 and 429 pass; the delivery's id stays, so that a receiver can tell it from a new message."""
    server.answers = [500, 429]
    record = _run(notify.Notifier(_webhook(server.url, monkeypatch)), tmp_path)
    assert all(kind == "notify.sent" for kind, _ in _results(record))
    assert len({each.headers[DELIVERY] for each in server.got[:3]}) == 1
    assert len(server.got) == 5 + 2


def test_a_refusal_is_not_asked_again_and_is_in_the_record(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """403 stays 403."""
    server.answers = [403]
    record = _run(notify.Notifier(_webhook(server.url, monkeypatch)), tmp_path)
    (failed,) = record.events_of("notify.failed")
    assert failed.data == {"channel": "webhook", "message": "started", "error": "HTTP 403"}
    assert len(server.got) == 5


def test_nobody_listens_and_the_drill_goes_on(
    server: Server,  # noqa: ARG001 - retries
    closed_port: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every message is told as not sent, the record is sealed and whole, and it was tried more than once."""
    record = _run(notify.Notifier(_webhook(closed_port, monkeypatch)), tmp_path)
    failed = record.events_of("notify.failed")
    assert len(failed) == 5
    assert {each.data["error"] for each in failed} == {"Connection refused (tried 3 times)"}
    assert record.altered_files() == ()


def test_a_server_that_hangs_blocks_nobody(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is over while the first message still hangs; what waited is told as not sent, and nothing comes later."""
    monkeypatch.setattr(_notifier, "LAST", 0.2)
    server.hanging = True
    record = _run(notify.Notifier(_webhook(server.url, monkeypatch)), tmp_path)
    failed = record.events_of("notify.failed")
    assert [each.data["message"] for each in failed] == ["started", "fault-on", "breach", "fault-off", "ended"]
    assert {each.data["error"] for each in failed} == {"the drill was over before it was sent"}
    sender = next(each for each in threading.enumerate() if each.name == "notify-webhook")
    server.hang.set()
    sender.join(10)
    assert not sender.is_alive()
    assert RunRecord(record.path).altered_files() == ()


def test_a_server_that_says_nothing_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the timeout, and it may be asked again."""
    monkeypatch.setattr(_http, "TIMEOUT", 0.1)
    server.hanging = True
    with pytest.raises(NotSentError, match=r"no answer within 0\.1 s") as raised:
        send(server.url, b"{}", {})
    assert raised.value.again


def test_a_full_queue_drops_and_says_so(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bounded queue is what keeps a dead channel from growing with a long drill."""
    monkeypatch.setattr(_notifier, "MOST", 1)
    monkeypatch.setattr(_notifier, "LAST", 0.2)
    server.hanging = True
    record = _run(notify.Notifier(_webhook(server.url, monkeypatch)), tmp_path)
    assert "1 others were waiting" in {each.data["error"] for each in record.events_of("notify.failed")}


def test_a_redirect_is_not_followed(server: Server) -> None:
    """Where it leads to was not declared."""
    server.answers = [302]
    with pytest.raises(NotSentError, match="HTTP 302") as raised:
        send(server.url, b"{}", {})
    assert len(server.got) == 1
    assert not raised.value.again


# -- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", ["well", "refuses", "is away", "is no URL"])
def test_no_secret_is_in_a_log_or_a_record(
    behaviour: str,
    server: Server,
    closed_port: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With every log there is switched on; a control sees that the secret would be found."""
    caplog.set_level(logging.DEBUG)
    structlog.reset_defaults()
    server.answers = [403] * 5 if behaviour == "refuses" else []
    url = {"is away": closed_port, "is no URL": "http//:"}.get(behaviour, server.url)
    record = _run(notify.Notifier(_webhook(url, monkeypatch)), tmp_path)
    written = "".join(each.read_text() for each in record.path.rglob("*") if each.is_file())
    printed = capfd.readouterr()
    everything = written + caplog.text + printed.out + printed.err
    assert "notify" in everything
    assert SECRET not in everything
    assert KEY not in everything
    if behaviour == "well":
        assert server.got[0].path == f"/{SECRET}"


def test_a_secret_is_never_written_into_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as a URL, nor as anything else: it is named by where it is."""
    file = tmp_path / "drill.toml"
    file.write_text(f'[contexts.lab.notify.slack]\nurl = "https://hooks.example/{SECRET}"\n')
    monkeypatch.setenv(settings.FILE_VARIABLE, str(file))
    with pytest.raises(InputError, match=r"contexts\.lab\.notify\.slack\.url"):
        settings.load(context="lab")


def test_a_variable_that_is_not_set_is_told_before_the_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, with what to do."""
    monkeypatch.delenv("SLACK", raising=False)
    with pytest.raises(UsageError, match="the environment variable SLACK is not set"):
        notify.Notifier(_settings(slack={"url": {"env": "SLACK"}}))


def test_a_value_can_be_in_a_secret(server: Server, tmp_path: Path) -> None:
    """Whose namespace is given; reading it is a permission that preflight asks for."""
    place = {"secret": {"name": "slack", "key": "url", "namespace": "ops"}}
    cluster = SimpleNamespace(secret=lambda *where: f"{server.url}/{'-'.join(where)}\n")
    chosen = _settings(slack={"url": place})
    _run(notify.Notifier(chosen, lambda: cluster), tmp_path)  # type: ignore[arg-type, return-value]
    assert server.got[0].path == "/ops-slack-url"
    assert notify.permissions(chosen) == (Permission("get", "secrets", "ops", name="slack"),)
    with pytest.raises(ValueError, match="namespace is missing"):
        _settings(slack={"url": {"secret": {"name": "slack"}}})


# -- the signature ---------------------------------------------------------------------------------------------------


def test_a_receiver_can_tell_who_sent_it_and_when(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another key, another body, another time, or an old one are refused."""
    _run(notify.Notifier(_webhook(server.url, monkeypatch)), tmp_path)
    got = server.got[0]
    timestamp, signature = got.headers[TIMESTAMP], got.headers[SIGNATURE]
    now = float(timestamp)
    assert notify.verify(got.body, KEY, timestamp, signature, now + 299)
    assert not notify.verify(got.body, "another", timestamp, signature, now)
    assert not notify.verify(got.body + b" ", KEY, timestamp, signature, now)
    assert not notify.verify(got.body, KEY, str(int(timestamp) + 1), signature, now)
    assert not notify.verify(got.body, KEY, timestamp, signature, now + 301)
    assert not notify.verify(got.body, KEY, "soon", signature, now)
    assert not notify.verify(got.body, KEY, timestamp, "v1=\N{SNOWMAN}", now)
