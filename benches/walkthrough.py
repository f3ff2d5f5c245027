"""Walks the first hour of three new users: by the pages' own commands and lines, from a wheel, each in an empty
directory with an environment of its own, and prints how long each step takes on this machine.

usage: python benches/walkthrough.py [PATH ...]

  PATH  index (as found there), flask (an application that has pyotp), fastapi (bearer tokens), terminal (the command
        line). None: all

A reader's own time is not in it. What is the reader's (an old application, users, typing a code) is in this file; what
the pages say is taken from the pages. A step that fails ends the walk with what was printed.
"""

import http.cookiejar
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import ferrotp

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from doc_blocks import blocks_of  # noqa: E402

SECRET = "JBSWY3DPEHPK3PXP"  # as pyotp made them: 80 bits


class Walk:
    """A directory, an environment, a shell that remembers its variables, and the times of the steps."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        (folder / "wheel.txt").write_text(f"ferrotp=={ferrotp.__version__}\n", encoding="utf-8")
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        self.environment = {
            **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP"))},
            **kept,
            "PATH": f"{folder / 'venv/bin'}{os.pathsep}{os.environ['PATH']}",
            "PIP_CONSTRAINT": str(folder / "wheel.txt"),
            "PIP_FIND_LINKS": str(ROOT / "target" / "wheels"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_QUIET": "1",
        }
        self._servers: list[subprocess.Popen[bytes]] = []
        self.total = 0.0

    def step(self, title: str, run: Callable[[], object]) -> None:
        """Takes a step, and says how long it took."""
        begun = time.perf_counter()
        run()
        took = time.perf_counter() - begun
        self.total += took
        print(f"  {took:6.1f} s  {title}", flush=True)

    def shell(self, commands: str) -> str:
        """Types commands. What is exported is there the next time."""
        commands = commands.replace("/srv/app", str(self.folder))
        script = f"set -e\n{commands}\nenv -0 > .environment\n"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{commands}\n{done.stdout}{done.stderr}")
        pairs = (self.folder / ".environment").read_text(encoding="utf-8").split("\0")
        self.environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        return done.stdout

    def python(self, code: str) -> None:
        """Runs lines of a page."""
        (self.folder / "lines.py").write_text(code, encoding="utf-8")
        self.shell("python -W ignore lines.py")

    def serve(self, command: str) -> str:
        """Starts a server and waits until it listens: its address."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = command.replace("PORT", str(port))
        with (self.folder / "server.log").open("wb") as log:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        self._servers.append(server)
        while True:
            if server.poll() is not None:
                raise SystemExit((self.folder / "server.log").read_text(encoding="utf-8"))
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    return f"http://127.0.0.1:{port}"
            time.sleep(0.05)

    def end(self) -> None:
        """Stops what was started."""
        for server in self._servers:
            server.terminate()
            server.wait()
        print(f"  {self.total:6.1f} s  in all", flush=True)


def commands(page: str, number: int = 0) -> str:
    """A block of commands of a page."""
    found: list[str] = re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.S | re.M)
    return found[number]


def lines(page: str, number: int) -> str:
    """A Python block of a page, with what it goes on from."""
    blocks = blocks_of((ROOT / page).read_text(encoding="utf-8"))
    return "\n".join(code for _, code in blocks[number].chain)


def new_environment(walk: Walk) -> None:
    subprocess.run([sys.executable, "-m", "venv", walk.folder / "venv"], check=True)


def expect(condition: object, said: object) -> None:
    if not condition:
        raise SystemExit(f"not as the page says: {said}")


class Browser:
    """Keeps cookies, follows redirects, fills forms with their token."""

    def __init__(self, base: str) -> None:
        self.base, self.page, self.url = base, "", ""
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def open(self, path: str, data: dict[str, str] | None = None) -> None:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.page)
        if data is not None and token:
            data = {**data, "csrf_token": token[1]}
        body = None if data is None else urllib.parse.urlencode(data).encode()
        try:
            with self._opener.open(urllib.request.Request(self.base + path, body), timeout=60) as answer:
                self.page, self.url = answer.read().decode(), answer.url.removeprefix(self.base)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{path}: {error.code} {error.read().decode()}") from None


def ask(base: str, path: str, token: str, body: object) -> dict[str, object]:
    """Posts JSON."""
    request = urllib.request.Request(base + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return dict(json.loads(answer.read()))
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{path}: {error.code} {error.read().decode()}") from None


def flask(walk: Walk) -> None:
    """docs/from-pyotp.md."""
    page = "docs/from-pyotp.md"

    def old_application() -> None:
        walk.shell("pip install flask flask-login")
        walk.python(
            "import sqlite3\n"
            "app = sqlite3.connect('app.db')\n"
            "app.execute('CREATE TABLE user (id INTEGER PRIMARY KEY, email TEXT, otp_secret TEXT)')\n"
            f"app.execute(\"INSERT INTO user VALUES (1, 'ann@example.com', '{SECRET}')\")\n"
            "app.execute(\"INSERT INTO user VALUES (2, 'bob@example.com', NULL)\")\n"
            "app.commit()\n"
        )

    def log_in() -> None:
        browser = Browser(base)
        browser.open("/login", {"user": "1"})
        expect(browser.url == "/mfa/challenge", browser.url)
        browser.open("/mfa/challenge", {"code": ferrotp.legacy.TOTP(SECRET).now()})
        expect("You have no recovery codes" in browser.page, browser.page)
        browser.open("/inside")
        expect(browser.page == "inside", browser.page)

    def set_up() -> None:
        browser = Browser(base)
        browser.open("/login", {"user": "2"})
        expect(browser.url == "/mfa/set-up", browser.url)
        browser.open("/mfa/set-up", {})
        secret = re.search(r"secret=([A-Z2-7]+)", browser.page)
        expect(secret, browser.page)
        assert secret
        browser.open("/mfa/set-up/confirm", {"code": ferrotp.TOTP(secret[1]).now(), "name": "My phone"})
        expect("Save your recovery codes" in browser.page, browser.page)

    walk.step("(the reader's: an application with users, and a column of pyotp's secrets)", old_application)
    walk.step("2. install, keys, store", lambda: walk.shell(commands(page)))
    walk.step("1. the one line", lambda: walk.python(lines(page, 0)))
    walk.step("3. look, then import", lambda: expect("1" in walk.shell(commands(page, 1)), "no user came"))
    (walk.folder / "app.py").write_text(lines(page, 2), encoding="utf-8")
    base = ""

    def start() -> None:
        nonlocal base
        base = walk.serve("flask --app app run --port PORT")

    walk.step("4. the application starts", start)
    walk.step("(the page: codes of the import's moment are refused, wait a minute)", lambda: time.sleep(60))
    walk.step("4. a user who had pyotp logs in with the app's code", log_in)
    walk.step("4. an administrator is led to set-up, and confirms", set_up)


def fastapi(walk: Walk) -> None:
    """docs/spa.md."""
    page = "docs/spa.md"
    base = token = ""

    def start() -> None:
        nonlocal base
        (walk.folder / "app.py").write_text(lines(page, 0), encoding="utf-8")
        base = walk.serve("uvicorn app:app --port PORT --log-level warning")

    def log_in() -> None:
        nonlocal token
        form = urllib.parse.urlencode({"username": "42", "password": "correct horse battery"}).encode()
        with urllib.request.urlopen(base + "/token", form, timeout=60) as answer:
            answered = json.loads(answer.read())
        waiting.update(answered)
        token = answered.get("access_token", "")

    def set_up() -> None:
        nonlocal token
        enrolled = ask(base, "/mfa/enroll", token, {})
        phone = waiting["phone"] = ferrotp.parse_uri(str(enrolled["uri"]))
        body = {"factor_id": enrolled["factor_id"], "code": phone.at(int(time.time())), "name": "My phone"}
        expect(len(ask(base, "/mfa/confirm", token, body)["recovery_codes"]) == 10, "no codes")  # type: ignore[arg-type]

    def again() -> None:
        log_in()
        expect(waiting["status"] == "pending" and not token, waiting)
        body = {"code": waiting["phone"].at(int(time.time()) + 30), "pending_token": waiting["pending_token"]}
        expect(ask(base, "/mfa/verify", "", body)["access_token"], "no token")

    waiting: dict[str, object] = {}
    walk.step("install, keys", lambda: walk.shell(commands(page)))
    walk.step("the application starts", start)
    walk.step("a login by the password, as OAuth2's form", log_in)
    walk.step("a second factor is set up", set_up)
    walk.step("a login by both", again)


def terminal(walk: Walk) -> None:
    """docs/cli.md."""
    page = "docs/cli.md"
    round_trip = (
        "ferrotp new alice@example.com --issuer ACME --json | python -c"
        " 'import json, sys; print(json.load(sys.stdin)[\"secret\"])' > secret\n"
        "ferrotp verify --secret-file secret --code $(ferrotp code --secret-file secret)"
    )

    def go_through() -> None:
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in re.findall(r"^```console\n(.*?)^```", text, re.S | re.M)[:5]:
            typed = [
                line[2:] for line in block.splitlines() if line.startswith("$ ") and not line.startswith("$ echo $?")
            ]
            walk.shell("set +e\n" + "\n".join(typed) + "\nset -e")

    walk.step("install", lambda: walk.shell(commands(page)))
    walk.step("ferrotp doctor", lambda: expect("kernels" in walk.shell("ferrotp doctor"), "no kernels"))
    walk.step("a new secret, its code, and a check of it", lambda: expect("yes" in walk.shell(round_trip), "no"))
    walk.step("the page's examples up to verify", go_through)


def index(walk: Walk) -> None:
    """README.md, and "In one file" of docs/cli.md: as it is found on the package index."""

    def bare() -> None:
        walk.shell("pip install ferrotp")
        expect("ferrotp" in walk.shell("ferrotp --version"), "no version")
        said = walk.shell("ferrotp doctor 2>&1 || true")
        expect('pip install "ferrotp[cli]"' in said, said)
        packages = walk.shell("PIP_QUIET=0 pip list --format freeze | grep -vi '^pip=\\|^setuptools='")
        expect(re.fullmatch(r"ferrotp==\S+\s*", packages), packages)

    def demo() -> None:
        (command,) = re.findall(r"^pip install \"ferrotp\[demo\]\" && ferrotp demo", commands("README.md"), re.M)
        walk.shell(f"{command} --check")

    def zipped() -> None:
        walk.shell(
            "pip install --target zipped --no-deps ferrotp\n"
            "printf 'import ferrotp\\n' > zipped/__main__.py\n"
            "python -m zipapp zipped --output zipped.pyz"
        )
        said = walk.shell("python -I -S zipped.pyz 2>&1 || true")
        expect("out of a zip" in said or "zip" in said.splitlines()[-1], said)

    def one_folder() -> None:
        walk.shell("pip install pyinstaller 'ferrotp[cli,sql]'")
        walk.shell(
            "printf 'import sys\\nfrom ferrotp.__main__ import run\\nsys.exit(run())\\n' > program.py\n"
            "pyinstaller --log-level ERROR --noconfirm --name program program.py"
        )
        program = "env -i HOME=$HOME PATH=/usr/bin:/bin dist/program/program"
        store = f"sqlite:///{walk.folder}/one-folder.db"
        expect("secret" in walk.shell(f"{program} new alice@example.com --issuer ACME --json"), "no secret")
        expect("kernels" in walk.shell(f"{program} doctor"), "no kernels")
        walk.shell(f"{program} mfa init --store {store} && {program} keys new --file one-folder.txt")
        checked = walk.shell(f"chmod 600 one-folder.db; {program} doctor --store {store} --keys-file one-folder.txt")
        expect("nothing is wrong" in checked, checked)

    walk.step("ferrotp alone, with no dependency: its version, and what its command says", bare)
    walk.step("ferrotp demo, from the wheel, to its end", demo)
    walk.step("ferrotp doctor", lambda: expect("[demo]" in walk.shell("ferrotp doctor"), "no extras"))
    walk.step("a zipapp is refused in a sentence", zipped)
    walk.step("PyInstaller: one folder with the command and a store", one_folder)


PATHS = {"index": index, "flask": flask, "fastapi": fastapi, "terminal": terminal}


def main(names: list[str]) -> int:
    """0: all went as the pages say."""
    if not set(names) <= PATHS.keys():
        print(__doc__, file=sys.stderr)
        return 2
    for name in names or PATHS:
        with tempfile.TemporaryDirectory(prefix="ferrotp-walk-") as folder:
            walk = Walk(name, Path(folder))
            print(f"{name}: {PATHS[name].__doc__}")
            try:
                walk.step("a new environment", lambda walk=walk: new_environment(walk))
                PATHS[name](walk)
            finally:
                walk.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
