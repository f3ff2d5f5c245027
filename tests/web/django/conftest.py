"""The Django example for a module, and pages on it."""

from collections.abc import Iterator

import pytest

from .example import DjangoSite


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DjangoSite]:
    site = DjangoSite(tmp_path_factory.mktemp("django"))
    yield site
    site.close()


@pytest.fixture(autouse=True)
def _no_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages look as Flask's do, whose pictures are kept. Those of the admin are Django's alone."""
    if "desk" not in request.node.name:
        monkeypatch.delenv("FERROTP_SCREENSHOTS", raising=False)
