"""What the Kafka benches share: a topic of their own, the supervised load, Kafka's own tools, CPU of a process."""

import argparse
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from drill import clock, settings
from drill.record import RunRecord
from drill.settings import KafkaTarget, Settings
from load.plan import Arrivals
from load.process import command
from tests.bench._table import Measure, show

_numbers = itertools.count(1)
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def topic(target: Settings) -> Iterator[str]:
    """A topic of three partitions, replicated as a platform's would be; its files are gone a second after the block.

    One for each measure: all of them together do not fit on a volume, and retention comes too late for that.
    """
    name = f"drill-bench-{next(_numbers)}"
    admin = AdminClient({"bootstrap.servers": target.kafka.bootstrap})
    replicas = min(3, len(admin.list_topics(timeout=10).brokers))
    config = {
        "min.insync.replicas": str(min(2, replicas)),
        "file.delete.delay.ms": "1000",
    }
    admin.create_topics([NewTopic(name, 3, replicas, config=config)])[name].result()
    try:
        yield name
    finally:
        admin.delete_topics([name])[name].result()


def tool(kafka: Path, name: str, *arguments: str) -> str:
    """Run one of Kafka's own command-line tools; returns its output."""
    done = subprocess.run([kafka / "bin" / name, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{name} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Load:
    """The load's own process, as the runner starts it."""

    def __init__(self, plan: Arrivals, target: Settings) -> None:
        folder = tempfile.mkdtemp(prefix="drill-bench-")
        weakref.finalize(self, shutil.rmtree, folder)
        self.record = RunRecord.create(Path(folder), "bench")
        self.plan = plan
        argv, environment = command(plan, self.record, target, self.record.path.name)
        environment |= {"DRILL_LOAD_KAFKA_BOOTSTRAP": target.kafka.bootstrap}
        with (self.record.path / "load.log").open("wb") as log:
            self._process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=log)

    def cpu(self) -> float:
        """CPU seconds that the process has used so far, all threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def finish(self) -> None:
        """Wait until the load has ended by itself."""
        if code := self._process.wait():
            raise RuntimeError(f"the load ended with {code}: {(self.record.path / 'load.log').read_text()[-2000:]}")

    def stop(self) -> None:
        """End the load now, and wait for its flush."""
        self.signal(signal.SIGTERM)
        self.finish()

    def kill(self) -> None:
        """End the load with no chance to do anything more."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    def signal(self, number: int) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    def await_start(self) -> float:
        """When the load began, epoch seconds."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            # A record reads its time line once: a fresh one for each look at a file that grows.
            seen = RunRecord(self.record.path)
            if (seen.path / "events.jsonl").exists() and (started := seen.events_of("load.started")):
                return started[0].t
            time.sleep(0.05)
        raise RuntimeError(f"the load did not begin: {(self.record.path / 'load.log').read_text()[-2000:]}")


def wait_until(t: float) -> None:
    """Sleep until a time of the run's clock."""
    time.sleep(max(0.0, t - clock.now()))


def run(title: str, measure: Callable[[Settings, Path], list[Measure]]) -> None:
    """The command line of a bench that needs brokers."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.bench.{title}")
    parser.add_argument("--bootstrap", help="bootstrap servers; default: the drill-lab context's")
    parser.add_argument("--kafka", type=Path, required=True, help="folder with Kafka's bin/ and libs/")
    options = parser.parse_args()
    show(title, measure(settings_for(options.bootstrap), options.kafka))


def settings_for(bootstrap: str | None) -> Settings:
    """Settings whose Kafka is at `bootstrap`, or the lab's."""
    chosen = settings.load(context="drill-lab")
    if bootstrap is None:
        return chosen
    context = chosen.target.model_copy(update={"kafka": KafkaTarget(bootstrap=bootstrap)})
    return chosen.model_copy(update={"contexts": {"drill-lab": context}})
