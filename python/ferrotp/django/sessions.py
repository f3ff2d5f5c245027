"""The sessions of a user, to be listed and ended one by one: where Django keeps them in a database.

Django knows of a session by its key alone. So each login leaves a row of ours with its key, sealed, under a random
handle, which is in the session, too. What is listed is what Django still has.
"""

import secrets
from base64 import b32decode
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from datetime import datetime, timezone
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections, transaction
from django.http import HttpRequest
from django.utils import timezone as site_time
from django.utils.crypto import constant_time_compare, salted_hmac

from ferrotp.mfa import MFAError
from ferrotp.vault import VaultError
from ferrotp.web import Login, SessionInfo, device_name
from ferrotp.web.login import LOGIN_KEY

from . import auth
from .conf import conf
from .service import current_tenant, get_mfa, now

NOTE_KEY = "_ferrotp_session"
"""Where a session keeps its handle, a keyed hash of the key that was noted with it, since when its user is logged in,
and in which browser."""

_FILL = b"session: "
"""Before the key: the vault seals ten bytes and more."""
_FIRST = 200
"""Sessions that are looked at for a page."""
_AT_ONCE = 500
"""Rows that one login looks after."""
_AWAY = (DatabaseError, MFAError, VaultError, ImproperlyConfigured)
"""Why a session is not noted: it is not in the list then, and its user goes on."""


def can_list() -> bool:
    """Whether the site's sessions are where they can be ended from outside: in a database, with a cache before it or
    without. One in a cookie cannot be ended, and of a cache alone nobody knows what is in it."""
    from django.contrib.sessions.backends.db import SessionStore  # wants the model of django.contrib.sessions

    try:
        in_database = issubclass(_engine(), SessionStore)
    except RuntimeError:  # "django.contrib.sessions" is not installed
        return False
    return in_database and conf().store != "memory"


def is_unnoted(request: HttpRequest) -> bool:
    """Whether the session has a login that is done, and is not in the list, or has another key by now."""
    session = request.session
    record, key = session.get(LOGIN_KEY), session.session_key
    if not key or not isinstance(record, dict) or record.get("stage") != "full" or not can_list():
        return False
    if record.get("user_id") != session.get(SESSION_KEY) or auth.is_impersonated(request):
        return False
    noted = session.get(NOTE_KEY)
    return noted is None or not constant_time_compare(str(noted.get("key")), _mark(key))


def note(request: HttpRequest) -> None:
    """Puts the session into the list. It may have been in it, and have a new key."""
    session = request.session
    earlier, expires_at = session.get(NOTE_KEY), int(session.get_expiry_date().timestamp())
    noted = {
        "handle": secrets.token_hex(16),
        "since": int(now()),
        "browser": device_name(request.headers.get("User-Agent", "")),
        **(earlier or {}),
        "key": _mark(str(session.session_key)),
    }
    with suppress(*_AWAY), _savepoint():
        rows = _rows_of(str(session[SESSION_KEY]))
        sealed = _seal(rows.owner(noted["handle"]), str(session.session_key))
        changed = 0
        if earlier is not None:
            changed = rows.all().filter(handle=noted["handle"]).update(sealed=sealed, expires_at=expires_at)
        if not changed:
            rows.add(noted["handle"], sealed, expires_at)
        session[NOTE_KEY] = noted


def of_request(request: HttpRequest, login: Login) -> list[SessionInfo]:
    """The sessions of the user of a login that is still good, the newest first. Empty: they cannot be listed."""
    if not can_list():
        return []
    if is_unnoted(request):
        note(request)
    own = (request.session.get(NOTE_KEY) or {}).get("handle")
    found = []
    with suppress(*_AWAY), _savepoint():
        for handle, noted in _living(login).items():
            began_at = datetime.fromtimestamp(noted["since"], timezone.utc)
            found.append(SessionInfo(handle, began_at, noted["browser"], handle == own))
    return sorted(found, key=lambda session: (session.current, session.began_at), reverse=True)


def end(login: Login, handle: str) -> bool:
    """Ends a session of the user of a login: Django has it no more. False: there is none of that handle."""
    rows = _rows_of(login.user_id)
    row = rows.all().filter(handle=handle).first()
    key = None if row is None else _open(rows.owner(handle), row.sealed)
    if row is None or key is None:
        return False
    _engine()().delete(key)
    row.delete(using=conf().database)
    return True


def forget_users(user_ids: Iterable[str]) -> None:
    """After accounts ended: an id may be given again."""
    from .models import UserSession

    with suppress(*_AWAY), _savepoint():
        UserSession.objects.using(conf().database).filter(tenant=current_tenant(), user_id__in=list(user_ids)).delete()


# Below


class _Rows:
    """Those of a user."""

    def __init__(self, tenant: str, user_id: str) -> None:
        self._tenant, self._user_id = tenant, user_id

    def owner(self, handle: str) -> tuple[str, str, str]:
        """What a session's key is sealed for."""
        return self._tenant, self._user_id, f"session {handle}"

    def all(self) -> Any:
        from .models import UserSession

        return UserSession.objects.using(conf().database).filter(tenant=self._tenant, user_id=self._user_id)

    def add(self, handle: str, sealed: bytes, expires_at: int) -> None:
        from .models import UserSession

        if handle.startswith("00"):  # one login in 256 looks after the rows of all users
            _remove_ended()
        UserSession.objects.using(conf().database).create(
            tenant=self._tenant, user_id=self._user_id, handle=handle, sealed=sealed, expires_at=expires_at
        )


def _rows_of(user_id: str) -> _Rows:
    return _Rows(current_tenant(), user_id)


def _living(login: Login) -> dict[str, dict[str, Any]]:
    """The handles of the sessions that Django still has, in which this user is logged in by a login that was not ended,
    with what each knows of itself."""
    rows, model = _rows_of(login.user_id), _engine().get_model_class()
    keys = {}
    for row in rows.all().order_by("-pk")[:_FIRST]:
        if (key := _open(rows.owner(row.handle), row.sealed)) is not None:
            keys[key] = row.handle
    found = {}
    for session in model.objects.filter(session_key__in=keys, expire_date__gt=site_time.now()):
        data = session.get_decoded()
        noted, record = data.get(NOTE_KEY), data.get(LOGIN_KEY)
        is_of_user = isinstance(record, dict) and (record["user_id"], record["stage"]) == (login.user_id, "full")
        if is_of_user and record["epoch"] == login.epoch and noted and noted["handle"] == keys[session.session_key]:
            found[noted["handle"]] = noted
    return found


def _remove_ended() -> None:
    """Removes rows whose sessions Django has no more. One that was to end by now may go on: each use may prolong it."""
    from .models import UserSession

    model, at = _engine().get_model_class(), site_time.now()
    late = int(at.timestamp())
    rows = UserSession.objects.using(conf().database).filter(tenant=current_tenant(), expires_at__lt=late)
    keys = {}
    for row in rows[:_AT_ONCE]:
        keys[row.pk] = _open(_rows_of(row.user_id).owner(row.handle), row.sealed)
    living = model.objects.filter(session_key__in=filter(None, keys.values()), expire_date__gt=at)
    there = set(living.values_list("session_key", flat=True))
    kept = [pk for pk, key in keys.items() if key in there]
    rows.filter(pk__in=kept).update(expires_at=late + settings.SESSION_COOKIE_AGE)
    rows.filter(pk__in=keys.keys() - set(kept)).delete()


def _savepoint() -> Any:
    """What keeps a refused statement from spoiling the transaction around it, as in tests of a site."""
    alias = conf().database
    return transaction.atomic(using=alias) if connections[alias].in_atomic_block else nullcontext()


def _engine() -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore


def _mark(session_key: str) -> str:
    return salted_hmac("ferrotp.django.session", session_key, algorithm="sha256").hexdigest()


def _seal(owner: tuple[str, str, str], session_key: str) -> bytes:
    return get_mfa().keyring.seal(owner, _FILL + session_key.encode())


def _open(owner: tuple[str, str, str], sealed: Any) -> str | None:
    """The key of a session; None if the row was changed, or was sealed by a key that is gone."""
    try:
        secret = get_mfa().keyring.reveal(owner, bytes(sealed)).secret
    except (VaultError, MFAError):
        return None
    return b32decode(secret + "=" * (-len(secret) % 8))[len(_FILL) :].decode()
