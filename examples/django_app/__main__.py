"""Starts the example, with a user and an administrator to try.

usage: python examples/django_app [--check]

  --check   drives the whole story without a person, and exits

It begins anew each time: the data is in a new folder, which goes when it ends; EXAMPLE_FOLDER names one that stays.
The port is a free one, or PORT.
"""

import os
import socket
import sys
import tempfile
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

HERE = Path(__file__).parent
USERS = (("alice@example.com", "correct horse battery", False), ("admin@example.com", "correct horse admin", True))


class Server(ThreadingMixIn, WSGIServer):
    """One thread for each request."""

    daemon_threads = True
    request_queue_size = 128


class Quiet(WSGIRequestHandler):
    """Says nothing of requests."""

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def up(port: int) -> WSGIServer:
    """The site, on tables that are there."""
    sys.path.insert(0, str(HERE))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.settings")
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return make_server("127.0.0.1", port, application, Server, Quiet)


def check() -> int:
    """Runs the Flask example's story on this one. 0: all went as it should."""
    sys.path.append(str(HERE.parent / "flask_app"))
    from check import Browser, story

    class Visitor(Browser):
        token = "csrfmiddlewaretoken"

        def open(self, path: str, **fields: Any) -> str:
            if path == "/login" and "email" in fields:
                fields["username"] = fields.pop("email")
            return super().open(path, **fields)

    server = up(0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        story(Visitor(f"http://127.0.0.1:{server.server_port}"))
    except AssertionError as error:
        print(f"failed: {error}")
        return 1
    finally:
        server.shutdown()
    print("All went as it should.")
    return 0


def main(arguments: list[str]) -> int:
    """0: done; 1: something went wrong; 2: usage."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    if arguments:
        with tempfile.TemporaryDirectory() as folder:
            os.environ.update(EXAMPLE_FOLDER=folder, EXAMPLE_MAILS=f"{folder}/mails")
            return check()
    kept = os.environ.get("EXAMPLE_FOLDER")
    if kept:
        return serve(f"The data stays in {kept}")
    with tempfile.TemporaryDirectory(prefix="ferrotp-demo-") as folder:
        os.environ["EXAMPLE_FOLDER"] = folder
        return serve(f"The data is in {folder}, and goes when this ends")


def serve(where: str) -> int:
    """Until somebody ends it."""
    try:
        port = int(os.environ.get("PORT", "0")) or free_port()
        os.environ.setdefault("EXAMPLE_ORIGIN", f"http://localhost:{port}")  # browsers make no passkeys at an address
        server = up(port)
    except (OSError, OverflowError, ValueError) as error:
        print(f"The port PORT={os.environ.get('PORT')} cannot be used: {error}", file=sys.stderr)
        return 1
    from django.contrib.auth.models import User

    for email, password, admin in USERS:
        if not User.objects.filter(username=email).exists():
            (User.objects.create_superuser if admin else User.objects.create_user)(email, email, password)
    base = f"http://localhost:{server.server_port}"
    print(f"1. Open {base}/login and log in as {USERS[0][0]}, password: {USERS[0][1]}")
    print("2. Follow “Two-step login”, scan the code with an authenticator app, and save the recovery codes")
    print("3. Log out and in again: with a code, with the same one once more, with a recovery code")
    print("4. Add a passkey there, too: then log in without a password, by “Sign in with a passkey”")
    print(f"5. The admin: {base}/admin/, as {USERS[1][0]}, password: {USERS[1][1]}")
    print(f"{where}. Ctrl-C ends it", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
