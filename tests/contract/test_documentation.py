"""Every example of the documentation is run or held to the code, every link leads somewhere, and no path is ours."""

import re
from pathlib import Path

import pytest

from tests.contract.documentation import PAGES, ROOT, Block, blocks, commands, help_examples, in_prose, problems

EXAMPLES = [block for page in PAGES for block in blocks(page)]
ROOMS = ("drill", "experiments", "load", "scenarios")
_LINK = re.compile(r"\]\((?!https?://|mailto:)(?P<file>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")
_OURS = re.compile(r"(?<![\w.])/(?:root|work|home/\w+|tmp/w)\b")


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: block.place)
def test_an_example_works(block: Block, tmp_path: Path) -> None:
    """Commands and flags exist, data validates, Python runs; what can't be run here says why."""
    assert problems(block, tmp_path) == [], block.place


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_sentences_exist(page: Path) -> None:
    """With the flags that are named."""
    assert in_prose(re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)) == []


def test_a_wrong_command_in_a_sentence_is_noticed() -> None:
    """And what a sentence leaves out is none."""
    assert in_prose("`drill run NAME`, `drill lab node`, `drill --version`, `drill report --dr RUNS`") == []
    assert len(in_prose("`drill rum NAME` and `drill run --contxt x`")) == 2


def test_the_examples_of_the_help_pages_work(tmp_path: Path) -> None:
    """Those that `drill COMMAND --help` gives, and most commands give one."""
    examples = list(help_examples())
    assert len({name for name, _ in examples}) >= 20
    wrong = {name: problems(Block(ROOT / "help", 0, "sh", line, ""), tmp_path) for name, line in examples}
    assert {name: each for name, each in wrong.items() if each} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """To files, and to headings."""
    for link in _LINK.finditer(_without_blocks(page.read_text())):
        target = (page.parent / link["file"]) if link["file"] else page
        assert target.exists(), link[0]
        if link["anchor"] and target.suffix == ".md":
            assert link["anchor"] in _anchors(target), link[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_path_of_one_machine(page: Path) -> None:
    """What is written for everybody works for everybody."""
    assert _OURS.findall(page.read_text()) == []


def test_what_troubleshooting_quotes_is_what_is_said() -> None:
    """A reader looks for the words of the message in front of them."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    table = page[page.index("| it says |") :].partition("\n\n")[0]
    quoted = [said for row in table.splitlines()[2:] for said in re.findall(r"`([^`]+)`", row.split("|")[1])]
    sources = "".join(path.read_text() for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    assert quoted
    assert [each for each in quoted if any(part.strip() not in sources for part in each.split("..."))] == []


def test_there_are_examples() -> None:
    """Else the tests above would hold nothing to anything."""
    assert {"sh", "yaml", "toml"} <= {block.language for block in EXAMPLES}
    assert all(text.count("```") % 2 == 0 for text in (page.read_text() for page in PAGES))
    assert len(EXAMPLES) == sum(page.read_text().count("```") for page in PAGES) // 2


@pytest.mark.parametrize(
    ("language", "text", "mark"),
    [
        ("sh", "drill rum broker-kill", ""),
        ("sh", "drill run broker-kill --contxt staging", ""),
        ("sh", "drill run", ""),
        ("sh", "drill plan no-such-scenario --context staging", ""),
        ("sh", "cat x | drill lab node explode node2", ""),
        ("sh", "A=1 chaos run --rollback-strategy=always experiments/catalogue/none.yaml", ""),
        ("sh", "make coffee", ""),
        ("sh", "locust -f load/none.py", ""),
        ("sh", "python -m no_such_module", ""),
        ("sh", "pytest scenarios --drill-nonsense", ""),
        ("sh", "frobnicate", ""),
        ("yaml", "objectives: {rt: 3}", ""),
        ("yaml", "something: else", ""),
        ("yaml", "a: [", ""),
        ("yaml", "title: x\nmethod: []", ""),
        ("toml", "[contexts.a]\ndrilable = true", ""),
        ("json", "{", ""),
        ("python", "import no_such_module", ""),
        ("text", "anything", ""),
        ("", "anything", ""),
        ("text", "anything", "not run:"),
        ("yaml", "rto: -1", "checked by: drill.objectives.Objectives"),
    ],
)
def test_a_wrong_example_is_noticed(language: str, text: str, mark: str, tmp_path: Path) -> None:
    """The tests above can fail, in each of their ways."""
    assert problems(Block(ROOT / "README.md", 1, language, text, mark), tmp_path) != []


@pytest.mark.parametrize(
    ("language", "text", "mark"),
    [
        ("sh", "drill --version", ""),
        ("sh", "FOO=1 drill run broker-kill --context staging \\\n  --junit x.xml > out # why", ""),
        ("sh", "drill judge runs/broker-kill/<UTC> && make test", ""),
        ("yaml", "stop: {error_budget: {share: 0.5}}", ""),
        ("yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}", ""),
        ("toml", "[contexts.a]\ndrillable = false", ""),
        ("python", "from recovery import check", ""),
        ("text", "anything", "not run: it is what a command prints"),
        ("yaml", "rto: 3", "checked by: drill.objectives.Objectives"),
    ],
)
def test_a_good_example_passes(language: str, text: str, mark: str, tmp_path: Path) -> None:
    """And nothing is run by that."""
    assert problems(Block(ROOT / "README.md", 1, language, text, mark), tmp_path) == []


def test_a_script_is_taken_apart() -> None:
    """As a shell would, as far as documentation needs it."""
    script = "A=1 b 'c d' | e > f # g\nh && i <x>; (j)\n# k\n"
    assert list(commands(script)) == [["b", "c d"], ["e"], ["h"], ["i", "PLACEHOLDER"], ["j"]]


def _without_blocks(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
