"""Lost objects of a lakehouse as the report shows them: how each was found, what brought it back, and the answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from drill.record import RunRecord
from drill.verdicts import Outcome, Verdict
from recovery.lakehouse import CHECKS
from reports._format import duration, plural
from reports._headline import KeyFigure
from reports._measured import Missing, measured

_SHOWN = 12
"""Rows of an answer that the page shows."""
_FIGURES = (
    ("Recovery time, loss to data proven (RTO)", "lakehouse-restored"),
    ("Data lost for good (RPO)", "nothing-newer-lost"),
    ("Found by the table's metadata", "loss-found-by-metadata"),
    ("Found by the manifest", "loss-found-by-manifest"),
    ("Back byte for byte", "objects-as-before"),
    ("Rows of the answer as before", "answer-the-same"),
)
_BY = {
    "loss-found-by-metadata": "Trino: the files that the table names, held against the bucket, and each one read.",
    "loss-found-by-manifest": "The store's own list: key, size and ETag against those of before.",
    "objects-as-before": "SHA-256 of each object's content, before and after.",
    "answer-the-same": "The query itself, asked before, during and after the loss.",
    "lakehouse-whole": "Trino's metadata tables and checksums of all rows, and the bucket's list.",
    "nothing-newer-lost": "The versions of the objects: the one that is back is the one that was lost.",
    "lakehouse-restored": "The drill's own clock, from the loss to the end of the phase that proved the data.",
}
"""By what a check sees, in words."""


@dataclass(frozen=True)
class Lost:
    """One object that was damaged."""

    key: str
    size: int
    damage: str
    metadata: str
    manifest: str
    back: str | Missing


@dataclass(frozen=True)
class Lakehouse:
    """All of it."""

    table: str | Missing
    bucket: str
    query: str | Missing
    lost: tuple[Lost, ...] | Missing
    answer: tuple[tuple[str, str], ...]
    """When it was asked, and what was answered, in words."""
    rows: tuple[tuple[str, ...], ...]
    """The first rows of the answer of before."""
    more: int
    """How many rows of it are not shown."""
    proofs: tuple[tuple[str, str, Verdict], ...]
    """What was verified, by what, and what came out."""
    unverified: tuple[str, ...]


def lakehouse(record: RunRecord, verdicts: Sequence[Verdict]) -> Lakehouse | None:
    """The lost objects of a run; None: it damages no bucket."""
    buckets = (record.scenario.get("target") or {}).get("buckets") or ()
    if not buckets:
        return None
    by_check = {each.check: each for each in verdicts}
    reference = measured(record, lambda: _piece(record, "reference"))
    known = {} if isinstance(reference, Missing) else reference
    answer = known.get("answer") or []
    lacking = reference if isinstance(reference, Missing) else Missing("the record does not say it")
    return Lakehouse(
        table=known.get("table", lacking),
        bucket=", ".join(buckets),
        query=known.get("query", lacking),
        lost=measured(record, lambda: tuple(_lost(record, by_check))),
        answer=tuple(_answers(record, answer)),
        rows=tuple(tuple(map(str, row)) for row in answer[:_SHOWN]),
        more=max(0, len(answer) - _SHOWN),
        proofs=tuple(
            ((each.function.__doc__ or "").partition("\n")[0], _BY[each.name], by_check[each.name])
            for each in CHECKS
            if each.name in by_check
        ),
        unverified=tuple(_unverified(by_check)),
    )


def outcome(verdicts: Sequence[Verdict]) -> str:
    """What came out, in a sentence."""
    by_check = {each.check: each for each in verdicts}
    took, lost = by_check.get("lakehouse-restored"), by_check.get("nothing-newer-lost")
    if took is None or took.actual is None:
        return f"It was not seen that the data came back: {took.reason if took else 'the run was not judged.'}"
    said = f"The data was proven {duration(float(took.actual.removesuffix(' s')))} after it was lost"
    if lost is not None and lost.outcome is Outcome.PASS:
        return f"{said}, and nothing of it is gone."
    return f"{said}; whether nothing of it is gone was not shown."


def key_figures(verdicts: Sequence[Verdict]) -> tuple[KeyFigure, ...]:
    """Recovery time, loss, and what was found and proven."""
    by_check = {each.check: each for each in verdicts}
    figures = []
    for name, check in _FIGURES:
        if (verdict := by_check.get(check)) is None:
            continue
        value = verdict.actual if verdict.actual is not None else Missing(verdict.reason)
        small = ""
        if check == "lakehouse-restored" and isinstance(value, str):
            value = duration(float(value.removesuffix(" s")))
            limit = (verdict.target or "").removeprefix("<= ").removesuffix(" s")
            small = (
                f"objective ≤ {duration(float(limit))}; measured" if limit.replace(".", "").isdigit() else "measured"
            )
        figures.append(KeyFigure(name, value, small, check))
    return tuple(figures)


def _lost(record: RunRecord, by_check: dict[str, Verdict]) -> Iterator[Lost]:
    was = {each["key"]: each for each in _piece(record, "reference")["objects"]}
    back = measured(record, lambda: _piece(record, "restored")["objects"])
    for key, now in _piece(record, "damage")["objects"].items():
        yield Lost(
            key=key,
            size=was[key]["size"],
            damage="deleted" if now is None else f"other bytes, {plural(now['size'], 'byte')} as before",
            metadata=_by("loss-found-by-metadata", key, by_check),
            manifest=_by("loss-found-by-manifest", key, by_check),
            back=back if isinstance(back, Missing) else _back(back.get(key)),
        )


def _by(check: str, key: str, by_check: dict[str, Verdict]) -> str:
    """What a way of looking had against an object."""
    verdict = by_check.get(check)
    found = {} if verdict is None else verdict.details.get("found", {})
    if verdict is None or verdict.outcome is Outcome.INCONCLUSIVE:
        return "nobody knows"
    return str(found.get(key) or ("not found" if key in verdict.details.get("missed", ()) else "found"))


def _back(done: dict[str, Any] | None) -> str | Missing:
    if done is None:
        return Missing("the runbook did not restore it")
    steps = "; ".join(done["steps"]) or "it was current already"
    return f"version {done['version']}: {steps}"


def _answers(record: RunRecord, was: list[Any]) -> Iterator[tuple[str, str]]:
    for when, name in (("Before", "reference"), ("While the objects were lost", "metadata"), ("After", "found")):
        piece = measured(record, lambda name=name: _piece(record, name))  # type: ignore[misc]
        if isinstance(piece, Missing):
            yield when, str(piece)
        elif piece.get("answer") is None:
            yield when, f"none: {piece.get('problem') or 'it does not say why'}"
        elif name == "reference":
            yield when, plural(len(piece["answer"]), "row")
        else:
            same = "the same as before" if piece["answer"] == was else "not the same as before"
            yield when, f"{plural(len(piece['answer']), 'row')}, {same}"


def _unverified(by_check: dict[str, Verdict]) -> Iterator[str]:
    """What a reader must not take for proven."""
    for each in CHECKS:
        verdict = by_check.get(each.name)
        if verdict is not None and verdict.outcome is Outcome.INCONCLUSIVE:
            yield f"{(each.function.__doc__ or '').partition(chr(10))[0]} This could not be told: {verdict.reason}"
    yield "Rows of older snapshots, and their data files: only the current one was read."
    yield "The content of objects that were not damaged: size and ETag stand for it, and the rows that Trino read."
    yield "A loss of the whole store, or of the versions: nothing here is a copy elsewhere."
    yield "How long clients were out: no clients ran in this drill."


def _piece(record: RunRecord, name: str) -> dict[str, Any]:
    found: dict[str, Any] = record.evidence(f"lakehouse-{name}")
    return found
