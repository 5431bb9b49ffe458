"""Names as Kubernetes takes them, for every file that has some."""

from typing import Annotated

from pydantic import AfterValidator, Field

Namespace = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
"""An RFC 1123 label (https://kubernetes.io/docs/concepts/overview/working-with-objects/names/)."""


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} is there twice")
    return names


Namespaces = Annotated[tuple[Namespace, ...], AfterValidator(_each_once)]
