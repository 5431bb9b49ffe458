"""The templates, with what all of them use."""

from functools import partial
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports import _format
from reports._measured import Missing


def draw(template: str, names: dict[str, Any], folder: str = ".") -> str:
    """One HTML page that needs no network, or a piece of one; `folder` is where the record is, seen from the page."""
    templates = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= _format.FILTERS
    templates.filters["href"] = partial(href, folder=folder)
    templates.tests["missing"] = lambda value: isinstance(value, Missing)
    return templates.get_template(template).render(names)


def href(path: str, folder: str = ".") -> str:
    """A path inside the record as a relative link; never a scheme, a host or a way out of the record."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    return f"{folder}/" + "/".join(quote(part) for part in parts)
