"""Whether the verdicts that a record holds are those that it is judged to have: what differs is not to be believed.

The manifest can't seal `verdicts.json`, which `drill judge` writes anew. But verdicts follow from what is sealed, and
from nothing else: so they are held to a judgement that is made again, which nobody can have edited.
"""

import json
from typing import Any

import recovery
from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict, overall

FILE = "verdicts.json"


def unlike(record: RunRecord) -> tuple[str, ...]:
    """What the record's verdicts say otherwise than the record does, judged again; none where it was not judged.

    Outcome, target, numbers and details are compared, not the words. A record that an older drill judged may differ
    honestly; nobody can tell that from an edited one, and `drill judge` puts it right. A check that is new since and
    passes is no difference.

    Raises:
        RecordIncompleteError: the verdicts can't be read.
    """
    path = record.path / FILE
    if not path.is_file():
        return ()
    fresh = RunRecord(record.path)
    kept = {each.check: each for each in fresh.verdicts}
    now = {each.check: each for each in recovery.judge(fresh)}
    told = [_told(name, kept.get(name), now.get(name)) for name in dict.fromkeys((*kept, *now))]
    said, follows = json.loads(path.read_text(encoding="utf-8")).get("outcome"), overall(kept.values())
    if said not in (None, follows):
        told.append(f"the whole run: {said}, though its verdicts make it {follows}")
    return tuple(filter(None, told))


def believed(record: RunRecord) -> bool:
    """Whether the record is as it was sealed, and its verdicts are those that follow from it.

    Raises:
        RecordIncompleteError: it was not sealed, or its verdicts can't be read.
    """
    return not record.altered_files() and not unlike(record)


def _told(check: str, kept: Verdict | None, now: Verdict | None) -> str:
    """How one check differs; empty: it does not."""
    if now is None:
        return f"{check}: kept, but this version of drill does not judge that"
    if kept is None:
        new = now.outcome is Outcome.PASS
        return "" if new else f"{check}: not there, but {now.outcome} judged again"
    if kept.outcome is not now.outcome:
        return f"{check}: {kept.outcome}, but {now.outcome} judged again"
    return "" if _compared(kept) == _compared(now) else f"{check}: {kept.outcome}, but with other numbers judged again"


def _compared(verdict: Verdict) -> Any:
    return _rounded(verdict.model_dump(mode="json", include={"target", "actual", "details"}))


def _rounded(value: Any) -> Any:
    """Without the last digits, in which two machines may differ."""
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value
