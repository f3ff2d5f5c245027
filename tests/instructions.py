"""How many instructions a piece of Python takes: where a test would assert a time, it asserts these."""

import sys
from pathlib import Path

from programs import needs

sys.path.append(str(Path(__file__).resolve().parents[1] / "benches"))

from callgrind import Instructions, count

__all__ = ["Instructions", "count", "needs_valgrind"]

needs_valgrind = needs("valgrind", "valgrind")
