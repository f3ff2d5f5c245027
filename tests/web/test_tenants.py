"""Customers of one application, told apart by the request: a session, a token or a cookie of one is none of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
import pytest
from mfa.authenticator import Device
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from ferrotp.flask import FlaskMFA
from ferrotp.mfa import MFA, Policy
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.starlette import ProblemError, StarletteMFA
from ferrotp.vault import Keyring

KEY = "a secret key for tests 1234567890"
HOSTS = {"acme.test": "acme", "globex.test": "globex"}


def service(**more: Any) -> MFA:
    policy = Policy(hashing=Policy.cheap_for_tests().hashing, trusted_device_days=30)
    return MFA(MemoryStore(), issuer="ACME", keyring=Keyring.generate(), policy=policy, clock=lambda: NOW[0], **more)


NOW = [1_800_000_015.0]


def device(mfa: MFA, tenant: str) -> Device:
    """The phone of user 1 of a customer."""
    mine = mfa.for_tenant(tenant)
    enrollment = mine.enroll(user_id=1, account_name="alice")
    phone = Device(enrollment.uri)
    mine.confirm(user_id=1, factor_id=enrollment.factor_id, code=phone.at(NOW[0]))
    return phone


# Flask


def flask_site(mfa: MFA, **how: Any) -> flask.Flask:
    app = flask.Flask(__name__)
    app.config.update(SECRET_KEY=KEY, TESTING=True, WTF_CSRF_ENABLED=False, **how.pop("config", {}))
    ext = FlaskMFA(app, mfa=mfa, on_login=lambda user_id: flask.session.update(user=user_id), **how)

    @app.post("/login")
    def login() -> Any:
        return ext.begin_login(1, "alice")

    @app.get("/inside")
    def inside() -> Any:
        return ext.user_id or ("nobody", 401)

    return app


def tenant_of_flask() -> str:
    return HOSTS.get(flask.request.host, "")


@pytest.mark.parametrize("how", ["argument", "configuration", "service"])
def test_flask_keeps_the_customers_of_a_request_apart(how: str) -> None:
    mfa = service(tenant=tenant_of_flask) if how == "service" else service()
    given: dict[str, dict[str, Any]] = {
        "argument": {"tenant": tenant_of_flask},
        "configuration": {"config": {"FERROTP_TENANT": tenant_of_flask}},
        "service": {},
    }
    app = flask_site(mfa, **given[how])
    phones = {tenant: device(mfa, tenant) for tenant in HOSTS.values()}
    NOW[0] += 60
    for host, tenant in HOSTS.items():
        other = next(phone for name, phone in phones.items() if name != tenant)
        client = app.test_client()
        at: dict[str, Any] = {"base_url": f"https://{host}"}
        assert client.post("/login", **at).location == "/mfa/challenge"
        assert client.post("/mfa/challenge", data={"code": other.at(NOW[0])}, **at).status_code == 400
        # The half-login of one, at the other: no code of either passes it.
        stolen = client.get_cookie("session", domain=host)
        elsewhere = next(name for name in HOSTS if name != host)
        thief = app.test_client()
        assert stolen is not None
        thief.set_cookie("session", stolen.value, domain=elsewhere)
        for phone in phones.values():
            answer = thief.post("/mfa/challenge", data={"code": phone.at(NOW[0])}, base_url=f"https://{elsewhere}")
            assert answer.status_code == 401 or "challenge" not in (answer.location or "challenge")
        assert thief.get("/inside", base_url=f"https://{elsewhere}").status_code == 401
        passed = client.post("/mfa/challenge", data={"code": phones[tenant].at(NOW[0]), "trust": "y"}, **at)
        assert passed.status_code == 303
        assert client.get("/inside", **at).text == "1"
        # The session that has passed, and the trusted device, at the other.
        for name in ("session", next(key[2] for key in client._cookies if "ferrotp_device" in key[2])):
            copied = client.get_cookie(name, domain=host)
            assert copied is not None
            thief.set_cookie(name, copied.value, domain=elsewhere)
        assert thief.get("/inside", base_url=f"https://{elsewhere}").status_code == 401
        assert thief.post("/login", base_url=f"https://{elsewhere}").location == "/mfa/challenge"
        NOW[0] += 60


def test_flask_knows_nobody_where_no_customer_is_known() -> None:
    app = flask_site(service(), tenant=tenant_of_flask)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert app.test_client().post("/login", base_url="http://elsewhere.test").status_code == 500


# Starlette


def starlette_site(mfa: MFA, tenant: Any) -> TestClient:
    def on_login(request: Request, response: Response, user_id: str, stamp: str) -> dict[str, object]:
        return {"user": user_id, "stamp": stamp}

    api = StarletteMFA(
        mfa,
        secret_key=KEY,
        current_user=lambda request: request.headers.get("x-user") or None,
        stamp=lambda request: request.headers.get("x-stamp") or None,
        on_login=on_login,
        tenant=tenant,
    )

    async def login(request: Request) -> Response:
        return await api.begin_login(request, 1, "alice")

    async def inside(request: Request) -> Response:
        try:
            return JSONResponse({"user": await api.require_mfa(request)})
        except ProblemError as error:
            return error.response()

    app = Starlette(routes=[Route("/login", login, methods=["POST"]), Route("/inside", inside)])
    api.install(app)
    return TestClient(app)


def tenant_of_request(request: Request) -> str:
    return HOSTS.get(request.url.hostname or "", "")


async def tenant_of_request_later(request: Request) -> str:
    return tenant_of_request(request)


@pytest.mark.parametrize("tenant", [tenant_of_request, tenant_of_request_later])
def test_starlette_keeps_the_customers_of_a_request_apart(tenant: Callable[[Request], Any]) -> None:
    mfa = service()
    client = starlette_site(mfa, tenant)
    phones = {name: device(mfa, name) for name in HOSTS.values()}
    NOW[0] += 60
    for host, name in HOSTS.items():
        elsewhere = next(other for other in HOSTS if other != host)
        other = next(phone for key, phone in phones.items() if key != name)

        def ask(path: str, body: dict[str, Any], where: str, **headers: str) -> Any:
            return client.post(f"http://{where}{path}", json=body, headers=headers)

        pending = ask("/login", {}, host).json()["pending_token"]
        assert ask("/mfa/verify", {"code": other.at(NOW[0]), "pending_token": pending}, host).status_code == 400
        for phone in phones.values():  # the token of one, at the other
            body = {"code": phone.at(NOW[0]), "pending_token": pending}
            answer = ask("/mfa/verify", body, elsewhere)
            assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (401, "pending-login-expired")
        done = ask("/mfa/verify", {"code": phones[name].at(NOW[0]), "pending_token": pending}, host)
        assert done.status_code == 200
        session = done.json()["session"]
        headers = {"x-user": session["user"], "x-stamp": session["stamp"]}
        assert client.get(f"http://{host}/inside", headers=headers).json() == {"user": "1"}
        assert client.get(f"http://{elsewhere}/inside", headers=headers).status_code == 403
        NOW[0] += 60


def test_starlette_knows_nobody_where_no_customer_is_known() -> None:
    client = starlette_site(service(), tenant_of_request)
    answer = TestClient(client.app, raise_server_exceptions=False).post("http://elsewhere.test/login", json={})
    assert answer.status_code == 500
