"""A page as PDF, printed by a headless Chromium: the same style sheet as on paper, and no second engine of layout."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from drill.errors import DrillError, UsageError

VARIABLE = "DRILL_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
_FLAGS = (
    *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-default-apps", "--no-pdf-header-footer"),
)
_WITHIN = 180.0
"""Seconds for one page, on a machine that has other things to do."""


class PrintError(DrillError):
    """Chromium did not print."""


def browser() -> str:
    """The Chromium to print with.

    Raises:
        UsageError: there is none.
    """
    named = os.environ.get(VARIABLE)
    for name in (named,) if named else _NAMES:
        if (path := shutil.which(name)) is not None:
            return path
    where = f"{VARIABLE}={named} is no program" if named else f"none of {', '.join(_NAMES)} is on PATH"
    raise UsageError(
        f"a PDF is printed by Chromium, and {where}: install it (Debian: apt-get install chromium), name it in "
        f"{VARIABLE}, or leave --pdf out and print the HTML page"
    )


def print_page(page: Path, into: Path) -> Path:
    """Print a page on disk; returns the PDF's path. The page has no script, and nothing is fetched.

    Raises:
        UsageError: there is no Chromium.
        PrintError: it did not print.
    """
    with tempfile.TemporaryDirectory(prefix="drill-print-") as profile:
        root = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Chromium refuses to sandbox for root
        command = [browser(), *_FLAGS, *root, f"--user-data-dir={profile}", f"--print-to-pdf={into}"]
        try:
            done = subprocess.run(
                [*command, page.resolve().as_uri()], capture_output=True, text=True, timeout=_WITHIN, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise PrintError(f"Chromium did not print {page.name} within {_WITHIN:g} s") from error
    if not into.is_file() or not into.read_bytes().startswith(b"%PDF"):
        said = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
        raise PrintError(f"Chromium did not print {page.name} (status {done.returncode}): {said}")
    return into
