"""Every path of the site that the tests log into, and no list that somebody keeps."""

import re
from collections.abc import Iterator

from django.urls import URLResolver, get_resolver


def routes(root: str = "", **values: str) -> Iterator[str]:
    """The paths, with `values` for what is variable in them, and "1" where there is none."""
    yield from sorted({path for path in _below(get_resolver(), "/", values) if path.startswith("/" + root)})


def _below(resolver: URLResolver, before: str, values: dict[str, str]) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        path = before + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values.get(found[1], "1"), str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _below(pattern, path, values)
        elif not re.search(r"[\^$(]", path):  # the admin's own page of what is not there
            yield path
