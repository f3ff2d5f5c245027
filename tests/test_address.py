"""What the package index shows: the metadata of the wheel, and the README away from its files."""

import importlib.metadata
import re
import runpy
import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
address = runpy.run_path(str(ROOT / "tools" / "address.py"), run_name="address")
RELATIVE = r"\]\((?!https?:|#)[^)]+\)"
SAID = '[tool.ferrotp.address]\nrepository = "https://code.example/ferrotp/"\nsecurity = "mailto:s@code.example"\n'


def checkout(folder: Path, said: str) -> tuple[str, str]:
    for name in ("pyproject.toml", "README.md", "Cargo.toml"):
        shutil.copy(ROOT / name, folder)
    text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text(address["_SAID"].sub(lambda _: said, text), encoding="utf-8")
    address["main"](folder)
    return (folder / "pyproject.toml").read_text(encoding="utf-8"), (folder / "README.md").read_text(encoding="utf-8")


def test_with_an_address_all_links_and_pictures_are_absolute(tmp_path: Path) -> None:
    pyproject, readme = checkout(tmp_path, SAID)
    version = importlib.metadata.version("ferrotp")
    assert not re.search(RELATIVE, readme) and "<!--" not in readme
    assert f"](https://code.example/ferrotp/raw/v{version}/docs/images/flask-set-up.png)" in readme
    assert f"](https://code.example/ferrotp/blob/v{version}/docs/mfa.md)" in readme
    urls = re.search(r"\[project\.urls\]\n((?:\w+ = .*\n)+)", pyproject)
    assert urls and 'Security = "mailto:s@code.example"' in urls[1] and "Documentation" not in urls[1]
    assert (address["main"](tmp_path), (tmp_path / "pyproject.toml").read_text(encoding="utf-8"))[1] == pyproject


def test_without_an_address_nothing_is_made_up(tmp_path: Path) -> None:
    pyproject, readme = checkout(tmp_path, '[tool.ferrotp.address]\nrepository = ""\n')
    assert "[project.urls]" not in pyproject
    assert not re.search(RELATIVE, readme) and "![" not in readme and "the service" in readme.lower()


def test_an_address_is_said_once() -> None:
    addresses = address["said"]((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for page in (ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "Cargo.toml"):
        text = page.read_text(encoding="utf-8")
        assert not [url for url in addresses.values() if url in text], page
    release = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    # Each job that builds does it first.
    assert release.count("tools/address.py") == release.count("PyO3/maturin-action") == 3


def test_the_wheel_says_who_made_it_and_under_which_licence() -> None:
    about = importlib.metadata.metadata("ferrotp")
    assert about["Author"] == "The ferrotp developers" and about["License-Expression"] == "MIT OR Apache-2.0"
    assert {"LICENSE-MIT", "LICENSE-APACHE"} <= set(about.get_all("License-File"))
    classifiers = about.get_all("Classifier")
    assert {"Framework :: Flask", "Framework :: FastAPI", "Framework :: Django :: 5.2"} <= set(classifiers)
    assert "pyotp" in about["Keywords"] and "Private ::" not in " ".join(classifiers)
    assert about["Description-Content-Type"].startswith("text/markdown")
