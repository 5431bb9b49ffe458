"""Artifacts in the user's cache: one folder for each, named by the content hash of what it is made from."""

import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from lab._addresses import cache

KEPT = 2
"""How many versions of an artifact stay, so that changing back and forth costs no rebuild."""

PARTIAL = ".partial"
COMPILED = "__pycache__"


def content_hash(*inputs: Path | str) -> str:
    """Hash files, folders (names and contents of all files in them) and strings into 16 hexadecimal digits."""
    total = sha256()
    for part in inputs:
        if isinstance(part, str):
            entries = [("", part.encode())]
        elif part.is_dir():
            # What Python compiles beside its sources is no source.
            files = sorted(path for path in part.rglob("*") if path.is_file() and path.parent.name != COMPILED)
            entries = [(str(path.relative_to(part)), path.read_bytes()) for path in files]
        else:
            entries = [(part.name, part.read_bytes())]
        for name, content in entries:
            # Each field is hashed by itself, so that no two different inputs run together into the same bytes.
            total.update(sha256(name.encode()).digest() + sha256(content).digest())
    return total.hexdigest()[:16]


def place(kind: str, key: str) -> Path:
    """Where the artifact of this kind and content hash is, once it has been made."""
    return cache() / kind / key


def make(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """Return the artifact's folder, having `build` fill it if it is not there yet; older versions are pruned.

    A build works in a folder of another name, so that one killed half-way is never taken for a finished one.
    """
    done = place(kind, key)
    if not done.exists():
        partial = done.with_name(key + PARTIAL)
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        build(partial)
        partial.rename(done)
    os.utime(done)
    _prune(done.parent)
    return done


def _prune(folder: Path) -> None:
    """Remove all but the newest versions, and what killed builds left."""
    for left in folder.glob(f"*{PARTIAL}"):
        shutil.rmtree(left)
    for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old)
