"""What went wrong elsewhere, tried on the example API over HTTP: see the advisories that the names tell."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Request, Response
from itsdangerous import TimestampSigner, URLSafeSerializer

from ferrotp.mfa import Policy, StoreUnavailable
from ferrotp.starlette import require_login
from ferrotp.web import Gate

from ..steps import PASSWORD, Phone
from .example import Client, FastAPISite, Reply, Victim

_count = iter(range(1_000_000))
POLICY = replace(Policy.cheap_for_tests(), trusted_device_days=30)


def other_ways_in(app: FastAPI) -> None:
    """What applications have beside the login form."""
    accounts = app.state.accounts

    @app.post("/reset-password/{user_id}")
    def reset_password(request: Request, user_id: str, response: Response) -> str:
        """A link in a mail was right, and the application logs its user in by itself, without a stamp."""
        response.set_cookie("session", accounts.start(user_id, request.query_params.get("stamp", "")))
        return "done"

    @app.get("/api/token-only")
    def token_only(user_id: Annotated[str, Depends(require_login)]) -> str:
        return user_id


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPISite]:
    site = FastAPISite(tmp_path_factory.mktemp("attacked"), policy=POLICY, change=other_ways_in)
    yield site
    site.close()


@pytest.fixture
def victim(site: FastAPISite) -> Victim:
    return Victim(site, f"victim{next(_count)}@example.com")


def refused(reply: Reply, status: int, kind: str) -> bool:
    assert (reply.status, reply.kind) == (status, kind), (reply.status, reply.text)
    return True


def outside(client: Client) -> bool:
    return all(client.ask("GET", path).status in (401, 403) for path in ("/api/me", "/api/vault", "/mfa/status"))


# Replay (CVE-2021-43177)


def test_a_code_is_not_taken_again_in_this_interval_or_the_next(victim: Victim) -> None:
    first, second = victim.half(), victim.half()
    code = victim.code()
    assert first.do("verify", code=code).status == 200
    refused(second.do("verify", code=code), 400, "invalid-code")
    victim.site.wait(30)
    refused(second.do("verify", code=code), 400, "invalid-code")
    refused(second.do("verify", code=f"{code[:3]} {code[3:]}"), 400, "invalid-code")
    assert outside(second)


def test_the_code_that_confirmed_does_not_log_in(site: FastAPISite) -> None:
    victim = Victim(site, f"victim{next(_count)}@example.com")
    site.wait(-60)
    refused(victim.half().do("verify", code=victim.first_code), 400, "invalid-code")
    site.wait(60)


def test_a_recovery_code_works_once(victim: Victim) -> None:
    first, second = victim.half(), victim.half()
    reply = first.do("recover", code=victim.codes[0].lower())
    assert reply.status == 200 and reply.body["recovery_codes_left"] == 9
    refused(second.do("recover", code=victim.codes[0]), 400, "invalid-code")


# Somebody who has the password guesses


def test_guesses_do_not_keep_the_owner_out(victim: Victim) -> None:
    thief, owner = victim.half(), victim.half()
    for _ in range(5):
        assert thief.do("verify", code=victim.wrong()).status in (400, 429)
    delayed = owner.do("verify", code=victim.code())
    refused(delayed, 429, "too-many-attempts")
    assert delayed.body["next"] == "unlock" and delayed.headers["Retry-After"]
    wrong = owner.do("unlock", code=victim.wrong(), next_code=victim.code())
    refused(wrong, 400, "invalid-code")
    assert "two codes in a row" in wrong.body["detail"] and "next" not in wrong.body
    assert outside(owner)
    pair = {"code": victim.code(-1), "next_code": victim.code()}
    unlocked = owner.do("unlock", **pair)
    assert unlocked.status == 200 and unlocked.body["status"] == "done"
    assert owner.ask("GET", "/api/me").status == 200
    refused(thief.do("unlock", **pair), 400, "invalid-code")
    refused(thief.do("verify", code=victim.code(-1)), 400, "invalid-code")
    assert outside(thief)
    for body in ({"code": "1"}, {"next_code": "1"}, {"code": "1", "next_code": None}, {"code": "1", "next_code": 2}):
        refused(thief.ask("POST", "/mfa/unlock", {**body, "pending_token": thief.pending}), 422, "invalid-request")


# Sessions and tokens


def test_a_pending_login_opens_nothing_else(victim: Victim) -> None:
    """ASVS 6.3.4: every operation of the document, and not a list that somebody keeps."""
    client = victim.half()
    seen = 0
    for path, operations in victim.site.app.openapi()["paths"].items():
        if path in ("/api/register", "/api/login", "/api/logout", "/mfa/cancel") or path.startswith("/reset-password"):
            continue
        for method in operations:
            for thief in (client.clone(), Client(victim.site.base)):
                bodies: list[object] = [{}] if method == "post" else [None]
                if method == "post":
                    fields = {"code": victim.wrong(), "factor_id": victim.factor_id, "name": "", "password": PASSWORD}
                    fields["next_code"] = victim.wrong()
                    known = operations["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
                    schema = victim.site.app.openapi()["components"]["schemas"][known.rsplit("/", 1)[1]]["properties"]
                    bodies = [{name: fields[name] for name in schema if name in fields}]
                    if "pending_token" in schema and not path.endswith(("verify", "unlock", "recover")):
                        bodies.append({**bodies[0], "pending_token": client.pending})  # type: ignore[dict-item]
                for body in bodies:
                    path_ = path.replace("{factor_id}", victim.factor_id).replace("{device_id}", victim.factor_id)
                    # As a cookie, as a bearer, and in the body
                    for headers in ({}, {"Authorization": f"Bearer {client.pending}"}):
                        thief.cookies["session"] = client.pending or ""
                        reply = thief.ask(method.upper(), path_, body, **headers)
                        assert reply.status in (401, 403), (path, method, reply.text)
                        assert reply.kind in ("login-required", "second-factor-required"), (path, reply.kind)
                        seen += 1
    assert seen >= 40
    status = victim.site.mfa.status(user_id=victim.user_id)
    assert status.recovery_codes == 10 and not status.pending and not status.failures


def test_a_session_is_no_pending_token_and_neither_is_anything_else_that_is_signed(victim: Victim) -> None:
    client = victim.full()
    session = victim.site.accounts.session(client.cookies["session"])
    assert session is not None
    pending = str(victim.half().pending)
    body, _, signature = pending.rpartition(".")
    swapped = signature[:-2] + ("AA" if signature[-2:] != "AA" else "BB")
    key = next(iter(victim.site.app.state.ferrotp._tokens._half_logins.secret_keys)).decode()
    payload = victim.site.app.state.ferrotp._tokens._half_logins.loads(pending)
    forged = [
        session.stamp,
        client.cookies["session"],
        f"{body}.{swapped}",
        body,
        URLSafeSerializer(key).dumps(payload),
        URLSafeSerializer(key, salt="another purpose").dumps(payload),
        TimestampSigner(key).sign(body).decode(),
        "é" * 10,
        "." * 4000,
    ]
    for token in forged:
        reply = client.ask("POST", "/mfa/verify", {"code": victim.code(), "pending_token": token})
        refused(reply, 401, "pending-login-expired")
    refused(client.ask("POST", "/mfa/verify", {"code": victim.code(), "pending_token": "." * 5000}), 422,
            "invalid-request")  # fmt: skip
    assert victim.site.mfa.status(user_id=victim.user_id).failures == 0


def test_a_pending_token_is_no_stamp(victim: Victim) -> None:
    pending = str(victim.half().pending)
    thief = Client(victim.site.base)
    assert thief.ask("POST", f"/reset-password/{victim.user_id}?stamp={pending}", {}).status == 200
    refused(thief.ask("GET", "/api/me"), 403, "second-factor-required")


def test_a_stamp_is_of_one_user(victim: Victim) -> None:
    other = Victim(victim.site, f"other{next(_count)}@example.com")
    session = victim.site.accounts.session(other.full().cookies["session"])
    assert session is not None
    thief = Client(victim.site.base)
    thief.ask("POST", f"/reset-password/{victim.user_id}?stamp={session.stamp}", {})
    refused(thief.ask("GET", "/api/vault"), 403, "second-factor-required")


def test_nothing_of_the_password_or_the_key_is_in_a_token(victim: Victim) -> None:
    """CVE-2020-15105."""
    client = victim.half()
    mfa = victim.site.app.state.ferrotp
    kept = [mfa._tokens._half_logins.loads(client.pending)]
    client.do("verify", code=victim.code())
    session = victim.site.accounts.session(client.cookies["session"])
    assert session is not None
    kept.append(mfa._tokens._stamps.loads(session.stamp))
    for secret in (PASSWORD, victim.phone.secret, victim.code(), *victim.codes):
        assert secret not in repr(kept)


def test_the_session_is_new_when_the_second_factor_passes_and_when_it_is_shown_again(victim: Victim) -> None:
    client = victim.full()
    before = client.clone()
    assert client.do("verify", code=victim.code()).status == 200
    assert client.cookies["session"] != before.cookies["session"]
    assert outside(before) and not outside(client)


def test_a_copied_pending_token_leads_to_the_challenge_and_nowhere_else(victim: Victim) -> None:
    client = victim.half()
    thief = client.clone()
    code = victim.code()
    client.do("verify", code=code)
    assert outside(thief)
    refused(thief.do("verify", code=code), 400, "invalid-code")
    client.ask("POST", "/api/logout", {})
    assert outside(thief) and outside(client)
    refused(thief.do("verify", code=code), 400, "invalid-code")


def test_a_copied_pending_token_dies_when_it_is_cancelled(victim: Victim) -> None:
    client = victim.half()
    thief = client.clone()
    assert client.do("cancel").body == {"status": "cancelled"}
    refused(thief.do("verify", code=victim.code()), 401, "pending-login-expired")
    refused(thief.do("recover", code=victim.codes[0]), 401, "pending-login-expired")
    refused(thief.ask("POST", "/mfa/cancel", {"pending_token": "made up"}), 401, "pending-login-expired")
    assert victim.full().ask("GET", "/api/me").status == 200


def test_logging_out_ends_the_session_on_the_server(victim: Victim) -> None:
    client = victim.full()
    thief = client.clone()
    assert client.ask("POST", "/api/logout", {}).status == 204
    refused(thief.ask("GET", "/api/me"), 401, "login-required")


def test_a_pending_login_dies_after_ten_minutes(victim: Victim) -> None:
    client = victim.half()
    victim.site.wait(601)
    refused(client.do("verify", code=victim.code()), 401, "pending-login-expired")


def test_a_pending_login_dies_at_lockout(victim: Victim) -> None:
    client = victim.half()
    reply = client.do("verify", code=victim.wrong())
    for _ in range(400):
        if reply.status == 403:
            break
        if reply.status == 429:
            victim.site.wait(max(int(reply.headers["Retry-After"]), 1) + 1)
        reply = client.do("verify", code=victim.wrong())
        if reply.kind == "pending-login-expired":
            client = victim.half()
    refused(reply, 403, "factor-disabled")
    assert reply.body["next"] == "login"
    refused(client.do("verify", code=victim.code()), 401, "pending-login-expired")
    refused(client.do("recover", code=victim.codes[0]), 401, "pending-login-expired")
    assert client.password(victim.email).body["next"] == "recover"
    assert client.do("recover", code=victim.codes[1]).status == 200
    assert victim.site.mfa.status(user_id=victim.user_id).recovery_codes == 9


def test_another_users_login_in_the_same_client_ends_the_first(victim: Victim) -> None:
    client = victim.full()
    other = Victim(victim.site, f"other{next(_count)}@example.com")
    assert client.password(other.email).body["next"] == "verify"
    assert outside(client)
    client.do("verify", code=other.code())
    assert client.ask("GET", "/api/me").body["email"] == other.email


# Limits (CVE-2026-27801, CVE-2021-41177, CVE-2026-35597)


def test_the_limits_are_the_users_and_not_the_tokens(victim: Victim) -> None:
    lefts = []
    for _ in range(5):
        reply = victim.half().do("verify", code=victim.wrong())
        lefts.append(reply.body["attempts_left"])
    assert lefts == [4, 3, 2, 1, 0]
    refused(reply, 429, "invalid-code")
    reply = victim.half().ask(
        "POST", "/mfa/verify", {"code": victim.code(), "pending_token": victim.half().pending},
        **{"X-Forwarded-For": "203.0.113.10"},
    )  # fmt: skip
    refused(reply, 429, "too-many-attempts")
    assert 0 < int(reply.headers["Retry-After"]) <= 30
    assert reply.body["retry_at"].endswith("Z") and reply.body["retry_at"][10] == "T"
    assert victim.half().do("recover", code=victim.codes[0]).status == 200


def test_ones_own_success_clears_no_other_users_delay(victim: Victim) -> None:
    other = Victim(victim.site, f"other{next(_count)}@example.com")
    for _ in range(5):
        victim.half().do("verify", code=victim.wrong())
    assert other.half().do("verify", code=other.code()).status == 200
    refused(victim.half().do("verify", code=victim.code()), 429, "too-many-attempts")


def test_being_asked_again_has_the_same_limits(victim: Victim) -> None:
    client = victim.full()
    assert [client.do("verify", code=victim.wrong()).status for _ in range(5)] == [400, 400, 400, 400, 429]
    refused(victim.half().do("verify", code=victim.code()), 429, "too-many-attempts")


def test_nobody_is_delayed_by_strangers(victim: Victim) -> None:
    stranger = Client(victim.site.base)
    for _ in range(10):
        assert stranger.password(victim.email, "wrong password").status == 400
        refused(stranger.do("verify", code="000000"), 401, "login-required")
    victim.full()


# Other ways in (CVE-2022-24857)


def test_every_other_way_in_asks_for_a_code(victim: Victim) -> None:
    client = Client(victim.site.base)
    assert client.ask("POST", f"/reset-password/{victim.user_id}", {}).status == 200
    for method, path, body in (
        ("GET", "/api/me", None),
        ("GET", "/api/vault", None),
        ("GET", "/api/token-only", None),
        ("GET", "/mfa/status", None),
        ("POST", "/mfa/enroll", {}),
        ("POST", "/mfa/recovery-codes", {}),
        ("POST", "/api/password", {"password": PASSWORD}),
        ("DELETE", f"/mfa/factors/{victim.factor_id}", None),
        ("DELETE", "/mfa/devices", None),
    ):
        reply = client.ask(method, path, body)
        assert reply.kind in ("second-factor-required", "fresh-authentication-required"), (path, reply.text)
        assert reply.status == 403 and reply.body["next"] == "verify", path
    assert client.do("verify", code=victim.code()).status == 200
    assert client.ask("GET", "/api/me").status == 200


def test_changing_a_password_asks_again_and_ends_all_sessions(victim: Victim) -> None:
    client, elsewhere = victim.full(), victim.full()
    victim.site.wait(601)
    refused(client.ask("POST", "/api/password", {"password": PASSWORD}), 403, "fresh-authentication-required")
    client.do("verify", code=victim.code())
    assert client.ask("POST", "/api/password", {"password": PASSWORD}).status == 204
    assert outside(client) and outside(elsewhere)


def test_every_change_asks_for_fresh_authentication(victim: Victim) -> None:
    """ASVS 7.5.1."""
    client = victim.full()
    victim.site.wait(601)
    assert client.ask("GET", "/mfa/status").body["fresh"] is False
    changes: list[Callable[[], Reply]] = [
        lambda: client.do("enroll", name="Mine"),
        lambda: client.do("confirm", factor_id=victim.factor_id, code="000000"),
        lambda: client.ask("POST", "/mfa/recovery-codes", {}),
        lambda: client.ask("POST", "/mfa/end-sessions", {}),
        lambda: client.ask("DELETE", f"/mfa/factors/{victim.factor_id}"),
    ]
    for change in changes:
        reply = change()
        refused(reply, 403, "fresh-authentication-required")
        assert reply.body["next"] == "verify"
    assert client.do("verify", code=victim.code()).status == 200
    assert client.ask("GET", "/mfa/status").body["fresh"] is True
    assert client.ask("POST", "/mfa/recovery-codes", {}).status == 201
    assert client.ask("DELETE", f"/mfa/factors/{victim.factor_id}").status == 200


def test_a_copied_session_does_not_outlive_a_reset_and_a_new_set_up(victim: Victim) -> None:
    client = victim.full()
    thief = client.clone()
    pending = thief.do("enroll", name="a thief's").body
    victim.site.mfa.reset(user_id=victim.user_id, by="root")
    code = Phone(pending["uri"]).code(victim.site.now())
    changes: list[Callable[[], Reply]] = [
        lambda: thief.do("enroll", name="a thief's"),
        lambda: thief.do("confirm", factor_id=pending["factor_id"], code=code),
        lambda: thief.do("verify", code=code),
        lambda: thief.ask("POST", "/mfa/recovery-codes", {}),
        lambda: thief.ask("POST", "/mfa/end-sessions", {}),
        lambda: thief.ask("DELETE", f"/mfa/factors/{victim.factor_id}"),
    ]
    for change in changes:
        refused(change(), 401, "login-required")
    again = Client(victim.site.base)
    again.password(victim.email)
    victim.phone = Phone(again.do("enroll", name="Phone").body["uri"])
    factor_id = victim.site.mfa.status(user_id=victim.user_id).pending[0].factor_id
    assert again.do("confirm", factor_id=factor_id, code=victim.code()).status == 200
    victim.site.wait(60)
    assert again.ask("GET", "/api/me").status == 200
    for path in ("/api/me", "/api/vault", "/mfa/status"):
        refused(thief.ask("GET", path), 401, "login-required")
    assert len(victim.site.mfa.status(user_id=victim.user_id).factors) == 1


def test_logging_out_everywhere_else_gives_this_client_a_new_session(victim: Victim) -> None:
    client, elsewhere = victim.full(), victim.full()
    thief = client.clone()
    refused(client.ask("POST", "/mfa/end-sessions", {"more": 1}), 422, "invalid-request")
    assert client.ask("POST", "/mfa/end-sessions").status == 415
    reply = client.ask("POST", "/mfa/end-sessions", {})
    assert reply.status == 200 and reply.body["status"] == "done"
    victim.site.wait(60)
    assert client.ask("GET", "/api/me").status == 200 and client.do("enroll").status == 201
    assert outside(thief) and outside(elsewhere)


def test_new_codes_and_a_removal_end_the_other_sessions(victim: Victim) -> None:
    client, elsewhere = victim.full(), victim.full()
    reply = client.ask("POST", "/mfa/recovery-codes", {"end_sessions": True})
    assert reply.status == 201 and len(reply.body["recovery_codes"]) == 10
    victim.site.wait(60)
    assert client.ask("GET", "/api/me").status == 200 and outside(elsewhere)
    elsewhere = victim.full()
    assert client.ask("DELETE", f"/mfa/factors/{victim.factor_id}").status == 200
    victim.site.wait(60)
    assert client.ask("GET", "/api/me").status == 200 and outside(elsewhere)


# Ids (CVE-2020-5240)


def test_a_device_of_another_user_cannot_be_removed_or_confirmed(victim: Victim) -> None:
    other = Victim(victim.site, f"other{next(_count)}@example.com")
    client = other.full()
    refused(client.ask("DELETE", f"/mfa/factors/{victim.factor_id}"), 404, "no-such-factor")
    mine = victim.full()
    enrolled = mine.do("enroll").body
    refused(client.do("confirm", factor_id=enrolled["factor_id"], code="000000"), 400, "enrollment-expired")
    for odd in ("0", "%00", "..", "%2e%2e%2f", "x" * 3000, "'%20OR%201=1%20--", victim.factor_id.upper()):
        assert client.ask("DELETE", f"/mfa/factors/{odd}").status in (307, 404, 405, 422), odd
    assert victim.site.mfa.status(user_id=victim.user_id).enrolled
    assert victim.site.mfa.status(user_id=other.user_id).enrolled


def test_a_trusted_device_of_another_user_cannot_be_forgotten_or_used(victim: Victim) -> None:
    client = victim.half()
    client.do("verify", code=victim.code(), trust_device=True)
    series = victim.site.mfa.trusted_devices(user_id=victim.user_id)[0].series
    other = Victim(victim.site, f"other{next(_count)}@example.com")
    assert other.full().ask("DELETE", f"/mfa/devices/{series}").body == {"forgotten": 0}
    assert len(victim.site.mfa.trusted_devices(user_id=victim.user_id)) == 1
    stolen = Client(victim.site.base)
    gate = Gate(victim.site.mfa)
    stolen.cookies[gate.device_cookie(other.user_id)] = client.cookies[gate.device_cookie(victim.user_id)]
    assert stolen.password(other.email).body["next"] == "verify"


def test_a_trusted_device_is_not_asked_and_a_copy_of_it_is_found_out(victim: Victim) -> None:
    client = victim.half()
    client.do("verify", code=victim.code(), trust_device=True)
    client.pending = None
    thief = client.clone()
    assert client.password(victim.email).body["status"] == "done"
    refused(client.ask("POST", "/mfa/recovery-codes", {}), 403, "fresh-authentication-required")
    victim.site.wait(61)
    assert thief.password(victim.email).body["next"] == "verify"
    assert client.password(victim.email).body["next"] == "verify"
    assert "device theft suspected" in [event.kind for event in victim.site.events]


# GET (CVE-2021-21241), forged requests, what is sent back


def test_a_get_changes_nothing_and_returns_no_secret(victim: Victim) -> None:
    client = victim.full()
    enrolled = client.do("enroll", name="Second")
    assert enrolled.headers["Cache-Control"] == "no-store"
    before = victim.site.mfa.status(user_id=victim.user_id)
    events = len(victim.site.events)
    for path in victim.site.app.openapi()["paths"]:
        path = path.replace("{factor_id}", victim.factor_id).replace("{device_id}", "0" * 32)
        for method in ("GET", "HEAD", "OPTIONS"):
            reply = client.ask(method, path)
            assert reply.status in (200, 404, 405), path
            assert enrolled.body["secret"] not in reply.text and victim.phone.secret not in reply.text
            assert not any(code in reply.text for code in victim.codes)
    assert victim.site.mfa.status(user_id=victim.user_id) == before
    assert len(victim.site.events) == events


def test_a_form_of_another_site_posts_nothing(victim: Victim) -> None:
    client = victim.full()
    body = '{"name": "Mine"}'
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "", "text/json"):
        for path in ("/mfa/enroll", "/mfa/recovery-codes", "/mfa/verify", "/api/logout", "/api/password"):
            answer = client._ask("POST", path, body, {"Content-Type": kind})
            refused(Reply(answer.status, answer.headers, answer.text), 415, "not-json")
    assert not victim.site.mfa.status(user_id=victim.user_id).pending and not outside(client)
    answer = client._ask("OPTIONS", "/mfa/enroll", None, {"Origin": "https://evil.example",
                         "Access-Control-Request-Method": "POST"})  # fmt: skip
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(victim: Victim) -> None:
    client = victim.half()
    reply = client.do("verify", code=victim.code(), trust_device=True)
    cookies = reply.headers.get_all("Set-Cookie") or []
    assert len(cookies) == 2
    assert all("httponly" in cookie.lower() and "samesite" in cookie.lower() for cookie in cookies)


@pytest.mark.parametrize(
    "code", ["", " ", "12345", "1234567", "abcdef", "\x00", "<script>", "７" * 200, "'", "{{7*7}}", "-12345", "1e5"]
)
def test_odd_codes_are_refused_and_never_sent_back(victim: Victim, code: str) -> None:
    for operation in ("verify", "recover"):
        reply = victim.half().do(operation, code=code)
        refused(reply, 400, "invalid-code")
        assert not code.strip() or len(code) < 5 or code not in reply.text


@pytest.mark.parametrize(
    "body",
    [
        '{"code": 492039}',
        '{"code": "CANARY492039", "time": 0}',
        '{"CANARY492039": "x", "code": "1"}',
        '{"code": ["CANARY492039"]}',
        '{"code": "\\ud800"}',
        '{"code": "' + "1" * 201 + '"}',
        '{"code": NaN}',
        '"CANARY492039"',
        "[]",
        "null",
        "",
        "{",
        "[" * 100_000,
        '{"trust_device": 1, "code": "1"}',
    ],
)
def test_a_body_that_is_not_as_documented_is_refused_and_not_repeated(victim: Victim, body: str) -> None:
    answer = victim.half()._ask("POST", "/mfa/verify", body, {"Content-Type": "application/json"})
    reply = Reply(answer.status, answer.headers, answer.text)
    refused(reply, 422, "invalid-request")
    assert "CANARY" not in reply.text and "492039" not in reply.text and len(reply.text) < 1000


@pytest.mark.parametrize("email", [" ", "\x00", "a" * 255, "\u202eeve@example.com", "' OR 1=1 --", "é@example.com"])
def test_odd_users_take_nothing_down(site: FastAPISite, email: str) -> None:
    """CVE-2018-1000809."""
    client = Client(site.base)
    assert client.ask("POST", "/api/register", {"email": email, "password": PASSWORD}).status in (400, 422)
    assert client.password(email).status == 400
    client.cookies["session"] = site.accounts.start(" ", "")
    refused(client.ask("GET", "/api/me"), 401, "login-required")
    assert client.ask("GET", "/").status == 200


def test_cookies_that_somebody_made_up_are_nobody(site: FastAPISite) -> None:
    for cookie in ("", "x", "a" * 3000, "%00", '"', "eyJ1c2VyIjoiMSJ9.x.y"):
        client = Client(site.base)
        client.cookies["session"] = cookie
        refused(client.ask("GET", "/api/me"), 401, "login-required")


def test_there_is_no_open_redirect(victim: Victim) -> None:
    """Nothing of the API redirects, but for a slash; and a login knows no place to go."""
    reply = Client(victim.site.base).ask("POST", "/api/login?next=https://evil.example", {"email": victim.email,
                                         "password": PASSWORD})  # fmt: skip
    assert "evil" not in reply.text and "Location" not in reply.headers
    for path in ("//evil.example/..", "/mfa//evil.example", "/%2f%2fevil.example"):
        answer = Client(victim.site.base).ask("GET", path)
        assert answer.status in (404, 401, 403) and "evil" not in answer.headers.get("Location", "")


def test_a_store_that_is_away_lets_nobody_in(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    pending, full = victim.half(), victim.full()

    def away(*arguments: object, **more: object) -> None:
        raise StoreUnavailable("the disk is full")

    for name in ("user", "attempt", "reserve", "add_factor", "replace_recovery_codes", "remove_factor"):
        monkeypatch.setattr(victim.site.mfa.store, name, away)
    for reply in (
        pending.do("verify", code=victim.code()),
        pending.do("recover", code=victim.codes[0]),
        full.do("enroll"),
        full.ask("POST", "/mfa/recovery-codes", {}),
        full.ask("DELETE", f"/mfa/factors/{victim.factor_id}"),
        full.ask("GET", "/mfa/status"),
        Client(victim.site.base).password(victim.email),
    ):
        refused(reply, 503, "store-unavailable")
        assert int(reply.headers["Retry-After"]) == 60 and "disk" not in reply.text
