"""What is shipped can be changed by nobody but its owner (CVE-2024-28862)."""

import importlib.metadata
import os
import pathlib
import stat
import zipfile

import pytest

# Offered to users: the suite for stores of their own, and helpers for tests of their Django sites.
OFFERED = {"ferrotp/mfa/testing.py", "ferrotp/django/test.py"}
WHEELS = sorted((pathlib.Path(__file__).parents[2] / "target" / "wheels").glob("ferrotp-*.whl"))


def test_there_is_a_built_wheel():
    assert WHEELS, "build it first: the test looks into it"


@pytest.mark.parametrize("wheel", WHEELS, ids=lambda wheel: wheel.name)
def test_no_file_of_a_wheel_is_writable_for_others(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert any(name.startswith("ferrotp/_native") for name in names)
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            assert not mode & (stat.S_IWOTH | stat.S_IWGRP | stat.S_ISUID | stat.S_ISGID), (entry.filename, oct(mode))
            assert stat.S_IFMT(mode) in (0, stat.S_IFREG), (entry.filename, oct(mode))
            assert mode & stat.S_IRUSR, (entry.filename, oct(mode))


@pytest.mark.parametrize("wheel", WHEELS, ids=lambda wheel: wheel.name)
def test_a_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            path = pathlib.PurePosixPath(name)
            assert not path.is_absolute() and ".." not in path.parts
            assert path.parts[0] == "ferrotp" or path.parts[0].endswith(".dist-info")
            assert path.suffix not in (".pyc", ".pth", ".rs", ".toml", ".key", ".pem"), name
            assert "test" not in name.lower().replace("attest", "") or name in OFFERED, name


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_no_installed_file_is_writable_for_others():
    files = importlib.metadata.files("ferrotp")
    assert files
    for file in files:
        path = pathlib.Path(str(file.locate()))
        if path.exists():
            assert not path.stat().st_mode & stat.S_IWOTH, path
