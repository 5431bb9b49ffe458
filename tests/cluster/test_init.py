"""`drill init` on the lab: what it finds there is what the lab's own settings say, and it only reads."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from drill.exits import ExitCode
from drill.settings import ContextSettings, Settings

DRILL = [sys.executable, "-c", "from drill.cli import main; main()"]


def _init(lab: Settings, file: Path) -> subprocess.CompletedProcess[str]:
    """The command, which knows the cluster by its kubeconfig only."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DRILL_")}
    where = ("--context", str(lab.context), "--kubeconfig", str(lab.kubeconfig_file))
    command = [*DRILL, "init", str(file), *where, "-o", "json"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_it_finds_what_the_labs_settings_say(lab_platform: Settings, tmp_path: Path) -> None:
    """Of Kafka, PostgreSQL with its pool, DolphinScheduler and Prometheus; nothing of it is drillable."""
    file = tmp_path / "drill.toml"
    done = _init(lab_platform, file)
    assert done.returncode == ExitCode.PASS, done.stderr
    found = ContextSettings.model_validate(tomllib.loads(file.read_text())["contexts"][str(lab_platform.context)])
    assert found.drillable is False
    assert {"kafka", "kong", "data-platform"} <= set(found.namespaces)
    assert found.kafka == lab_platform.kafka
    assert found.prometheus == lab_platform.prometheus
    mine, theirs = found.postgres, lab_platform.postgres
    assert mine is not None
    assert mine == theirs.model_copy(update={name: getattr(mine, name) for name in ("dsn", "pooler", "database")})
    assert mine.dsn == theirs.dsn.replace("dbname=kong", "dbname=postgres")
    assert mine.pooler == str(theirs.pooler).replace("dbname=kong", "dbname=postgres")
    assert found.dolphinscheduler is not None
    assert found.dolphinscheduler.url == lab_platform.dolphinscheduler.url
    told = json.loads(done.stdout)
    assert told["scenarios"]["platform-down"] == []
    assert told["scenarios"]["broker-isolation"] == ["a helper_image"]


def test_it_never_overwrites(lab_platform: Settings, tmp_path: Path) -> None:
    """A file of somebody's own stays as it is, and the message says what to do."""
    file = tmp_path / "drill.toml"
    file.write_text("# mine\n")
    done = _init(lab_platform, file)
    assert done.returncode == ExitCode.USAGE
    assert "is not overwritten" in done.stderr
    assert file.read_text() == "# mine\n"
