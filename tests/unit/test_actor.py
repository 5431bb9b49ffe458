"""Who acts has a name, whatever the machine knows of its user."""

import os
import pwd

import pytest

from drill.actor import actor

_VARIABLES = ("LOGNAME", "USER", "LNAME", "USERNAME")


def test_a_user_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the machine."""
    for name in _VARIABLES:
        monkeypatch.setenv(name, "zoe")
    assert actor() == f"zoe@{os.uname().nodename}"


@pytest.mark.parametrize("error", [KeyError("uid not found: 10001"), OSError("No username set in the environment")])
def test_a_user_without_a_name_is_told_by_uid(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """As in an image that runs as a UID of nobody; in one word, since the Lease's holder is split at spaces."""

    def unknown(_uid: int) -> None:
        raise error

    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 10001)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert actor() == f"uid-10001@{os.uname().nodename}"
