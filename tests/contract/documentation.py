"""The examples of the documentation, and what holds each of them to the code: a list of what is wrong, or nothing.

A block that nothing here can check says why, in the comment on the line before it: `<!-- not run: its reason -->`. Data
of another kind than scenarios and settings names the model that it must fit: `<!-- checked by: reports.dr.Details -->`.
"""

import json
import os
import re
import shlex
import tomllib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import typer
import yaml
from pydantic import TypeAdapter, ValidationError

from drill import settings
from drill.cli import app
from drill.errors import DrillError
from scenarios import _experiment, reader
from scenarios.model import Scenario

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
_FENCE = re.compile(
    r"(?:^ *<!-- *(?P<mark>[^\n]*?) *-->\n+)?^(?P<indent> *)```(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_PLACEHOLDER = re.compile(r"<[A-Za-z][\w .-]*>")
"""`runs/broker-kill/<UTC>`: what a reader puts something in for."""
_VARIABLE = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
OTHERS = frozenset(
    {
        *(
            ".",
            "cat",
            "cd",
            "cp",
            "cron",
            "curl",
            "docker",
            "export",
            "git",
            "kubectl",
            "mkdir",
            "npm",
            "pip",
            "source",
        ),
        *("apt-get", "kind", "helm", "openssl", "pipx", "sudo", "tar", "time"),
    }
)
"""Commands of the shell and of other projects, which are not ours to check."""
_BASE = """
name: example
description: What a part of a scenario is checked in.
owner: me
target: {namespaces: [kafka]}
load: {rate: 100}
experiment: {file: broker-kill.yaml}
"""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    mark: str
    """What the comment before it says; empty: there is none."""

    @property
    def place(self) -> str:
        """Where it is, for a person."""
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page of Markdown, without the indent that a list gives them."""
    content = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(content):
        indent = found["indent"]
        text = "".join(line.removeprefix(indent) for line in found["text"].splitlines(keepends=True))
        line = content.count("\n", 0, found.start("language")) + 1
        yield Block(page, line, found["language"].strip(), text, found["mark"] or "")


def problems(block: Block, folder: Path) -> list[str]:
    """What is wrong with a block; `folder` is an empty one to work in."""
    kind, _, said = (part.strip() for part in block.mark.partition(":"))
    if kind == "not run":
        return [] if said else ["`not run:` gives no reason"]
    if kind == "checked by":
        return _unfit(said, block)
    check = _CHECKS.get(block.language)
    if check is None:
        return [
            f"nothing here can check {block.language or 'a block with no language'!r}: mark it `<!-- not run: why -->`"
        ]
    return check(block.text, folder)


def _unfit(model: str, block: Block) -> list[str]:
    """Why data does not fit a model."""
    module, _, name = model.rpartition(".")
    content = tomllib.loads(block.text) if block.language == "toml" else yaml.safe_load(block.text)
    try:
        TypeAdapter(getattr(import_module(module), name)).validate_python(content)
    except ValidationError as error:
        return [str(error)]
    return []


# -- shell -----------------------------------------------------------------------------------------------------------


def _shell(text: str, folder: Path) -> list[str]:  # noqa: ARG001 - a check's signature
    return [problem for command in commands(text) for problem in _command(command)]


def commands(text: str) -> Iterator[list[str]]:
    """The simple commands of a script, without comments, variables, redirections and what is put in for something."""
    for line in _PLACEHOLDER.sub("PLACEHOLDER", text.replace("\\\n", " ")).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        lexer.commenters = "#"
        words: list[str] = []
        tokens = iter(lexer)
        for token in tokens:
            if token.startswith((">", "<")):
                next(tokens, None)
            elif set(token) <= set("|&;()"):
                yield from [words] if words else []
                words = []
            elif words or not _VARIABLE.fullmatch(token):
                words.append(token)
        yield from [words] if words else []


def _command(words: list[str]) -> list[str]:
    name, *rest = words
    name = name.rpartition("/")[2] if "/bin/" in name else name
    if name in _COMMANDS:
        return [f"{shlex.join(words)}: {problem}" for problem in _COMMANDS[name](rest)]
    return [] if name in OTHERS else [f"{shlex.join(words)}: no command of ours, and not in OTHERS"]


def _drill(words: list[str]) -> list[str]:
    """What the front door itself has against an invocation; nothing is run."""
    command = typer.main.get_command(app)
    own = {option for each in command.params for option in each.opts}
    if words[:1] and words[0] in own:  # they act when they are parsed: completion would be installed here
        return []
    return _click(command, words) or _unknown_names(words)


def in_prose(text: str) -> list[str]:
    """What is wrong with commands of drill that stand in a sentence: they leave out what the sentence is not about."""
    return [
        f"`drill {said}`: {wrong}" for said in re.findall(r"`drill ([^`]+)`", text) for wrong in _named(said.split())
    ]


def _named(words: list[str]) -> Iterator[str]:
    command = typer.main.get_command(app)
    known = {option for each in command.params for option in each.opts}
    while words and hasattr(command, "commands") and words[0] not in known:
        if words[0] not in command.commands:
            yield f"no command {words[0]}"
            return
        command, words = command.commands[words[0]], words[1:]
        known |= {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    flags = (word.partition("=")[0].strip(",") for word in words if re.match(r"--?[a-z]", word))
    yield from (f"no flag {flag}" for flag in flags if flag not in known)


def help_examples() -> Iterator[tuple[str, str]]:
    """The command lines that the help pages give as examples, each with its command."""
    waiting: list[tuple[str, Any]] = [("drill", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        yield from ((name, line) for line in re.findall(r"^\s*Example: (.*)$", command.help or "", re.MULTILINE))
        waiting += [(f"{name} {each}", sub) for each, sub in getattr(command, "commands", {}).items()]


def _chaos(words: list[str]) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its own imports
        command = import_module("chaostoolkit.cli").cli
    return _click(command, words) or _absent([each for each in words if each.endswith(".yaml")])


def _click(command: Any, words: list[str]) -> list[str]:
    try:
        with command.make_context(command.name or "", list(words)) as context:
            rest = [*context._protected_args, *context.args] if hasattr(context, "_protected_args") else context.args
            if hasattr(command, "resolve_command") and rest:
                _, sub, others = command.resolve_command(context, rest)
                return _click(sub, others)
            if hasattr(command, "resolve_command"):
                return ["it names no command"]
    except Exception as error:  # noqa: BLE001 - whatever the parser has against it, in whichever of click's kinds
        if type(error).__name__ == "Exit":  # of --help and --version
            return []
        return [getattr(error, "message", "") or f"{type(error).__name__}: {error}"]
    return []


def _unknown_names(words: list[str]) -> list[str]:
    """Scenarios that are named and are not there; a path is the reader's own."""
    if words[:1] not in (["run"], ["plan"], ["validate"]):
        return []
    shipped = {path.stem for path in reader.catalogue()}
    named = [each for each in _positionals(words[1:]) if re.fullmatch(r"[a-z0-9-]+", each)]
    return [f"no scenario {name!r} in the catalogue" for name in named if name not in shipped]


def _positionals(words: list[str]) -> list[str]:
    """The words before the first option: documentation writes names first."""
    end = next((place for place, each in enumerate(words) if each.startswith("-")), len(words))
    return words[:end]


def _make(words: list[str]) -> list[str]:
    makefile = (ROOT / "Makefile").read_text()
    targets = [each for each in words if "=" not in each]
    return [f"the Makefile has no target {each}" for each in targets if f"\n{each}:" not in makefile]


def _locust(words: list[str]) -> list[str]:
    return _absent([words[place + 1] for place, each in enumerate(words) if each == "-f"])


def _python(words: list[str]) -> list[str]:
    if words[:1] != ["-m"]:
        return _absent([each for each in words[:1] if not each.startswith("-")])
    if words[1] == "pytest":
        return _pytest(words[2:])
    return [] if find_spec(words[1].partition(".")[0]) else [f"no module {words[1]}"]


def _pytest(words: list[str]) -> list[str]:
    """Flags of the drill's own plugin must be there; pytest's are pytest's."""
    ours = [each.partition("=")[0] for each in words if each.startswith("--drill")]
    sources = (
        "".join(path.read_text() for path in ROOT.glob("*/**/*.py") if "addoption" in path.read_text()) if ours else ""
    )
    return [f"no option {each} of the plugin" for each in ours if f'"{each}"' not in sources]


def _absent(paths: list[str]) -> list[str]:
    return [f"no file {each}" for each in paths if not (ROOT / each).exists()]


_COMMANDS: dict[str, Callable[[list[str]], list[str]]] = {
    "drill": _drill,
    "chaos": _chaos,
    "make": _make,
    "locust": _locust,
    "python": _python,
    "python3": _python,
    "pytest": _pytest,
}


# -- data ------------------------------------------------------------------------------------------------------------


def _yaml(text: str, folder: Path) -> list[str]:
    """A scenario, a part of one, an experiment, or objects of Kubernetes."""
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        return [str(error)]
    return [problem for content in documents for problem in _document(content, folder)]


def _document(content: Any, folder: Path) -> list[str]:
    if not isinstance(content, dict):
        return ["not a mapping"]
    if "apiVersion" in content:
        return [] if {"kind", "metadata"} <= content.keys() else ["an object of Kubernetes without kind or metadata"]
    if "method" in content:
        mistakes = _experiment.mistakes_in(content, lambda place, problem, _: (place, problem))  # type: ignore[arg-type,return-value]
        return [str(each) for each in mistakes]
    if content.keys() <= Scenario.model_fields.keys():
        return _scenario(content, folder)
    unknown = sorted(content.keys() - Scenario.model_fields.keys())
    return [
        f"neither a scenario nor a part of one ({', '.join(map(str, unknown))}): mark it `<!-- checked by: MODEL -->`"
    ]


def _scenario(content: dict[str, Any], folder: Path) -> list[str]:
    path = folder / "example.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(_BASE), **content}))
    try:
        reader.read(path)
    except DrillError as error:
        return [str(error)]
    return []


def _toml(text: str, folder: Path) -> list[str]:
    """Settings."""
    path = folder / "drill.toml"
    path.write_text(text)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DRILL_")}
    with mock.patch.dict(os.environ, {**clean, settings.FILE_VARIABLE: str(path)}, clear=True):
        try:
            settings.load()
        except DrillError as error:
            return [str(error)]
    return []


def _json(text: str, folder: Path) -> list[str]:  # noqa: ARG001 - a check's signature
    try:
        json.loads(text)
    except ValueError as error:
        return [str(error)]
    return []


def _run_python(text: str, folder: Path) -> list[str]:  # noqa: ARG001 - a check's signature
    """It is run, in a module of its own."""
    try:
        exec(compile(text, "example", "exec"), {"__name__": "example"})  # noqa: S102 - that is the point
    except Exception as error:  # noqa: BLE001 - whatever it raises is what a reader would get
        return [f"{type(error).__name__}: {error}"]
    return []


_CHECKS: dict[str, Callable[[str, Path], list[str]]] = {
    "sh": _shell,
    "yaml": _yaml,
    "toml": _toml,
    "json": _json,
    "python": _run_python,
}
