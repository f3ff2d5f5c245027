"""Puts the project's public address into what the package index shows. It is said once, in `pyproject.toml`:

    [tool.ferrotp.address]
    repository = "https://…"     # links and pictures of the README, and the project's URLs
    documentation = "https://…"
    security = "https://…"       # where a defect is reported in private; or mailto:

What is empty is left out, and nothing is made up: without a repository the README's links to files become plain text,
and its pictures go. A release runs it in a checkout that it throws away, before it builds:
`python tools/address.py [FOLDER]`.
"""

import re
import sys
from pathlib import Path

_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?!https?:|mailto:|#)(?P<target>[^)\s]+)\)")
_SAID = re.compile(r"^\[tool\.ferrotp\.address\]\n(?P<lines>(?:\w+ = .*\n)*)", re.M)


def said(pyproject: str) -> dict[str, str]:
    """What `[tool.ferrotp.address]` has, without what is empty."""
    match = _SAID.search(pyproject)
    found = re.findall(r'^(\w+) = "([^"]*)"', match["lines"], re.M) if match else []
    return {name: address.rstrip("/") for name, address in found if address}


def with_urls(pyproject: str, version: str) -> str:
    """`pyproject.toml` with the project's URLs, for those that are known."""
    addresses = said(pyproject)
    repository = addresses.get("repository")
    urls = {"Repository": repository, "Documentation": addresses.get("documentation")}
    if repository:
        urls["Changelog"] = f"{repository}/blob/v{version}/CHANGELOG.md"
        urls["Issues"] = f"{repository}/issues"
    urls["Security"] = addresses.get("security")
    lines = [f'{name} = "{url}"' for name, url in urls.items() if url]
    if not lines or "[project.urls]" in pyproject:
        return pyproject
    return pyproject.replace("[project.scripts]", "\n".join(["[project.urls]", *lines, "", "[project.scripts]"]), 1)


def with_absolute_links(readme: str, repository: str, version: str) -> str:
    """The README as it reads elsewhere: links and pictures of this version's files; plain text if nobody knows where
    those are."""

    def absolute(match: "re.Match[str]") -> str:
        picture, text, target = match["picture"], match["text"], match["target"]
        if not repository:
            return "" if picture else text
        return f"{picture}[{text}]({repository}/{'raw' if picture else 'blob'}/v{version}/{target})"

    # Comments are for the tests.
    return _LINK.sub(absolute, re.sub(r"^<!--.*?-->\n", "", readme, flags=re.S | re.M))


def main(folder: Path) -> None:
    """Rewrites the two files of a checkout."""
    cargo = (folder / "Cargo.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "([^"]+)"', cargo, re.M)
    if version is None:
        raise SystemExit("Cargo.toml has no version")
    pyproject, readme = folder / "pyproject.toml", folder / "README.md"
    text = pyproject.read_text(encoding="utf-8")
    repository = said(text).get("repository", "")
    pyproject.write_text(with_urls(text, version[1]), encoding="utf-8")
    readme.write_text(with_absolute_links(readme.read_text(encoding="utf-8"), repository, version[1]), encoding="utf-8")


if __name__ == "__main__":
    main(Path(*sys.argv[1:2]))
