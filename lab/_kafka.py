"""Apache Kafka: its jars from Maven and its commands, for the image and for the host alike."""

import re
import shutil
from pathlib import Path

from lab._cache import content_hash
from lab._tools import Tools

SOURCE = Path(__file__).parent / "build" / "kafka"
LAUNCHER = "kafka-run-class.sh"


def key() -> str:
    """Content hash of what the folder is made from."""
    return content_hash(SOURCE)


def build(tools: Tools, folder: Path) -> None:
    """Fill `folder` with bin/ (the commands), config/, libs/ (the jars) and agent.jar (the JMX exporter)."""
    shutil.copytree(SOURCE / "bin", folder / "bin")
    shutil.copytree(SOURCE / "config", folder / "config")
    for command in commands():
        (folder / "bin" / command).symlink_to(LAUNCHER)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'libs'}"]
    tools.run("maven", ["mvn", "--quiet", "--batch-mode", "--file", SOURCE / "pom.xml", *goal])
    (agent,) = (folder / "libs").glob("jmx_prometheus_javaagent-*.jar")
    agent.rename(folder / "agent.jar")


def commands() -> list[str]:
    """The commands that the launcher knows, such as kafka-topics.sh."""
    launcher = (SOURCE / "bin" / LAUNCHER).read_text()
    names = re.findall(r"^  (kafka-[a-z-]+)\) main=", launcher, re.MULTILINE)
    return [command for name in names if (command := f"{name}.sh") != LAUNCHER]
