"""Both surfaces of ferrotp, each beside the pyotp release that it stands for."""

import importlib
import types

import pytest

from .helpers import RELEASES, load_release


@pytest.fixture(params=["ferrotp", "ferrotp.legacy"])
def surface(request: pytest.FixtureRequest) -> types.ModuleType:
    """Either surface."""
    return importlib.import_module(request.param)


@pytest.fixture
def reference(surface: types.ModuleType) -> types.ModuleType:
    """The pyotp release that the surface stands for, imported under a name of its own."""
    return load_release(RELEASES[surface.__name__])


@pytest.fixture
def modern() -> types.ModuleType:
    return importlib.import_module("ferrotp")


@pytest.fixture
def legacy() -> types.ModuleType:
    return importlib.import_module("ferrotp.legacy")
