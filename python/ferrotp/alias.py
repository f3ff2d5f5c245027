"""Putting ferrotp under pyotp's name, for code that imports pyotp and that nobody wants to edit."""

import importlib
import os
import sys
import sysconfig

_SUBMODULES = ("otp", "totp", "hotp", "utils", "compat", "exceptions", "contrib", "contrib.steam")
_PTH = "ferrotp_alias_pyotp.pth"
# One line, since that is what `site` runs. An environment from which ferrotp is gone falls back to its own pyotp.
_LINE = (
    r'import sys; exec("try:\n import ferrotp\nexcept ImportError:\n pass\n'
    r'else:\n ferrotp.alias_as_pyotp(legacy={legacy})")'
    "\n"
)


def alias_as_pyotp(legacy: bool = False) -> None:
    """Makes ``import pyotp`` give ferrotp in this process: as pyotp 2.12.1, or with `legacy` as pyotp 2.10.0.

    ``pyotp`` and its submodules in `sys.modules` become ferrotp's modules, the same objects. Call it before anything
    imports pyotp: what was imported from it earlier stays as it is.

    Classes and functions say from then on that they are pyotp's (`__module__`): Django writes that into migrations, and
    pickle into what it makes, which then work where pyotp is.
    """
    _name_as("ferrotp.legacy" if not legacy else "ferrotp", pyotp=False)
    source = "ferrotp.legacy" if legacy else "ferrotp"
    sys.modules["pyotp"] = importlib.import_module(source)
    for name in _SUBMODULES:
        sys.modules[f"pyotp.{name}"] = importlib.import_module(f"{source}.{name}")
    _name_as(source, pyotp=True)


def _name_as(source: str, pyotp: bool) -> None:
    """Makes what a surface has made say that it lives in pyotp, or in its own modules again."""
    for suffix in ("", *(f".{name}" for name in _SUBMODULES)):
        module = sys.modules.get(source + suffix)
        home = ("pyotp" if pyotp else source) + suffix
        for value in vars(module).values() if module else ():
            if getattr(value, "__module__", None) in (source + suffix, "pyotp" + suffix) and hasattr(value, "__name__"):
                line = vars(value).get("__firstlineno__")
                value.__module__ = home
                if line is not None:
                    value.__firstlineno__ = line  # 3.13 and later drop it with a write to `__module__`
                # The methods are in classes below, some of which both surfaces share.
                for kind in value.__mro__ if isinstance(value, type) else ():
                    _name_methods(kind, value.__name__, home)


def _name_methods(kind: type, name: str, home: str) -> None:
    for method in vars(kind).values():
        function = getattr(method, "__func__", method)  # of a static method
        if getattr(function, "__qualname__", "").startswith(f"{name}.") and hasattr(function, "__code__"):
            function.__module__ = home


def install(legacy: bool = False) -> str:
    """Makes it so in every process of this environment, by a ``.pth`` file among its packages.

    :returns: the file's path
    :raises OSError: if the file cannot be written
    """
    path = _pth_path()
    with open(path, "w", encoding="utf-8") as file:
        file.write(_LINE.format(legacy=legacy))
    return path


def remove() -> bool:
    """Undoes `install`. False if there was nothing to undo."""
    try:
        os.remove(_pth_path())
    except FileNotFoundError:
        return False
    return True


def status() -> str:
    """Which surface `install` has put under pyotp's name here: "modern", "legacy" or "none"."""
    try:
        with open(_pth_path(), encoding="utf-8") as file:
            return "legacy" if "legacy=True" in file.read() else "modern"
    except FileNotFoundError:
        return "none"


def _pth_path() -> str:
    return os.path.join(sysconfig.get_path("purelib"), _PTH)
