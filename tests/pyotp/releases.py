"""pyotp's own releases, fetched from the package index that pip is configured with, and pinned by hash.

Nothing of them is built or installed: the archives hold the sources and the test suites that the tests here run.
"""

import hashlib
import importlib
import importlib.util
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from pathlib import Path
from types import ModuleType

SHA256 = {
    "2.12.1": "8d0c4192f3c5d1b1a8792df23b9d8acbb7e70abd2b160962af55c5700edbd236",
    "2.12.0": "638ea37341567ec01277af3a16b682590d938f54f8ed3fb31963513233fd05f2",
    "2.11.2": "651926820da4adccbe9801c77bdc14558552485b1a957d3e1e842d587597cbb0",
    "2.10.0": "d01e9703443616b03c57c700b5cbffd56a1f929c1b0f8f03131bc78c1fca9d3f",
    "2.9.0": "346b6642e0dbdde3b4ff5a930b664ca82abfa116356ed48cc42c7d6590d36f63",
}
# The release that `ferrotp` mirrors: the one that the tests' requirements pin. README and docs are held to it.
ROOT = Path(__file__).parents[2]
_PIN = re.search(r"^pyotp==(.+)$", (ROOT / "requirements/test.txt").read_text(encoding="utf-8"), re.M)
assert _PIN is not None
MIRRORED: str = _PIN[1]
# What `ferrotp` is compared with: `newest.py` names another.
COMPARED = os.environ.get("FERROTP_PYOTP", MIRRORED)
LEGACY = "2.10.0"
CACHE = ROOT / "target" / "pyotp-releases"

# `pip download` asks an archive for its metadata before it keeps it, which would fetch and run a build system for each.
# This stands in for the two that pyotp has used: it names the package, and runs nothing of the archive.
_BACKEND = """
    import os
    import sys

    __legacy__ = sys.modules[__name__]  # setuptools' name for it, where an archive names no build system

    def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
        version = os.environ["PYOTP_VERSION"]
        folder = f"pyotp-{version}.dist-info"
        os.makedirs(os.path.join(metadata_directory, folder))
        with open(os.path.join(metadata_directory, folder, "METADATA"), "w", encoding="utf-8") as file:
            file.write(f"Metadata-Version: 2.1\\nName: pyotp\\nVersion: {version}\\n")
        return folder
"""


def unpacked(version: str) -> Path:
    """The folder of a release's sources: its archive's hash is checked, and it is unpacked, once a process."""
    if version not in _unpacked:
        archive = CACHE / f"pyotp-{version}.tar.gz"
        if not archive.exists():
            _download(version)
        content = archive.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        assert found == SHA256.get(version, found), f"{archive.name} has the sha256 {found}"
        _unpacked[version] = _unpack(version, content)
    return _unpacked[version]


def add_newest() -> str:
    """Takes the newest release that the package index has, whatever its hash, and gives its version."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        # A wheel first: its name says the version, and no build system is asked.
        _pip_download(folder, {}, "--only-binary", "pyotp", "pyotp")
        version = next(Path(folder).glob("pyotp-*.whl")).name.split("-")[1]
    if version not in SHA256:
        SHA256[version] = ""
        _download(version)
        SHA256[version] = hashlib.sha256((CACHE / f"pyotp-{version}.tar.gz").read_bytes()).hexdigest()
    return version


def load(version: str) -> ModuleType:
    """A release as a module `pyotp_2_12_0` or the like, beside whatever `pyotp` is here."""
    name = f"pyotp_{version.replace('.', '_')}"
    if name not in sys.modules:
        source = unpacked(version) / "src" / "pyotp"
        spec = importlib.util.spec_from_file_location(
            name, source / "__init__.py", submodule_search_locations=[str(source)]
        )
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        importlib.import_module(f"{name}.utils")
    return sys.modules[name]


_unpacked: dict[str, Path] = {}
_folders: list[tempfile.TemporaryDirectory[str]] = []


def _download(version: str) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    # Inside the cache, so that the last step is a rename: two test processes may fetch at once.
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        backends = Path(folder, "backends")
        for module in ("hatchling/build.py", "setuptools/build_meta.py"):
            path = backends / module
            path.parent.mkdir(parents=True)
            path.write_text(textwrap.dedent(_BACKEND), encoding="utf-8")
            path.with_name("__init__.py").touch()
        requirements = Path(folder, "requirements.txt")
        pinned = SHA256[version]
        requirements.write_text(f"pyotp=={version}{f' --hash=sha256:{pinned}' if pinned else ''}\n", encoding="utf-8")
        options = ["--no-binary", "pyotp", "--no-build-isolation", "--use-pep517"]
        options += [*(["--require-hashes"] if pinned else []), "--requirement", str(requirements)]
        _pip_download(folder, {"PYTHONPATH": str(backends), "PYOTP_VERSION": version}, *options)
        os.replace(Path(folder, f"pyotp-{version}.tar.gz"), CACHE / f"pyotp-{version}.tar.gz")


def _pip_download(folder: str, environment: dict[str, str], *options: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--dest", folder, *options]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"pip download failed:\n{done.stdout}{done.stderr}"


def _unpack(version: str, archive: bytes) -> Path:
    # A folder of this process's own, removed at its end: nothing here can be stale or change under another process.
    folder = tempfile.TemporaryDirectory(prefix="unpacked-", dir=CACHE)
    _folders.append(folder)
    with tarfile.open(fileobj=io.BytesIO(archive)) as file:
        # Old patch releases of 3.10 and 3.11 know no filters; the hash says what is in the archive.
        if hasattr(tarfile, "data_filter"):
            file.extractall(folder.name, filter="data")
        else:
            file.extractall(folder.name)
    return Path(folder.name, f"pyotp-{version}")
