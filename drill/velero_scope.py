"""What a backup is of by its own filters, namespaces and kinds of objects, as Velero itself reads them.

https://github.com/vmware-tanzu/velero/blob/v1.18.0/pkg/util/collections/includes_excludes.go
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

_INCLUDED = ("includedResources", "includedNamespaceScopedResources")
_EXCLUDED = ("excludedResources", "excludedNamespaceScopedResources")
_SELECTORS = ("labelSelector", "orLabelSelectors")
_SHORT = {
    "configmap": "cm",
    "persistentvolumeclaim": "pvc",
    "pod": "po",
    "service": "svc",
    "serviceaccount": "sa",
    "daemonset": "ds",
    "deployment": "deploy",
    "statefulset": "sts",
    "cronjob": "cj",
    "ingress": "ing",
    "networkpolicy": "netpol",
}
"""The API server's short names of kinds, which a filter may use."""


@dataclass(frozen=True)
class Scope:
    """The filters of a backup."""

    spec: Mapping[str, Any] = field(repr=False)
    """Of the Backup, or the template of a Schedule."""

    def has_namespace(self, name: str) -> bool:
        """Whether a namespace is of it; those that it names may have wildcards."""
        included, excluded = self._named(("includedNamespaces",)), self._named(("excludedNamespaces",))
        return (not included or _any(name, included)) and not _any(name, excluded)

    def has_kind(self, kind: str) -> bool:
        """Whether the objects of a kind are of it.

        Args:
            kind: of objects in a namespace, as Velero's resource list words it: v1/Pod, apps/v1/StatefulSet.
        """
        included, excluded = self._named(_INCLUDED), self._named(_EXCLUDED)
        return (not included or any(_means(each, kind) for each in included)) and not any(
            _means(each, kind) for each in excluded
        )

    @property
    def moves_volumes(self) -> bool:
        """Whether it has node agents move volumes into the bucket, unless pods or volumes say otherwise."""
        return bool(self.spec.get("defaultVolumesToFsBackup") or self.spec.get("snapshotMoveData"))

    @property
    def by_labels(self) -> bool:
        """Whether it takes only objects with some labels."""
        return any(self.spec.get(each) for each in _SELECTORS)

    @property
    def untold(self) -> str | None:
        """Why it may leave out more than its names say; None: it does not."""
        if self.by_labels:
            return "it takes only objects with some labels"
        if policy := self.spec.get("resourcePolicy"):
            return f"its resource policy ({policy.get('name')}) may leave out more"
        if odd := [each for each in self._named(_INCLUDED + _EXCLUDED) if "{" in each]:
            return f"its filter {odd[0]} is not understood here"
        return None

    def _named(self, keys: Iterable[str]) -> list[str]:
        return [each for key in keys for each in self.spec.get(key) or ()]


def _any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, each) for each in patterns)


def _means(word: str, kind: str) -> bool:
    """Whether a filter's word means a kind: as plural, singular or short name, with its group or the start of it."""
    api, _, singular = kind.lower().rpartition("/")
    group = api.rpartition("/")[0]
    plural = _plural(singular)
    name, _, its_group = word.lower().partition(".")
    known = name in {singular, plural, _SHORT.get(singular)} and group.startswith(its_group)
    return known or fnmatchcase(".".join(filter(None, (plural, group))), word.lower())


def _plural(singular: str) -> str:
    """As Kubernetes makes it: UnsafeGuessKindToResource in apimachinery/pkg/api/meta/restmapper.go."""
    if singular.endswith("s"):
        return f"{singular}es"
    return f"{singular[:-1]}ies" if singular.endswith("y") else f"{singular}s"
