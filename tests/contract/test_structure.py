"""The class tree and the names that pyotp's users import."""

import inspect
import pkgutil
import types

import pytest

from .helpers import MIRRORED, SECRET, kinds, load_release, run_python

MODULES = ["", ".otp", ".totp", ".hotp", ".utils", ".compat", ".contrib", ".contrib.steam"]

# What pyotp's modules import for their own annotations and version checks: nobody imports that from them.
INCIDENTAL = {"annotations", "Any", "ClassVar", "Dict", "Optional", "Sequence", "Union", "sys", "SystemRandom"}
# Nor these: the functions of others that reading a URI takes, and a module that is the same one everywhere.
INCIDENTAL |= {"split", "parse_qsl", "unquote", "urlparse", "hashlib"}


def module_of(package: types.ModuleType, name: str) -> types.ModuleType:
    return __import__("importlib").import_module(package.__name__ + name)


def public_names(module: types.ModuleType) -> set[str]:
    return {name for name in vars(module) if not name.startswith("_")} - INCIDENTAL


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_the_names_of_pyotps(surface, reference, name):
    ours, theirs = module_of(surface, name), module_of(reference, name)
    missing = {name for name in public_names(theirs) if not hasattr(ours, name)}
    assert not missing


@pytest.mark.parametrize("name", MODULES)
def test_what_is_a_module_a_class_or_a_function_in_pyotp_is_one_here(surface, reference, name):
    ours, theirs = module_of(surface, name), module_of(reference, name)
    for name in public_names(theirs) & set(dir(ours)):
        their, our = getattr(theirs, name), getattr(ours, name)
        for kind in (types.ModuleType, type, types.FunctionType, str, int):
            assert isinstance(our, kind) == isinstance(their, kind), name


def test_every_submodule_of_pyotp_is_importable(surface, reference):
    for package, reference_package in ((surface, reference), (surface.contrib, reference.contrib)):
        theirs = {module.name for module in pkgutil.iter_modules(reference_package.__path__)}
        ours = {module.name for module in pkgutil.iter_modules(package.__path__)}
        assert theirs <= ours


@pytest.mark.parametrize(
    "statement",
    [
        "from {}.otp import OTP",
        "from {}.totp import TOTP",
        "from {}.hotp import HOTP",
        "from {}.utils import strings_equal, build_uri, compare_digest",
        "from {}.compat import random",
        "from {}.contrib import Steam",
        "from {}.contrib.steam import Steam, STEAM_CHARS, STEAM_DEFAULT_DIGITS",
        "from {}.exceptions import PyOTPError, OTPVerificationError",
        "from {} import random_base32, random_hex, parse_uri, random, contrib, TOTP, HOTP, OTP, utils",
        "from {} import OTPVerificationError, PyOTPError",
        "from {} import otp, totp, hotp, utils, compat, contrib, exceptions",
        "import {}.totp, {}.hotp, {}.otp, {}.utils, {}.compat, {}.contrib, {}.contrib.steam, {}.exceptions",
        "from {}.totp import time, datetime, calendar, hashlib, utils, OTP",
        "from {}.otp import base64, hashlib, hmac",
        "from {}.hotp import hashlib, utils, OTP",
        "from {}.utils import unicodedata, quote, urlencode, urlparse",
    ],
)
def test_it_can_be_the_first_import_of_a_process(surface, statement):
    run_python(statement.replace("{}", surface.__name__))


@pytest.mark.parametrize("name", ["utils", "compat", "contrib", "exceptions", "otp", "totp", "hotp"])
def test_a_submodule_is_an_attribute_without_being_imported(surface, name):
    run_python(f"import {surface.__name__} as pyotp; assert pyotp.{name}.__name__ == '{surface.__name__}.{name}'")


def test_the_class_tree_is_pyotps(surface):
    assert surface.TOTP.__mro__.index(surface.OTP) > 0
    assert issubclass(surface.TOTP, surface.OTP)
    assert issubclass(surface.HOTP, surface.OTP)
    assert issubclass(surface.contrib.Steam, surface.TOTP)
    assert not issubclass(surface.HOTP, surface.TOTP)
    assert not issubclass(surface.TOTP, surface.HOTP)


def test_isinstance_holds(surface):
    for name, kind in kinds(surface).items():
        otp = kind(SECRET)
        assert isinstance(otp, surface.OTP)
        assert isinstance(otp, surface.TOTP) == (name in ("TOTP", "Steam"))
        assert isinstance(otp, surface.HOTP) == (name == "HOTP")
        assert type(otp) is kind


def test_the_classes_are_the_same_objects_by_every_name(surface):
    assert surface.TOTP is surface.totp.TOTP
    assert surface.HOTP is surface.hotp.HOTP
    assert surface.OTP is surface.otp.OTP is surface.totp.OTP is surface.hotp.OTP
    assert surface.contrib.Steam is surface.contrib.steam.Steam
    assert surface.OTPVerificationError is surface.exceptions.OTPVerificationError
    assert surface.PyOTPError is surface.exceptions.PyOTPError
    assert surface.totp.utils is surface.utils is surface.hotp.utils
    assert surface.random is surface.compat.random


def test_the_exceptions_are_a_tree(surface):
    assert issubclass(surface.OTPVerificationError, surface.PyOTPError)
    assert issubclass(surface.PyOTPError, Exception)
    assert not issubclass(surface.PyOTPError, ValueError)


def test_classes_and_functions_say_where_they_live(surface):
    for name, kind in kinds(surface).items():
        assert (kind.__name__, kind.__qualname__) == (name, name)
        module = "contrib.steam" if name == "Steam" else name.lower()
        assert kind.__module__ == f"{surface.__name__}.{module}"
    for name in ("random_base32", "random_hex", "parse_uri"):
        assert getattr(surface, name).__module__ == surface.__name__


def test_dir_lists_what_pyotps_lists(surface, reference):
    listed = set(dir(surface))
    assert {name for name in public_names(reference) if hasattr(surface, name)} <= listed
    assert set(surface.__all__) <= listed
    assert listed <= {name for name in listed if hasattr(surface, name)}


def test_dir_of_an_object_lists_its_attributes_and_methods(surface, reference):
    for name, kind in kinds(surface).items():
        theirs = {member for member in dir(kinds(reference)[name](SECRET)) if not member.startswith("__")}
        assert theirs <= set(dir(kind(SECRET)))


def test_an_object_has_no_attribute_that_its_class_lacks_in_pyotp(surface, reference):
    # `hasattr(otp, "interval")` is how programs tell the kinds apart.
    for name, kind in kinds(surface).items():
        ours, theirs = kind(SECRET), kinds(reference)[name](SECRET)
        for attribute in ("interval", "initial_count", "secret", "digits", "digest", "name", "issuer"):
            assert hasattr(ours, attribute) == hasattr(theirs, attribute), (name, attribute)


def test_a_star_import_gives_what_pyotp_itself_defines(surface, reference):
    ours: dict[str, object] = {}
    theirs: dict[str, object] = {}
    exec(f"from {surface.__name__} import *", ours)
    exec(f"from {reference.__name__} import *", theirs)
    own = {
        name
        for name, value in theirs.items()
        if getattr(value, "__module__", getattr(value, "__name__", "")).startswith(reference.__name__)
    }
    assert {"TOTP", "HOTP", "OTP", "random_base32", "random_hex", "parse_uri", "contrib"} <= own
    assert own <= set(ours)


@pytest.mark.parametrize("name", ["otp", "totp", "hotp", "utils", "exceptions", "compat", "contrib", "contrib.steam"])
def test_a_star_import_of_a_module_gives_what_pyotps_gives_and_nothing_of_ours(surface, reference, name):
    ours: dict[str, object] = {}
    theirs: dict[str, object] = {}
    exec(f"from {surface.__name__}.{name} import *", ours)
    try:
        exec(f"from {reference.__name__}.{name} import *", theirs)
    except ModuleNotFoundError:  # pyotp 2.10 has no exceptions
        exec(f"from {load_release(MIRRORED).__name__}.{name} import *", theirs)
    incidental = {"annotations", "Any", "ClassVar", "Dict", "List", "Optional", "Union", "hashlib", "steam", "sys"}
    assert set(theirs) - incidental <= set(ours)
    assert set(ours) - {"hashlib"} <= set(theirs) | {"SystemRandom"}
    assert "TYPE_CHECKING" not in ours
    if name in ("otp", "totp", "hotp"):
        assert ours["hashlib"] is __import__("hashlib")


def test_the_modules_have_what_tests_patch(surface):
    assert inspect.ismodule(surface.totp.time) and surface.totp.time.__name__ == "time"
    assert inspect.ismodule(surface.utils.unicodedata) and surface.utils.unicodedata.__name__ == "unicodedata"


def test_an_unknown_name_is_an_attribute_error(surface):
    for module in (surface, surface.totp, surface.hotp, surface.otp):
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            module.nothing  # noqa: B018
    with pytest.raises(ImportError):
        exec(f"from {surface.__name__} import nothing")


def test_the_package_is_typed(surface):
    package = __import__("importlib.resources").resources.files("ferrotp")
    assert (package / "py.typed").is_file()
