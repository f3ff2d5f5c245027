"""The documentation site: `make docs` builds it into target/docs/html. Warnings are errors, links are checked."""

import gc
import importlib.metadata
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tools"))

import address  # noqa: E402

# A third of Sphinx's time is to look for what may go, and nearly everything stays until the end.
gc.disable()

ADDRESSES = address.said((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))

project = "ferrotp"
author = copyright = "The ferrotp developers"
# Each version is built from its tag into a folder of its name; what is not released yet says so.
version = release = importlib.metadata.version("ferrotp")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["decisions"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nitpicky = False
default_role = "code"

html_theme = "furo"
html_title = f"ferrotp {release}"
html_baseurl = ADDRESSES.get("documentation", "")
html_theme_options: dict[str, Any] = {"navigation_with_keys": True}
if "repository" in ADDRESSES:
    html_theme_options |= {
        "source_repository": ADDRESSES["repository"],
        "source_branch": f"v{release}",
        "source_directory": "docs/",
    }

linkcheck_ignore = [r"https?://(127\.0\.0\.1|localhost)"]
linkcheck_timeout = 20

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {"members": True, "show-inheritance": False}
autoclass_content = "both"


def _plain(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text with single backquotes, in Sphinx's field lists."""
    # A line break inside a paragraph is none in a list of fields.
    lines[:] = [re.sub(r"(?<=\s)\*(?=\w)", r"\\*", line) for line in lines]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _plain)
