"""A site as shops have them, under real servers: walked over HTTP from the first set-up to the desk."""

import importlib.util
import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import warm
from mfa.servers import PostgreSQLServer
from started import when_log_says
from web.visitor import Answer, Visitor

from ferrotp import parse_uri
from ferrotp.vault import new_key

from .databases import database_on

HERE = Path(__file__).parent
PASSWORD = "correct horse battery"
SERVERS = {
    "gunicorn": (
        warm.GUNICORN,
        ["in_django.shop.served:wsgi", "--workers=2", "--threads=2", "--bind=127.0.0.1:0", "--preload"],
    ),
    "uvicorn": (warm.UVICORN, ["in_django.shop.served:asgi", "--port=0", "--no-access-log"]),
}
SET_UP = """
from django.contrib.auth.models import Group
from django.core.management import call_command
from in_django.shop.models import Account

call_command("migrate", run_syncdb=True, verbosity=0)
call_command("migrate", "ferrotp", database="factors", verbosity=0)
for address, more in {"Boss@shop.example": {"is_staff": True, "is_superuser": True}, "ann@shop.example": {}}.items():
    account = Account(email=address, **more)
    account.set_password("correct horse battery")
    account.save()
Group.objects.create(name="Zwei Schritte")
call_command("check", databases=["default", "factors"])
"""

COMMANDS = """
import io, json
from django.core.management import call_command
from ferrotp.django import get_mfa
from in_django.shop.models import Account

def run(*arguments, **options):
    out = io.StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()

mfa = get_mfa()
boss, ann = (Account.objects.get(email__iexact=f"{name}@shop.example") for name in ("boss", "ann"))
# The guesses of the request whose transaction was rolled back.
assert mfa.status(user_id=boss.pk).failures == 2
assert [user["user"] for user in json.loads(run("ferrotp_report", "--json"))["without"]] == ["ann@shop.example"]
# By address, by key, and with users whom the manager hides.
assert "1 factor" in run("ferrotp_reset", "boss@shop.example", "--noinput")
mfa.import_factor(user_id=ann.pk, secret=b"0" * 20)
Account.objects.update(closed=True)
assert "1 factor" in run("ferrotp_reset", str(ann.pk).upper().replace("-", ""), "--pk", "--noinput")
mfa.import_factor(user_id=ann.pk, secret=b"0" * 20)
ann.delete()
assert not list(mfa.factors())
"""


class Browser(Visitor):
    token_field = "csrfmiddlewaretoken"


class Shop:
    """The site's folder, clock, databases and keys."""

    def __init__(self, folder: Path, databases: dict[str, Any]) -> None:
        self.folder, self.now = folder, 1_800_000_015.0
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")])),
            "DJANGO_SETTINGS_MODULE": "in_django.shop_settings",
            "SHOP_FOLDER": str(folder),
            "SHOP_DATABASES": json.dumps(databases),
            "SHOP_KEYS": new_key(),
        }
        self.tick(0)
        said = self.manage("shell", "-c", SET_UP)
        # What SQLite's one lock means for ATOMIC_REQUESTS has been said: the second factors have a file of their own.
        assert "ferrotp" not in said, said

    def tick(self, seconds: float) -> None:
        self.now += seconds
        fresh = self.folder / "clock.new"
        fresh.write_text(str(self.now))
        fresh.replace(self.folder / "clock")

    def manage(self, *arguments: str) -> str:
        done = warm.django().run(warm.MANAGE, *arguments, env=self._environment)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
        return done.stdout.decode()

    @contextmanager
    def served(self, server: str) -> Iterator[str]:
        """Where it is, until the block ends."""
        log = self.folder / f"{server}.log"
        program, arguments = SERVERS[server]
        process = warm.django().start(program, *arguments, env=self._environment, log=log)
        try:
            listens = re.compile(r"(?:Listening at:|running on) (http://\S+)")
            yield when_log_says(process, log, listens.search)[1]
        finally:
            process.end(signal.SIGTERM)
        assert "Traceback" not in log.read_text(), log.read_text()


def log_in(base: str, address: str, next_url: str = "") -> tuple[Browser, Answer]:
    browser = Browser(base)
    browser.get("/login")
    return browser, browser.post("/login", {"username": address, "password": PASSWORD, "next": next_url})


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_shop_from_the_first_set_up_to_the_desk(
    server: str, database: str, tmp_path: Path, postgresql: PostgreSQLServer
) -> None:
    databases = {} if database == "sqlite" else {"default": database_on(postgresql), "factors": database_on(postgresql)}
    shop = Shop(tmp_path, databases)
    with shop.served(server) as base:
        _walk(shop, base)


def _walk(shop: Shop, base: str) -> None:
    # Staff have to set up, come back to the admin, and nothing of it is in the cache of the site.
    boss, entered = log_in(base, "boss@shop.example", "/admin/")
    assert entered.location == "/mfa/set-up", entered.text
    boss.get("/mfa/set-up")
    boss.post("/mfa/set-up")
    shown = boss.get("/mfa/set-up", Accept_Language="de")
    assert shown.headers["Cache-Control"] == "private, no-store" and 'lang="de"' in shown.text
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    phone = parse_uri(shown.uri)
    assert "Boss%40shop.example" in shown.uri
    codes = boss.post("/mfa/set-up/confirm", {"code": phone.at(int(shop.now)), "name": "Telefon"})
    assert len(codes.codes) == 10
    assert boss.post("/mfa/recovery-codes/saved", {"saved": "y"}).location == "/admin/"
    secret = re.search(r"secret=([A-Z2-7]+)", shown.uri)[1]  # type: ignore[index]
    kept = b"".join(path.read_bytes() for path in (shop.folder / "cache").rglob("*") if path.is_file())
    assert secret.encode() not in kept and codes.codes[0].encode() not in kept

    # The admin: in German, the user by address, and with times of this place: nine o'clock, where Greenwich has eight.
    listed = boss.get("/admin/ferrotp/factor/").text
    assert "Boss@shop.example" in listed and "Telefon" in listed and 'lang="de"' in listed
    assert "Zweite Faktoren" in listed and "zuletzt verwendet" in listed.lower() and "last used" not in listed.lower()
    assert "15. Januar 2027 09:00" in listed
    assert "Zweite Faktoren im Zeitverlauf" in boss.get("/admin/ferrotp/factor/over-time/").text

    # Once more, by a code. A guess in a request's transaction stays counted.
    shop.tick(60)
    laptop, entered = log_in(base, "Boss@shop.example")
    assert entered.location == "/mfa/challenge"
    laptop.get("/mfa/challenge")
    assert laptop.post("/mfa/challenge", {"code": phone.at(int(shop.now) + 900)}).status == 400
    done = laptop.post("/mfa/challenge", {"code": phone.at(int(shop.now))})
    assert done.location == "/vault" and laptop.get("/vault").text == "vault"
    laptop.get("/password")
    assert [laptop.post("/guess", {"code": phone.at(int(shop.now) + 900)}).status for _ in range(2)] == [500, 500]

    # A change of the password goes on in this session, and ends the other.
    laptop.get("/password")
    changed = {"old_password": PASSWORD, "new_password1": "ein neues Pferd", "new_password2": "ein neues Pferd"}
    assert laptop.post("/password", changed).location == "/vault"
    assert laptop.get("/vault").status == 200 and boss.get("/vault").location.startswith("/login")
    if importlib.util.find_spec("rest_framework"):
        assert json.loads(laptop.get("/api/me", Accept="application/json").text) == {"me": "Boss@shop.example"}
        assert Browser(base).get("/api/me").status in (401, 403)

    # Sessions: two of Ann, of which one ends the other.
    ann, entered = log_in(base, "ann@shop.example")
    assert entered.location == "/vault" and ann.get("/vault").location == "/mfa/set-up"
    other, _ = log_in(base, "ann@shop.example")
    link = ann.get("/mfa/").find(r'href="(/mfa/sessions/\w+/end)"')
    ann.get(link)
    assert ann.post(link).location == "/mfa/" and other.get("/mfa/").location.startswith("/login")

    # The desk requires it of Ann, whose session is open, and reminds her before.
    page = laptop.get("/admin/ferrotp/factor/without/")
    user = page.find(r'name="user" value="([\w-]+)"')
    assert "ann@shop.example" in page.text
    laptop.post("/admin/ferrotp/factor/without/", {"action": "remind", "user": user, "confirmed": "1"})
    (mail,) = [text for path in (shop.folder / "mails").iterdir() if "ann@" in (text := path.read_text())]
    assert "Anmeldung in zwei Schritten" in mail
    asked = laptop.post("/admin/ferrotp/factor/without/", {"action": "require", "user": user})
    group = asked.find(r'<option value="(\d+)">Zwei Schritte')
    sent = {"action": "require", "user": user, "group": group, "confirmed": "1"}
    assert laptop.post("/admin/ferrotp/factor/without/", sent).status == 303
    assert ann.get("/mfa/").location == "/mfa/set-up"

    # Single sign-on, with and without a second factor of the provider's.
    for amr, place in (("pwd mfa", ""), ("pwd", "/mfa/set-up")):
        sso = Browser(base)
        assert sso.get(f"/sso?sub=ann@shop.example&amr={amr.replace(' ', '%20')}").status == 200
        assert sso.get("/vault").location == place
    if importlib.util.find_spec("hijack"):
        laptop.get("/password")
        as_ann = laptop.post("/hijack/acquire/", {"user_pk": user, "next": "/vault"})
        assert as_ann.location == "/vault" and laptop.get("/vault").text == "vault"
        assert laptop.get("/mfa/set-up").status == 403
        laptop.get("/login")
        laptop.post("/hijack/release/", {"next": "/vault"})
        assert laptop.get("/admin/").status == 200

    shop.manage("shell", "-c", COMMANDS)
