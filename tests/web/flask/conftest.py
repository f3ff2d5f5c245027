"""A site for a module."""

from collections.abc import Iterator

import pytest

from .example import FlaskSite


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskSite]:
    site = FlaskSite(tmp_path_factory.mktemp("example"))
    yield site
    site.close()
