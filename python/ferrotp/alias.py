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
    """
    source = "ferrotp.legacy" if legacy else "ferrotp"
    sys.modules["pyotp"] = importlib.import_module(source)
    for name in _SUBMODULES:
        sys.modules[f"pyotp.{name}"] = importlib.import_module(f"{source}.{name}")


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
