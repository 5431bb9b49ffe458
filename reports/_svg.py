"""Vega's SVG made fit for a page: a title and a text alternative, the page's fonts and colours, and no weight."""

import re
from xml.etree import ElementTree as ET

_EMPTY_PATHS = {"", "M0,0h0v0h0Z"}
_NOISE = ("role", "pointer-events", "font-family", "stroke-miterlimit", "class")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_LONG = re.compile(r"\d+\.\d{2,}")


def inline(svg: str, name: str, title: str, desc: str) -> str:
    """Turn one rendered chart into an element of the page.

    Args:
        svg: a whole SVG document as Vega renders it.
        name: unique on the page; prefixes every id, because ids of several inline SVGs share one name space.
        title: the accessible name.
        desc: the text alternative: what the chart shows, with its numbers.
    """
    root = ET.fromstring(svg)  # noqa: S314 - our own renderer's output
    for parent in list(root.iter()):
        for child in list(parent):
            if _draws_nothing(child):
                parent.remove(child)
    # Vega counts its ids over the life of the process; ours depend on the chart alone.
    ids = {each.get("id", ""): f"{name}-{at}" for at, each in enumerate(root.iter()) if "id" in each.attrib}
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        _clean(element, ids)
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update({"viewBox": box, "role": "img", "aria-labelledby": f"{name}-title {name}-desc"})
    for tag, text in (("desc", desc), ("title", title)):
        label = ET.Element(tag, {"id": f"{name}-{tag}"})
        label.text = text
        root.insert(0, label)
    return ET.tostring(root, encoding="unicode")


def _draws_nothing(element: ET.Element) -> bool:
    empty = element.tag.endswith("}path") and element.get("d") in _EMPTY_PATHS
    return empty or element.get("opacity") == "0" or element.get("class") == "background"


def _clean(element: ET.Element, ids: dict[str, str]) -> None:
    for attribute in [key for key in element.attrib if key in _NOISE or key.startswith("aria-")]:
        del element.attrib[attribute]
    if element.get("opacity") == "1":
        del element.attrib["opacity"]
    for key, value in element.attrib.items():
        shorter = ids[value] if key == "id" else _REFERENCE.sub(lambda found: f"url(#{ids[found[1]]})", value)
        if key in ("d", "transform", "x2", "y2"):
            shorter = _LONG.sub(lambda number: f"{float(number[0]):.1f}", shorter)
        element.set(key, shorter)
