"""A name taken from a public class or module and another one put there is a patch, as one added alone is: every name
is deleted, added, replaced and moved to the end."""

import inspect
import types

import pytest

from .helpers import SECRET, is_fast, is_fast_to_verify, is_fast_to_write_a_uri, kinds, run_python

KINDS = ["OTP", "HOTP", "TOTP", "Steam"]
# What Python itself puts into a class; `del` of the first two is refused.
OF_PYTHON = {"__module__", "__doc__", "__firstlineno__", "__static_attributes__"}
OF_PYTHON |= {"__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__slotnames__"}


def code(otp):
    return otp.at(1) if hasattr(otp, "initial_count") else otp.generate_otp(1)


@pytest.fixture(params=KINDS)
def kind(surface, request):
    kind = kinds(surface)[request.param]
    before = dict(vars(kind))
    yield kind
    for name in set(vars(kind)) - set(before):
        delattr(kind, name)
    for name in set(before) - set(vars(kind)):
        setattr(kind, name, before[name])
    assert set(vars(kind)) == set(before)


def test_a_public_class_has_no_name_of_its_own_but_pythons(kind):
    assert set(vars(kind)) <= OF_PYTHON
    for name in ("__module__", "__doc__"):
        with pytest.raises(TypeError):
            delattr(kind, name)


def patched(kind, surface):
    """A patch of the class is seen: in the code of an object that was fast before."""
    otp = kind(SECRET)
    genuine = code(otp)
    kind.generate_otp = lambda self, input: "patched"
    try:
        return code(otp) == "patched" and code(kind(SECRET)) == "patched"
    finally:
        del kind.generate_otp
        assert code(otp) == genuine


def test_every_name_that_can_be_deleted_and_a_patch_put_in_its_place(surface, kind):
    # Names that Python adds when they are asked for are there, too.
    kind.__annotations__, kind.__slotnames__ = {}, []
    for name in list(vars(kind)):
        try:
            delattr(kind, name)
        except TypeError:
            continue
        assert patched(kind, surface), name


def test_a_write_to_a_name_that_drops_another_hides_no_patch(surface, kind):
    # On 3.13 and later a write to `__module__` deletes `__firstlineno__`.
    before = kind.__module__
    for name in ("__module__", "__doc__", "__qualname__", "__name__"):
        value = getattr(kind, name)
        setattr(kind, name, value)
        assert patched(kind, surface), name
    assert kind.__module__ == before


@pytest.mark.parametrize("order", ["deleted first", "added first"])
def test_every_pair_of_a_deleted_and_an_added_name_is_seen(surface, kind, order):
    otp = kind(SECRET)
    genuine = code(otp)
    for added in ("generate_otp", "byte_secret"):
        if order == "added first":
            setattr(kind, added, lambda self, *args: "patched" if args else b"k" * 20)
        kind.__annotations__ = {}
        del kind.__annotations__
        if order == "deleted first":
            setattr(kind, added, lambda self, *args: "patched" if args else b"k" * 20)
        assert code(otp) != genuine, added
        delattr(kind, added)
        assert code(otp) == genuine


@pytest.mark.parametrize("kind_name", KINDS)
def test_every_method_added_to_a_public_class_is_seen_and_gone_when_it_is_deleted(surface, kind_name):
    kind = kinds(surface)[kind_name]
    otp = kind(SECRET)
    genuine = code(otp)
    for name, value in inspect.getmembers(kind):
        if not inspect.isfunction(value) or name.startswith("_"):
            continue
        # Replaced, then replaced again, then moved behind another name, then gone.
        setattr(kind, name, lambda self, *args, **kwargs: "first")
        setattr(kind, name, lambda self, *args, **kwargs: "second")
        kind.another = None
        replaced = getattr(kind, name)
        delattr(kind, name)
        setattr(kind, name, replaced)
        assert getattr(otp, name)("x") == "second", name
        delattr(kind, name)
        del kind.another
        assert code(otp) == genuine
    if kind_name != "OTP":
        assert is_fast(otp)


@pytest.mark.parametrize("kind_name", ["HOTP", "TOTP", "Steam"])
def test_every_name_of_utils_replaced_deleted_and_moved(surface, kind_name):
    otp = kinds(surface)[kind_name](SECRET)
    right = otp.at(1 if kind_name == "HOTP" else 59)
    moment = (1,) if kind_name == "HOTP" else (59, 0)
    verify = otp.verify if kind_name == "HOTP" else lambda code, at, _: otp.verify(code, for_time=at)
    names = vars(surface.utils)
    for name in ("strings_equal", "compare_digest", "unicodedata", "build_uri"):
        # Each is looked at by what would call it.
        uses, other = is_fast_to_verify, is_fast_to_write_a_uri
        if name == "build_uri":
            uses, other = other, uses
        assert is_fast(otp) and uses(otp) and other(otp)
        genuine = names[name]
        try:
            del names[name]
            assert not uses(otp), name
            names[f"{name}_of_a_test"] = genuine  # as many names as before
            assert not uses(otp), name
            names[name] = lambda *args: True
            assert not uses(otp), name
            assert other(otp), name
            assert is_fast(otp), name  # no code is made by a function of `utils`
            if name == "strings_equal":
                assert verify("wrong", *moment)
        finally:
            names[name] = genuine  # now the last of the names
            names.pop(f"{name}_of_a_test", None)
        assert uses(otp) and other(otp), name
        assert verify(right, *moment) and not verify("wrong", *moment)


MODULES = ["", ".otp", ".totp", ".hotp", ".contrib.steam", ".utils", ".compat", ".exceptions"]


@pytest.mark.parametrize("module", MODULES)
def test_a_name_of_a_module_that_is_deleted_and_put_back_changes_no_code(surface, module):
    # In a process of its own: what is broken in between may not come back.
    run_python(
        f"""
        import importlib
        import {surface.__name__} as pyotp

        module = importlib.import_module("{surface.__name__}{module}")
        names = vars(module)
        totp, hotp = pyotp.TOTP({SECRET!r}), pyotp.HOTP({SECRET!r})
        for name in [name for name in names if not name.startswith("__")]:
            value = names.pop(name)
            names["another"] = value
            del names["another"]
            names[name] = value
            assert totp.at(59) == "287082" and totp.verify("287082", for_time=59), name
            assert hotp.at(1) == "287082" and pyotp.TOTP({SECRET!r}).at(59) == "287082", name
        """
    )


def test_is_fast_tells(surface):
    assert is_fast(surface.TOTP(SECRET)) and not is_fast(type("Mine", (surface.TOTP,), {})(SECRET))
    assert isinstance(surface.TOTP.at, types.FunctionType)
