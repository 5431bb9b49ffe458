"""Settings as the text of a TOML file, with what was found as its comments."""

import json
import re
from datetime import datetime
from typing import Any

from drill.discovery._declare import Declared


def settings_text(context: str, declared: Declared, kubeconfig: str | None, now: datetime) -> str:
    """A settings file that declares a context, and nothing in it drillable."""
    name = _key(context)
    lines = [
        f"# Written by `drill init` on {now:%Y-%m-%d} from what {context} runs. Look it over, line by line.",
        "",
        f"[contexts.{name}]",
        "drillable = false  # true: faults may be injected in the namespaces below. It is for you to say",
        f"namespaces = {_value(list(declared.namespaces))}",
        *([f"kubeconfig = {_value(kubeconfig)}"] if kubeconfig else []),
        '# windows = ["Mon-Fri 09:00-17:00 Europe/Berlin"]  # when drills are allowed; none: always',
        '# helper_image = "..."  # for network faults: an image with a shell and nft',
    ]
    for table, content in declared.tables.items():
        lines += ["", f"[contexts.{name}.{table}]"]
        lines += [_comment(note) for note in content.notes]
        lines += [f"{key} = {_value(value)}" for key, value in content.values.items()]
    if declared.missing:
        lines += ["", *(_comment(each) for each in declared.missing)]
    return "\n".join(lines) + "\n"


def _comment(note: str) -> str:
    """One line, whatever the names of images and the like have in them: none may become a setting."""
    return "# " + " ".join("".join(each if each.isprintable() else " " for each in note).split())


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _value(value: Any) -> str:
    """Of JSON's kinds; its strings, numbers, booleans and lists are written in TOML as they are in JSON."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
