"""Which of ferrotp's extras are there, by what the installed package says of itself."""

import re

_NEED = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*([^;]*)")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def extras() -> dict[str, dict[str, str | None]]:
    """Each extra, and the versions of its packages. None: not there, or older than the extra asks for."""
    import importlib.metadata  # half of the program's start, for one verb

    try:
        needs = importlib.metadata.requires("ferrotp") or []
        names = importlib.metadata.metadata("ferrotp").get_all("Provides-Extra") or []
    except importlib.metadata.PackageNotFoundError:  # a copy in a folder, a zipapp, a frozen program
        return {}
    found: dict[str, dict[str, str | None]] = {name: {} for name in sorted(names)}
    for need in needs:
        extra, package = _EXTRA.search(need), _NEED.match(need)
        if extra is not None and package is not None:
            found.setdefault(extra[1], {})[package[1]] = _version(package[1], package[2])
    return found


def is_there(packages: dict[str, str | None]) -> bool:
    """Whether an extra is whole."""
    return None not in packages.values()


def _version(package: str, bounds: str) -> str | None:
    import importlib.metadata

    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    least = re.search(r">=\s*([\d.]+)", bounds)
    return None if least and _numbers(version) < _numbers(least[1]) else version


def _numbers(version: str) -> tuple[int, ...]:
    """Of a release, for comparing: 2.0.37 is less than 2.1."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(number) for number in match[0].split(".")) if match else ()
