"""A process that is stopped for a while, as a machine under load or a frozen disk would."""

import os
import signal
import time
from pathlib import Path


def pause(pid: int) -> None:
    """SIGSTOP, and waits until no thread of it runs: until then, a thread on another processor may still answer."""
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + 30
    while not all(_is_stopped(task) for task in Path(f"/proc/{pid}/task").glob("*/stat")):
        assert time.monotonic() < end, "it does not stop"
        time.sleep(0.001)


def _is_stopped(stat: Path) -> bool:
    try:
        return stat.read_text(encoding="utf-8").rpartition(") ")[2][0] in "TtZX"
    except (FileNotFoundError, ProcessLookupError):  # a thread that has ended
        return True
