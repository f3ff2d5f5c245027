"""The Python blocks of README and docs, and how they are run.

A block stands alone, unless a comment in front of its fence says what a reader has typed before it:

    <!-- block: NAME -->         other blocks of the page can go on from it
    <!-- after: NAME, NAME -->   it goes on from these blocks, and from what they go on from
    <!-- needs: keys.txt -->     the file that `ferrotp keys new --file keys.txt` has made, as the page says
    <!-- set-up                  lines of Python that are run before it, and are not shown
    ... -->
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from warm import Warm

_BLOCK = re.compile(r"(?P<comments>(?:^<!--(?:(?!-->).)*-->\n)*)^```python\n(?P<code>.*?)^```", re.S | re.M)
_COMMENT = re.compile(r"<!--\s*(block|after|needs|set-up)(?::|\s)\s*(.*?)\s*-->", re.S)


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


def interpreter() -> Warm:
    """It has loaded what blocks import from other packages, not `ferrotp`: a block that forgets an import of it fails
    as it does at a reader's.
    """
    return Warm(
        "alembic",
        "anyio._backends._asyncio",
        "django.core.mail",
        "django.core.management",
        "django.http",
        "django.template",
        "django.views.generic",
        "fastapi.testclient",
        "flask_login",
        "flask_security",
        "flask_sqlalchemy",
        "flask_wtf.csrf",
        "pydantic",
        "redis",
        "sqlalchemy.dialects.mysql",
        "sqlalchemy.dialects.sqlite",
        "sqlalchemy.orm",
        "statistics",
    )


def failure(interpreter: Warm, program: Iterable[tuple[int, str]], folder: Path, page: str) -> str:
    """Runs a program in a folder. What it said, if it failed."""
    done = interpreter.run(program, name=page, cwd=folder)
    said = (done.stdout + done.stderr).decode(errors="replace")
    return (said or f"it ended with {done.returncode}") if done.returncode else ""
