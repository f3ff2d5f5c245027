"""The one service of a site, made from its settings when it is first asked for."""

import functools
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.dispatch import Signal

from ferrotp.mfa import MFA, AsyncMFA, Event, InvalidIdentifier, user_id_text
from ferrotp.mfa.stores.base import Store
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import VaultError
from ferrotp.web import EpochCache, Gate, Login, Notice, Notifier, SetupError, absolute_store

from .conf import Rule, conf, is_testing
from .conf import forget as forget_settings
from .conf import keys as keys_of_site
from .texts import texts

P = ParamSpec("P")
T = TypeVar("T")

mfa_event = Signal()
"""Sent after each decision, with ``event``, a `ferrotp.mfa.Event`: it holds no code and no secret. What a receiver
raises is logged and changes nothing."""

memory = MemoryStore()
"""The store of ``"STORE": "memory"``: for tests."""

_epochs = EpochCache()

test_clock: Callable[[], float] | None = None
"""Set by `ferrotp.django.test.mfa_clock`."""


def now() -> float:
    """Unix seconds: this server's, or those of a test."""
    return (test_clock or conf().clock or time.time)()


@functools.cache
def get_mfa() -> MFA:
    """The service: `MFA` of `ferrotp.mfa`.

    :raises ImproperlyConfigured: if the settings do not allow one
    """
    return _made(_store)


class _SiteAsyncMFA(AsyncMFA):
    """In the thread of the request's synchronous code: its connection knows the customer's schema."""

    async def _call(self, function: Callable[P, T], /, *args: P.args, **more: P.kwargs) -> T:
        return await sync_to_async(function, thread_sensitive=True)(*args, **more)


@functools.cache
def get_async_mfa() -> AsyncMFA:
    """The same for asynchronous views: its verbs are awaited.

    :raises ImproperlyConfigured: as `get_mfa`
    """
    return _SiteAsyncMFA(get_mfa())


@functools.cache
def get_mfa_outside_transaction() -> MFA:
    """The same for adapters, whose packages call it inside of transactions: see `OutsideTransactionStore`."""
    return _made(_outside_transaction_store)


def _made(store: "Callable[[Any, str], Store | str]") -> MFA:
    given = conf()
    if not given.issuer:
        raise ImproperlyConfigured('FERROTP["ISSUER"] is not set: the name of the site, as authenticator apps show it')
    try:
        keys = keys_of_site()
    except VaultError as error:
        raise ImproperlyConfigured(f"{error}. Make a key with manage.py ferrotp_keys --new") from None
    return MFA(
        store(given.store, given.database),
        issuer=given.issuer,
        keyring=keys,
        policy=given.policy,
        tenant=given.tenant,
        clock=now,
        on_event=_tell,
        prepare=False,
        audit=given.audit,
    )


def current_tenant() -> str:
    """Whose users the request under way is about."""
    return get_mfa().tenant


def gate_for(user: Any) -> Gate:
    """The steps of a login, as strict as the policy is with this user."""
    mode = "required" if is_required(user) else "optional"
    return Gate(
        get_mfa(),
        mode=mode,  # type: ignore[arg-type]
        passkey_required=(lambda user_id: True) if must_have_passkey(user) else None,
        fresh_seconds=fresh_seconds_of(user),
        clock=now,
        epochs=_epochs,
    )


def is_sign_in_offered() -> bool:
    """Whether a passkey alone may sign in."""
    passkeys = conf().policy.passkeys
    return passkeys is not None and passkeys.sign_in


def gate_for_anybody() -> Gate:
    """The steps of a login before it is known whose it is."""
    return Gate(get_mfa(), fresh_seconds=conf().fresh_seconds, clock=now, epochs=_epochs)


def is_current(login: Login, seconds: int | None = None) -> bool:
    """Whether a login was not ended since.

    :param seconds: how late that may be found out; None: as the policy says
    """
    late = conf().policy.session_check_seconds if seconds is None else seconds
    return _epochs.is_current(get_mfa(), login, now(), late)


def is_required(user: Any) -> bool:
    """Whether this user must have a second factor by now."""
    return any(_applies(rule, user) for rule in conf().required)


def must_have_passkey(user: Any) -> bool:
    """Whether this user must have a passkey by now."""
    return any(rule.passkey and _applies(rule, user) for rule in conf().required)


def lacks_passkey(user: Any) -> bool:
    """Whether this user must have a passkey, and has none."""
    if not must_have_passkey(user):
        return False
    factors = get_mfa().status(user_id=user_id_of(user)).factors
    return not any(factor.kind == "passkey" and factor.state == "active" for factor in factors)


def _applies(rule: Rule, user: Any) -> bool:
    return (rule.since is None or rule.since.timestamp() <= now()) and rule.who(user)


def fresh_seconds_of(user: Any) -> int:
    """How long a proof of identity is good for this user's changes: the fewest seconds of those that apply."""
    given = conf()
    return min([given.fresh_seconds, *(seconds for who, seconds in given.fresh if who(user))])


def due_date(user: Any) -> datetime | None:
    """When this user will have to have a second factor; None: never, or by now."""
    if is_required(user):
        return None
    coming = [rule.since for rule in conf().required if rule.since is not None and rule.who(user)]
    return min(coming, default=None)


def with_groups(users: Any) -> Any:
    """A queryset of users, with what the rules of ``REQUIRED`` ask of each: so that it is asked once for all."""
    return users.prefetch_related("groups") if any(rule.group for rule in conf().required) else users


def is_enrolled(user: Any) -> bool:
    """Whether a user has a factor, for a page and not for a decision: in the site's own database it costs one query on
    the request's connection."""
    mfa = get_mfa()
    if conf().store != "django":
        return mfa.status(user_id=user_id_of(user)).enrolled
    from .models import Factor

    rows = Factor.objects.using(conf().database).filter(tenant=mfa.tenant, user_id=user_id_of(user))
    return bool(rows.exclude(state="pending").exists())


def user_id_of(user: Any) -> str:
    """The user as the service knows it: the primary key's one text, whatever type of value the object holds.

    :raises InvalidIdentifier: if the user was never saved
    """
    key = user._meta.pk
    value = key.to_python(key.value_from_object(user))  # an object made by hand may hold a UUID's text, or a number's
    if value is None:
        raise InvalidIdentifier("the user has no primary key: save it first")
    return user_id_text(value) if isinstance(value, (int, UUID)) else str(key.value_to_string(user))


def user_of(user_id: str) -> Any:
    """The user of an id of the service; None if there is none any more."""
    model = get_user_model()
    try:
        key = model._meta.pk.to_python(user_id)
    except Exception:  # whatever a field of the application raises for what is no key
        return None
    # All rows: a superuser whom the site's manager hides is one.
    return model._base_manager.filter(pk=key).first()


def users_of(user_ids: Iterable[str]) -> dict[str, Any]:
    """The same for many, by one query: those that there are."""
    model = get_user_model()
    keys = []
    for user_id in set(user_ids):
        with suppress(Exception):  # likewise
            keys.append(model._meta.pk.to_python(user_id))
    return {user_id_of(user): user for user in model._base_manager.filter(pk__in=keys)}


def forget() -> None:
    """Reads the settings anew, where they were changed: in tests."""
    global _epochs
    _epochs = EpochCache()
    forget_settings()
    for made in (get_mfa, get_mfa_outside_transaction):
        if made.cache_info().currsize:
            made().close()
        made.cache_clear()


def _store(given: Any, database: str) -> "Store | str":
    if given == "django":
        from .store import DjangoStore

        if database not in connections.settings:
            raise ImproperlyConfigured(f'FERROTP["DATABASE"] names {database!r}, which is not in DATABASES')
        return DjangoStore(database)
    if given == "memory":
        if not is_testing():
            raise ImproperlyConfigured('FERROTP["STORE"] is "memory", which is for tests only')
        return memory
    folder = getattr(settings, "BASE_DIR", None)
    if folder is None or not isinstance(given, str):
        return given  # type: ignore[no-any-return] # MFA says what it does not know
    try:
        return absolute_store(given, folder, 'FERROTP["STORE"]')
    except SetupError as error:
        raise ImproperlyConfigured(str(error)) from None


def _outside_transaction_store(given: Any, database: str) -> "Store | str":
    if given == "django":
        from .store import OutsideTransactionStore

        return OutsideTransactionStore(database)
    return _store(given, database)


def _tell(event: Event) -> None:
    """The application by a signal, and the user by mail."""
    mfa_event.send_robust(sender=MFA, event=event)
    notify = conf().notify
    if notify and event.notify_user:
        send = _mail if notify == "mail" or notify is True else notify
        Notifier(send, issuer=conf().issuer, language=_mail_language, texts=texts)(event)


def _mail_language(user_id: str) -> str:
    """The user's, if the site knows it, or the site's own; not the request's, which may be an attacker's."""
    choose, user = conf().mail_language, user_of(user_id)
    chosen = choose(user) if choose is not None and user is not None else None
    return f"{chosen or ''},{settings.LANGUAGE_CODE}"


def _mail(notice: Notice) -> None:
    user = user_of(notice.user_id)
    address = getattr(user, user.get_email_field_name(), "") if user is not None else ""
    if address:
        mail.send_mail(notice.subject, notice.body, None, [address])
