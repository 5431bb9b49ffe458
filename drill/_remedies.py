"""What to do about a mistake that pydantic found in a file: said from the model's own fields and their descriptions."""

import difflib
import inspect
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

Place = Sequence[str | int]


def remedy(root: type[BaseModel], kind: str, place: Place, branches: Place = ()) -> str:
    """One sentence; `kind` is pydantic's type of the error, `place` where in a file of the model `root` it is.

    Where one of several models stands at a place, `branches` holds the tag of the one that was taken.
    """
    models = _models_at(root, place[: max(0, len(place) - 1)] if place and isinstance(place[-1], str) else place[:-2])
    models = [model for model in models if _tags(model) & set(branches)] or models
    known = list(dict.fromkeys(name for model in models for name in model.model_fields))
    # In a list it is the list's name that means something.
    name = next((step for step in reversed(place) if isinstance(step, str)), "")
    meanings = (model.model_fields[name].description for model in models if name in model.model_fields)
    meaning = next((each for each in meanings if each), None)
    match kind:
        case "missing":
            return f"Add `{name}`{f' ({meaning})' if meaning else ''}."
        case "extra_forbidden":
            close = difflib.get_close_matches(name, known, n=1)
            return f"Did you mean `{close[0]}`?" if close else f"Remove it; known here: {', '.join(known)}."
        case _:
            return f"Change the value.{f' {name} is: {meaning}.' if meaning else ''}"


def problem(error: ErrorDetails) -> str:
    """Pydantic's message without what only a programmer wants to know."""
    if error["type"] == "union_tag_invalid":
        return f"{error['ctx']['tag']!r} is none of {error['ctx']['expected_tags']}"
    said = error["msg"].removeprefix("Value error, ")
    return said.replace("valid tuple", "valid list").replace("Tuple should", "List should")


def _models_at(root: type[BaseModel], place: Place) -> list[type[BaseModel]]:
    """The models that may stand at `place`; more than one where a field takes one of several."""
    models = [root]
    for step in place:
        fields = (model.model_fields.get(str(step)) for model in models)
        # Where no model has the field, the step is a key of a mapping, an index, or the branch of a choice.
        models = [part for field in fields if field for part in _models_in(field.annotation)] or models
    return list(dict.fromkeys(models))


def _tags(model: type[BaseModel]) -> set[Any]:
    """The values by which a model is told from others that may stand in its place."""
    literals = (field.annotation for field in model.model_fields.values() if get_origin(field.annotation) is Literal)
    return {tag for each in literals for tag in get_args(each)}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models_in(each)
