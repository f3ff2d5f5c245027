"""Lines for the end of pytest's output: what was run and measured, in numbers."""

lines: list[str] = []


def report(line: str) -> None:
    """Adds a line, which `conftest.py` prints, whichever worker it comes from."""
    lines.append(line)
