"""Starts the example, with a user to try.

usage: python examples/fastapi_app [--check]

  --check   drives the whole story without a person, and exits

It begins anew each time: the data is in a new folder, which goes when it ends; EXAMPLE_FOLDER names one that stays.
The port is a free one, or PORT.
"""

import logging
import os
import socket
import sys
import tempfile
from contextlib import suppress

import uvicorn
from accounts import Refused
from server import create_app
from story import check

EMAIL, PASSWORD = "alice@example.com", "correct horse battery"


def main(arguments: list[str]) -> int:
    """0: done; 1: something went wrong; 2: usage."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    if arguments:
        logging.disable(logging.WARNING)
        with tempfile.TemporaryDirectory() as folder:
            return check(create_app(folder))
    kept = os.environ.get("EXAMPLE_FOLDER")
    if kept:
        return serve(kept, f"The data stays in {kept}")
    with tempfile.TemporaryDirectory(prefix="ferrotp-demo-") as folder:
        return serve(folder, f"The data is in {folder}, and goes when this ends")


def serve(folder: str, where: str) -> int:
    """Until somebody ends it."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", int(os.environ.get("PORT", "0"))))
    except (OSError, OverflowError, ValueError) as error:
        print(f"The port PORT={os.environ.get('PORT')} cannot be used: {error}", file=sys.stderr)
        return 1
    address = f"http://localhost:{listening.getsockname()[1]}"
    os.environ.setdefault("EXAMPLE_ORIGIN", address)  # browsers make no passkeys at an address of numbers
    app = create_app(folder)
    with suppress(Refused):  # it is there already
        app.state.accounts.add(EMAIL, PASSWORD)
    print(f"1. Open {address} and log in as {EMAIL}, password: {PASSWORD}")
    print("2. Follow “Two-step login”, scan the code with an authenticator app, and save the recovery codes")
    print("3. Log out and in again: with a code, with the same one once more, with a recovery code")
    print("4. Add a passkey there, too: then log in without a password, by “Sign in with a passkey”")
    print(f"The API describes itself at {address}/openapi.json")
    print(f"{where}. Ctrl-C ends it", flush=True)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off")).run([listening])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
