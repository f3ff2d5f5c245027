"""What an import knows belongs to that import: purged and reloaded modules leave older objects as they were."""

from contract.helpers import run_python

PRELUDE = """
import copy, gc, importlib, pickle, sys, weakref
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

def purge():
    for name in [name for name in sys.modules if name.partition(".")[0] == "ferrotp"]:
        del sys.modules[name]

def fresh():
    purge()
    import ferrotp, ferrotp.legacy, ferrotp.contrib
    return ferrotp

def native(module):
    return sys.modules["ferrotp._native"]

def works(module, otp):
    assert otp.at(59) == "287082" and otp.verify("287082", 59)
    assert copy.copy(otp).at(59) == "287082"
    twin = type(otp)(SECRET)
    assert vars(twin)["secret"] == SECRET and twin.at(59) == "287082"
    try:
        module.TOTP("A")
    except ValueError:
        pass
    assert module.utils.strings_equal("a", "a")
    assert module.parse_uri(otp.provisioning_uri("ann", "acme")).at(59) == "287082"
"""


def test_a_purged_package_is_imported_again_as_often_as_wanted() -> None:
    run_python(
        PRELUDE
        + """
surfaces = []
for _ in range(40):
    module = fresh()
    native = sys.modules["ferrotp._native"]
    otp, old = module.TOTP(SECRET), module.legacy.TOTP(SECRET)
    assert native.totp_at(otp, 59, 0) == native.totp_at(old, 59, 0) == "287082"
    surfaces.append((module, native, otp, old))
for module, native, otp, old in surfaces:
    works(module, otp)
    works(module.legacy, old)
"""
    )


def test_an_older_import_keeps_its_fast_path() -> None:
    run_python(
        PRELUDE
        + """
first = fresh()
native, otp = sys.modules["ferrotp._native"], first.TOTP(SECRET)
second = fresh()
assert native.totp_at(otp, 59, 0) == native.totp_at(first.TOTP(SECRET), 59, 0) == "287082"
assert native.parse_uri(otp.provisioning_uri("ann"), {"TOTP": first.TOTP}) is not None
# A patch of one import's `utils` is seen by that import alone.
second.utils.strings_equal = lambda a, b: True
assert second.TOTP(SECRET).verify("000000", 59, 1)
assert not otp.verify("000000", 59, 1)
"""
    )


def test_an_import_that_nobody_uses_goes() -> None:
    run_python(
        PRELUDE
        + """
def classes():
    module = fresh()
    module.TOTP(SECRET).verify("000000", 59, 1)
    module.utils.strings_equal("a", "a")
    return [weakref.ref(each) for each in (module.TOTP, module.HOTP, module.contrib.Steam, module.legacy.TOTP)]

gone = classes()
purge()
gc.collect()
assert [reference() for reference in gone] == [None] * 4
"""
    )


def test_modules_are_reloaded_as_often_as_wanted() -> None:
    run_python(
        PRELUDE
        + """
import ferrotp, ferrotp.contrib, ferrotp.legacy, ferrotp.hotp, ferrotp.legacy.hotp
from ferrotp import _native

first = ferrotp.TOTP(SECRET)
for _ in range(20):
    for package in (ferrotp, ferrotp.legacy):
        for name in ("utils", "otp", "totp", "hotp"):
            importlib.reload(importlib.import_module(f"{package.__name__}.{name}"))
        importlib.reload(package)
        otp = package.totp.TOTP(SECRET)
        works(package, otp)
        assert _native.totp_at(otp, 59, 0) == "287082"  # the fast path, and not the rules
    importlib.reload(_native)
assert first.at(59) == "287082" and vars(first)["secret"] == SECRET
"""
    )


def test_utils_alone_is_loaded_again_as_often_as_wanted() -> None:
    run_python(
        PRELUDE
        + """
import ferrotp, ferrotp.utils
from ferrotp import _native

otp = ferrotp.TOTP(SECRET)
for _ in range(20):
    del sys.modules["ferrotp.utils"], ferrotp.utils
    import ferrotp.utils
    assert _native.totp_verify(otp, "287082", 59, 0) is True
    assert not otp.verify("000000", 59, 1)
    ferrotp.utils.strings_equal = lambda a, b: True
    assert _native.totp_verify(otp, "287082", 59, 0) is None  # the guard sees a patch of the newest
    assert otp.verify("000000", 59, 1)
    assert _native.totp_at(otp, 59, 0) == "287082"  # calls no function of utils
"""
    )
