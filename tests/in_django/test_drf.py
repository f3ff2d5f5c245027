"""Django REST framework: tokens after the second factor alone, permissions, problems, and the document."""

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest
from django.conf import settings
from django.contrib import admin
from django.core.management import call_command
from django.http import HttpRequest
from django.test import override_settings
from django.urls import include, path

pytest.importorskip("rest_framework", reason="Django REST framework wants a newer Django")

from ferrotp.django import get_mfa
from ferrotp.django.api import TokenAPI
from ferrotp.django.test import Clock, MFAClientMixin
from ferrotp.web.api_fields import OPERATIONS

from .conftest import Person
from .site import PASSWORD
from .test_login import where
from .urls import urlpatterns as sites_urls

APPS = ["rest_framework", "rest_framework.authtoken", "knox", "rest_framework_simplejwt"]
REST = {"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"]}
urlpatterns: list[Any] = []


def _build() -> None:
    """The site's API: it wants the applications loaded."""
    from knox.auth import TokenAuthentication as KnoxAuthentication
    from knox.models import AuthToken
    from rest_framework.authentication import BasicAuthentication, SessionAuthentication, TokenAuthentication
    from rest_framework.authtoken.models import Token
    from rest_framework.permissions import IsAuthenticated
    from rest_framework.response import Response
    from rest_framework.views import APIView
    from rest_framework_simplejwt.authentication import JWTAuthentication
    from rest_framework_simplejwt.tokens import RefreshToken
    from rest_framework_simplejwt.views import TokenRefreshView

    from ferrotp.django.drf import CLAIM, HasFreshSecondFactor, HasSecondFactor, SecondFactorMixin, exception_handler
    from ferrotp.django.drf import urls as urls_of

    class MFATokenAuthentication(SecondFactorMixin, TokenAuthentication):
        pass

    class MFAKnoxAuthentication(SecondFactorMixin, KnoxAuthentication):
        pass

    class MFAJWTAuthentication(SecondFactorMixin, JWTAuthentication):
        pass

    def own_token(request: HttpRequest, user: Any, stamp: str) -> dict[str, object]:
        return {"token": f"{Token.objects.get_or_create(user=user)[0].key}.{stamp}"}

    def knox_token(request: HttpRequest, user: Any, stamp: str) -> dict[str, object]:
        return {"token": f"{AuthToken.objects.create(user)[1]}.{stamp}"}

    def jwt(request: HttpRequest, user: Any, stamp: str) -> dict[str, object]:
        refresh = RefreshToken.for_user(user)
        refresh[CLAIM] = stamp
        return {"token": str(refresh.access_token), "refresh": str(refresh)}

    class Open(APIView):
        permission_classes: Any = (IsAuthenticated,)

        def get(self, request: Any) -> Any:
            return Response(f"open {request.user.get_username()}")

    class Vault(Open):
        permission_classes = (HasSecondFactor,)

    class Safe(Open):
        permission_classes = (HasFreshSecondFactor,)

    class Guess(APIView):
        def get_exception_handler(self) -> Any:
            return exception_handler

        def post(self, request: Any) -> Any:
            get_mfa().verify(user_id=request.user.pk, code=request.data["code"])
            return Response("right")

    urlpatterns[:] = [path("refresh", TokenRefreshView.as_view()), *sites_urls]
    kinds = [
        ("own", own_token, MFATokenAuthentication),
        ("knox", knox_token, MFAKnoxAuthentication),
        ("jwt", jwt, MFAJWTAuthentication),
        ("basic", None, BasicAuthentication),
        ("bare", None, TokenAuthentication),
        ("session", None, SessionAuthentication),
    ]
    for kind, on_login, authentication in kinds:
        with_it = {"authentication_classes": [authentication]}
        urlpatterns.extend(
            path(f"{kind}/{view.__name__.lower()}", view.as_view(**with_it)) for view in (Open, Vault, Safe, Guess)
        )
        if on_login is not None:
            made = urls_of(TokenAPI(on_login), **with_it)
            urlpatterns.append(path(f"{kind}/auth/", include((made, kind))))


@pytest.fixture(scope="module")
def api(tables: None) -> Iterator[None]:
    pytest.importorskip("knox")
    for name in [name for name in sys.modules if name.startswith("rest_framework.authtoken")]:
        del sys.modules[name]  # loaded while it was not installed, its models are abstract: it asks the settings
    before, installed = settings.INSTALLED_APPS, [*settings.INSTALLED_APPS, *APPS, "drf_spectacular"]
    settings.INSTALLED_APPS = installed
    with override_settings(
        INSTALLED_APPS=installed,
        REST_FRAMEWORK={**REST, "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"},
        ROOT_URLCONF=__name__,
    ):
        call_command("migrate", verbosity=0)
        _build()
        yield
        for model in [model for model in admin.site._registry if model._meta.app_label in ("authtoken", "knox")]:
            admin.site.unregister(model)
    settings.INSTALLED_APPS = before


class App:
    """A program, with what it was given."""

    def __init__(self, kind: str) -> None:
        from rest_framework.test import APIClient

        self.kind, self.client = kind, APIClient()
        self.token = ""

    def _headers(self) -> dict[str, str]:
        name = "Bearer" if self.kind == "jwt" else "Token"
        return {"Authorization": f"{name} {self.token}"} if self.token else {}

    def get(self, page: str) -> Any:
        return self.client.get(f"/{self.kind}/{page}", headers=self._headers())

    def send(self, operation: str, method: str = "post", **body: Any) -> tuple[int, dict[str, Any]]:
        sent = getattr(self.client, method)
        answer = sent(f"/{self.kind}/auth/{operation}", body, format="json", headers=self._headers())
        if answer.status_code < 400:
            assert answer.headers["Cache-Control"] == "private, no-store"
            if answer.json().get("session"):
                self.token = answer.json()["session"]["token"]
        return answer.status_code, answer.json()

    def password(self, person: Person) -> dict[str, Any]:
        status, body = self.send("login", username=person.name, password=PASSWORD)
        assert status == 200, body
        return body

    def log_in(self, person: Person) -> None:
        body = self.password(person)
        assert (body["status"], body["next"], body["session"]) == ("pending", "verify", None)
        status, body = self.send("verify", code=person.code(), pending_token=body["pending_token"])
        assert status == 200 and body["session"]["token"] == self.token
        person.clock.tick()


KINDS = ["own", "knox", "jwt"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_comes_after_the_second_factor_alone(api: None, alice: Person, kind: str) -> None:
    app = App(kind)
    pending = app.password(alice)["pending_token"]
    assert app.get("open").status_code in (401, 403) and app.token == ""
    status, problem = app.send("verify", code=alice.wrong(), pending_token=pending)
    assert (status, problem["type"]) == (400, "urn:ferrotp:problem:invalid-code")
    assert app.send("verify", code=alice.code(), pending_token=pending)[0] == 200
    for page in ("open", "vault", "safe"):
        assert app.get(page).json() == f"open {alice.name}", page
    assert app.send("status", "get")[1]["enrolled"]
    assert "_auth_user_id" not in app.client.session
    # Fresh for ten minutes, then by a code; the new token says so.
    alice.clock.tick(601)
    refused = app.get("safe")
    assert refused.status_code == 403 and refused.json()["type"] == "urn:ferrotp:problem:fresh-authentication-required"
    assert app.get("vault").status_code == 200
    assert app.send("verify", code=alice.code())[0] == 200
    assert app.get("safe").status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_password_gives_nothing(api: None, alice: Person, kind: str) -> None:
    status, body = App(kind).send("login", username=alice.name, password="wrong")
    assert status == 400 and "pending_token" not in body


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_without_a_stamp_is_worth_a_password(
    api: None, alice: Person, person: Callable[..., Person], kind: str
) -> None:
    """One that was made before, by hand, or by another view."""
    bob, app = person(), App(kind)
    assert app.password(bob)["status"] == "done"
    with_stamp = app.token
    assert app.get("open").status_code == 200
    assert app.get("vault").json()["next"] == "enroll"
    bob.enroll()
    refused = app.get("open")
    assert refused.status_code in (401, 403)
    if kind != "jwt":
        app.token = with_stamp.partition(".")[0]
        assert app.get("open").status_code == 401
    other = App(kind)
    other.log_in(alice)
    if kind != "jwt":  # the stamp of another user, behind a token of one's own
        app.token = with_stamp.partition(".")[0] + "." + other.token.partition(".")[2]
        assert app.get("open").status_code == 401 and app.get("vault").status_code == 401
        other.token = other.token[:-3] + "AAA"
        assert other.get("vault").status_code == 401


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["reset", "sessions", "password"])
def test_a_token_ends_with_what_it_was_proved_by(api: None, alice: Person, kind: str, end: str) -> None:
    app = App(kind)
    app.log_in(alice)
    if end == "reset":
        get_mfa().reset(user_id=alice.user_id, by="root")
    elif end == "sessions":
        get_mfa().end_sessions(user_id=alice.user_id, by="root")
    else:
        alice.user.set_password("another password")
        alice.user.save()
    alice.clock.tick(60)
    assert app.get("vault").status_code in (401, 403)
    if end != "reset":
        assert app.get("open").status_code in (401, 403)


def test_an_access_token_that_is_refreshed_keeps_the_stamp(api: None, alice: Person) -> None:
    app = App("jwt")
    body = app.password(alice)
    _, done = app.send("verify", code=alice.code(), pending_token=body["pending_token"])
    answer = app.client.post("/refresh", {"refresh": done["session"]["refresh"]}, format="json")
    app.token = answer.json()["access"]
    assert app.get("vault").status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_a_pending_token_is_no_token_and_a_stamp_is_no_pending_token(api: None, alice: Person, kind: str) -> None:
    app = App(kind)
    pending = app.password(alice)["pending_token"]
    for token in (pending, f"x.{pending}"):
        app.token = token
        assert app.get("open").status_code in (401, 403)
    app.token = ""
    app.log_in(alice)
    stamp = app.token.partition(".")[2]
    app.token = ""
    assert app.send("verify", code=alice.code(), pending_token=stamp)[0] == 401
    assert app.send("enroll", pending_token=pending)[0] == 403
    # It dies when it is cancelled, with its copies.
    pending = app.password(alice)["pending_token"]
    assert app.send("cancel", pending_token=pending)[0] == 200
    assert app.send("verify", code=alice.code(), pending_token=pending)[0] == 401


def test_a_set_up_that_has_to_be_gives_a_token_at_its_end(
    api: None, person: Callable[..., Person], ferrotp: Any
) -> None:
    from mfa.authenticator import Device

    ferrotp(REQUIRED="all")
    bob, app = person(), App("own")
    body = app.password(bob)
    assert body["next"] == "enroll" and app.token == ""
    _, key = app.send("enroll", name="Phone", pending_token=body["pending_token"])
    code = Device(key["uri"]).at(bob.clock.now)
    confirm = {"factor_id": key["factor_id"], "code": code, "pending_token": body["pending_token"]}
    status, done = app.send("confirm", **confirm)
    assert status == 200 and len(done["recovery_codes"]) == 10 and app.get("vault").status_code == 200


@pytest.mark.parametrize("kind", ["basic", "bare"])
def test_ways_that_say_nothing_of_a_second_factor_do_not_have_it(api: None, alice: Person, kind: str) -> None:
    import base64

    from rest_framework.authtoken.models import Token

    app = App(kind)
    secret = base64.b64encode(f"{alice.name}:{PASSWORD}".encode()).decode()
    key = Token.objects.get_or_create(user=alice.user)[0].key
    header = {"Authorization": f"Basic {secret}" if kind == "basic" else f"Token {key}"}
    for page in ("vault", "safe"):
        answer = app.client.get(f"/{kind}/{page}", headers=header)
        assert answer.status_code == 403 and answer.json()["next"] == "verify"


def test_sessions_are_asked_for_their_second_factor(api: None, alice: Person, person: Callable[..., Person]) -> None:
    from rest_framework.test import APIClient

    class MFAAPIClient(MFAClientMixin, APIClient):
        """As docs/testing-django.md has it."""

    client = MFAAPIClient()
    assert client.get("/session/vault").status_code == 403
    alice.password(client)
    assert client.get("/session/vault", headers={"Accept": "application/json"}).status_code == 403
    client.post("/mfa/challenge", {"code": alice.code()})
    assert client.get("/session/vault").status_code == client.get("/session/safe").status_code == 200
    alice.clock.tick(601)
    assert client.get("/session/safe").json()["next"] == "verify"
    bob, helped = person(), MFAAPIClient()
    helped.force_mfa_login(bob.user)
    assert helped.get("/session/vault").json() == f"open {bob.name}"


def test_what_the_service_raises_in_a_view_is_a_problem_with_its_moment(api: None, alice: Person) -> None:
    app = App("own")
    app.log_in(alice)
    headers = app._headers()
    for _ in range(5):
        answer = app.client.post("/own/guess", {"code": alice.wrong()}, format="json", headers=headers)
    assert answer.status_code == 429 and answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["retry_at"].startswith("2027-") and answer.json()["status"] == 429
    assert answer.headers["Retry-After"] == "30" and answer.headers["Cache-Control"] == "private, no-store"


def test_the_document_has_every_operation_and_what_it_takes(api: None) -> None:
    pytest.importorskip("drf_spectacular")
    generators = importlib.import_module("drf_spectacular.generators")
    validation = importlib.import_module("drf_spectacular.validation")
    document = generators.SchemaGenerator(patterns=[each for each in urlpatterns if "own/auth" in str(each.pattern)])
    schema = document.get_schema(public=True)
    validation.validate_schema(schema)
    for operation in OPERATIONS:
        if operation.for_passkeys or operation.for_audit:
            continue
        there = schema["paths"][f"/own/auth{operation.path}"][operation.method.lower()]
        assert there["operationId"] == operation.name
        assert {str(status) for status in (operation.status, *operation.problems)} == set(there["responses"])
        for status in operation.problems:
            assert list(there["responses"][str(status)]["content"]) == ["application/problem+json"]
        if operation.body is not None:
            taken = there["requestBody"]["content"]["application/json"]["schema"]
            assert set(taken["properties"]) == set(operation.body.fields)
    assert "secret" in json.dumps(schema["paths"]["/own/auth/enroll"])


def test_a_report_of_a_fault_holds_no_password_code_or_token(
    api: None, alice: Person, monkeypatch: pytest.MonkeyPatch, reports: list[str]
) -> None:
    from ferrotp.django.store import DjangoStore

    def broken(*arguments: Any, **more: Any) -> Any:
        raise RuntimeError("broken")

    app = App("own")
    app.client.raise_request_exception = False
    app.log_in(alice)
    token, alice_code = app.token, alice.code()
    for name in ("user", "attempt", "epoch"):
        monkeypatch.setattr(DjangoStore, name, broken)
    app.get("vault")
    app.token = ""
    app.client.post("/own/auth/login", {"username": alice.name, "password": PASSWORD}, format="json")
    monkeypatch.undo()
    pending = app.password(alice)["pending_token"]
    monkeypatch.setattr(DjangoStore, "attempt", broken)
    app.client.post("/own/auth/verify", {"code": alice_code, "pending_token": pending}, format="json")
    assert len(reports) == 3
    for report in reports:
        assert "RuntimeError" in report
        if django.VERSION < (5, 2):  # which shows this header of every request
            report = re.sub(r"(?s)HTTP_AUTHORIZATION.*?</tr>|HTTP_AUTHORIZATION = .*", "", report)
        stamp = token.partition(".")[2]
        for secret in (PASSWORD, alice_code, pending, token, stamp):
            assert secret not in report, secret


def test_forged_requests_find_no_session_to_use(api: None, alice: Person, clock: Clock) -> None:
    """A browser that is logged in to the site: the operations of tokens do not look at its session."""
    app = App("own")
    alice.log_in(app.client)
    for operation in ("recovery-codes", "enroll", "end-sessions"):
        assert app.send(operation)[0] in (401, 403), operation
    assert where(app.client.get("/mfa/challenge")) == ""
