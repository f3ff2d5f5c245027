"""The Python blocks of README and docs, and a warm process that runs them.

A block stands alone, unless a comment in front of its fence says what a reader has typed before it:

    <!-- block: NAME -->         other blocks of the page can go on from it
    <!-- after: NAME, NAME -->   it goes on from these blocks, and from what they go on from
    <!-- needs: keys.txt -->     the file that `ferrotp keys new --file keys.txt` has made, as the page says
    <!-- set-up                  lines of Python that are run before it, and are not shown
    ... -->
"""

import json
import os
import re
import signal
import subprocess
import sys
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"(?P<comments>(?:^<!--(?:(?!-->).)*-->\n)*)^```python\n(?P<code>.*?)^```", re.S | re.M)
_COMMENT = re.compile(r"<!--\s*(block|after|needs|set-up)(?::|\s)\s*(.*?)\s*-->", re.S)
SECONDS = 60


@dataclass(frozen=True)
class Block:
    """A block of a page, and what comes before it."""

    line: int
    """Where its code begins, from 1."""
    code: str
    chain: tuple[tuple[int, str], ...]
    """What a reader runs, in one program: lines and code of the blocks that it goes on from, hidden set-ups, itself."""
    keys: bool
    """Whether keys.txt has to be there."""


def blocks_of(text: str) -> list[Block]:
    """The Python blocks of a page, in their order."""
    named: dict[str, Block] = {}
    found = []
    for match in _BLOCK.finditer(text):
        said: dict[str, str] = dict(_COMMENT.findall(match["comments"]))
        before = [named[name.strip()] for name in said.get("after", "").split(",") if name.strip()]
        line = text.count("\n", 0, match.start("code")) + 1
        parts = [part for block in before for part in block.chain]
        parts += [(line, said["set-up"] + "\n")] if "set-up" in said else []
        keys = said.get("needs") == "keys.txt" or any(block.keys for block in before)
        block = Block(line, match["code"], tuple(dict.fromkeys([*parts, (line, match["code"])])), keys)
        found.append(block)
        if "block" in said:
            named[said["block"]] = block
    return found


def ends(blocks: Iterable[Block]) -> list[Block]:
    """Those that no other one goes on from: running these runs all of them, each from where a reader is."""
    blocks = list(blocks)
    begun = {block.chain[:length] for block in blocks for length in range(1, len(block.chain))}
    return [block for block in blocks if block.chain not in begun]


class Warm:
    """A process that has loaded what blocks import from other packages, and forks for each program. It has not loaded
    `ferrotp`: a block that forgets an import of it fails as it does at a reader's."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, program: Iterable[tuple[int, str]], folder: Path, page: str) -> str:
        """Runs a program in a folder. What it said, if it failed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps([list(program), str(folder), page]), file=self._process.stdin, flush=True)
        return str(json.loads(self._process.stdout.readline()))


@contextmanager
def warm() -> Iterator[Warm]:
    """The process, for as long as it is wanted."""
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        yield Warm(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=SECONDS)


def _load() -> None:
    for name in (
        "alembic",
        "django.core.management",
        "django.http",
        "django.template",
        "fastapi.testclient",
        "flask_login",
        "flask_security",
        "flask_sqlalchemy",
        "flask_wtf.csrf",
        "pydantic",
        "redis",
        "sqlalchemy.dialects.sqlite",
        "sqlalchemy.orm",
    ):
        with suppress(ImportError):
            __import__(name)
    assert "ferrotp" not in sys.modules and "pyotp" not in sys.modules


def _run(program: list[tuple[int, str]], folder: str, page: str) -> None:
    """In the child: as `python -c` would."""
    import atexit

    signal.alarm(SECONDS)
    os.chdir(folder)
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv = ["-c"]
    sys.path[0] = ""
    for line, code in program:
        # The lines of tracebacks are the page's.
        exec(compile("\n" * (line - 1) + code, page, "exec"), main.__dict__)
    atexit._run_exitfuncs()
    sys.stdout.flush()


def _serve() -> None:
    _load()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for request in sys.stdin:
        program, folder, page = json.loads(request)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(reader)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(writer, 1)
                os.dup2(writer, 2)
                _run(program, folder, page)
                code = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
                sys.stderr.flush()
            finally:
                os._exit(code)
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8", errors="replace") as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        print(json.dumps((said or f"it ended with {status}") if status else ""), file=answers, flush=True)


if __name__ == "__main__":
    _serve()
