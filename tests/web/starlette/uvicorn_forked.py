"""uvicorn, whose workers are forks of a process that has loaded the example, instead of new interpreters. Each of them
still makes the application by itself.
"""

import multiprocessing

import uvicorn
from uvicorn import _subprocess

if __name__ == "__main__":
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["server", "uvicorn.main", "ferrotp.mfa.stores.sql"])
    _subprocess.spawn = forking  # type: ignore[assignment]
    uvicorn.main()
