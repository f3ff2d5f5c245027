"""Peers that are no Python packages: they run beside compare.py, and are asked round by round like the others."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # as in compare.py


class Otplib:
    """node's otplib, in one node for the whole run. Costs are CPU time, as node tells it."""

    VERSION = "13.5.0"

    def __init__(self) -> None:
        self.folder = Path(sys.prefix) / "node"
        package = self.folder / "node_modules/otplib/package.json"
        node = shutil.which("node")
        if node is None or not package.exists():
            raise FileNotFoundError("node's otplib")
        if json.loads(package.read_text(encoding="utf-8"))["version"] != self.VERSION:
            raise FileNotFoundError(f"otplib {self.VERSION}")
        node_version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout.strip()
        self.name = f"otplib {self.VERSION} (node {node_version})"
        script = Path(__file__).with_name("otplib.mjs")
        self.process = subprocess.Popen(
            [node, script, self.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, **question: Any) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def answer(self, call: str, names: dict[str, Any]) -> Any:
        return self.ask(answer=call, names=names)

    def timer(self, call: str, names: dict[str, Any]) -> Callable[[], float]:
        for _ in range(5):  # until it is compiled
            cost = self.ask(time=call, names=names, count=200)
        count = max(10, round(4e6 / max(cost, 1000)))
        return lambda: float(self.ask(time=call, names=names, count=count))


class Oathtool:
    """oathtool makes the codes of as many time steps in a row as asked for. A code's cost is the CPU time of a process
    that makes many, less that of one that makes one."""

    CODES = 5000

    def __init__(self) -> None:
        if shutil.which("oathtool") is None:
            raise FileNotFoundError("oathtool")
        shown = subprocess.run(["oathtool", "--version"], check=True, capture_output=True, text=True).stdout
        self.name = f"oathtool {re.search(r'[0-9][0-9.]*', shown.splitlines()[0])[0]}"  # type: ignore[index]

    def codes(self, t: int, more: int) -> list[str]:
        command = ["oathtool", "--totp", "--base32", f"--now=@{t}", f"--window={more}", SECRET]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    def answer(self, call: str, names: dict[str, Any]) -> Any:
        return self.codes(names["t"], 0)[0]

    def timer(self, call: str, names: dict[str, Any]) -> Callable[[], float]:
        def cpu(more: int) -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            self.codes(names["t"], more)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

        return lambda: (cpu(self.CODES) - cpu(0)) / self.CODES * 1e9


def programs() -> dict[str, Otplib | Oathtool]:
    """Those that are there; the rest is named on stderr."""
    found: dict[str, Otplib | Oathtool] = {}
    for name, program in (("otplib", Otplib), ("oathtool", Oathtool)):
        try:
            found[name] = program()
        except FileNotFoundError as missing:
            print(f"not installed, left out: {missing}", file=sys.stderr)
    return found
