"""The code blocks of README and docs run as they stand."""

import os
import re
import subprocess
import sys
import sysconfig
from contextlib import nullcontext
from pathlib import Path

import pytest
from mfa.redis_server import free_port, server

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
REDIS = "redis://localhost:6379"
# One process a page: a reader types its blocks one after the other.
BLOCKS = {page: re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M) for page in PAGES}


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCKS[page]], ids=lambda page: page.name)
def test_the_code_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    code = "\n".join(BLOCKS[page])
    # The reader has a Redis where Redis is by default; here it is wherever a port was free.
    with server(port=str(free_port())) if REDIS in code else nullcontext() as one:
        code = code.replace(REDIS, f"redis://127.0.0.1:{one.settings['port']}") if one else code
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


# Commands stand behind "$ ", and what they print below; "…" stands for anything.
COMMANDS = {
    page: "".join(re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M))
    for page in PAGES
}


@pytest.mark.skipif(os.name != "posix", reason="the commands are bash's")
@pytest.mark.parametrize("page", [page for page in PAGES if COMMANDS[page]], ids=lambda page: page.name)
def test_the_commands_of_a_page_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    steps = [step.partition("\n") for step in ("\n" + COMMANDS[page]).split("\n$ ")[1:]]
    # One shell for the page, whose exit codes go on from command to command.
    lines = [f"{command}\nrc=$?; printf '\\0'; (exit $rc)" for command, _, _ in steps]
    env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "--norc", "-c", "exec 2>&1\n" + "\n".join(lines)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
        env={**env, "PATH": path, "LC_ALL": "C.UTF-8"},
        timeout=60,
        check=False,
    )
    outputs = done.stdout.split("\0")[:-1]
    assert len(outputs) == len(steps), done.stdout
    for (command, _, shown), output in zip(steps, outputs, strict=True):
        pattern = re.escape(shown.strip("\n")).replace("…", ".*?")
        assert re.fullmatch(pattern, output.strip("\n"), re.S), f"$ {command}\n{output}"


def test_there_are_code_blocks_to_run() -> None:
    assert len(BLOCKS[ROOT / "README.md"]) >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
