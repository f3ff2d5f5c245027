"""The peers that are no Python: node's otplib, asked in a process of its own, and oathtool, run for each sample."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODULES = Path(sys.prefix) / "node_modules"  # `make bench` installs otplib there, where there is node
MANY = 1000  # codes of one run of oathtool: its start is a hundredth of their cost, and what it does is the rest


class Otplib:
    """Asks node for what an expression yields, or costs."""

    def __init__(self) -> None:
        self.node = shutil.which("node")
        package = MODULES / "otplib" / "package.json"
        if self.node is None or not package.exists():
            raise FileNotFoundError("otplib")
        self.version = json.loads(package.read_text(encoding="utf-8"))["version"]
        self.process = subprocess.Popen(
            [self.node, Path(__file__).with_name("otplib.mjs"), MODULES / "otplib" / "dist" / "index.js"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __str__(self) -> str:
        return f"otplib {self.version} (node {self._ask(call='process.versions.node')})"

    def _ask(self, **request: Any) -> Any:
        pipes = self.process.stdin, self.process.stdout
        assert pipes[0] and pipes[1]
        pipes[0].write(json.dumps(request) + "\n")
        pipes[0].flush()
        answer = json.loads(pipes[1].readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["is"]

    def answer(self, call: str, names: dict[str, Any]) -> Any:
        return self._ask(call=call, names=_plain(names))

    def timer(self, call: str, names: dict[str, Any]) -> Callable[[], float]:
        """Measures nanoseconds of processor time per call."""
        names, count = _plain(names), 1
        # Node compiles what is hot: let it, before the calls of a sample are counted.
        while (took := self._ask(call=call, names=names, count=count) * count) < 2e8:
            count *= 2
        count = max(1, round(count * 2e6 / took))  # two milliseconds, since node's clock is in microseconds
        return lambda: float(self._ask(call=call, names=names, count=count))


class Oathtool:
    """Runs oathtool; an expression is its arguments."""

    def __init__(self) -> None:
        found = shutil.which("oathtool")
        if found is None:
            raise FileNotFoundError("oathtool")
        self.program = found

    def __str__(self) -> str:
        shown = subprocess.run([self.program, "--version"], check=True, capture_output=True, text=True).stdout
        return f"oathtool {shown.split(chr(10))[0].split()[-1]}"

    def _command(self, call: str, names: dict[str, Any], more: int) -> list[str]:
        arguments = [argument.format(**_plain(names)) for argument in call.split()]
        return [self.program, "-b", *arguments, "-w", str(more), names["S"]]

    def answer(self, call: str, names: dict[str, Any]) -> str:
        return subprocess.run(self._command(call, names, 0), check=True, capture_output=True, text=True).stdout.strip()

    def timer(self, call: str, names: dict[str, Any]) -> Callable[[], float]:
        """Measures nanoseconds of processor time per code."""
        command = self._command(call, names, MANY - 1)

        def sample() -> float:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0
            return (usage.ru_utime + usage.ru_stime) / MANY * 1e9

        return sample


def _plain(names: dict[str, Any]) -> dict[str, Any]:
    """The names that have a meaning elsewhere."""
    return {name: value for name, value in names.items() if type(value) in (str, int)}
