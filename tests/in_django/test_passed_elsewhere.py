"""Logins that passed a second factor elsewhere, and people who come in as somebody else."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path

from ferrotp.django import begin_login, fresh_required, get_mfa, login_has_passed
from ferrotp.django.checks import check_settings
from ferrotp.django.test import Clock, MFAClient
from ferrotp.mfa import Event

from .conftest import Person
from .site import given
from .test_login import where
from .urls import urlpatterns as sites_urls

SSO = f"{__name__}.SSOBackend"
MODEL = "django.contrib.auth.backends.ModelBackend"
OFFERS = "/offers"


class SSOBackend:
    """A single sign-on, as packages for it have: it knows users by what an identity provider says."""

    def authenticate(self, request: Any, subject: str = "", **more: Any) -> Any:
        return User.objects.filter(username=subject).first() if subject else None

    def get_user(self, user_id: Any) -> Any:
        return get_user_model()._default_manager.filter(pk=user_id).first()


def callback(request: HttpRequest) -> HttpResponse:
    """Where the identity provider sends the browser back to."""
    user = User.objects.get(username=request.POST["sub"])
    login(request, user, backend=SSO)
    if "mfa" in request.POST.get("amr", "").split():
        login_has_passed(request, by="our-idp")
    return HttpResponse("in")


def callback_by_hook(request: HttpRequest) -> HttpResponse:
    user = User.objects.get(username=request.POST["sub"])
    return begin_login(request, user, backend=SSO, passed_by="our-idp", next_url="/vault")


def say_to_nobody(request: HttpRequest) -> HttpResponse:
    login_has_passed(request, by="nobody")
    return HttpResponse("in")


@fresh_required
def change_address(request: HttpRequest) -> HttpResponse:
    return HttpResponse("changed")


urlpatterns = [
    path("callback", callback),
    path("callback-by-hook", callback_by_hook),
    path("say-to-nobody", say_to_nobody),
    path("address", change_address),
    path("hijack/", include("hijack.urls")),
    *sites_urls,
]


@pytest.fixture
def sso(clock: Clock) -> Iterator[None]:
    pytest.importorskip("hijack")
    with override_settings(
        ROOT_URLCONF=__name__,
        AUTHENTICATION_BACKENDS=[MODEL, SSO],
        INSTALLED_APPS=[*settings.INSTALLED_APPS, "hijack"],
        MIDDLEWARE=[*settings.MIDDLEWARE, "hijack.middleware.HijackUserMiddleware"],
    ):
        yield


# Single sign-on


@pytest.mark.parametrize("enrolled", [False, True])
def test_users_who_passed_elsewhere_are_not_asked_again(
    sso: None, person: Callable[..., Person], events: list[Event], ferrotp: Any, enrolled: bool
) -> None:
    ferrotp(REQUIRED="all")
    carol = person()
    if enrolled:
        carol.enroll()
    client = MFAClient()
    client.post("/callback", {"sub": carol.name, "amr": "pwd mfa"})
    for page in ("/inside", "/vault", "/fresh-vault", "/address", "/mfa/"):
        assert client.get(page).status_code == 200, page
    assert [(event.kind, event.detail) for event in events][-1] == ("passed elsewhere", {"by": "our-idp"})
    other = MFAClient()
    assert where(other.post("/callback-by-hook", {"sub": carol.name})) == "/vault"
    assert other.get("/vault").status_code == 200
    # Freshness ends as for everybody.
    carol.clock.tick(601)
    assert where(client.get("/fresh-vault")) == ("/mfa/challenge" if enrolled else "/login?next=%2Ffresh-vault")


def test_a_sign_on_without_a_second_factor_is_asked_for_one(sso: None, alice: Person) -> None:
    client = MFAClient()
    client.post("/callback", {"sub": alice.name, "amr": "pwd"})
    assert where(client.get("/inside")) == "/mfa/challenge"
    client.post("/logout")
    # And the word of one login is not another's.
    client.post("/callback", {"sub": alice.name, "amr": "mfa"})
    assert client.get("/vault").status_code == 200
    client.post("/callback", {"sub": alice.name, "amr": "pwd"})
    assert where(client.get("/vault")) == "/mfa/challenge"


def test_it_can_be_said_by_a_receiver_whatever_comes_first(sso: None, alice: Person) -> None:
    def said(request: Any, **more: Any) -> None:
        login_has_passed(request, by="a receiver")

    receivers = user_logged_in.receivers
    user_logged_in.connect(said)
    for order in (list(user_logged_in.receivers), list(reversed(user_logged_in.receivers))):
        user_logged_in.receivers, user_logged_in.sender_receivers_cache = order, {}  # type: ignore[assignment]
        client = MFAClient()
        client.post("/callback", {"sub": alice.name})
        assert client.get("/vault").status_code == 200
    user_logged_in.receivers = receivers
    user_logged_in.disconnect(said)


def test_nothing_is_said_of_nobody(sso: None, client: MFAClient) -> None:
    client.raise_request_exception = False
    assert client.post("/say-to-nobody").status_code != 200
    assert "_ferrotp" not in client.session


@pytest.mark.parametrize("way", ["/callback", "force"])
def test_users_of_an_exempt_backend_are_not_asked(
    sso: None, person: Callable[..., Person], ferrotp: Any, events: list[Event], way: str
) -> None:
    ferrotp(REQUIRED="all", EXEMPT_BACKENDS=[SSO])
    carol = person(is_staff=True, is_superuser=True).enroll()
    client = MFAClient()
    if way == "force":  # a cookie that remembers: nothing was proved anew
        client.force_login(carol.user, backend=SSO)
    else:
        client.post(way, {"sub": carol.name})
    for page in ("/inside", "/vault", "/admin/"):
        assert client.get(page).status_code == 200, page
    assert (client.get("/fresh-vault").status_code == 200) is (way != "force")
    assert ("passed elsewhere", SSO) in [(event.kind, event.detail.get("by")) for event in events]
    # By the password it is as ever.
    browser = MFAClient()
    assert where(carol.password(browser)) == "/mfa/challenge"
    assert where(carol.password(browser, "/custom-login")) == "/mfa/challenge"
    # A reset ends the login; a new one by the same way is good.
    get_mfa().reset(user_id=carol.user_id, by="root")
    carol.clock.tick(60)
    assert where(client.get("/inside")).startswith("/login")


def test_a_backend_that_is_exempt_by_mistake_is_said(sso: None) -> None:
    with override_settings(FERROTP=given(EXEMPT_BACKENDS=["nowhere.Backend"])):
        assert [message.msg for message in check_settings()] == [
            "FERROTP[\"EXEMPT_BACKENDS\"] names 'nowhere.Backend', which is not in AUTHENTICATION_BACKENDS"
        ]
    with override_settings(FERROTP=given(EXEMPT_BACKENDS=[MODEL])):
        assert [message.msg for message in check_settings()] == [
            f'FERROTP["EXEMPT_BACKENDS"] has {MODEL}: the password alone lets in.'
        ]
    with override_settings(FERROTP=given(EXEMPT_BACKENDS=[SSO])):
        assert check_settings() == []


# Impersonation


def _acquire(client: MFAClient, whom: Person) -> Any:
    return client.post("/hijack/acquire/", {"user_pk": whom.user.pk, "next": "/inside"})


def test_the_factor_of_the_one_who_comes_in_counts_and_nobody_binds_a_phone(
    sso: None, person: Callable[..., Person], events: list[Event]
) -> None:
    boss, victim = person(is_staff=True, is_superuser=True).enroll(), person().enroll()
    client = MFAClient()
    boss.log_in(client)
    assert where(_acquire(client, victim)) == "/inside"
    assert client.get("/inside").content.decode() == f"inside {victim.name}"
    assert client.get("/vault").content.decode() == f"vault {victim.name}"
    assert [
        (event.kind, event.user_id, event.detail["impersonator"]) for event in events if event.kind == "impersonated"
    ] == [("impersonated", victim.user_id, boss.user_id)]
    # Nothing that needs a fresh proof, and none of the pages of factors: with the victim's code, too.
    assert where(client.get("/fresh-vault")) == "/mfa/challenge"
    for page in ("", "set-up", "challenge", "recover", "recovery-codes", f"factors/{victim.factor_id}/remove"):
        assert client.get(f"/mfa/{page}").status_code == 403, page
        data = {"code": victim.code(), "name": "Mine"}
        assert client.post(f"/mfa/{page}", data).status_code in (403, 405), page
    status = get_mfa().status(user_id=victim.user_id)
    assert len(status.factors) == 1 and not status.pending and status.recovery_codes == 10
    # Back, as before: passed, and as fresh as it was.
    client.post("/hijack/release/", {"next": "/vault"})
    assert client.get("/fresh-vault").content.decode() == f"fresh vault {boss.name}"
    assert client.get("/mfa/").status_code == 200


def test_nobody_comes_into_an_account_with_a_second_factor_without_one_and_gets_out_again(
    sso: None, person: Callable[..., Person], clock: Clock
) -> None:
    boss, victim, plain = person(is_superuser=True), person().enroll(), person()
    client = MFAClient()
    boss.password(client)
    _acquire(client, victim)
    assert where(client.get("/inside")) == "/mfa/challenge"
    assert client.get("/mfa/challenge").status_code == 403
    assert client.post("/mfa/challenge", {"code": victim.code()}).status_code == 403
    # The way back is not gated by the victim's challenge.
    client.post("/hijack/release/")
    assert client.get("/inside").content.decode() == f"inside {boss.name}"
    _acquire(client, plain)
    assert client.get("/inside").content.decode() == f"inside {plain.name}"
    assert client.get("/mfa/set-up").status_code == client.post("/mfa/set-up").status_code == 403
    assert where(client.get("/address")).startswith("/login")
    client.post("/hijack/release/")
    assert not get_mfa().status(user_id=plain.user_id).pending


def test_a_device_that_the_user_trusts_does_not_stand_for_the_one_who_comes_in(
    sso: None, client: MFAClient, person: Callable[..., Person], ferrotp: Any
) -> None:
    """A desk that two people share."""
    ferrotp(POLICY={"trusted_device_days": 30})
    boss, victim = person(is_superuser=True), person().enroll()
    victim.password(client)
    client.post("/mfa/challenge", {"code": victim.code(), "trust": "y"})
    client.post("/logout")
    boss.password(client)
    _acquire(client, victim)
    assert where(client.get("/inside")) == "/mfa/challenge"
    client.post("/hijack/release/")
    client.post("/logout")
    assert where(victim.password(client)) == "/inside"  # the token was there, and is as good as before


def test_a_login_as_somebody_else_by_a_password_is_no_impersonation(sso: None, person: Callable[..., Person]) -> None:
    thief, victim = person(is_superuser=True).enroll(), person().enroll()
    client = MFAClient()
    thief.log_in(client)
    victim.password(client, "/careless-login")
    assert where(client.get("/vault")) == "/mfa/challenge"


def test_an_impersonation_in_an_impersonation_comes_back_step_by_step(sso: None, person: Callable[..., Person]) -> None:
    boss, middle, last = person(is_superuser=True).enroll(), person(is_superuser=True), person().enroll()
    client = MFAClient()
    boss.log_in(client)
    for whom in (middle, last):
        _acquire(client, whom)
        assert client.get("/vault").content.decode() == f"vault {whom.name}"
    client.post("/hijack/release/")
    assert client.get("/vault").content.decode() == f"vault {middle.name}"
    assert client.get("/mfa/set-up").status_code == 403
    client.post("/hijack/release/")
    assert client.get("/vault").content.decode() == f"vault {boss.name}"
    assert client.get("/mfa/").status_code == 200


def test_a_login_that_was_ended_meanwhile_is_not_brought_back(sso: None, person: Callable[..., Person]) -> None:
    boss, victim = person(is_superuser=True).enroll(), person()
    client = MFAClient()
    boss.log_in(client)
    _acquire(client, victim)
    get_mfa().end_sessions(user_id=boss.user_id, by="root")
    client.post("/hijack/release/")
    boss.clock.tick(60)
    assert where(client.get("/vault")).startswith("/login")
