"""The second factor ends with the account: after the commit, and for many users in one decision of the store."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models.signals import class_prepared, post_delete

from ferrotp.mfa import InvalidIdentifier, MFAError, user_id_text

from . import sessions
from .service import get_mfa, user_id_of


def delete_users(users: Iterable[Any], *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Removes all that there is of these users' second factors, once the transaction that is open is committed; at once
    if none is.

    Deletions by Django's ORM do so by themselves. Call it where an account ends in another way: it is marked as deleted
    and kept, its rows go by SQL, or by the database's own cascade.

    :param users: objects of the user model, or their ids
    :param using: the database in which the accounts end
    """
    user_ids = [user_id_of(user) if isinstance(user, get_user_model()) else user for user in users]
    if user_ids:
        transaction.on_commit(_Deletion(user_ids).end, using=using, robust=True)


def connect() -> None:
    """When the applications are loaded."""
    for model in apps.get_models():
        _follow(model)
    class_prepared.connect(_follow, dispatch_uid="ferrotp")


def _follow(sender: Any, **more: Any) -> None:
    # A proxy of the user model is deleted under its own name. To listen to all models would slow down them all.
    with suppress(ImproperlyConfigured):  # the user model is not installed
        if sender._meta.concrete_model is get_user_model()._meta.concrete_model:
            post_delete.connect(_user_deleted, sender=sender, dispatch_uid="ferrotp")


class _Deletion:
    """Users who end by one commit."""

    def __init__(self, user_ids: list[Any], origin: object = None) -> None:
        self.user_ids = user_ids
        self.origin = origin

    def end(self) -> None:
        ids = []
        for user_id in self.user_ids:
            with suppress(InvalidIdentifier):  # such a user had nothing
                ids.append(user_id_text(user_id))
        with suppress(MFAError):  # which the service has logged
            get_mfa().delete_users(user_ids=ids)
        sessions.forget_users(ids)


def _user_deleted(instance: Any, using: str, origin: object = None, **more: Any) -> None:
    """One of those whom `origin`, a queryset or an object, deletes: one query set is one deletion."""
    user_id = user_id_of(instance)
    connection = transaction.get_connection(using)
    hooks = connection.run_on_commit
    newest: tuple[_Deletion, int] | None = getattr(connection, "_ferrotp_deletion", None)
    if newest is not None and origin is not None and newest[0].origin is origin and newest[1] < len(hooks):
        savepoints, hook, *_ = hooks[newest[1]]
        # Its hook may be gone, with a transaction or a savepoint that was rolled back.
        if getattr(hook, "__self__", None) is newest[0] and savepoints == set(connection.savepoint_ids):
            newest[0].user_ids.append(user_id)
            return
    deletion = _Deletion([user_id], origin)
    connection._ferrotp_deletion = (deletion, len(hooks))
    transaction.on_commit(deletion.end, using=using, robust=True)
