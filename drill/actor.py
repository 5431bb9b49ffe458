"""Who acts: whoever started this process, as the Lease, the cluster's rollback log and notifications name them."""

import getpass
import os


def actor() -> str:
    """`user@host`; a user without a name, as an arbitrary UID in a container is, by that: `uid-10001@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no variable has it, and no passwd entry: KeyError until Python 3.13, OSError since
        user = f"uid-{os.getuid()}"
    return f"{user}@{os.uname().nodename}"
