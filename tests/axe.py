"""axe-core, from npm, on a page in a headless Chromium: what a person with a screen reader would stumble over.

`python -m tests.axe` fetches what is missing into the user's cache; `make test` does that first.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from reports.pdf import browser

VERSION = "4.14.1"
INTEGRITY = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
"""SHA-512 of the package as npm has it; another one is refused."""
MEMBER = "package/axe.min.js"
WITHIN = 300.0
FLAGS = (
    *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--hide-scrollbars", "--virtual-time-budget=60000"),
)
RUN = """
axe.run(document, {resultTypes: ["violations", "incomplete"]}).then(function (found) {
  var kept = found.violations.map(function (rule) {
    return {id: rule.id, help: rule.help, nodes: rule.nodes.map(function (node) { return node.html.slice(0, 200); })};
  });
  var said = document.createElement("pre");
  said.id = "axe-said";
  said.textContent = btoa(unescape(encodeURIComponent(JSON.stringify({rules: found.passes.length, violations: kept}))));
  document.body.appendChild(said);
});
"""


def package() -> Path:
    """The package in the cache, fetched by npm where it is not there yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "drill" / "npm"
    path = cache / f"axe-core-{VERSION}.tgz"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as beside:
            command = ["npm", "pack", f"axe-core@{VERSION}", "--silent", "--pack-destination", beside]
            subprocess.run(command, check=True, capture_output=True, timeout=WITHIN)
            (Path(beside) / path.name).replace(path)
    return path


def script() -> str:
    """axe.min.js out of the package, which must be the one that is meant."""
    path = package()
    content = path.read_bytes()
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != INTEGRITY:
        raise ValueError(f"{path} is not the axe-core {VERSION} that is meant: delete it")
    with tarfile.open(path) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        return member.read().decode()


def violations(html: str, width: int = 1200, *, dark: bool = False) -> dict[str, list[str]]:
    """The rules that a page breaks, each with the elements that break it; an empty mapping where axe found nothing.

    Raises:
        AssertionError: axe did not come to an end, or looked at nothing.
    """
    # A closing tag inside of the script would end it.
    axe = script().replace("</script", "<\\/script")
    body = f"<script>{axe}</script><script>{RUN}</script>"
    with tempfile.TemporaryDirectory(prefix="drill-axe-") as folder:
        page = Path(folder) / "page.html"
        page.write_text(html.replace("</body>", f"{body}</body>"), encoding="utf-8")
        root = ("--no-sandbox",) if os.geteuid() == 0 else ()
        more = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0") if dark else ()
        command = [browser(), *FLAGS, *root, *more, f"--window-size={width},2000", f"--user-data-dir={folder}/profile"]
        done = subprocess.run(
            [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=WITHIN, check=False
        )
    said = re.search(r'<pre id="axe-said">([^<]*)</pre>', done.stdout)
    assert said, f"axe did not come to an end: {done.stderr[-500:]}"
    found: dict[str, Any] = json.loads(base64.b64decode(said[1]))
    assert found["rules"], "axe looked at nothing"
    return {f"{rule['id']}: {rule['help']}": rule["nodes"] for rule in found["violations"]}


if __name__ == "__main__":
    script()
    sys.stdout.write("")
