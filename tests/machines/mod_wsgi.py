"""``make test-mod-wsgi``: two applications under Debian's Apache and mod_wsgi, each in an interpreter of its own.

So mod_wsgi starts applications as it comes. The second one in a process is refused by one sentence that says what to
set, and it does not hang; once that is set, both work. Apache listens on the loopback interface alone.

CPython 3.11 is Debian 12's, where a second interpreter was seen to hang; the newest is that of the other verbs.
"""

from __future__ import annotations

import os
import platform
import pwd
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import debian
import suites

OLD = "bookworm"
APPLICATION = """\
import copy, os, pickle

import ferrotp, ferrotp.batch, ferrotp.legacy, ferrotp.vault

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def application(environ, start_response):
    for surface in (ferrotp, ferrotp.legacy):
        otp = surface.TOTP(SECRET)
        assert otp.at(59) == "287082" and otp.verify("287082", 59) and not otp.verify("000000", 59, 1)
        assert copy.copy(otp).at(59) == pickle.loads(pickle.dumps(otp)).at(59) == "287082"
        assert vars(otp)["secret"] == SECRET and otp.at(59) == "287082"
        otp.digits = 2**70
        otp.digits = 6
    for refused in ("A", "\\udc80" * 32, "0" * 32):
        try:
            ferrotp.TOTP(refused)
        except ValueError:
            continue
        raise AssertionError(refused)
    assert ferrotp.batch.codes([SECRET], 59) == ["287082"]
    keyring = ferrotp.vault.Keyring.generate()
    keyring.new_secret(("acme", "ann", "phone"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {environ['mod_wsgi.application_group']!r}".encode()]
"""
CONFIGURATION = """\
ServerRoot "{run}"
ServerName localhost
Listen 127.0.0.1:{port}
DefaultRuntimeDir "{run}"
PidFile "{run}/pid"
ErrorLog "{run}/error.log"
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {modules}/mod_wsgi.so
StartServers 1
ServerLimit 1
ThreadsPerChild 4
MaxRequestWorkers 4
MinSpareThreads 1
MaxSpareThreads 4
WSGIPythonHome "{root}/usr"
WSGIPythonPath "{packages}"
WSGISocketPrefix "{run}/wsgi"
WSGIScriptAlias /one "{run}/one.wsgi"
WSGIScriptAlias /two "{run}/two.wsgi"
<Directory "{run}">
    Require all granted
</Directory>
{user}
{more}
"""
# A process for each application, as the sentence says.
DAEMONS = """\
WSGIDaemonProcess one threads=2 python-home="{root}/usr" python-path="{packages}"
WSGIDaemonProcess two threads=2 python-home="{root}/usr" python-path="{packages}"
<Location /one>
    WSGIProcessGroup one
    {group}
</Location>
<Location /two>
    WSGIProcessGroup two
    {group}
</Location>
"""
GLOBAL = "WSGIApplicationGroup %{GLOBAL}"
SENTENCE = re.compile(r"ImportError: (ferrotp works in one interpreter .* WSGIApplicationGroup %\{GLOBAL\})$")
WAIT = 30  # seconds, after which a request hangs


class Apache:
    """An Apache of Debian's `suite` with mod_wsgi, unpacked, and ferrotp beside it."""

    def __init__(self, suite: str, wheel: Path) -> None:
        self.root = debian.unpack(f"apache-{suite}", "apache2-bin", "libapache2-mod-wsgi-py3", suite=suite)
        self.program = self.root / "usr/sbin/apache2"
        adopted = self.root / ".adopted"
        if not adopted.exists():
            debian.adopt(self.root, self.program)
            adopted.touch()
        module = (self.root / "usr/lib/apache2/modules/mod_wsgi.so").readlink()
        self.version = module.name.removeprefix("mod_wsgi.so-")  # there may be modules for more than one
        self.packages = self.root / "packages"
        suites.install(self.packages, self.version, platform.machine(), "--upgrade", "--no-deps", str(wheel))
        self.run = self.root / "run"
        self.run.mkdir(exist_ok=True)
        for name in ("one", "two"):
            (self.run / f"{name}.wsgi").write_text(APPLICATION, encoding="utf-8")
        self.port = 0

    @property
    def log(self) -> str:
        """What Apache and the applications said since the start."""
        return (self.run / "error.log").read_text(encoding="utf-8", errors="replace")

    @contextmanager
    def started(self, more: str = "") -> Iterator[None]:
        """Runs with further lines of configuration."""
        (self.run / "error.log").unlink(missing_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        # Started by root, Apache wants somebody else to be.
        user = f"User nobody\nGroup #{pwd.getpwnam('nobody').pw_gid}" if os.geteuid() == 0 else ""
        places = {"run": self.run, "root": self.root, "packages": self.packages, "port": self.port}
        modules = self.root / "usr/lib/apache2/modules"
        configuration = self.run / "apache.conf"
        text = CONFIGURATION.format(**places, modules=modules, user=user, more=more)
        configuration.write_text(text, encoding="utf-8")
        process = subprocess.Popen(
            [self.program, "-f", configuration, "-DFOREGROUND"], start_new_session=True, stdin=subprocess.DEVNULL
        )
        try:
            self._wait(process)
            yield
            # While it serves. At the end mod_wsgi has faults of its own, whatever runs in it: 4.9 on 3.11 waits for
            # itself until Apache kills it, and 5.0 on 3.14 crashes about once in 25 times.
            for trouble in ("exit signal", "Fatal Python error", "panicked"):
                expect(trouble not in self.log, trouble, self)
        finally:
            process.terminate()
            try:
                process.wait(WAIT)
            finally:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + WAIT
        while time.monotonic() < end and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"Apache does not start:\n{self.log if (self.run / 'error.log').exists() else ''}")

    def ask(self, application: str) -> str:
        """What an application answers, or the status that Apache gives for it. A request that hangs is an error."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{application}", timeout=WAIT) as answer:
                return str(answer.read(), "utf-8")
        except urllib.error.HTTPError as error:
            return str(error.code)
        except (TimeoutError, urllib.error.URLError) as error:
            raise RuntimeError(f"/{application} hangs: {error}\n{self.log[-4000:]}") from None

    def ask_often(self, *applications: str) -> dict[str, set[str]]:
        """The answers to many requests, some at a time."""
        asked = applications * 20
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(self.ask, asked))
        return {name: {found for place, found in zip(asked, answers, strict=True) if place == name} for name in asked}


def expect(what: bool, found: object, apache: Apache) -> None:
    """Fails with what was found and what Apache's log says."""
    if not what:
        raise RuntimeError(f"found {found}\n{apache.log[-4000:]}")


def as_it_comes(apache: Apache, first: str, second: str) -> str:
    """The first application goes on, and the second is refused, at each request. Returns the sentence."""
    with apache.started():
        expect("/" + first in apache.ask(first), "no answer", apache)
        answers = apache.ask_often(first, second)
        expect(len(answers[first]) == 1 and answers[second] == {"500"}, answers, apache)
        errors = [line for line in apache.log.splitlines() if "Error: " in line]
        sentences = {match[1] for line in errors if (match := SENTENCE.search(line))}
        expect(len(sentences) == 1 and len(errors) == 20, errors, apache)
        (sentence,) = sentences
        return sentence


def together(apache: Apache, more: str, processes: int) -> None:
    """Both applications work, in so many processes."""
    with apache.started(more):
        answers = apache.ask_often("one", "two")
        expect(all(len(found) == 1 and found != {"500"} for found in answers.values()), answers, apache)
        found = {answer.split()[0] for found in answers.values() for answer in found}
        expect(len(found) == processes, answers, apache)
        expect("Error" not in apache.log, "errors", apache)


def main() -> None:
    wheel = suites.built()
    for suite in dict.fromkeys([OLD, debian.SUITE]):
        apache = Apache(suite, wheel)
        print(f"CPython {apache.version} of Debian's {suite}, in Apache with mod_wsgi", flush=True)
        for order in (("one", "two"), ("two", "one")):
            sentence = as_it_comes(apache, *order)
        print(f"  an interpreter each: the second application is refused: {sentence}")
        together(apache, GLOBAL, 1)
        print(f"  {GLOBAL}: both work, in one process")
        places = {"root": apache.root, "packages": apache.packages}
        together(apache, DAEMONS.format(**places, group=GLOBAL), 2)
        together(apache, DAEMONS.format(**places, group=""), 2)
        print("  a process each: both work, with that line and without it", flush=True)


if __name__ == "__main__":
    try:
        main()
    except debian.NotHere as reason:
        sys.exit(f"not run: {reason}")
