"""What holds for every route of the site."""

from collections.abc import Callable

import pytest

from ferrotp.django import get_mfa
from ferrotp.django.models import Factor
from ferrotp.django.test import MFAClient
from ferrotp.mfa import Event

from .conftest import Person
from .routes import routes
from .test_login import where

# What a half-login may have: the login, by a passkey alone, too, logout, the challenge, and what is marked as exempt.
OPEN = {f"{site}/log{way}" for site in ("/admin", "/own-admin") for way in ("in/", "out/")}
OPEN |= {"/login", "/plain-login", "/logout", "/api"}
OPEN |= {
    f"/mfa/{page}" for page in ("challenge", "recover", "cancel", "sign-in", "sign-in/options", "static/ferrotp.css")
}
# What asks whom it does not know for a password of its own accord.
ASKS = {"/custom-login", "/careless-login"}


@pytest.mark.parametrize("way", ["hook", "plain"])
def test_a_half_login_opens_no_page(alice: Person, way: str) -> None:
    """ASVS 6.3.4. By the hook, nobody is logged in for Django, and a page is what a stranger sees; by a view that knows
    of no second factor, somebody is."""
    alice.user.is_staff = alice.user.is_superuser = True
    alice.user.save()
    client, stranger = MFAClient(raise_request_exception=False), MFAClient(raise_request_exception=False)
    alice.password(client, "/login" if way == "hook" else "/plain-login")
    data = {"code": alice.codes[0], "saved": "y", "post": "yes"}
    row = Factor.objects.get(factor_id=alice.factor_id)
    seen = 0
    for path in routes(factor_id=alice.factor_id, path="ferrotp.css", pk=str(row.pk), object_id=str(row.pk)):
        if path in OPEN | ASKS or path.startswith("/reset/"):
            continue
        for method in ("get", "post"):
            answer = getattr(client, method)(path, data)
            if where(answer) != "/mfa/challenge" and answer.status_code != 405:
                assert way == "hook", (method, path)
                for_all = getattr(stranger, method)(path, data)
                assert (answer.status_code, where(answer)) == (for_all.status_code, where(for_all)), (method, path)
            assert alice.name not in answer.content.decode(), (method, path)
            seen += 1
    assert seen > 80 and client.get("/mfa/challenge").status_code == 200
    status = get_mfa().status(user_id=alice.user_id)
    assert status.enrolled and status.recovery_codes == 10 and status.failures == 0


def test_a_get_changes_nothing_and_returns_no_secret(client: MFAClient, alice: Person, events: list[Event]) -> None:
    """CVE-2021-21241."""
    alice.user.is_staff = alice.user.is_superuser = True
    alice.user.save()
    alice.log_in(client)
    client.post("/mfa/set-up")
    key = client.get("/mfa/set-up").content.decode().split("secret=")[1].split("&")[0]
    row = Factor.objects.get(factor_id=alice.factor_id)
    before, told = get_mfa().status(user_id=alice.user_id), len(events)
    client.raise_request_exception = False
    for path in routes(factor_id=alice.factor_id, path="ferrotp.css", pk=str(row.pk), object_id=str(row.pk)):
        if path.endswith("/logout/") or path == "/logout" or path in ASKS or path.startswith("/guess"):
            continue  # Django 4.2 logs out by GET
        answer = client.get(path, {"code": alice.code(), "trust": "y", "saved": "y"})
        shown = b"".join(answer) if answer.streaming else answer.content
        assert path == "/mfa/set-up" or key not in shown.decode(), path
        assert not any(secret in shown.decode() for secret in (alice.device.secret, *alice.codes)), path
        if path.startswith("/mfa/") and "/static/" not in path:
            assert answer.headers["Cache-Control"] == "private, no-store", path
    assert get_mfa().status(user_id=alice.user_id) == before
    assert len(events) == told
    assert client.get("/fresh-vault").status_code == 200


def test_every_page_of_the_admin_is_for_a_second_factor(client: MFAClient, person: Callable[..., Person]) -> None:
    """Those of `get_urls` among them."""
    boss = person(is_staff=True, is_superuser=True)
    boss.password(client)
    paths = [path for site in ("admin", "own-admin") for path in routes(site) if path not in OPEN]
    assert len(paths) > 30
    for path in paths:
        assert where(client.get(path)) == "/mfa/set-up", path
