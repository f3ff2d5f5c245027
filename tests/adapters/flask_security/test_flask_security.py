"""ferrotp under Flask-Security, over HTTP: three processes, on SQLite and on PostgreSQL."""

import base64
import sys
import time
from collections.abc import Iterator

import pytest
from mfa.servers import PostgreSQLServer

if sys.version_info < (3, 11):
    pytest.skip("Flask-Security wants CPython 3.11", allow_module_level=True)

from ferrotp.adapters.flask_security import reset_user
from ferrotp.mfa.stores.base import Budget, Owner

from .site import PASSWORD, Browser, Phone, Site, race, steady
from .world import World, by_sign_in, mailed, recovery_codes, switched


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQLServer
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("site")
    url = f"sqlite:///{folder}/site.db" if request.param == "sqlite" else postgresql.database()
    with switched(url, folder) as world:
        yield world


@pytest.fixture
def site(world: World) -> Site:
    steady()
    return world.site


def budget(site: Site, email: str) -> Budget:
    with site.inside() as (_, _user, security, mfa):
        user_id = security.totp_factory.user_id(security.datastore.find_user(email=email))
        return mfa.store.user(Owner("", user_id)).budgets["otp"]


def test_of_eight_logins_at_once_with_one_code_one_is_accepted(world: World, site: Site) -> None:
    email, phone = site.enrolled()
    assert race(site, email, phone.code()) == 1
    assert world.stock["8 logins at once with one code"] > 1


def test_of_eight_logins_at_once_with_one_recovery_code_one_is_accepted(site: Site) -> None:
    email = site.user()
    _, _, browser = site.set_up(email)
    codes = recovery_codes(browser)
    assert len(codes) == 10
    assert race(site, email, codes[0], "/mf-recovery") == 1


def test_after_a_reset_the_password_is_enough_and_a_new_phone_is_set_up(site: Site) -> None:
    email = site.user()
    _, _, browser = site.set_up(email)
    assert recovery_codes(browser)
    with site.inside() as (db, _user, security, _mfa):
        user = security.datastore.find_user(email=email)
        assert reset_user(user, by="tests") == 2  # the phone, and what the recovery codes go with
        db.session.commit()
        assert not user.tf_totp_secret and not user.mf_recovery_codes
    steady()
    phone, _, _ = site.set_up(email)  # begins with the password alone
    assert site.login(email, phone.code()) == 200


def test_the_code_that_set_it_up_does_not_log_in(world: World, site: Site) -> None:
    email = site.user()
    _, code, _ = site.set_up(email, 0)
    assert site.login(email, code) == 400
    assert world.stock["the set-up code"]


def test_who_has_to_set_it_up_is_logged_in_by_the_first_code_and_by_no_code_twice(site: Site) -> None:
    email = site.user()
    with site.inside():
        app = site.apps[True]
    app.config["SECURITY_TWO_FACTOR_REQUIRED"] = True
    try:
        browser = app.test_client()
        answer = browser.post("/login", json={"email": email, "password": PASSWORD}).json
        assert answer["response"]["tf_state"] == "setup_from_login"
        answer = browser.post("/tf-setup", json={"setup": "authenticator"}).json
        phone = Phone(answer["response"]["tf_authr_b32key"])
        assert browser.post("/tf-validate", json={"code": phone.wrong()}).status_code == 400
        code = phone.code()
        assert browser.post("/tf-validate", json={"code": code}).status_code == 200
        assert browser.post("/mf-recovery-codes", json={}).status_code == 200  # inside
    finally:
        app.config["SECURITY_TWO_FACTOR_REQUIRED"] = False
    assert site.columns(email)[0].startswith("ferrotp:")
    assert site.login(email, code) == 400


def test_recovery_codes_of_who_has_no_authenticator(site: Site) -> None:
    """With a passkey, for one."""
    email = site.user()
    codes = recovery_codes(site.log_in(email))
    with site.inside() as (_, _user, security, _mfa):
        user = security.datastore.find_user(email=email)
        answers = [security.mf_recovery_codes_util.check_recovery_code(user, codes[0]) for _ in range(2)]
        assert answers == [True, False]


def test_an_older_code_is_refused_after_a_newer_one(world: World, site: Site) -> None:
    email, phone = site.enrolled()
    assert site.login(email, phone.code(1)) == 200
    assert site.login(email, phone.code(0)) == 400
    assert world.stock["an older code after a newer one"]


def test_wrong_codes_delay_the_right_one_and_the_page_says_until_when(world: World, site: Site) -> None:
    email, phone = site.enrolled()
    browsers = [site.log_in(email) for _ in range(8)]
    assert {browser.post("/tf-validate", code=phone.wrong())[0] for browser in browsers} == {400}
    status, answer = site.log_in(email).post("/tf-validate", code=phone.code())
    assert status == 400 and "next attempt at" in answer["field_errors"]["code"][0]
    assert budget(site, email).failures == 5
    assert world.stock["8 wrong codes, then a right one"]


def test_the_database_holds_no_secret_and_no_recovery_code(site: Site) -> None:
    email = site.user()
    phone, _, browser = site.set_up(email)
    other, signs_in = by_sign_in(site)
    dump = site.dump()
    for secret in (phone.secret, signs_in.secret):
        key = base64.b32decode(secret)
        for text in (secret, key.hex(), base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()):
            assert text.rstrip("=").lower() not in dump.lower()
    codes = recovery_codes(browser)
    dump = site.dump()
    for code in codes:
        assert code not in dump and code.replace("-", "") not in dump
    assert site.columns(email)[0].startswith("ferrotp:") and "ferrotp:" in site.columns(other)[1]
    assert browser.post("/mf-recovery-codes")[0] == 200 and browser.headers["Cache-Control"] == "no-store"


def test_the_session_holds_no_secret_while_it_is_set_up(site: Site) -> None:
    email = site.user()
    browser = site.log_in(email)
    _, answer = browser.post("/tf-setup", setup="authenticator")
    key = base64.b32decode(answer["tf_authr_b32key"])
    from flask.sessions import SecureCookieSessionInterface

    with site.inside() as (*_, mfa):
        app = site.apps[True]
        serializer = SecureCookieSessionInterface().get_signing_serializer(app)
        assert serializer is not None
        session = serializer.loads(next(cookie.value for cookie in browser.cookies if cookie.name == "session"))
    sealed = session["tf_totp_secret"]
    assert sealed.startswith("ferrotp-new:") and key not in base64.urlsafe_b64decode(sealed.rpartition(":")[2])
    assert mfa.keyring.key_id(base64.urlsafe_b64decode(sealed.rpartition(":")[2]))


def test_a_user_of_stock_logs_in_once_for_a_code_without_doing_anything(world: World, site: Site) -> None:
    alice = world.alice
    assert site.columns(alice.email)[0].startswith("{")
    assert race(site, alice.email, alice.phone.code()) == 1
    text, _, codes = site.columns(alice.email)
    assert text.startswith("ferrotp:") and codes == ["ferrotp"]
    assert alice.phone.secret not in site.dump()
    # The recovery codes came along, hashed.
    assert race(site, alice.email, alice.recovery_codes[0], "/mf-recovery") == 1
    dump = site.dump()
    assert not any(code in dump for code in alice.recovery_codes)


def test_a_recovery_code_of_stock_works_first_too_and_once(world: World, site: Site) -> None:
    assert race(site, world.bob.email, world.bob.recovery_codes[1], "/mf-recovery") == 1
    assert site.login(world.bob.email, world.bob.recovery_codes[1], "/mf-recovery") == 400
    assert site.login(world.bob.email, world.bob.phone.code()) == 200


def test_a_plain_wallet_is_read_and_sealed(world: World, site: Site) -> None:
    email = site.user()
    with site.inside() as (database, _, security, _mfa):
        user = security.datastore.find_user(email=email)
        wallet = security.totp_factory._totp(key=world.dora.phone.secret).to_json(encrypt=False)
        security.datastore.tf_set(user, "authenticator", wallet)
        database.session.commit()
    assert site.login(email, world.dora.phone.code()) == 200
    assert site.columns(email)[0].startswith("ferrotp:")


def test_a_code_by_mail_is_accepted_once(world: World, site: Site) -> None:
    browser = site.log_in(world.mail)
    assert browser.post("/tf-validate", code=mailed(site, world.mail))[0] == 200
    assert site.columns(world.mail)[0].startswith("ferrotp:")
    # A second mail within the same half minute has the same code.
    assert site.login(world.mail, mailed(site, world.mail)) == 400


def test_a_secret_that_the_framework_made_by_itself_is_taken_over(site: Site) -> None:
    """As it does when somebody registers: no set-up, so no code confirmed it."""
    email = site.user()
    with site.inside() as (database, _, security, _mfa):
        security.datastore.us_setup_email(security.datastore.find_user(email=email))
        database.session.commit()
    assert "ferrotp-new:" in site.columns(email)[1]
    browser = Browser(site.base)
    assert browser.post("/us-signin/send-code", identity=email, chosen_method="email")[0] == 200
    code = mailed(site, email)
    assert browser.post("/us-signin", identity=email, passcode=code)[0] == 200
    assert site.columns(email)[1].startswith('{"email": "ferrotp:')
    assert Browser(site.base).post("/us-signin", identity=email, passcode=code)[0] == 400


def test_one_may_set_up_again_as_often_as_one_likes(site: Site) -> None:
    email = site.user()
    browser = site.log_in(email)
    for _ in range(12):
        _, answer = browser.post("/tf-setup", setup="authenticator")
        phone = Phone(answer["tf_authr_b32key"])
        assert browser.post(f"/tf-setup/{answer['tf_state_token']}", code=phone.code(-1))[0] == 200
    assert site.login(email, phone.code()) == 200


def test_unified_sign_in_counts_an_attempt_once_and_a_password_not_at_all(world: World, site: Site) -> None:
    email, phone = world.sign_in
    for _ in range(6):
        assert Browser(site.base).post("/us-signin", identity=email, passcode="not my password")[0] == 400
    assert budget(site, email) == Budget()
    assert Browser(site.base).post("/us-signin", identity=email, passcode=PASSWORD)[0] == 200
    assert budget(site, email) == Budget()
    # Two methods are asked, by mail first: one attempt, and it was right.
    assert Browser(site.base).post("/us-signin", identity=email, passcode=phone.code())[0] == 200
    assert budget(site, email).failures == 0 and budget(site, email).spent_until <= time.time() * 1000
    assert '"ferrotp:' in site.columns(email)[1] and "enckey" not in site.columns(email)[1]
    assert Browser(site.base).post("/us-signin", identity=email, passcode=phone.code())[0] == 400
    assert budget(site, email).failures == 1


def test_a_wallet_that_does_not_open_or_is_too_short_holds_nothing_else_up(world: World, site: Site) -> None:
    email, phone = site.enrolled()
    with site.inside() as (database, _, security, _mfa):
        user = security.datastore.find_user(email=email)
        unknown = security.totp_factory._totp.new().to_json().replace('"t":"1"', '"t":"9"')
        security.datastore.us_set(user, "email", unknown)
        security.datastore.us_set(user, "authenticator", security.totp_factory._totp(size=10, new=True).to_json())
        security.datastore.us_set(user, "sms", "no wallet")
        database.session.commit()
    kept = site.columns(email)[1]
    assert site.login(email, phone.code()) == 200
    assert Browser(site.base).post("/us-signin", identity=email, passcode="123456")[0] == 400
    assert site.columns(email)[1] == kept


def test_another_user_s_secret_in_a_row_opens_nothing(site: Site) -> None:
    mallory, phone = site.enrolled()
    victim, _ = site.enrolled()
    with site.inside() as (database, _, security, _mfa):
        user = security.datastore.find_user(email=victim)
        security.datastore.tf_set(user, "authenticator", site.columns(mallory)[0])
        database.session.commit()
    assert site.login(victim, phone.code()) == 400


def test_stock_logs_in_again_after_the_adapter_is_removed(
    world: World, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    email, phone = site.enrolled()
    with site.inside() as (database, user_model, security, _mfa):
        for user in database.session.query(user_model):
            security.totp_factory.give_back(user)
        database.session.commit()
    revealed = [record for record in caplog.messages if record.startswith("secret revealed")]
    assert revealed and all(record.endswith("by='Flask-Security: give_back'") for record in revealed)
    base = site.base
    with site.serving("stock"):
        assert site.login(email, phone.code()) == 200
        assert site.login(world.alice.email, world.alice.phone.code()) == 200
        # Hashed codes cannot go back.
        assert site.columns(world.alice.email)[2] == []
    site.base = base
    assert site.login(email, phone.code(1)) == 200  # and the adapter comes back


def test_what_stock_accepts(world: World) -> None:
    """For the table in docs/adapters.md: ``pytest -s -k what_stock_accepts tests/adapters``."""
    print(world.stock)
    assert all(world.stock.values())
