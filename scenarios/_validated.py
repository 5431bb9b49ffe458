"""A file against its model: every mistake at once, each with its file, line, field and remedy."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from drill._remedies import problem, remedy
from drill.errors import Mistake
from scenarios._locate import Document, Location

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], document: Document) -> tuple[Model | None, list[Mistake]]:
    """The document as `model` has it, or None, and what is wrong with it."""
    try:
        made = model.model_validate(document.content)
    except ValidationError as error:
        return None, list(_mistakes(model, document, error))
    return made, list(_misread(document, document.content, made.model_dump(mode="json")))


def _mistakes(model: type[BaseModel], document: Document, error: ValidationError) -> Iterator[Mistake]:
    found: dict[Location, list[ErrorDetails]] = {}
    for each in error.errors():
        place = _as_written(document, each["loc"], missing=each["type"] == "missing")
        found.setdefault(place, []).append(each)
    for place, said in found.items():  # several where a value may be one of several kinds, and is none of them
        if said[0]["type"] == "too_short" and any(place == other[:-1] for other in found):
            continue  # what a list lacks was there, and was wrong
        problems = dict.fromkeys(map(problem, said))
        yield document.mistake(place, " or ".join(problems), remedy(model, said[0]["type"], place, said[0]["loc"]))


def _as_written(document: Document, place: Location, *, missing: bool) -> Location:
    """A place as the file has it: without the branches of choices that pydantic went through."""
    written: Location = ()
    for step in place:
        if document.has((*written, step)):
            written = (*written, step)
    return (*written, place[-1]) if missing else written


def _misread(document: Document, written: Any, read: Any, place: Location = ()) -> Iterator[Mistake]:
    """What pydantic took for something else: YAML's yes for a 1, a quoted number for a number."""
    if isinstance(written, dict) and isinstance(read, dict):
        for key in written.keys() & read.keys():
            yield from _misread(document, written[key], read[key], (*place, key))
    elif isinstance(written, list) and isinstance(read, list):
        for index, (one, other) in enumerate(zip(written, read, strict=False)):
            yield from _misread(document, one, other, (*place, index))
    elif isinstance(read, int | float) and (
        isinstance(written, str) or isinstance(written, bool) is not isinstance(read, bool)
    ):
        meant = "true or false" if isinstance(read, bool) else "a number"
        yield document.mistake(place, f"{written!r} is not {meant}", f"Write {meant}, without quotes.")
