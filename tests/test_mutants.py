"""`make mutants` notices what it is to notice. What it says of all of ferrotp is in `mutants.md`."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLANTED = """
import threading

STEPS = 3


def is_adult(age):
    return age >= 18


def greeting(name):
    return "hello " + name.strip()


def count_down(steps=STEPS):
    while steps > 0:
        steps -= 1
    return steps


class Door:
    def __init__(self):
        self.lock = threading.Lock()

    @property
    def is_open(self):
        if self.lock.acquire(timeout=60):
            self.lock.release()
        return True
"""
TESTS = """
import threading
import planted

def test_ages():
    assert planted.is_adult(30) and not planted.is_adult(3)

def test_greetings():
    assert planted.greeting("Ann") == "hello Ann"

def test_steps():
    assert planted.STEPS == 3
    assert planted.count_down() == 0

def test_doors():
    door = planted.Door()
    assert door.is_open and door.is_open
"""
RUN = """
import json, sys
from pathlib import Path
import mutants
here = Path(sys.argv[1])
sys.path.insert(0, str(here))
mutants.ROOT = mutants.INSTALLED = here
mutants.COSTS = here / "costs.json"
mutants.PATIENCE, mutants.COMPUTING = 20.0, 0.5
trial = mutants.tried(mutants.mutants_of("planted.py", (here / "planted.py").read_text()), ["test_planted.py"], 8)
outcomes = [(outcome.mutant.taken, outcome.mutant.put, outcome.end) for outcome in trial.outcomes]
(here / "outcomes.json").write_text(json.dumps(outcomes))
"""


def test_each_mutant_is_killed_or_survives_or_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(PLANTED)
    (tmp_path / "test_planted.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = races\n")
    run = subprocess.run(
        [sys.executable, "-c", RUN, tmp_path], cwd=ROOT / "benches", capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    ends = {(taken, put): end for taken, put, end in json.loads((tmp_path / "outcomes.json").read_text())}
    for taken, put, end in (
        ("return age >= 18", "return age > 18", "survived"),  # nobody is 18
        ("return age >= 18", "return age >= 19", "survived"),
        ('return "hello " + name.strip()', 'return "hello " - name.strip()', "killed"),
        ("steps -= 1", "steps = 1", "timed out"),  # computes for ever
        ("self.lock.release()", "pass", "timed out"),  # waits
        ("return True", "return False", "killed"),  # under a decorator
        ("STEPS = 3", "STEPS = 4", "killed"),  # outside of any function
        ("while steps > 0:", "while steps >= 0:", "killed"),
    ):
        assert ends[taken, put] == end, (taken, put)
