"""For PyInstaller, which finds this by the package's entry point: what it cannot see by reading imports."""

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """Where the hook is."""
    return [str(Path(__file__).parent)]
