"""Where and when a fault may be injected: what the settings say of it, asked before a drill and at each injection."""

import fnmatch
from collections.abc import Iterable
from datetime import UTC, datetime

from drill.settings import Settings, settings_file
from drill.windows import Window

SYSTEM_NAMESPACES = ("kube-*",)
"""kube-system, kube-public, kube-node-lease: Kubernetes keeps the prefix for itself, and drills keep off it."""

SCRATCH_PREFIX = "drill-restore-"
"""What the names of namespaces begin with that a drill makes and deletes."""


def refusal(settings: Settings, namespaces: Iterable[str], now: datetime | None = None) -> str | None:
    """Why no fault may be injected into `namespaces` of the selected context at `now`; None: it may.

    Raises:
        UsageError: no context is selected, or the settings do not know it.
    """
    target, context = settings.target, settings.context
    if pattern := _matching(str(context), settings.protected):
        return f"context {context!r} is protected ({pattern!r} in `protected`): nothing is ever injected there"
    if not target.drillable:
        return (
            f"context {context!r} is not declared drillable: set `drillable = true` in its table of "
            f"{settings_file()} if faults may be injected there"
        )
    for namespace in namespaces:
        if _matching(namespace, SYSTEM_NAMESPACES):
            return f"namespace {namespace!r} is one of Kubernetes' own: nothing is ever injected there"
        if pattern := _matching(namespace, target.protected_namespaces):
            return f"namespace {namespace!r} is protected in context {context!r} ({pattern!r})"
        if namespace not in target.namespaces:
            return (
                f"namespace {namespace!r} is not declared drillable in context {context!r} "
                f"(namespaces = {list(target.namespaces)})"
            )
    return _outside(target.windows, now or datetime.now(UTC)) or frozen(settings)


def scratch_refusal(settings: Settings, namespace: str, now: datetime | None = None) -> str | None:
    """Why no scratch namespace called `namespace` may be made in the selected context at `now`; None: it may.

    Making a namespace of one's own and deleting it hurts nothing, so that the context need not be drillable, and its
    workloads may be protected: but it must say so (`restore_drills`), and when and whether drills are allowed at all
    holds here too. That the namespace is not there is for the caller to see.

    Raises:
        UsageError: no context is selected, or the settings do not know it.
    """
    target = settings.target
    if not target.restore_drills:
        return (
            f"context {settings.context!r} does not allow restore drills: set `restore_drills = true` in its table of "
            f"{settings_file()} if a namespace of drill's own may be made and deleted there"
        )
    if not namespace.startswith(SCRATCH_PREFIX):
        return f"a scratch namespace must be called {SCRATCH_PREFIX}..., and not {namespace!r}: nothing else is deleted"
    return _outside(target.windows, now or datetime.now(UTC)) or frozen(settings)


def bucket_refusal(settings: Settings, buckets: Iterable[str]) -> str | None:
    """Why no object of `buckets` may be damaged in the selected context's object store; None: it may.

    Beside what `refusal` says of the context. The bucket of the backups is what everything else would be restored from.

    Raises:
        UsageError: the context declares no object store.
    """
    store = settings.object_store
    for bucket in buckets:
        if bucket == store.bucket:
            return f"bucket {bucket!r} of context {settings.context!r} has the backups: nothing is ever damaged there"
        if bucket not in store.drillable:
            return (
                f"bucket {bucket!r} is not declared drillable in context {settings.context!r} "
                f"(object_store.drillable = {list(store.drillable)})"
            )
    return None


def cluster_refusal(settings: Settings, namespaces: Iterable[str], now: datetime | None = None) -> str | None:
    """Why the selected context's whole cluster may not be lost at `now`, and `namespaces` restored; None: it may.

    Raises:
        UsageError: no context is selected, or the settings do not know it.
    """
    target, where = settings.target, f"[contexts.{settings.context}"
    if reason := refusal(settings, namespaces, now):
        return reason
    if not target.cluster_loss:
        return (
            f"context {settings.context!r} does not allow that its cluster is destroyed: set `cluster_loss = true` in "
            f"{where}] of {settings_file()} if all that it holds may be lost"
        )
    names = ("cluster_lose", "cluster_rebuild", "velero_install")
    if missing := [name for name in names if not getattr(target.hooks, name)]:
        return (
            f"context {settings.context!r} declares no hook {missing[0]}: Kubernetes itself can neither destroy a "
            f"cluster nor build one (add it to {where}.hooks] of {settings_file()})"
        )
    return None


def frozen(settings: Settings) -> str | None:
    """Why the freeze file refuses every drill; None: there is no such file."""
    file = settings.freeze_path
    if file is None:
        return None
    try:
        reason = next(iter(file.read_text(encoding="utf-8", errors="replace").splitlines()), "")
    except FileNotFoundError:
        return None
    except OSError as error:  # who can't look does not know that there is none
        return f"the freeze file {file} can't be read: {error.strerror}"
    return f"drills are frozen by {file}: {reason.strip() or 'it gives no reason'}"


def _outside(windows: tuple[str, ...], now: datetime) -> str | None:
    if not windows or any(Window.parse(text).holds(now) for text in windows):
        return None
    return f"drills are allowed here in {' and '.join(windows)} only, and it is {now:%a %H:%M} UTC"


def _matching(name: str, patterns: Iterable[str]) -> str | None:
    return next((pattern for pattern in patterns if fnmatch.fnmatchcase(name, pattern)), None)
