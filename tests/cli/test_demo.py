"""``ferrotp demo``: the example out of the wheel."""

import re
import signal
import subprocess
import urllib.request
from pathlib import Path

from .program import FERROTP, POSIX, environment, ok

TOLD = (
    r"1\. Open (http://localhost:\d+) and log in as .*\n2\. .*\n3\. .*\n4\. .*\n"
    r"The data (is in|stays in) (.+?)(?:, and goes|\. The)"
)


def test_the_whole_story_goes_from_the_installed_package(tmp_path: Path) -> None:
    assert "All went as it should." in ok("demo", "--check", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


@POSIX
def test_it_begins_anew_each_time_and_says_where_its_data_is(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    for options, stays in (([], False), (["--folder", str(kept)], True)):
        process = subprocess.Popen(
            [FERROTP, "demo", *options], stdout=subprocess.PIPE, text=True, env=environment(), cwd=tmp_path
        )
        assert process.stdout is not None
        told = re.match(TOLD, "".join(process.stdout.readline() for _ in range(5)))
        assert told
        folder = Path(told[3])
        assert "Log in" in urllib.request.urlopen(told[1] + "/login", timeout=20).read().decode()
        assert (folder / "users.db").exists() and (folder == kept) is stays
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert folder.exists() is stays
