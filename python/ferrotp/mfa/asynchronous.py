"""`AsyncMFA`: what an application asks of the second factor, awaited."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import wraps
from itertools import islice
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from .._tracebacks import awaited_without_frames
from .results import AuditEntry, AuditMark, FactorInfo, UserId
from .service import MFA
from .stores.pool import POOL_SIZE
from .threads import Threads

P = ParamSpec("P")
T = TypeVar("T")

_BATCH = 200
"""Factors that are looked at in a thread before the event loop has its turn again."""


def _awaited(verb: "Callable[Concatenate[MFA, P], T]") -> "Callable[Concatenate[AsyncMFA, P], Coroutine[Any, Any, T]]":
    """A verb of `MFA`, whose arguments, words and answer it has."""

    @awaited_without_frames
    @wraps(verb)
    async def awaited(self: "AsyncMFA", /, *args: P.args, **more: P.kwargs) -> T:
        return await self._call(verb, self.mfa, *args, **more)

    return awaited


class AsyncMFA:
    """A service for coroutines: the verbs of `MFA`, each with the same arguments, awaited.

    They run in a few threads of its own, with the context variables of the task. A task that is cancelled takes nothing
    back: a decision that has begun is made, kept and told (`on_event`), and only its answer is dropped; one that waits
    for a thread is not made at all.

    :param mfa: the service. It may be used beside this one
    :param threads: how many decisions are under way at once: the connections of a store are the measure
    :param waiting: how many more may wait for a thread; beyond that `Overloaded` is raised, and nothing was counted
    :param patience: seconds for which one waits at most, else likewise
    """

    def __init__(self, mfa: MFA, *, threads: int = POOL_SIZE, waiting: int = 1000, patience: float = 2.0) -> None:
        self.mfa = mfa
        self._threads = Threads(threads, waiting, patience)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.mfa.issuer!r}>"

    def for_tenant(self, tenant: str | Callable[[], str]) -> "AsyncMFA":
        """The same for the users of another tenant, with the same threads. It asks nobody, and is cheap."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, mfa=self.mfa.for_tenant(tenant))
        return other

    async def __aenter__(self) -> "AsyncMFA":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Waits for what is under way, and lets go of the threads and of the store's connections."""

        def close() -> None:
            self._threads.close()
            self.mfa.close()

        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, close))

    async def factors(self) -> AsyncIterator[FactorInfo]:
        """All factors of this tenant that are not pending, by user."""
        found = await self._call(MFA.factors, self.mfa)
        while batch := await self._call(list, islice(found, _BATCH)):
            for factor in batch:
                yield factor

    async def audit_entries(self, *, user_id: UserId | None = None) -> AsyncIterator[AuditEntry]:
        """The rows of a user, or all of this tenant, user by user; the oldest first."""
        found = await self._call(MFA.audit_entries, self.mfa, user_id=user_id)
        while batch := await self._call(list, islice(found, _BATCH)):
            for entry in batch:
                yield entry

    async def audit_marks(self) -> AsyncIterator[AuditMark]:
        """How far the rows go now, of each user of all tenants: to be kept elsewhere, for `verify_audit`."""
        found = await self._call(MFA.audit_marks, self.mfa)
        while batch := await self._call(list, islice(found, _BATCH)):
            for mark in batch:
                yield mark

    async def _call(self, function: Callable[P, T], /, *args: P.args, **more: P.kwargs) -> T:
        """In a thread: where a framework has its own way there, a subclass takes that."""
        return await self._threads.run(function, *args, **more)

    check = _awaited(MFA.check)
    enroll = _awaited(MFA.enroll)
    pending = _awaited(MFA.pending)
    confirm = _awaited(MFA.confirm)
    import_factor = _awaited(MFA.import_factor)
    import_users = _awaited(MFA.import_users)
    verify = _awaited(MFA.verify)
    verify_many = _awaited(MFA.verify_many)
    begin_passkey = _awaited(MFA.begin_passkey)
    finish_passkey = _awaited(MFA.finish_passkey)
    passkey_challenge = _awaited(MFA.passkey_challenge)
    verify_passkey = _awaited(MFA.verify_passkey)
    passkeys = _awaited(MFA.passkeys)
    resync = _awaited(MFA.resync)
    unlock = _awaited(MFA.unlock)
    recover = _awaited(MFA.recover)
    regenerate_recovery_codes = _awaited(MFA.regenerate_recovery_codes)
    trust_device = _awaited(MFA.trust_device)
    recognize_device = _awaited(MFA.recognize_device)
    trusted_devices = _awaited(MFA.trusted_devices)
    forget_devices = _awaited(MFA.forget_devices)
    status = _awaited(MFA.status)
    attempts = _awaited(MFA.attempts)
    factor = _awaited(MFA.factor)
    reveal_secret = _awaited(MFA.reveal_secret)
    remove_factor = _awaited(MFA.remove_factor)
    end_sessions = _awaited(MFA.end_sessions)
    note_passed = _awaited(MFA.note_passed)
    remind = _awaited(MFA.remind)
    end_half_login = _awaited(MFA.end_half_login)
    half_login_has_ended = _awaited(MFA.half_login_has_ended)
    epoch = _awaited(MFA.epoch)
    reset = _awaited(MFA.reset)
    delete_users = _awaited(MFA.delete_users)
    activity = _awaited(MFA.activity)
    verify_audit = _awaited(MFA.verify_audit)
    prune_audit = _awaited(MFA.prune_audit)
    report = _awaited(MFA.report)
    rotate_keys = _awaited(MFA.rotate_keys)
    keys_in_use = _awaited(MFA.keys_in_use)
    retire_key = _awaited(MFA.retire_key)
