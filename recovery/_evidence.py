"""Evidence on disk that a check reads: what each file must say, and where it does not."""

from typing import Any

from drill.errors import RecordIncompleteError
from recovery._run import Run


def piece(run: Run, name: str) -> dict[str, Any]:
    """One piece of evidence, `evidence/<name>.json`.

    Raises:
        RecordIncompleteError: the drill did not come to write it, or it is no mapping.
    """
    found = run.record.evidence(name)
    if not isinstance(found, dict):
        raise RecordIncompleteError(f"evidence/{name}.json is not a JSON object")
    return found


def told(found: dict[str, Any], key: str, name: str) -> Any:
    """What the piece of evidence of that name says of `key`.

    Raises:
        RecordIncompleteError: nothing.
    """
    if found.get(key) is None:
        raise RecordIncompleteError(f"evidence/{name}.json does not say its {key.replace('_', ' ')}")
    return found[key]
