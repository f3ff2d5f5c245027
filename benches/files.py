"""Memory and time of reading files of 1,000, 10,000 and 100,000 accounts: python benches/files.py [NAME OF A LAYOUT]...

Each file is read in a process of its own, by `transfer.stream` from its path, twice: once for the time and for the most
memory that the process had, beside what it had before; and, up to 10,000 accounts, once under tracemalloc for the
most that Python took at once.
A file has as many accounts as fit into 16 MiB.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests/transfer"
COUNTS = (1_000, 10_000, 100_000)


def resident(line: str) -> int:
    """KiB, of now (VmRSS) or at most so far (VmHWM). `getrusage` counts what the parent had, too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition(f"{line}:")[2].split()[0])


def main() -> None:
    sys.path.insert(0, str(TESTS))
    import test_memory as memory

    from ferrotp.transfer._contents import MAX_BYTES

    if sys.argv[1:2] == ["--one"]:
        name, path, count, is_traced = sys.argv[2:]
        layout = next(layout for layout in memory.LAYOUTS if layout.name == name)
        read = memory.streamed(layout, Path(path))
        if is_traced == "yes":
            print(memory.peak(read, int(count)))
            return
        before = resident("VmRSS")
        start = time.process_time()
        assert read() == int(count)
        print(time.process_time() - start, resident("VmHWM") - before)
        return
    print("| file | accounts | size, KiB | seconds of CPU | Python at most, KiB | process more, KiB |")
    print("|---|---|---|---|---|---|")
    for layout in memory.LAYOUTS:
        if sys.argv[1:] and layout.name not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            entry = (memory.file_of(layout, 2000, path) - memory.file_of(layout, 1000, path)) // 1000 + 1
            for count in sorted({min(count, MAX_BYTES * 92 // 100 // entry) for count in COUNTS}):
                size = memory.file_of(layout, count, path)
                one = [sys.executable, __file__, "--one", layout.name, str(path), str(count)]
                seconds, more = subprocess.check_output([*one, "no"], text=True).split()
                most = int(subprocess.check_output([*one, "yes"], text=True)) >> 10 if count <= 10_000 else "–"
                row = (layout.name, f"{count:,}", f"{size >> 10:,}", f"{float(seconds):.2f}", most, more)
                print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
