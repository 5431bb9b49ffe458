"""Files that are whole or not there."""

from pathlib import Path


def write(file: Path, text: str, mode: int = 0o600) -> None:
    """Write a file so that a reader, or the next `up` after a killed one, sees all of it or none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.partial")
    partial.touch(mode)
    partial.write_text(text)
    partial.replace(file)
