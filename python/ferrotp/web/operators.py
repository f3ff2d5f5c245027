"""Who runs a command."""

import getpass
import os


def operator() -> str:
    """The name; in a container, where the user has none, the number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an id without an entry in passwd
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
