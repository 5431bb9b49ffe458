"""The stand-in for Apache DolphinScheduler, which the registries do not have whole: where it is, and in the image."""

from pathlib import Path

SOURCE = Path(__file__).parent / "build" / "dolphinscheduler"
TARGET = "/opt/dolphinscheduler"
