"""The exit codes of every `drill` command, in one place."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a shell or a CI job learns from a finished command."""

    PASS = 0
    """Every check passed, or the command did what it was asked."""
    FAIL = 1
    """At least one check failed."""
    USAGE = 2
    """Bad input or usage; nothing on the cluster was touched."""
    INCONCLUSIVE = 3
    """Nothing failed, but something could not be proven (also: the drill refused to start)."""
    ROLLBACK_FAILED = 4
    """A fault could not be undone: look at the cluster first."""
    HARNESS_ERROR = 5
    """The harness itself broke."""
    INTERRUPTED = 130
    """Interrupted by a person (Ctrl-C here; `drill abort` or a freeze from anywhere) or a signal, after rollback."""
