"""Several faults as one: injected at the same moment, on only when each is, undone each by its own undo."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from drill.rollback import NotRestoredError
from experiments._fault import Injection, Proof


def together(
    fault: str,
    context: str,
    injections: Mapping[str, Injection],
    targets: Sequence[dict[str, Any]],
    recovered: Callable[[], Proof],
    *,
    effect_timeout: float,
    recovery_timeout: float,
) -> Injection:
    """One fault of several, by the name under which its proof has each."""

    def inject() -> None:
        if len(injections) == 1:  # in this thread, which an interruption reaches
            next(iter(injections.values())).inject()
            return
        with ThreadPoolExecutor(len(injections)) as pool:
            for injecting in [pool.submit(each.inject) for each in injections.values()]:
                injecting.result()

    return Injection(
        fault=fault,
        method=", ".join(dict.fromkeys(each.method for each in injections.values())),
        targets=tuple(targets),
        permissions=tuple(dict.fromkeys(one for each in injections.values() for one in each.permissions)),
        inject=inject,
        effect=lambda: {name: each.effect() for name, each in injections.items()},
        undo=undo_each,
        undo_arguments=undos(context, [(each.undo, each.undo_arguments) for each in injections.values()]),
        recovered=recovered,
        effect_timeout=effect_timeout,
        recovery_timeout=recovery_timeout,
    )


def undos(context: str, each: Sequence[tuple[Callable[..., Proof], dict[str, Any]]]) -> dict[str, Any]:
    """The arguments of `undo_each`, for undos and theirs."""
    named = [{"undo": f"{undo.__module__}.{undo.__qualname__}", "arguments": arguments} for undo, arguments in each]
    return {"context": context, "undos": named}


def undo_each(context: str, undos: list[dict[str, Any]]) -> dict[str, Any]:
    """Undo of several faults that were one: each by its own, and one that fails stops no other.

    Raises:
        NotRestoredError: one of them was not undone.
    """
    proofs: dict[str, Any] = {"context": context}
    failed = []
    for each in undos:
        module, _, name = each["undo"].rpartition(".")
        arguments = each["arguments"]
        key = str(arguments.get("workload", each["undo"]))
        try:
            proofs[key] = getattr(importlib.import_module(module), name)(**arguments)
        except Exception as error:  # noqa: BLE001 - whatever it was, the others must run; it is raised after them
            failed.append(f"{key}: {type(error).__name__}: {error}")
    if failed:
        raise NotRestoredError("; ".join(failed))
    return proofs
