"""The JSON API in Django's session, and what programs and htmx get from every page."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path
from mfa.authenticator import Device
from mfa.passkey_attacks import give_passkey

from ferrotp.django import get_mfa
from ferrotp.django.api import SessionAPI
from ferrotp.django.api_urls import api
from ferrotp.django.store import DjangoStore
from ferrotp.django.test import Clock, MFAClient
from ferrotp.mfa import Event, StoreUnavailable
from ferrotp.vault import Hashing
from ferrotp.web.api_fields import OPERATIONS

from .conftest import Person
from .site import PASSWORD
from .test_login import where
from .test_passkeys import ASKED, DjangoSite
from .urls import urlpatterns as sites_urls


def api_login(request: HttpRequest) -> HttpResponse:
    """The site's own, for its page in JavaScript."""
    given = json.loads(request.body)
    user = authenticate(request, username=given["username"], password=given["password"])
    return api.begin_login(request, user) if user else HttpResponse(status=400)


urlpatterns = [path("api-login", api_login), path("mfa/api/", include("ferrotp.django.api_urls")), *sites_urls]


@pytest.fixture
def page(clock: Clock) -> Iterator["Page"]:
    with override_settings(ROOT_URLCONF=__name__):
        yield Page()


class Page:
    """A page in JavaScript."""

    def __init__(self) -> None:
        self.client = MFAClient()

    def post(self, operation: str, method: str = "post", **body: Any) -> tuple[int, dict[str, Any]]:
        path = operation if operation.startswith("/") else f"/mfa/api/{operation}"
        answer = getattr(self.client, method)(path, json.dumps(body), content_type="application/json")
        assert answer.headers["Cache-Control"] == "private, no-store", path
        assert answer.status_code < 400 or answer.headers["Content-Type"] == "application/problem+json"
        return answer.status_code, answer.json()

    def get(self, operation: str) -> tuple[int, dict[str, Any]]:
        answer = self.client.get(f"/mfa/api/{operation}")
        assert answer.headers["Cache-Control"] == "private, no-store"
        return answer.status_code, answer.json()

    def password(self, person: Person) -> dict[str, Any]:
        status, body = self.post("/api-login", username=person.name, password=PASSWORD)
        assert status == 200
        return body


DONE = {"status": "done", "next": None, "pending_token": None, "expires_at": None, "session": None}


def test_a_login_by_a_code(page: Page, alice: Person) -> None:
    body = page.password(alice)
    assert (body["status"], body["next"], body["pending_token"], body["session"]) == ("pending", "verify", None, None)
    assert body["expires_at"].endswith("Z")
    status, problem = page.get("status")
    assert (status, problem["type"], problem["next"]) == (403, "urn:ferrotp:problem:second-factor-required", "verify")
    status, problem = page.post("verify", code=alice.wrong())
    assert (status, problem["type"], problem["attempts_left"]) == (400, "urn:ferrotp:problem:invalid-code", 4)
    assert page.post("verify", code=alice.code()) == (200, DONE)
    assert page.client.get("/vault").content.decode() == f"vault {alice.name}"
    status, body = page.get("status")
    assert status == 200 and body["enrolled"] and body["fresh"] and body["recovery_codes_left"] == 10
    assert [factor["name"] for factor in body["factors"]] == ["Phone"]
    # Once more, for what asks for it.
    alice.clock.tick(601)
    status, problem = page.post("recovery-codes")
    assert (status, problem["type"]) == (403, "urn:ferrotp:problem:fresh-authentication-required")
    assert page.post("verify", code=alice.code())[0] == 200
    status, body = page.post("recovery-codes", end_sessions=True)
    assert status == 201 and len(body["recovery_codes"]) == 10
    assert page.client.get("/vault").status_code == 200


def test_a_delay_says_when_and_names_the_way_out(page: Page, alice: Person) -> None:
    page.password(alice)
    for _ in range(5):
        status, problem = page.post("verify", code=alice.wrong())
    assert status == 429 and problem["next"] == "unlock" and problem["retry_at"].startswith("2027-01-15T08:")
    pair = {"code": alice.device.at(alice.clock.now, -1), "next_code": alice.code()}
    assert page.post("unlock", **pair) == (200, DONE)


def test_a_recovery_code(page: Page, alice: Person) -> None:
    page.password(alice)
    assert page.post("recover", code=alice.codes[0]) == (200, {**DONE, "recovery_codes_left": 9})
    assert page.client.get("/vault").status_code == 200
    page.client.post("/logout")
    page.password(alice)
    assert page.post("recover", code=alice.codes[0])[0] == 400


def test_a_set_up_that_has_to_be(page: Page, person: Callable[..., Person], ferrotp: Any) -> None:
    ferrotp(REQUIRED="all")
    bob = person()
    assert page.password(bob)["next"] == "enroll"
    assert page.client.get("/inside").status_code == 302
    status, key = page.post("enroll", name="Phone")
    assert status == 201 and key["secret"] and "<svg" in key["qr_svg"]
    device = Device(key["uri"])
    wrong = device.wrong(bob.clock.now)
    assert page.post("confirm", factor_id=key["factor_id"], code=wrong, name="Tablet")[0] == 400
    status, body = page.post("confirm", factor_id=key["factor_id"], code=device.at(bob.clock.now), name="Tablet")
    assert (status, len(body["recovery_codes"])) == (200, 10)
    assert page.client.get("/vault").status_code == 200
    assert page.client.delete(f"/mfa/api/factors/{key['factor_id']}").json()["type"].endswith("last-factor")
    assert page.client.delete(f"/mfa/api/factors/{'0' * 32}").status_code == 404
    ferrotp()
    answer = page.client.delete(f"/mfa/api/factors/{key['factor_id']}")
    assert answer.status_code == 200 and answer.json()["name"] == "Tablet"
    assert not get_mfa().status(user_id=bob.user_id).enrolled


def test_a_login_without_a_factor_is_done_and_one_that_is_cancelled_is_over(
    page: Page, alice: Person, person: Callable[..., Person]
) -> None:
    assert page.password(person()) == DONE
    assert page.get("status")[1]["enrolled"] is False
    page.client.post("/logout")
    page.password(alice)
    assert page.post("cancel") == (200, {"status": "cancelled"})
    assert page.post("cancel")[0] == 401
    assert page.post("verify", code=alice.code())[0] == 401


def test_a_half_login_by_any_other_way_is_asked_here_too(page: Page, alice: Person) -> None:
    alice.password(page.client, "/plain-login")
    assert page.post("verify", code=alice.code()) == (200, DONE)
    assert page.client.get("/vault").status_code == 200


def test_devices_and_sessions(page: Page, alice: Person, ferrotp: Any) -> None:
    ferrotp(POLICY={"trusted_device_days": 30})
    page.password(alice)
    assert page.post("verify", code=alice.code(), trust_device=True)[0] == 200
    page.client.post("/logout")
    alice.clock.tick(60)
    assert page.password(alice) == DONE
    (device,) = page.get("status")[1]["trusted_devices"]
    assert page.client.delete(f"/mfa/api/devices/{device['device_id']}").json() == {"forgotten": 1}
    assert page.client.delete("/mfa/api/devices").json() == {"forgotten": 0}
    page.post("verify", code=alice.code())
    assert page.post("end-sessions") == (200, DONE)
    assert page.client.get("/fresh-vault").status_code == 200


def test_what_is_not_as_documented_is_refused_and_not_repeated(page: Page, alice: Person) -> None:
    page.password(alice)
    code = alice.code()
    status, problem = page.post("verify", code=int(code))
    assert (status, problem["errors"][0]["field"]) == (422, "code") and code not in json.dumps(problem)
    assert page.post("verify", code=code, extra=code)[0] == 422
    assert page.post("verify", code=code, pending_token="x")[0] == 401
    assert page.client.post("/mfa/api/verify", {"code": code}).status_code == 415
    assert page.client.get("/mfa/api/verify").status_code == 405
    broken = page.client.post("/mfa/api/verify", b"{", content_type="application/json")
    assert broken.status_code == 422
    assert page.post("verify", code=code) == (200, DONE)  # nothing was counted or used up


def test_each_operation_wants_the_token_against_forgery(page: Page, alice: Person) -> None:
    client = MFAClient(enforce_csrf_checks=True)
    client.force_mfa_login(alice.user)
    for operation in OPERATIONS:
        if operation.method == "GET" or operation.for_passkeys:
            continue
        path = "/mfa/api" + operation.path.replace("{factor_id}", alice.factor_id).replace("{device_id}", "0" * 32)
        answer = client.generic(operation.method, path, "{}", content_type="application/json")
        assert answer.status_code == 403, path
    assert get_mfa().status(user_id=alice.user_id).enrolled


def test_the_routes_are_those_of_starlettes_api(page: Page) -> None:
    offered = [each.name for each in OPERATIONS if not each.for_passkeys and not each.for_audit]
    assert [route.name for route in api.urls] == offered


# Programs and htmx at any page


def test_htmx_gets_a_problem_and_is_led_to_the_page_as_a_whole(page: Page, alice: Person) -> None:
    client = MFAClient()
    alice.log_in(client)
    alice.clock.tick(601)
    current = {"HX-Request": "true", "HX-Current-URL": "http://testserver/inside?tab=2"}
    answer = client.get("/fresh-vault", headers=current)
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (403, "/mfa/challenge")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert where(client.post("/mfa/challenge", {"code": alice.code()})) == "/inside?tab=2"
    alice.clock.tick(601)
    client.post("/fresh-vault", {"amount": 5}, headers=current)
    assert "has not been done" in client.get("/mfa/challenge").content.decode()
    assert where(client.post("/mfa/challenge", {"code": alice.code()})) == "/inside?tab=2"
    evil = {"HX-Request": "true", "HX-Current-URL": "https://evil.example/"}
    alice.clock.tick(601)
    client.get("/fresh-vault", headers=evil)
    assert where(client.post("/mfa/challenge", {"code": alice.code()})) == "/fresh-vault"


@pytest.mark.parametrize("headers", [{"Accept": "application/json"}, {"HX-Request": "true"}])
def test_a_store_that_is_away_is_a_problem_for_programs(
    page: Page, alice: Person, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    client = MFAClient()
    client.force_login(alice.user)

    def away(*arguments: Any, **more: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr(DjangoStore, "user", away)
    monkeypatch.setattr(DjangoStore, "attempt", away)
    for place in ("/inside", "/vault", "/mfa/api/status"):
        answer = client.get(place, headers=headers)
        assert answer.status_code == 503 and answer.json()["type"] == "urn:ferrotp:problem:store-unavailable", place
        assert answer.json()["retry_at"] and answer.headers["Retry-After"] == "60" and "away" not in str(answer.json())


def test_a_passkey_alone_signs_in(
    clock: Clock, person: Callable[..., Person], events: list[Event], ferrotp: Callable[..., None]
) -> None:
    cheap = Hashing.argon2id(memory_kib=8, passes=1, lanes=1)
    ferrotp(POLICY={"hashing": cheap, "passkeys": ASKED}, MAY_SIGN_IN="in_django.test_passkeys.may_sign_in")
    site = DjangoSite(clock, person, events)
    user_id = site.user()
    device = give_passkey(site, user_id)
    patterns = (path("mfa/api/", include((SessionAPI().urls, "ferrotp-api"))), *sites_urls)
    with override_settings(ROOT_URLCONF=patterns):
        page = Page()
        status, asked = page.post("sign-in/challenge")
        assert status == 200
        answer = {"credential": device.get(asked["options"]), "sign_in_token": asked["sign_in_token"]}
        # By another browser's token it is refused like a passkey that nobody has.
        other = page.post("sign-in/challenge")[1]["sign_in_token"]
        assert page.post("sign-in", **{**answer, "sign_in_token": other})[0] == 400
        _, asked = page.post("sign-in/challenge")
        answer = {"credential": device.get(asked["options"]), "sign_in_token": asked["sign_in_token"]}
        assert page.post("sign-in", **answer) == (200, DONE)
        assert page.client.get("/fresh-vault").status_code == 200
        assert page.post("sign-in", **answer)[0] == 400  # once
        page.client.post("/logout")
        site.people[user_id].user.last_name = "Blocked"
        site.people[user_id].user.save()
        _, asked = page.post("sign-in/challenge")
        answer = {"credential": device.get(asked["options"]), "sign_in_token": asked["sign_in_token"]}
        status, problem = page.post("sign-in", **answer)
        assert (status, problem["type"]) == (400, "urn:ferrotp:problem:passkey-refused")
        assert where(page.client.get("/fresh-vault")).startswith("/login")


@contextmanager
def passkey_page(ferrotp: Callable[..., None], *, codes: bool = True, **given: Any) -> Iterator[Page]:
    """A page of a site that has passkeys."""
    ferrotp(POLICY={"passkeys": ASKED, "codes": codes}, **given)
    operations = path("mfa/api/", include((SessionAPI().urls, "ferrotp-api")))
    with override_settings(ROOT_URLCONF=(path("api-login", api_login), operations, *sites_urls)):
        yield Page()


def test_what_leads_on_is_a_passkey_where_nothing_else_will_do(
    person: Callable[..., Person], ferrotp: Callable[..., None]
) -> None:
    with passkey_page(ferrotp, REQUIRED=[{"who": "staff", "passkey": True}]) as page:
        assert page.password(person(is_staff=True))["next"] == "begin_passkey"
        status, problem = page.post("verify", code="000000")
        assert (status, problem["next"]) == (403, "begin_passkey")
        assert page.post("passkeys/options")[0] == 200
    with passkey_page(ferrotp, codes=False) as page:
        assert page.password(person()) == DONE
        status, problem = page.post("passkey/challenge")
        assert (status, problem["type"]) == (403, "urn:ferrotp:problem:not-enrolled")
        assert problem["next"] == "begin_passkey"


def test_a_user_without_the_factor_that_was_asked_for_is_told_which_other_there_is(
    alice: Person, person: Callable[..., Person], ferrotp: Callable[..., None]
) -> None:
    with passkey_page(ferrotp) as page:
        page.password(alice)
        status, problem = page.post("passkey/challenge")
        assert (status, problem["type"], problem["next"]) == (403, "urn:ferrotp:problem:not-enrolled", "verify")
        assert page.post("verify", code=alice.code()) == (200, DONE)
    with passkey_page(ferrotp) as page:
        assert page.password(person()) == DONE
        status, problem = page.post("verify", code="000000")
        assert (status, problem["type"], problem["next"]) == (403, "urn:ferrotp:problem:not-enrolled", "enroll")
        assert problem["detail"] == "There is no two-step login for this account yet. Set it up first."
