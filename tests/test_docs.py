"""The code blocks of README and docs run as they stand."""

import re
import subprocess
import sys
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
def test_the_code_blocks_of_a_page_run(page: Path) -> None:
    code = "\n".join(BLOCKS[page])
    # The reader has a Redis where Redis is by default; here it is wherever a port was free.
    with server(port=str(free_port())) if REDIS in code else nullcontext() as one:
        code = code.replace(REDIS, f"redis://127.0.0.1:{one.settings['port']}") if one else code
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "tests")
    assert result.returncode == 0, result.stderr


def test_there_are_code_blocks_to_run() -> None:
    assert len(BLOCKS[ROOT / "README.md"]) >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
