"""What was looked over, read only, as JUnit XML for CI servers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drill.verdicts import Outcome

    Line = tuple[str, str, Outcome, str, str]
    """A check, what it looked at, its outcome, the reason and the remedy."""


def junit(name: str, lines: "Iterable[Line]") -> str:
    """A test case for each line; what could not be seen is an error, so that no gate passes it."""
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - lazy

    from drill.verdicts import Outcome  # noqa: PLC0415 - lazy
    from drill.xml_text import text  # noqa: PLC0415 - lazy

    suite = ET.Element("testsuite", {"name": f"drill.{name}", "skipped": "0"})
    for check, what, outcome, reason, remedy in lines:
        case = ET.SubElement(suite, "testcase", {"classname": f"drill.{name}.{check}", "name": text(what)})
        if outcome is not Outcome.PASS:
            kind = "failure" if outcome is Outcome.FAIL else "error"
            ET.SubElement(case, kind, {"type": outcome, "message": text(reason)}).text = text(remedy)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("*/failure"))))
    suite.set("errors", str(len(suite.findall("*/error"))))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
