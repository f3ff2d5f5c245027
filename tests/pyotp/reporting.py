"""Lines for the end of pytest's output: what was run, in numbers."""

lines: list[str] = []


def report(line: str) -> None:
    """Adds a line, which `conftest.py` prints."""
    lines.append(line)
