"""A run as JUnit XML, for CI servers."""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from drill.xml_text import text
from reports._alarms import rollbacks
from reports._measured import Missing, measured


def junit(record: RunRecord) -> str:
    """One test case for each check; a failed check is a failure, an inconclusive one an error, so no gate passes it.

    The run's duration is the suite's: checks judge a finished record, and have no duration worth a name. A record
    without verdicts, and a fault that was not rolled back, are errors of their own.
    """
    name = str(measured(record, lambda: record.scenario["name"]))
    verdicts = measured(record, lambda: record.verdicts)
    started = measured(record, lambda: record.first("run.started").t)
    finished = measured(record, lambda: record.events[-1].t)
    suite = ET.Element("testsuite", {"name": f"drill.{name}"})
    if not isinstance(started, Missing) and not isinstance(finished, Missing):
        suite.set("timestamp", datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
        suite.set("time", f"{finished - started:.3f}")
    if isinstance(verdicts, Missing) or not verdicts:
        reason = verdicts.reason if isinstance(verdicts, Missing) else "the run has no checks"
        _error(ET.SubElement(suite, "testcase", _named(name, "judged")), "inconclusive", reason)
    else:
        for verdict in verdicts:
            _case(suite, name, verdict)
    undone = measured(record, lambda: rollbacks(record))
    for problem in [undone.reason] if isinstance(undone, Missing) else [alarm.text for alarm in undone]:
        _error(ET.SubElement(suite, "testcase", _named(name, "rolled-back")), "rollback", problem)
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("errors", str(sum(case.find("error") is not None for case in cases)))
    suite.set("skipped", "0")
    suites = ET.Element(
        "testsuites", {"name": "drill", **{key: suite.attrib[key] for key in ("tests", "failures", "errors")}}
    )
    suites.append(suite)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, name: str, verdict: Verdict) -> None:
    case = ET.SubElement(suite, "testcase", _named(name, verdict.check))
    if verdict.outcome is Outcome.FAIL:
        ET.SubElement(case, "failure", {"type": "fail", "message": text(verdict.reason)}).text = _body(verdict)
    elif verdict.outcome is Outcome.INCONCLUSIVE:
        _error(case, "inconclusive", verdict.reason, _body(verdict))
    else:
        ET.SubElement(case, "system-out").text = _body(verdict)


def _error(case: ET.Element, kind: str, reason: str, body: str | None = None) -> None:
    ET.SubElement(case, "error", {"type": kind, "message": text(reason)}).text = body or text(reason)


def _named(scenario: str, check: str) -> dict[str, str]:
    return {"classname": f"drill.{text(scenario)}", "name": text(check)}


def _body(verdict: Verdict) -> str:
    lines = [verdict.reason, f"target: {verdict.target}", f"actual: {verdict.actual}", *verdict.evidence]
    return text("\n".join(line for line in lines if not line.endswith(": None")))
