"""The hot calls take no more instructions than were recorded. `make count` prints them."""

import subprocess
import sys
from pathlib import Path

from programs import needs

ROOT = Path(__file__).resolve().parents[1]


@needs("valgrind", "valgrind")
def test_no_hot_call_takes_five_percent_more_instructions_than_recorded() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benches/count.py", "--check"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    print(done.stdout)  # where the tools are not those of the record, it says so and holds nothing against the counts
    assert done.returncode == 0, done.stdout + done.stderr
    assert "KeySet.codes_into" in done.stdout
