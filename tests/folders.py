"""Where databases lie that only races need: in memory, so that a commit waits for no disk."""

import functools
import os
import shutil

_MEMORY = "/dev/shm"
_ROOM = 2 << 30


@functools.cache
def in_memory() -> str | None:
    """A folder in memory that has room, or None: the folder for temporary files then.

    Locks and what other processes see are the kernel's, and the same there. A process that is killed loses nothing on
    either; a machine that loses its power is in no test.
    """
    try:
        has_room = shutil.disk_usage(_MEMORY).free >= _ROOM and os.access(_MEMORY, os.W_OK | os.X_OK)
    except OSError:  # there is none on this system
        return None
    return _MEMORY if has_room else None
