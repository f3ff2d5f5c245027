"""How many processors single calls use in one thread and in several: ``python benches/threads.py``.

On a free-threaded CPython it is as many as there are threads, up to those of the machine. With a GIL it is one.
"""

import os
import threading
import time

import ferrotp

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
CALLS = 200_000


def processors(threads: int) -> float:
    """CPU time for each second on the wall, while every thread makes codes with an object of its own."""

    def work(otp: ferrotp.TOTP) -> None:
        for second in range(CALLS):
            otp.at(1_700_000_000 + second)

    workers = [threading.Thread(target=work, args=(ferrotp.TOTP(SECRET),)) for _ in range(threads)]
    wall, cpu = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return (time.process_time() - cpu) / (time.perf_counter() - wall)


if __name__ == "__main__":
    for threads in sorted({1, 2, min(4, os.cpu_count() or 1)}):
        print(f"{threads} threads: {processors(threads):.2f} processors")
