"""Prints the numbers that the tests here collect."""

import reporting


def pytest_terminal_summary(terminalreporter):
    if reporting.lines:
        terminalreporter.section("pyotp")
        for line in reporting.lines:
            terminalreporter.write_line(line)
