"""Builds the documentation site of this version into target/docs/VERSION. Warnings are errors, and a link to a page or
heading that is not there is a warning.

usage: python tools/docs.py [--links]

  --links   looks at links that lead elsewhere, too: that wants a network
"""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILT = ROOT / "target" / "docs"


def main(arguments: list[str]) -> int:
    """0: built; 1: something is wrong with it; 2: usage."""
    if arguments not in ([], ["--links"]):
        print(__doc__, file=sys.stderr)
        return 2
    version = importlib.metadata.version("ferrotp")
    sphinx = [sys.executable, "-m", "sphinx", "--fresh-env", "--fail-on-warning", "--keep-going", "--quiet"]
    sphinx += ["--doctree-dir", str(BUILT / "doctrees"), str(ROOT / "docs")]
    for builder, folder in [("html", version), *([("linkcheck", "links")] if arguments else [])]:
        done = subprocess.run([*sphinx, "--builder", builder, str(BUILT / folder)], check=False)
        if done.returncode:
            return 1
    # The newest version is where one arrives; older ones stay beside it.
    page = f'<!doctype html><title>ferrotp</title><meta http-equiv="refresh" content="0;url={version}/">'
    (BUILT / "index.html").write_text(f'{page}<a href="{version}/">ferrotp {version}</a>\n', encoding="utf-8")
    print(f"target/docs/{version}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
