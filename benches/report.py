"""The table of compare.py on the terminal, in `docs/benchmarks.md` and in the README, and its pictures."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import plots
from results import Result, Spread

ROOT = Path(__file__).resolve().parents[1]
# Of the README's table: row, what the reader calls it. The numbers are those of docs/benchmarks.md.
CLAIMS = {
    "construct": "`TOTP(secret)`",
    "now()": "`now()`",
    "verify, hit": "`verify`",
    "verify, ±1, miss": "`verify`, window 1, wrong code",
    "import": "import",
}
BY_PEER = ["now()", "at(int)", "verify, hit", "verify, ±1, miss", "verify, ±10, miss", "provisioning_uri", "parse_uri"]
MEMORY = ["memory of an object", "memory after a code", "resident after a code"]


def spread(value: Spread, unit: str) -> str:
    """A median, and how far off the farther quartile is."""
    off = max(value.high - value.median, value.median - value.low) / value.median
    return f"{value.median:,.{2 if unit == 'ms' else 0}f} {unit.replace('bytes', 'B')} ±{off:.0%}"


LINE = "{:<28} {:<11} {:>15} {:>17} {:>8} {:<15} {:<9} {}"
HEAD = LINE.format("", "peer", "ferrotp", "peer", "ratio", "(quartiles)", "target", "").rstrip()


def times(ratio: float) -> str:
    return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.1f}x"


def line_of(result: Result, first: bool) -> str:
    """A result's line; the first of a row has its name."""
    compare = "<=" if result.unit == "bytes" else ">="
    return LINE.format(
        result.row if first else "",
        result.peer,
        spread(result.ferrotp_cost, result.unit) if first else "",
        spread(result.peer_cost, result.unit),
        times(result.ratio.median),
        f"({result.ratio.low:.1f}-{result.ratio.high:.1f})",
        "" if result.target is None else f"{compare} {result.target:g}x",
        {None: "", True: "met", False: "NOT MET"}[result.met],
    ).rstrip()


def print_table(rows: Iterable[Result]) -> list[Result]:
    """Prints results as they come."""
    print(HEAD)
    done: list[Result] = []
    for result in rows:
        print(line_of(result, not done or done[-1].row != result.row), flush=True)
        done.append(result)
    return done


def closing(done: list[Result], seconds: float) -> str:
    """What stands below the table."""
    wanted = [result for result in done if result.met is not None]
    return f"""
{sum(bool(result.met) for result in wanted)} of {len(wanted)} targets met, in {seconds:.0f} s. \
A ratio is the peer's time over ferrotp's, for memory ferrotp's bytes over the peer's:
the median of the rounds' own ratios. ± is the farther quartile. The targets are for a CPython that its user
configured without --enable-optimizations. Others run pyotp faster, Debian's by a fifth (whose configuration does not
name that flag either), and the ratios to pyotp are as much lower."""


def between(text: str, mark: str, content: str) -> str:
    """The text with what stands between its two marks replaced."""
    begin, end = f"<!-- {mark}: written by make bench -->\n", f"<!-- {mark}: end -->"
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise SystemExit(f"there is no place for {mark}")
    return f"{before}{begin}{content}{end}{after}"


def claims(done: list[Result]) -> str:
    """The README's table."""
    rows = {result.row: result for result in done if result.peer == "pyotp"}
    lines = ["", f"| | ferrotp | pyotp {version('pyotp')} | | row |", "|---|---|---|---|---|"]
    for row, title in CLAIMS.items():
        result = rows[row]
        ours, theirs = (spread(cost, result.unit).split(" ±")[0] for cost in (result.ferrotp_cost, result.peer_cost))
        lines.append(f"| {title} | {ours} | {theirs} | {times(result.ratio.median).replace('x', '×')} | {row} |")
    return "\n".join([*lines, "", ""])


def costs(done: list[Result], rows: list[str]) -> dict[str, dict[str, float]]:
    """Medians by row and library."""
    found: dict[str, dict[str, float]] = {}
    for result in done:
        if result.row in rows and result.peer != "limit":
            of = found.setdefault(result.row, {"ferrotp": result.ferrotp_cost.median})
            of[result.peer] = result.peer_cost.median
    return found


def write(folder: Path, head: str, done: list[Result], curves: dict[str, plots.Lines], pages: bool) -> None:
    """Writes the pictures, and where `pages` the tables of docs/benchmarks.md and of the README."""
    pictures = {
        "calls": plots.bars("A call, by library", "nanoseconds, fewer is better", costs(done, BY_PEER)),
        "memory": plots.bars("Memory of an object", "bytes, fewer is better", costs(done, MEMORY), tens=False),
        "threads": plots.lines(
            "A batch, by threads", "threads", "millions in a second, more is better", curves["threads"], (False, False)
        ),
        "window": plots.lines(
            "verify of a wrong code, by window", "window", "nanoseconds, fewer is better", curves["window"]
        ),
        "size": plots.lines(
            "A code, by the number made at once",
            "codes",
            "nanoseconds a code, one thread",
            curves["size"],
            (True, True),
        ),
    }
    images = folder / "images" if pages else folder
    images.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        (images / f"bench-{name}.svg").write_text(picture, encoding="utf-8")
    print(f"Pictures: {images.relative_to(ROOT)}/bench-*.svg")
    if not pages:
        return
    first = [place == 0 or done[place - 1].row != result.row for place, result in enumerate(done)]
    table = "\n".join([HEAD, *(line_of(result, new) for result, new in zip(done, first, strict=True))])
    page, readme = folder / "benchmarks.md", ROOT / "README.md"
    content = f"\n```text\n{head}answers:   the same from all of them\n\n{table}\n```\n\n"
    page.write_text(between(page.read_text(encoding="utf-8"), "table", content), encoding="utf-8")
    readme.write_text(between(readme.read_text(encoding="utf-8"), "claims", claims(done)), encoding="utf-8")
    print(f"Tables: {page.relative_to(ROOT)}, {readme.relative_to(ROOT)}")
