"""A pytest plugin: writes each test's outcome, and which pyotp the tests had, as JSON.

Loaded with ``-p outcome_observer`` into the program's own, unmodified suite. The answer to "which pyotp?" has to come
from the process that ran the tests: a check in any other process proves nothing about this one.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

_outcomes: dict[str, str] = {}
_reasons: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # Three reports a test (setup, call, teardown) and one for each subtest: the first that did not pass decides.
    if _outcomes.get(report.nodeid, "passed") == "passed":
        _outcomes[report.nodeid] = report.outcome
        if report.failed:
            _reasons[report.nodeid] = _last_line(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _outcomes[report.nodeid] = "failed"
        _reasons[report.nodeid] = _last_line(report)


def pytest_sessionfinish() -> None:
    pyotp = sys.modules.get("pyotp")
    answer = {
        "pyotp": pyotp and {"file": pyotp.__file__},
        "outcomes": _outcomes,
        "reasons": _reasons,
    }
    Path(os.environ["OUTCOME_FILE"]).write_text(json.dumps(answer, indent=1, sort_keys=True))


def _last_line(report: pytest.TestReport | pytest.CollectReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    message = crash.message if crash else report.longreprtext
    return next((line for line in message.splitlines() if line.strip()), "")[:300]
