"""Where databases lie that only races need: in memory, so that a commit waits for no disk. And what a new server of
databases begins with.
"""

import fcntl
import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

_MEMORY = "/dev/shm"
_ROOM = 2 << 30
_KEPT = Path(__file__).parents[1] / "target" / "servers"


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


def fill(data: Path, version: str, install: Callable[[], object]) -> None:
    """What a server's program installs into its folder: it does so once, and each later server, in whichever process
    or run, gets a copy. To install takes several times as long as to start.

    :param version: another one installs anew
    """
    kept = _KEPT / f"{version}-{os.geteuid()}"
    _KEPT.mkdir(parents=True, exist_ok=True)
    with open(f"{kept}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            install()
            partial = Path(f"{kept}.new")
            shutil.rmtree(partial, ignore_errors=True)
            _copy(data, partial)
            partial.rename(kept)
            return
    _copy(kept, data)


def _copy(source: Path, target: Path) -> None:
    """With owners, which the servers look at."""
    target.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)
