"""Runs one release's own `test.py`, as it is in the archive, on one surface, and prints the outcome as JSON.

A program and not a test: what `import pyotp` gives has to be settled before anything in the process imports it.
`test.py` puts its own sources in front of `sys.path`; they lose against what stands in `sys.modules`.

Usage: suite_runner.py <release's folder> ferrotp | ferrotp.legacy | <folder of another release's sources>
"""

import importlib
import importlib.util
import io
import json
import sys
import unittest
from pathlib import Path

SUBMODULES = ("otp", "totp", "hotp", "utils", "compat", "contrib", "contrib.steam")


class Verdicts(unittest.TestResult):
    """The tests that did not pass, by name; one name for all subtests of a test."""

    def __init__(self) -> None:
        super().__init__()
        self.failed: dict[str, str] = {}

    def addError(self, test, err):
        super().addError(test, err)
        self.failed[test.id()] = self._exc_info_to_string(err, test)

    addFailure = addUnexpectedSuccess = addError

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.failed[test.id()] = self._exc_info_to_string(err, test)


def main(release: str, surface: str) -> None:
    """Settles what pyotp is, runs the suite, and checks that it was so until the end."""
    if surface in ("ferrotp", "ferrotp.legacy"):
        import ferrotp

        ferrotp.alias_as_pyotp(legacy=surface == "ferrotp.legacy")
    else:
        sys.path.insert(0, surface)
        for name in SUBMODULES:
            importlib.import_module(f"pyotp.{name}")

    spec = importlib.util.spec_from_file_location("suite", Path(release, "test.py"))
    assert spec and spec.loader
    suite = importlib.util.module_from_spec(spec)
    sys.modules["suite"] = suite
    spec.loader.exec_module(suite)
    tests = unittest.defaultTestLoader.loadTestsFromModule(suite)
    verdicts = Verdicts()
    output, sys.stdout = sys.stdout, io.StringIO()
    try:
        tests.run(verdicts)
    finally:
        sys.stdout = output

    pyotp = suite.pyotp
    modules = [module for name, module in sys.modules.items() if f"{name}.".startswith("pyotp.")]
    if surface.startswith("ferrotp"):
        for thing in (pyotp.TOTP, pyotp.HOTP, pyotp.contrib.Steam):
            assert thing.__module__.startswith("pyotp."), thing.__module__
            assert sys.modules[thing.__module__].__name__.startswith(f"{surface}."), thing.__module__
        for module in modules:
            assert f"{module.__name__}.".startswith(f"{surface}."), module.__name__
    else:
        for module in modules:
            assert module.__file__ and Path(module.__file__).is_relative_to(surface), module.__file__
    json.dump({"run": verdicts.testsRun, "skipped": len(verdicts.skipped), "failed": verdicts.failed}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
