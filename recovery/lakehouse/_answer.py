"""The answer of a query: the same as before, and not so while the objects were lost."""

from recovery._check import Finding, check, counted, failed, passed, unsure
from recovery._run import Run
from recovery.lakehouse._evidence import of_buckets, piece, told


@check(
    "evidence/lakehouse-reference.json",
    "evidence/lakehouse-metadata.json",
    "evidence/lakehouse-found.json",
    target="every row of before",
    applies=of_buckets,
)
def answer_the_same(run: Run) -> Finding:
    """The query gives the rows that it gave before, in their order.

    Inconclusive where it gave the same while the objects were lost: it does not read them, or it read them elsewhere.
    """
    before, during, after = (piece(run, name) for name in ("reference", "metadata", "found"))
    was = told(before, "answer", "reference")
    if not was:
        return unsure("The query had no row before, so that its answer shows nothing.", "0 rows")
    if after.get("answer") is None:
        return failed(f"The query has no answer: {after.get('problem') or 'it does not say why'}.")
    now = after["answer"]
    actual = f"{sum(one == other for one, other in zip(was, now, strict=False))} of {counted(len(was), 'row')}"
    if now != was:
        return failed("The query has another answer than before.", actual)
    if during.get("answer") is None and not during.get("problem"):
        return unsure("What the query answered while the objects were lost is not in the record.", actual)
    if during.get("answer") == was:
        return unsure("The query had the same answer while the objects were lost: it does not need them.", actual)
    lost = "failed" if during.get("answer") is None else "had another answer"
    return passed(f"The query has the answer of before; while the objects were lost it {lost}.", actual)
