"""Running the real command against the lab, as a user would, and reading what it left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict

ROOT = Path(__file__).parents[2]
DRILL = str(Path(sys.executable).with_name("drill"))


class Command:
    """`drill ...` as a process of its own, in the checkout, with its run records in `runs`."""

    def __init__(self, runs: Path, *arguments: str) -> None:
        self.runs = runs
        self.process = subprocess.Popen(
            [DRILL, *arguments],
            cwd=ROOT,
            env={**os.environ, "DRILL_RUNS": str(runs), "DRILL_CONTEXT": "drill-lab", "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        out, err = self.process.communicate()
        return self.process.returncode, out, err

    def kill(self, *, children_too: bool) -> None:
        """SIGKILL; the children first where they are meant, lest they be told of their parent's death and undo."""
        pid = self.process.pid
        with ExitStack() as stack:
            stack.callback(os.kill, pid, signal.SIGKILL)
            if children_too:
                os.kill(pid, signal.SIGSTOP)
                for child in _descendants(pid):
                    os.kill(child, signal.SIGKILL)

    def await_event(self, kind: str, within: float = 180) -> RunRecord:
        """The record, as soon as its time line has an event of this kind."""
        return self.await_record(lambda record: bool(record.events_of(kind)), kind, within)

    def await_record(self, seen: Callable[[RunRecord], bool], what: str, within: float = 180) -> RunRecord:
        """The record, as soon as `seen` holds of it."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            for path in self.runs.glob("*/*/events.jsonl"):
                if seen(record := RunRecord(path.parent)):
                    return record
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.process.send_signal(signal.SIGTERM)
        raise AssertionError(f"{what} was not seen; the command said:\n{self.finish()}")


def run(runs: Path, *arguments: str) -> tuple[int, str, str]:
    """Run a command to its end."""
    return Command(runs, *arguments).finish()


def the_record(runs: Path) -> RunRecord:
    """The one run below `runs`."""
    (path,) = runs.glob("*/*")
    return RunRecord.open(path)


def verdicts(record: RunRecord) -> dict[str, Verdict]:
    """What was judged, by check."""
    return {verdict.check: verdict for verdict in record.verdicts}


def outcome(record: RunRecord) -> Outcome:
    """The overall outcome that the record has."""
    return Outcome(json.loads((record.path / "verdicts.json").read_text())["outcome"])


def _descendants(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    found = [child for child, parent in parents.items() if parent == pid]
    for child in found:
        found += [each for each, parent in parents.items() if parent == child]
    return found
