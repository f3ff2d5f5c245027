"""The code blocks of README and docs run as they stand, each by itself, and again."""

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import doc_blocks
import pytest
from doc_blocks import Block, blocks_of, ends, failure
from mfa.redis_server import free_port, server
from warm import Warm

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
REDIS = "redis://localhost:6379"
BLOCKS = {page: blocks for page in PAGES if (blocks := blocks_of(page.read_text(encoding="utf-8")))}


if sys.version_info < (3, 11):
    del BLOCKS[ROOT / "docs" / "adapters.md"]  # Flask-Security has no release for it


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Warm]:
    process = doc_blocks.interpreter()
    yield process
    process.close()


@pytest.mark.skipif(os.name != "posix", reason="blocks run in processes that are forked")
@pytest.mark.parametrize(
    ("page", "block"),
    [(page, block) for page, blocks in BLOCKS.items() for block in ends(blocks)],
    ids=lambda value: str(value.line) if isinstance(value, Block) else value.name,
)
def test_each_block_runs_by_itself_and_again(page: Path, block: Block, interpreter: Warm, tmp_path: Path) -> None:
    if block.keys:
        assert not failure(interpreter, [(1, MAKE_KEYS)], tmp_path, "keys")
    program = block.chain
    # The reader has a Redis where Redis is by default; here it is wherever a port was free.
    with server(port=str(free_port())) if any(REDIS in code for _, code in program) else nullcontext() as redis:
        if redis:
            address = f"redis://127.0.0.1:{redis.settings['port']}"
            program = tuple((line, code.replace(REDIS, address)) for line, code in program)
        for _ in ("in an empty directory", "where it has left its files"):
            assert not failure(interpreter, program, tmp_path, page.name)


@pytest.mark.skipif(os.name != "posix", reason="blocks run in processes that are forked")
def test_a_block_that_needs_another_one_or_runs_only_once_is_seen(interpreter: Warm, tmp_path: Path) -> None:
    page = "<!-- block: a -->\n```python\nx = 1\n```\n<!-- after: a -->\n```python\nprint(x)\n```\n```python\nx\n```\n"
    blocks = blocks_of(page)
    assert [block.line for block in ends(blocks)] == [7, 10]
    said = [failure(interpreter, block.chain, tmp_path, "page.md") for block in ends(blocks)]
    assert not said[0] and "NameError" in said[1] and 'page.md", line 10' in said[1]
    assert "NameError" in failure(interpreter, [(1, "ferrotp.TOTP")], tmp_path, "page.md")
    once = [(1, "import os\nos.mkdir('kept')")]
    assert not failure(interpreter, once, tmp_path, "page.md") and "FileExistsError" in failure(
        interpreter, once, tmp_path, ""
    )


# What `ferrotp keys new --file keys.txt` does.
MAKE_KEYS = """
import os
from ferrotp.vault import new_key
with open(os.open("keys.txt", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
    print(new_key(), file=file)
"""


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
    assert len(BLOCKS[ROOT / "README.md"]) >= 2  # pyotp's surface, and the whole factor
    # All of them: also one in a list, or under a fence that is written in another way, would be missed in silence.
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        fences = re.findall(r"^[ >]*(?:```|~~~)[ `~]*python\b", text, re.M)
        assert len(fences) == len(blocks_of(text)), page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_every_page_is_in_the_sites_contents() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = {line for block in re.findall(r"```{toctree}\n(.*?)```", index, re.S) for line in block.splitlines()}
    assert {page.stem for page in PAGES if page.parent.name == "docs"} - {"index"} <= listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_headings_that_are_there(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]*#[^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        text = (page.parent / name if name else page).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), re.M)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert anchor in anchors, target
