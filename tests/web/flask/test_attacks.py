"""What went wrong elsewhere, tried on the example application over HTTP: see the advisories that the names tell."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import flask
import flask_login
import pytest

from ferrotp.mfa import Policy
from ferrotp.web import Gate

from ..steps import PASSWORD, Phone
from ..visitor import Answer, Visitor
from .example import FlaskSite

POLICY = replace(Policy.cheap_for_tests(), trusted_device_days=30)


def other_ways_in(app: flask.Flask) -> None:
    """What applications have beside the login form."""
    users = app.extensions["example_users"]

    @app.post("/reset-password/<user_id>")
    def reset_password(user_id: str) -> str:
        """A link in a mail was right, and the application logs its user in by itself."""
        flask_login.login_user(users.by_id(user_id))
        return "done"

    app.extensions["csrf"].exempt(reset_password)

    @app.errorhandler(404)
    @app.errorhandler(405)
    def error_page(error: Any) -> tuple[str, int]:
        user = flask_login.current_user
        return f"sorry, {user.get_id() if user.is_authenticated else 'stranger'}", error.code


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskSite]:
    site = FlaskSite(tmp_path_factory.mktemp("attacked"), policy=POLICY, change=other_ways_in)
    yield site
    site.close()


class Victim:
    """A user with a device and recovery codes, logged out."""

    def __init__(self, site: FlaskSite, email: str) -> None:
        self.site, self.email = site, email
        visitor = self.visitor = Visitor(site.base)
        visitor.get("/register")
        assert visitor.post("/register", {"email": email, "password": PASSWORD}).status == 303
        self.password(visitor)
        visitor.get("/mfa/set-up")
        visitor.post("/mfa/set-up")
        self.phone = Phone(visitor.get("/mfa/set-up").uri)
        answer = visitor.post("/mfa/set-up/confirm", {"code": self.code()})
        self.codes = answer.codes
        visitor.get("/mfa/")
        self.factor_id = visitor.get("/mfa/").find(r"/mfa/factors/([0-9a-f]{32})/remove")
        self.user_id = next(event.user_id for event in reversed(site.events))
        visitor.get("/inside")
        visitor.post("/logout")
        site.wait(60)

    def code(self, steps: int = 0) -> str:
        return self.phone.code(self.site.now(), steps)

    def wrong(self) -> str:
        return self.phone.wrong(self.site.now())

    def password(self, visitor: Visitor, **headers: str) -> Answer:
        """The first factor, by somebody who knows the password."""
        visitor.get("/login")
        return visitor.post("/login", {"email": self.email, "password": PASSWORD}, **headers)

    def half(self) -> Visitor:
        visitor = Visitor(self.site.base)
        assert self.password(visitor).location == "/mfa/challenge"
        visitor.get("/mfa/challenge")
        return visitor

    def full(self) -> Visitor:
        visitor = self.half()
        assert visitor.post("/mfa/challenge", {"code": self.code()}).location == "/inside"
        self.site.wait(30)
        visitor.get("/inside")
        return visitor


_count = iter(range(1_000_000))


@pytest.fixture
def victim(site: FlaskSite) -> Victim:
    return Victim(site, f"victim{next(_count)}@example.com")


def outside(visitor: Visitor, path: str = "/inside") -> bool:
    answer = visitor.get(path)
    return answer.status in (302, 303) and answer.location.startswith(("/login", "/mfa/challenge"))


# Replay (CVE-2021-43177)


def test_a_code_is_not_taken_again_in_this_interval_or_the_next(victim: Victim) -> None:
    first, second = victim.half(), victim.half()
    code = victim.code()
    assert first.post("/mfa/challenge", {"code": code}).status == 303
    assert second.post("/mfa/challenge", {"code": code}).status == 400
    victim.site.wait(30)
    assert second.post("/mfa/challenge", {"code": code}).status == 400
    assert second.post("/mfa/challenge", {"code": f"{code[:3]} {code[3:]}"}).status == 400
    assert outside(second)


def test_the_code_that_confirmed_does_not_log_in(site: FlaskSite) -> None:
    victim = Victim(site, "confirmed@example.com")
    site.wait(-60)
    assert victim.half().post("/mfa/challenge", {"code": victim.code()}).status == 400
    site.wait(60)


def test_a_recovery_code_works_once(victim: Victim) -> None:
    first, second = victim.half(), victim.half()
    assert first.post("/mfa/recover", {"code": victim.codes[0]}).status == 303
    assert second.post("/mfa/recover", {"code": victim.codes[0]}).status == 400


# Somebody who has the password guesses


def test_guesses_do_not_keep_the_owner_out(victim: Victim) -> None:
    thief, owner = victim.half(), victim.half()
    assert 'name="next_code"' not in owner.get("/mfa/challenge").text
    for _ in range(5):
        assert thief.post("/mfa/challenge", {"code": victim.wrong()}).status in (400, 429)
    told = [mail for mail in victim.site.mails if mail.user_id == victim.user_id and "wrong codes" in mail.body]
    assert len(told) == 1 and "change your password" in told[0].body
    refused = owner.post("/mfa/challenge", {"code": victim.code()})
    assert refused.status == 429 and refused.headers["Retry-After"]
    # The page asks for a second code, and says why.
    for answer in (refused, owner.get("/mfa/challenge")):
        assert 'name="next_code"' in answer.text and "two in a row" in answer.text
    assert 'name="next_code"' not in owner.get("/mfa/recover").text
    wrong = owner.post("/mfa/challenge", {"code": victim.wrong(), "next_code": victim.code()})
    assert wrong.status == 400 and "two codes in a row" in wrong.alert
    assert victim.code() not in wrong.text and outside(owner)
    pair = {"code": victim.code(-1), "next_code": victim.code()}
    assert owner.post("/mfa/challenge", pair).location == "/inside"
    assert owner.get("/inside").status == 200
    # Both are used up, in any session.
    assert thief.post("/mfa/challenge", pair).status == 400
    assert thief.post("/mfa/challenge", {"code": victim.code(-1)}).status == 400
    assert outside(thief)
    victim.site.wait(120)


# Sessions


def test_a_half_login_opens_no_page(victim: Victim) -> None:
    """ASVS 6.3.4: every route of the example, and not a list that somebody keeps."""
    visitor = victim.half()
    open_to_all = {"index", "register", "login", "logout", "reset_password", "static", "ferrotp.static"}
    seen = 0
    for rule in victim.site.app.url_map.iter_rules():
        if rule.endpoint in open_to_all | {"ferrotp.challenge", "ferrotp.recover", "ferrotp.cancel"}:
            continue
        path = re.sub(r"<(?:\w+:)?\w+>", victim.factor_id, rule.rule)
        for method in (rule.methods or set()) & {"GET", "POST"}:
            thief = visitor.clone()
            answer = thief.get(path) if method == "GET" else thief.post(path, {"code": victim.code(), "saved": "y"})
            assert answer.status in (302, 303), (path, method)
            assert answer.location.startswith(("/mfa/challenge", "/login")), (path, method)
            seen += 1
    assert seen >= 12
    assert victim.site.mfa.status(user_id=victim.user_id).recovery_codes == 10


def test_a_half_login_is_no_user_of_the_application(victim: Victim) -> None:
    """CVE-2020-15105, and its like: what is in the cookie before the second factor."""
    visitor = victim.half()
    serializer = victim.site.app.session_interface.get_signing_serializer(victim.site.app)  # type: ignore[attr-defined]
    kept = serializer.loads(visitor.cookies["session"])
    assert "_user_id" not in kept
    text = repr(kept)
    assert PASSWORD not in text and victim.phone.secret not in text
    visitor.post("/mfa/challenge", {"code": victim.code()})
    text = repr(serializer.loads(visitor.cookies["session"]))
    assert PASSWORD not in text and victim.phone.secret not in text and victim.code() not in text


def test_the_session_is_new_when_the_second_factor_passes(victim: Victim) -> None:
    visitor = victim.half()
    before = visitor.clone()
    visitor.post("/mfa/challenge", {"code": victim.code()})
    assert visitor.cookies["session"] != before.cookies["session"]
    serializer = victim.site.app.session_interface.get_signing_serializer(victim.site.app)  # type: ignore[attr-defined]
    old, new = serializer.loads(before.cookies["session"]), serializer.loads(visitor.cookies["session"])
    assert old["_ferrotp"]["nonce"] != new["_ferrotp"]["nonce"]
    visitor.get("/inside")
    # A form of the half-login is none of the full one's.
    visitor.token = before.token
    assert visitor.post("/mfa/devices/forget").status == 400


def test_a_copied_half_login_leads_to_the_challenge_and_nowhere_else(victim: Victim) -> None:
    visitor = victim.half()
    thief = visitor.clone()
    code = victim.code()
    visitor.post("/mfa/challenge", {"code": code})
    assert outside(thief) and outside(thief, "/mfa/") and outside(thief, "/vault")
    assert thief.post("/mfa/challenge", {"code": code}).status == 400
    visitor.get("/inside")
    visitor.post("/logout")
    assert outside(thief) and outside(visitor)
    assert thief.post("/mfa/challenge", {"code": code}).status == 400


def test_a_half_login_does_not_survive_logout(victim: Victim) -> None:
    visitor = victim.half()
    visitor.post("/mfa/cancel")
    assert visitor.get("/mfa/challenge").location.startswith("/login")
    visitor = victim.half()
    visitor.get("/")
    visitor.get("/login")
    visitor.post("/logout")
    assert visitor.get("/mfa/challenge").location.startswith("/login")


def test_a_copied_half_login_dies_when_it_is_cancelled(victim: Victim) -> None:
    for end in ("/mfa/cancel", "/logout"):
        visitor, other = victim.half(), victim.half()
        thief = visitor.clone()
        assert visitor.post(end).status in (302, 303)
        for path in ("/mfa/challenge", "/mfa/recover"):
            assert thief.clone().get(path).location.startswith("/login"), path
        assert thief.clone().post("/mfa/challenge", {"code": victim.code()}).location.startswith("/login")
        assert thief.clone().post("/mfa/recover", {"code": victim.codes[0]}).location.startswith("/login")
        assert other.post("/mfa/challenge", {"code": victim.code()}).location == "/inside"
        victim.site.wait(30)


def test_a_half_login_dies_after_ten_minutes(victim: Victim) -> None:
    visitor = victim.half()
    victim.site.wait(601)
    answer = visitor.post("/mfa/challenge", {"code": victim.code()})
    assert answer.status == 303 and answer.location.startswith("/login")
    assert outside(visitor)


def test_a_half_login_dies_at_lockout(victim: Victim) -> None:
    visitor = victim.half()
    for failure in range(1, 101):
        if failure % 40 == 0:
            victim.site.wait(86_400)  # the bucket of 30 days holds 50 at once
            visitor = victim.half()
        answer = visitor.post("/mfa/challenge", {"code": victim.wrong()})
        while answer.status == 429 and failure < 100:
            victim.site.wait(int(answer.headers["Retry-After"]) + 1)
            if visitor.get("/mfa/challenge").status == 303:
                visitor = victim.half()
            if victim.site.mfa.status(user_id=victim.user_id).failures >= failure:
                break
            answer = visitor.post("/mfa/challenge", {"code": victim.wrong()})
        if answer.status == 403:
            break
    assert answer.status == 403 and "switched off" in answer.alert
    assert visitor.get("/mfa/challenge").location.startswith("/login")
    # The way out is a recovery code, after the password.
    assert victim.password(visitor).location == "/mfa/recover"
    visitor.get("/mfa/recover")
    assert visitor.post("/mfa/recover", {"code": victim.codes[0]}).location == "/mfa/"


def test_a_copied_session_does_not_outlive_a_reset_and_a_new_set_up(victim: Victim) -> None:
    visitor = victim.full()
    thief = visitor.clone()
    assert thief.get("/inside").status == thief.get("/mfa/set-up").status == 200
    thief.post("/mfa/set-up")
    phone = Phone(thief.get("/mfa/set-up").uri)
    victim.site.mfa.reset(user_id=victim.user_id, by="root")
    # Nothing that asks for a fresh login, not even within the minute in which other pages may not know yet.
    for path in ("/mfa/set-up", "/mfa/recovery-codes", "/mfa/sessions/end", "/vault"):
        assert outside(thief.clone(), path), path
    assert thief.clone().post("/mfa/set-up/confirm", {"code": phone.code(victim.site.now())}).status == 303
    assert not victim.site.mfa.status(user_id=victim.user_id).factors
    victim.password(visitor)
    visitor.get("/mfa/set-up")
    visitor.post("/mfa/set-up")
    victim.phone = Phone(visitor.get("/mfa/set-up").uri)
    assert visitor.post("/mfa/set-up/confirm", {"code": victim.code()}).status == 200
    victim.site.wait(60)
    assert visitor.get("/inside").status == 200
    for path in ("/inside", "/mfa/", "/mfa/challenge", "/mfa/set-up"):
        copy = thief.clone()
        assert copy.get(path).location.startswith("/login"), path
        # Its session is over, and to the application nobody.
        assert copy.get("/inside").location.startswith("/login")
    assert len(victim.site.mfa.status(user_id=victim.user_id).factors) == 1


def test_logging_out_everywhere_else_ends_copies_of_this_session_too(victim: Victim) -> None:
    visitor, elsewhere = victim.full(), victim.full()
    thief = visitor.clone()
    page = visitor.get("/mfa/")
    assert "/mfa/sessions/end" in page.text and "Log out everywhere else" in page.text
    visitor.get("/mfa/sessions/end")
    assert visitor.post("/mfa/sessions/end", token=False).status == 400
    assert visitor.post("/mfa/sessions/end").location == "/mfa/"
    assert "You are logged in here only." in visitor.get("/mfa/").text
    assert "everywhere" in victim.site.mails[-1].body
    victim.site.wait(60)
    assert visitor.get("/inside").status == visitor.get("/mfa/set-up").status == 200
    for other in (thief, elsewhere):
        assert other.clone().get("/inside").location.startswith("/login")
        assert outside(other.clone(), "/vault") and outside(other.clone(), "/mfa/set-up")
        assert other.clone().get("/api/me", Accept="application/json").status == 401


def test_a_session_that_is_not_fresh_throws_nobody_out(victim: Victim) -> None:
    visitor = victim.full()
    thief = visitor.clone()
    victim.site.wait(601)
    thief.get("/mfa/")
    assert thief.get("/mfa/sessions/end").location == thief.post("/mfa/sessions/end").location == "/mfa/challenge"
    assert visitor.get("/inside").status == 200


def test_new_codes_for_stolen_ones_end_the_logins_they_opened(victim: Victim) -> None:
    thief = victim.half()
    assert thief.post("/mfa/recover", {"code": victim.codes[0]}).status == 303
    visitor = victim.full()
    assert 'name="end_sessions"' in visitor.get("/mfa/recovery-codes").text
    assert len(visitor.post("/mfa/recovery-codes", {"end_sessions": "y"}).codes) == 10
    victim.site.wait(60)
    assert visitor.get("/inside").status == 200 and outside(thief)


def test_removing_a_factor_ends_the_other_logins(victim: Victim) -> None:
    visitor, elsewhere = victim.full(), victim.full()
    visitor.get(f"/mfa/factors/{victim.factor_id}/remove")
    assert visitor.post(f"/mfa/factors/{victim.factor_id}/remove").location == "/mfa/"
    victim.site.wait(60)
    assert visitor.get("/inside").status == 200 and outside(elsewhere)


def test_another_users_login_in_the_same_browser_ends_the_first(victim: Victim) -> None:
    visitor = victim.full()
    other = Victim(victim.site, f"other{next(_count)}@example.com")
    assert other.password(visitor).location == "/mfa/challenge"
    assert outside(visitor) and outside(visitor, "/mfa/")
    assert visitor.get("/api/me").location.startswith("/login")


# Limits (CVE-2026-27801, CVE-2021-41177, CVE-2026-35597)


def test_the_limits_are_the_users_and_not_the_sessions(victim: Victim) -> None:
    for _ in range(5):
        answer = victim.half().post("/mfa/challenge", {"code": victim.wrong()}, X_Forwarded_For="203.0.113.9")
    assert answer.status == 429
    answer = victim.half().post("/mfa/challenge", {"code": victim.code()}, X_Forwarded_For="203.0.113.10")
    assert answer.status == 429 and int(answer.headers["Retry-After"]) <= 30
    assert answer.alert == "Too many wrong codes. Try again in 30 seconds."


def test_ones_own_success_clears_no_other_users_delay(victim: Victim) -> None:
    other = Victim(victim.site, f"other{next(_count)}@example.com")
    for _ in range(5):
        victim.half().post("/mfa/challenge", {"code": victim.wrong()})
    assert other.half().post("/mfa/challenge", {"code": other.code()}).status == 303
    assert victim.half().post("/mfa/challenge", {"code": victim.code()}).status == 429


def test_being_asked_again_has_the_same_limits(victim: Victim) -> None:
    visitor = victim.full()
    visitor.get("/mfa/challenge")
    answers = [visitor.post("/mfa/challenge", {"code": victim.wrong()}).status for _ in range(5)]
    assert answers == [400, 400, 400, 400, 429]
    assert victim.half().post("/mfa/challenge", {"code": victim.code()}).status == 429


def test_nobody_is_delayed_by_strangers(victim: Victim) -> None:
    stranger = Visitor(victim.site.base)
    for _ in range(10):
        stranger.get("/login")
        stranger.post("/login", {"email": victim.email, "password": "wrong password"})
        stranger.post("/mfa/challenge", {"code": "000000"})
    victim.full()


# Other ways in (CVE-2022-24857)


def test_every_other_way_in_leads_to_the_challenge(victim: Victim) -> None:
    visitor = Visitor(victim.site.base)
    assert visitor.post(f"/reset-password/{victim.user_id}", token=False).text == "done"
    for path in ("/inside", "/vault", "/password", "/mfa/", "/mfa/set-up", "/mfa/recovery-codes", "/"):
        assert visitor.get(path).location.startswith("/mfa/challenge"), path
    answer = visitor.get("/api/me", Accept="application/json")
    assert answer.status == 403 and "urn:ferrotp:problem:second-factor-required" in answer.text
    visitor.get("/mfa/challenge")
    assert visitor.post("/mfa/challenge", {"code": victim.code()}).status == 303
    assert visitor.get("/api/me").status == 200


def test_the_page_of_an_error_sees_no_half_logged_in_user(victim: Victim) -> None:
    visitor = Visitor(victim.site.base)
    visitor.post(f"/reset-password/{victim.user_id}", token=False)  # the application has logged the user in
    for method, path in (("GET", "/nothing"), ("POST", "/nothing"), ("POST", "/inside")):
        answer = visitor.get(path) if method == "GET" else visitor.post(path)
        assert answer.text == "sorry, stranger", (method, path)
    visitor.get("/inside")
    page = visitor.get("/mfa/challenge")
    assert page.status == 200 and visitor.get("/nothing").text == "sorry, stranger"
    assert visitor.post("/mfa/challenge", {"code": victim.code()}).status == 303
    assert visitor.get("/nothing").text == f"sorry, {victim.user_id}"
    victim.site.mfa.end_sessions(user_id=victim.user_id, by="root")
    victim.site.wait(60)
    assert visitor.get("/nothing").text == "sorry, stranger"


def test_changing_a_password_asks_again_and_forgets_the_devices(victim: Victim) -> None:
    visitor = victim.half()
    visitor.post("/mfa/challenge", {"code": victim.code(), "trust": "y"})
    victim.site.wait(601)
    assert visitor.get("/password").location == "/mfa/challenge"
    visitor.get("/mfa/challenge")
    assert visitor.post("/mfa/challenge", {"code": victim.code()}).location == "/password"
    visitor.get("/password")
    assert visitor.post("/password", {"password": PASSWORD}).status == 303
    assert victim.password(visitor).location == "/mfa/challenge"


# Ids (CVE-2020-5240)


def test_a_device_of_another_user_cannot_be_removed(victim: Victim) -> None:
    other = Victim(victim.site, f"other{next(_count)}@example.com")
    visitor = other.full()
    visitor.get(f"/mfa/factors/{other.factor_id}/remove")
    assert visitor.post(f"/mfa/factors/{victim.factor_id}/remove").location == "/mfa/"
    assert victim.site.mfa.status(user_id=victim.user_id).enrolled
    assert victim.site.mfa.status(user_id=other.user_id).enrolled
    for odd in ("0", "%00", "..", "%2e%2e%2f", "x" * 3000, "' OR 1=1 --".replace(" ", "%20")):
        assert visitor.post(f"/mfa/factors/{odd}/remove").status in (303, 404, 405, 308), odd


def test_a_trusted_device_of_another_user_cannot_be_forgotten_or_used(victim: Victim) -> None:
    visitor = victim.half()
    visitor.post("/mfa/challenge", {"code": victim.code(), "trust": "y"})
    series = victim.site.mfa.trusted_devices(user_id=victim.user_id)[0].series
    other = Victim(victim.site, f"other{next(_count)}@example.com")
    thief = other.full()
    thief.get("/mfa/set-up")
    thief.post(f"/mfa/devices/{series}/forget")
    assert len(victim.site.mfa.trusted_devices(user_id=victim.user_id)) == 1
    # Another user's token under one's own name
    mine = next(name for name in visitor.cookies if "ferrotp_device_token_" in name)
    stolen = Visitor(victim.site.base)
    gate = Gate(victim.site.mfa)
    stolen.cookies[gate.device_cookie(other.user_id, host=True)] = visitor.cookies[mine]
    assert other.password(stolen).location == "/mfa/challenge"


def test_a_copied_cookie_of_a_trusted_device_is_found_out(victim: Victim) -> None:
    visitor = victim.half()
    visitor.post("/mfa/challenge", {"code": victim.code(), "trust": "y"})
    thief = visitor.clone()
    assert victim.password(visitor).location == "/inside"
    victim.site.wait(61)
    assert victim.password(thief).location == "/mfa/challenge"
    assert victim.password(visitor).location == "/mfa/challenge"
    assert "device theft suspected" in [event.kind for event in victim.site.events]
    assert any("copied" in mail.body for mail in victim.site.mails)


def test_a_double_click_on_log_in_is_no_theft(victim: Victim) -> None:
    for last in (0, 1, 2):
        visitor = victim.half()
        visitor.post("/mfa/challenge", {"code": victim.code(), "trust": "y"})
        victim.site.wait(3600)
        tabs = [visitor.clone() for _ in range(3)]
        assert [victim.password(tab).location for tab in tabs] == ["/inside"] * 3
        for _ in range(2):  # with the cookie that the answer set which came last
            victim.site.wait(3600)
            assert victim.password(tabs[last]).location == "/inside"
    assert not any(
        event.kind == "device theft suspected" and event.user_id == victim.user_id for event in victim.site.events
    )


def test_a_trusted_device_changes_nothing_without_a_code(victim: Victim) -> None:
    visitor = victim.half()
    visitor.post("/mfa/challenge", {"code": victim.code(), "trust": "y"})
    assert victim.password(visitor).location == "/inside"
    for path in ("/mfa/set-up", "/mfa/recovery-codes", f"/mfa/factors/{victim.factor_id}/remove", "/password"):
        assert visitor.get(path).location == "/mfa/challenge", path


# GETs (CVE-2021-21241)


def test_a_get_changes_nothing_and_returns_no_secret(victim: Victim) -> None:
    visitor = victim.full()
    visitor.get("/mfa/set-up")
    visitor.post("/mfa/set-up")
    pending = Phone(visitor.get("/mfa/set-up").uri)
    before = victim.site.mfa.status(user_id=victim.user_id)
    events = len(victim.site.events)
    for rule in victim.site.app.url_map.iter_rules():
        if "GET" in (rule.methods or set()):
            answer = visitor.get(re.sub(r"<(?:\w+:)?\w+>", victim.factor_id, rule.rule) + "?code=" + victim.code())
            shown = answer.text.replace(" ", "")
            assert victim.phone.secret not in shown and not any(code in shown for code in victim.codes), rule
            if rule.endpoint != "ferrotp.set_up":
                assert pending.secret not in shown, rule
            if rule.endpoint.startswith("ferrotp.") and rule.endpoint != "ferrotp.static":
                assert answer.headers["Cache-Control"] == "no-store", rule
    assert victim.site.mfa.status(user_id=victim.user_id) == before
    assert len(victim.site.events) == events


# Forged requests


def test_a_post_without_its_token_changes_nothing(victim: Victim) -> None:
    visitor = victim.full()
    before = victim.site.mfa.status(user_id=victim.user_id)
    for rule in victim.site.app.url_map.iter_rules():
        if rule.endpoint.startswith("ferrotp.") and "POST" in (rule.methods or set()):
            path = re.sub(r"<(?:\w+:)?\w+>", victim.factor_id, rule.rule)
            for token in (False, True):
                visitor.token = "forged"
                answer = visitor.post(path, {"code": victim.code(), "saved": "y", "name": "Mine"}, token=token)
                assert answer.status in (303, 400), (path, answer.status)
                assert "otpauth" not in answer.text and not answer.codes
    after = victim.site.mfa.status(user_id=victim.user_id)
    assert (after.factors, after.pending, after.recovery_codes, after.failures) == (
        before.factors, before.pending, before.recovery_codes, before.failures,
    )  # fmt: skip
    assert visitor.get("/inside").status == 200


# Redirects


@pytest.mark.parametrize(
    "where", ["https://evil.example/", "//evil.example", "/\\evil.example", "/%09/evil.example", "%2f%2fevil.example",
              "javascript:alert(1)", "/%0d%0aSet-Cookie:a=b", "http:evil.example", "///evil.example"],
)  # fmt: skip
def test_next_stays_on_the_site(victim: Victim, where: str) -> None:
    visitor = Visitor(victim.site.base)
    visitor.get(f"/login?next={where}")
    visitor.post(f"/login?next={where}", {"email": victim.email, "password": PASSWORD})
    visitor.get("/mfa/challenge?next=" + where)
    answer = visitor.post("/mfa/challenge?next=" + where, {"code": victim.code(), "next": where})
    assert answer.location == "/inside" and "a" not in visitor.cookies


def test_next_is_followed_on_the_site(victim: Victim) -> None:
    visitor = Visitor(victim.site.base)
    assert visitor.get("/vault?a=b").location == "/login?next=/vault?a%3Db"
    visitor.get("/login?next=/vault%3Fa%3Db")
    visitor.post("/login?next=/vault%3Fa%3Db", {"email": victim.email, "password": PASSWORD})
    visitor.get("/mfa/challenge")
    assert visitor.post("/mfa/challenge", {"code": victim.code()}).location == "/vault?a=b"


# Odd input (CVE-2018-1000809, CVE-2026-3276, CVE-2024-8796)


@pytest.mark.parametrize(
    "code",
    ["", " ", "\x00", "９" * 6, "a" * 100_000, "\u0301\u0327" * 50_000, "12345", "1234567", "-1", "<script>", "١٢٣٤٥٦"],
)
def test_odd_codes_are_refused_and_never_shown(victim: Victim, code: str) -> None:
    visitor = victim.half()
    for path in ("/mfa/challenge", "/mfa/recover"):
        answer = visitor.post(path, {"code": code})
        assert answer.status in (400, 413), (path, answer.status)
        assert not code.strip("\x00 ") or code not in answer.text
    victim.site.wait(60)
    assert visitor.post("/mfa/challenge", {"code": victim.code()}).status == 303


@pytest.mark.parametrize("email", [" ", "\x00", "a" * 1000 + "@example.com", "<b>@example.com", "é@example.com"])
def test_odd_users_take_nothing_down(site: FlaskSite, email: str) -> None:
    visitor = Visitor(site.base)
    visitor.get("/register")
    assert visitor.post("/register", {"email": email, "password": PASSWORD}).status in (303, 400)
    visitor.get("/login")
    assert visitor.post("/login", {"email": email, "password": PASSWORD}).status in (303, 400)
    assert visitor.get("/").status == 200


def test_cookies_that_somebody_made_up_are_nobody(site: FlaskSite) -> None:
    visitor = Visitor(site.base)
    for cookie in ("x", "eyJfZmVycm90cCI6e319.aaaaaa.bbbb", "." * 4000):
        visitor.cookies = {"session": cookie}
        assert visitor.get("/mfa/").location.startswith("/login")


def test_a_name_is_shown_as_text(victim: Victim) -> None:
    visitor = victim.full()
    visitor.get("/mfa/set-up")
    visitor.post("/mfa/set-up")
    phone = Phone(visitor.get("/mfa/set-up").uri)
    name = "<script>alert(1)</script>\x00\u202e  {{ 7 * 7 }}" + "x" * 1000
    shown = visitor.post("/mfa/set-up/confirm", {"code": "", "name": name})
    assert shown.status == 400 and "<script>alert" not in shown.text and "&lt;script&gt;alert(1)" in shown.text
    assert visitor.post("/mfa/set-up/confirm", {"code": phone.code(victim.site.now()), "name": name}).status == 303
    text = visitor.get("/mfa/").text
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7 * 7 }}" in text
