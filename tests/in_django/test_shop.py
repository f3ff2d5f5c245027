"""A site as shops have them."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_a_site_with_uuids_addresses_german_a_second_database_a_cache_and_a_strict_policy(tmp_path: Path) -> None:
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-W", "ignore", str(HERE / "shop_site.py"), str(tmp_path)]
    ran = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}, timeout=120, check=False
    )
    assert ran.returncode == 0 and ran.stdout.endswith("ok\n"), ran.stdout + ran.stderr
