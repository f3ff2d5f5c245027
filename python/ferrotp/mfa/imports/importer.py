"""The import itself: page by page, each user as a whole, and each once.

A run that was killed is begun again: the store knows by the budgets who came, so nobody comes twice, and what
was removed since does not come back.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, islice

from sqlalchemy import Engine

from ..._tracebacks import without_frames
from ..core import is_identifier
from ..errors import PolicyError
from ..foreign_users import (
    MAX_CODES,
    ImportedFactor,
    ImportedPasskey,
    ImportedUser,
    code_bits,
    is_legacy,
    is_taken,
    secret_bytes,
)
from ..importing import check_passkey
from ..policy import Policy
from ..service import MFA
from ..time_step import time_step_of
from .database import Accounts, Database, Row, SourceError, Users, identifier
from .report import ImportReport
from .source_user import Format, FormatForMany, Moment, Note, SourceUser

CODES_AT_ONCE = 200
"""Recovery codes that are hashed between two commits: a few seconds' work, which is all that a kill takes back. A size
of work, so no policy."""
GOOD_BITS = 64
"""Of a recovery code: fewer are flagged (NIST SP 800-63B-4, section 3.1.2.2). The standard's number, and only said in a
report: no policy."""
TOGETHER = 8
"""Users whose records are opened at once, so that their keys are derived side by side: a size of work, so no policy."""
PROOF_WINDOW = 2
"""Time steps that a proof may be off by, whatever the policy: it shows that keys are right, and lets nobody in."""

HELD_BACK = "a factor does not open, so nothing of the user comes: run it again with the right keys"

FindUsers = Callable[[Sequence[str]], Mapping[str, str]]
"""Gives for ids of the source the application's own: those that are missing are nobody's."""
_Newcomer = tuple[str, dict[str, list[Row]]]
"""A user's id, and the rows by their tables."""
Progress = Callable[[int, int], None]
"""Called with how many users were looked at, and how many there are."""


@without_frames
def preview_import(
    source: str | Engine,
    format: Format,
    *,
    policy: Policy | None = None,
    proofs: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.time,
    progress: Progress | None = None,
    on_note: Callable[[Note], None] | None = None,
    find_users: FindUsers | None = None,
) -> ImportReport:
    """Says what `run_import` would do with a store in which nobody is yet. It writes nothing.

    :param source: an SQLAlchemy URL, the path of a SQLite file, or an engine
    :param format: one of `ferrotp.mfa.imports`
    :param policy: of the service that the users would come to
    :param proofs: by user id the code that an app shows just now, to prove that the secrets are read rightly
    :param on_note: called with each `Note`, of what is left out and what is to be looked at
    :param find_users: looks ids of the source up in the application: a factor under an id that no login asks for is
        lost. Called with some at a time, it gives each one's own id, as the application's logins have it; a user who
        is not found is an error of the report. None takes all ids as they are
    :raises SourceError: if the source is not what was said
    """
    run = _ImportRun(source, format, policy or Policy(), clock, progress, on_note, find_users, None)
    return run.run(proofs or {})


@without_frames
def run_import(
    source: str | Engine,
    format: Format,
    mfa: MFA,
    *,
    proofs: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.time,
    progress: Progress | None = None,
    on_note: Callable[[Note], None] | None = None,
    find_users: FindUsers | None = None,
) -> ImportReport:
    """Takes the users of a source over, with the service's policy and into its tenant. It can be killed and begun
    again. Its arguments are those of `preview_import`.

    :raises SourceError: if the source is not what was said, or a proof is missing or wrong: nobody came then
    """
    if format.needs_proof and not proofs:
        raise SourceError(
            "these records open with a wrong key, too, to garbage: prove the key by a user id and the code that this "
            "user's app shows now"
        )
    run = _ImportRun(source, format, mfa.policy, clock, progress, on_note, find_users, mfa)
    return run.run(proofs or {})


class _ImportRun:
    """One run over a source, with a service to write to or without."""

    def __init__(
        self,
        source: str | Engine,
        format: Format,
        policy: Policy,
        clock: Callable[[], float],
        progress: Progress | None,
        on_note: Callable[[Note], None] | None,
        find_users: FindUsers | None,
        mfa: MFA | None,
    ) -> None:
        self._database = Database(source)
        self._format = format
        self._accounts: Accounts | None = format.accounts
        self._policy = policy
        self._clock = clock
        self._progress = progress
        self._on_note = on_note
        self._find_users = find_users
        self._mfa = mfa
        self._report = ImportReport(format.name, mfa is not None, enrolled=None if mfa is None else 0)

    def run(self, proofs: Mapping[str, str]) -> ImportReport:
        try:
            queries = self._format.queries(self._database)
            for user_id, code in proofs.items():
                self._check_proof(self._database.user(queries, user_id), user_id, code)
            total, strays = self._database.count(queries)
            for _ in range(strays):
                self._report_note(Note("", "row", "skipped", "it belongs to nobody"))
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                for page in self._database.pages(queries):
                    # Opening the records of a page may take a while, and lets other threads run.
                    users_of_page = self._users_of(page)
                    parts = pool.map(self._read_some, _parts(self._newcomers(users_of_page)))
                    accepted = filter(None, map(self._within_policy, chain.from_iterable(parts)))
                    for users in _batches(accepted):
                        self._import(users)
                    self._count_enrolled(users_of_page)
                    self._report.users += len(page)
                    if self._progress is not None:
                        self._progress(self._report.users, max(total, self._report.users))
            return self._report
        finally:
            self._database.close()

    def _users_of(self, page: Users) -> dict[str, dict[str, list[Row]]]:
        """Those of a page who are users here, by the id that they get."""
        users: dict[str, dict[str, list[Row]]] = {}
        for owner, rows in page.items():
            accounts = (row["account"] for table in rows.values() for row in table)
            account = next((account for account in accounts if account is not None), None)
            user_id = identifier(account, self._accounts)
            if account is None:
                self._report_note(Note(str(owner), "user", "skipped", "the user is gone"))
            elif not is_identifier(user_id):
                self._report_note(Note("", "user", "skipped", "the user's id is none that ferrotp takes"))
            else:
                users[user_id] = rows
        if self._find_users is None:
            return users
        found, own = self._find_users(list(users)), {}
        for user_id, rows in users.items():
            if user_id not in found:
                self._report_note(Note(user_id, "user", "error", "no user here has this id"))
            elif found[user_id] in own:
                self._report_note(Note(user_id, "user", "skipped", "another id of the source is the same user's here"))
            else:
                own[found[user_id]] = rows
        return own

    def _newcomers(self, users: dict[str, dict[str, list[Row]]]) -> Iterator[_Newcomer]:
        """Those who are not there already."""
        for user_id, rows in users.items():
            if self._mfa is not None and self._is_there(self._mfa, user_id):
                self._report.already += 1
            else:
                yield user_id, rows

    def _count_enrolled(self, users: Iterable[str]) -> None:
        """Asks the store anew, by the ids that logins will ask for."""
        if self._mfa is not None and self._report.enrolled is not None:
            self._report.enrolled += sum(self._mfa.status(user_id=user_id).enrolled for user_id in users)

    @staticmethod
    def _is_there(mfa: MFA, user_id: str) -> bool:
        # Not all whom the store knows: `import_users` decides. It saves opening the records of most of them.
        return bool(mfa.status(user_id=user_id).factors)

    def _read_some(self, newcomers: Sequence[_Newcomer]) -> list[SourceUser]:
        format = self._format
        if isinstance(format, FormatForMany):
            with suppress(Exception):  # whatever a row holds: `read` says of whom it is, and the others come
                format = format.prepared([rows for _, rows in newcomers])
        return [self._read(format, user_id, rows) for user_id, rows in newcomers]

    def _read(self, format: Format, user_id: str, rows: dict[str, list[Row]]) -> SourceUser:
        user = SourceUser(user_id)
        try:
            format.read(user, rows, Moment(self._clock(), self._policy.window))
        except SourceError:
            raise
        except Exception as error:  # whatever a row holds, the others come; its text may be anything
            user.skip("user", f"its rows cannot be read ({type(error).__name__})")
        return user

    def _within_policy(self, user: SourceUser) -> ImportedUser | None:
        """What of a user the policy lets in."""
        factors: list[ImportedFactor | ImportedPasskey] = []
        passkeys: set[bytes] = set()
        for factor in user.factors:
            legacy = False
            try:
                if isinstance(factor, ImportedFactor):
                    legacy = is_legacy(factor, self._policy)
                else:
                    check_passkey(factor, self._policy)
            except PolicyError as error:
                user.skip("factor" if isinstance(factor, ImportedFactor) else "passkey", str(error))
                continue
            if len(factors) == self._policy.max_factors:
                user.skip("factor", "the user has more factors than the policy allows")
                continue
            if isinstance(factor, ImportedPasskey):
                if factor.credential_id in passkeys:
                    continue
                passkeys.add(factor.credential_id)
            if legacy:
                user.flag("factor", "a secret of fewer than 128 bits, or a long period: enroll again")
            factors.append(factor)
        codes = [code for code in user.recovery_codes if is_taken(code)]
        if len(codes) < len(user.recovery_codes):
            user.skip("recovery codes", "a recovery code has 20 bits at least, and 64 bytes at most")
        codes = codes[:MAX_CODES]
        if not factors and codes:
            user.skip("recovery codes", "there is no factor that they would go with")
        if factors and any(code_bits(code) < GOOD_BITS for code in codes):
            user.flag("recovery codes", "recovery codes of fewer than 64 bits: have new ones made")
        if user.is_held_back:
            user.notes.append(Note(user.user_id, "user", "error", HELD_BACK))
        for note in user.notes:
            self._report_note(note)
        if not factors or user.is_held_back:
            return None
        return ImportedUser(user_id=user.user_id, factors=tuple(factors), recovery_codes=tuple(codes))

    def _import(self, users: Sequence[ImportedUser]) -> None:
        added = self._mfa.import_users(users) if self._mfa is not None else [True] * len(users)
        for user, came in zip(users, added, strict=True):
            if came:
                self._report.imported += 1
                self._report.factors += len(user.factors)
                self._report.recovery_codes += len(user.recovery_codes)
            else:
                self._report.already += 1
                with_passkeys = any(isinstance(factor, ImportedPasskey) for factor in user.factors)
                if with_passkeys and self._mfa is not None and not self._is_there(self._mfa, str(user.user_id)):
                    reason = "the user was here before, or brings a passkey of another user"
                    self._report_note(Note(str(user.user_id), "passkey", "error", reason))

    def _check_proof(self, users: Users, user_id: str, code: str) -> None:
        for rows in users.values():
            for factor in self._read(self._format, user_id, rows).factors:
                if (
                    isinstance(factor, ImportedFactor)
                    and factor.kind == "totp"
                    and _is_code_of(factor, code, self._clock())
                ):
                    return
        raise SourceError(f"the code is none of user {user_id!r}'s: a wrong key, a wrong column, or mistyped")

    def _report_note(self, note: Note) -> None:
        self._report.add(note)
        if self._on_note is not None:
            self._on_note(note)


def _is_code_of(factor: ImportedFactor, code: str, now: float) -> bool:
    key = secret_bytes(factor.secret)
    step = time_step_of(key, code, now, PROOF_WINDOW, factor.algorithm, factor.digits, factor.period)
    return step is not None


def _parts(newcomers: Iterator[_Newcomer]) -> Iterator[list[_Newcomer]]:
    while part := list(islice(newcomers, TOGETHER)):
        yield part


def _batches(users: Iterator[ImportedUser]) -> Iterator[list[ImportedUser]]:
    batch: list[ImportedUser] = []
    codes = 0
    for user in users:
        batch.append(user)
        codes += len(user.recovery_codes)
        if codes >= CODES_AT_ONCE:
            yield batch
            batch, codes = [], 0
    if batch:
        yield batch
