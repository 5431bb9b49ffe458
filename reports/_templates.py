"""The templates, with what all of them use."""

from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports import _format
from reports._measured import Missing


def draw(template: str, names: dict[str, Any]) -> str:
    """One HTML page that needs no network."""
    templates = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= _format.FILTERS
    templates.filters["href"] = href
    templates.tests["missing"] = lambda value: isinstance(value, Missing)
    return templates.get_template(template).render(names)


def href(path: str) -> str:
    """A path inside the record as a relative link; never a scheme, a host or a way out of the record."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    return "./" + "/".join(quote(part) for part in parts)
