"""The import itself: page by page, each user as a whole, and each once.

A run that was killed is begun again: whoever came is known to the store by the budgets, so nobody comes twice, and what
was removed since does not come back.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from ..._tracebacks import without_frames
from ..errors import PolicyError
from ..foreign_users import MAX_CODES, ImportedFactor, ImportedUser, code_bits, is_legacy, is_taken, secret_bytes
from ..identifiers import is_identifier
from ..policy import Policy
from ..service import MFA
from ..stores.base import Owner
from .accounts import Accounts
from .database import Database, Row, Users, identifier
from .errors import SourceError
from .matching import step_of
from .report import ImportReport
from .source_user import Format, Found, Moment, Note

CODES_AT_ONCE = 200
"""Recovery codes that are hashed between two commits: a few seconds' work, which is all that a kill takes back."""
GOOD_BITS = 64
"""Of a recovery code: fewer are flagged (NIST SP 800-63B-4, section 3.1.2.2)."""

Progress = Callable[[int, int], None]
"""Called with how many users were looked at, and how many there are."""


@without_frames
def examine(
    source: str | Engine,
    format: Format,
    *,
    policy: Policy | None = None,
    proofs: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.time,
    progress: Progress | None = None,
    on_note: Callable[[Note], None] | None = None,
) -> ImportReport:
    """Says what `bring` would do with a store in which nobody is yet. It writes nothing.

    :param source: an SQLAlchemy URL, the path of a SQLite file, or an engine
    :param format: one of `ferrotp.mfa.imports`
    :param policy: of the service that the users would come to
    :param proofs: by user id the code that an app shows just now, to prove that the secrets are read rightly
    :param on_note: called with each `Note`, of what is left out and what is to be looked at
    :raises SourceError: if the source is not what was said
    """
    run = _Run(source, format, policy or Policy(), clock, progress, on_note, None)
    return run.through(proofs or {})


@without_frames
def bring(
    source: str | Engine,
    format: Format,
    mfa: MFA,
    *,
    proofs: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.time,
    progress: Progress | None = None,
    on_note: Callable[[Note], None] | None = None,
) -> ImportReport:
    """Takes the users of a source over, with the service's policy and into its tenant. It can be killed and begun
    again. Its arguments are those of `examine`.

    :raises SourceError: if the source is not what was said, or a proof is missing or wrong: nobody came then
    """
    if format.needs_proof and not proofs:
        raise SourceError(
            "these records open with a wrong key, too, to garbage: prove the key by a user id and the code that this "
            "user's app shows now"
        )
    run = _Run(source, format, mfa.policy, clock, progress, on_note, mfa)
    return run.through(proofs or {})


class _Run:
    """One run."""

    def __init__(
        self,
        source: str | Engine,
        format: Format,
        policy: Policy,
        clock: Callable[[], float],
        progress: Progress | None,
        on_note: Callable[[Note], None] | None,
        mfa: MFA | None,
    ) -> None:
        self._database = Database(source)
        self._format = format
        self._accounts: Accounts | None = format.accounts
        self._policy = policy
        self._clock = clock
        self._progress = progress
        self._on_note = on_note
        self._mfa = mfa
        self._report = ImportReport(format.name, mfa is not None)

    def through(self, proofs: Mapping[str, str]) -> ImportReport:
        try:
            queries = self._format.queries(self._database)
            for user_id, code in proofs.items():
                self._prove(self._database.user(queries, user_id), user_id, code)
            total, strays = self._database.count(queries)
            for _ in range(strays):
                self._note(Note("", "row", "skipped", "it belongs to nobody"))
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                for page in self._database.pages(queries):
                    # Opening the records of a page may take a while, and lets other threads run.
                    found = pool.map(self._read, self._new(page))
                    for users in _slices(user for one in found if (user := self._judged(one))):
                        self._write(users)
                    self._report.users += len(page)
                    if self._progress is not None:
                        self._progress(self._report.users, max(total, self._report.users))
            return self._report
        finally:
            self._database.close()

    def _new(self, page: Users) -> Iterator[tuple[str, dict[str, list[Row]]]]:
        """Those who can come, by the id that they get: not who is gone, and not who is there."""
        for owner, rows in page.items():
            account = next(
                (row["account"] for some in rows.values() for row in some if row["account"] is not None), None
            )
            user_id = identifier(account, self._accounts)
            if account is None:
                self._note(Note(str(owner), "user", "skipped", "the user is gone"))
            elif not is_identifier(user_id):
                self._note(Note("", "user", "skipped", "the user's id is none that ferrotp takes"))
            elif self._mfa is not None and self._mfa.store.user(Owner(self._mfa.tenant, user_id)).factors:
                self._report.already += 1
            else:
                yield user_id, rows

    def _read(self, user: tuple[str, dict[str, list[Row]]]) -> Found:
        user_id, rows = user
        found = Found(user_id)
        try:
            self._format.read(found, rows, Moment(self._clock(), self._policy.window))
        except SourceError:
            raise
        except Exception as error:  # whatever a row holds, the others come; its text may be anything
            found.skip("user", f"its rows cannot be read ({type(error).__name__})")
        return found

    def _judged(self, found: Found) -> ImportedUser | None:
        """What of a user the policy lets in."""
        factors: list[ImportedFactor] = []
        for factor in found.factors:
            try:
                legacy = is_legacy(factor, self._policy)
            except PolicyError as error:
                found.skip("factor", str(error))
                continue
            if len(factors) == self._policy.max_factors:
                found.skip("factor", "the user has more factors than the policy allows")
                continue
            if legacy:
                found.flag("factor", "a secret of fewer than 128 bits, or a long period: enroll again")
            factors.append(factor)
        codes = [code for code in found.recovery_codes if is_taken(code)]
        if len(codes) < len(found.recovery_codes):
            found.skip("recovery codes", "a recovery code has 20 bits at least, and 64 bytes at most")
        codes = codes[:MAX_CODES]
        if not factors and codes:
            found.skip("recovery codes", "there is no factor that they would go with")
        if factors and any(code_bits(code) < GOOD_BITS for code in codes):
            found.flag("recovery codes", "recovery codes of fewer than 64 bits: have new ones made")
        for note in found.notes:
            self._note(note)
        if not factors:
            return None
        return ImportedUser(user_id=found.user_id, factors=tuple(factors), recovery_codes=tuple(codes))

    def _write(self, users: Sequence[ImportedUser]) -> None:
        added = self._mfa.import_users(users) if self._mfa is not None else [True] * len(users)
        for user, came in zip(users, added, strict=True):
            if came:
                self._report.imported += 1
                self._report.factors += len(user.factors)
                self._report.recovery_codes += len(user.recovery_codes)
            else:
                self._report.already += 1

    def _prove(self, users: Users, user_id: str, code: str) -> None:
        for rows in users.values():
            for factor in self._read((user_id, rows)).factors:
                if factor.kind == "totp" and _fits(factor, code, self._clock()):
                    return
        raise SourceError(f"the code is none of user {user_id!r}'s: a wrong key, a wrong column, or mistyped")

    def _note(self, note: Note) -> None:
        self._report.add(note)
        if self._on_note is not None:
            self._on_note(note)


def _fits(factor: ImportedFactor, code: str, seconds: float) -> bool:
    key = secret_bytes(factor.secret)
    return step_of(key, code.strip(), seconds, 2, factor.algorithm, factor.digits, factor.period) is not None


def _slices(users: Iterator[ImportedUser]) -> Iterator[list[ImportedUser]]:
    some: list[ImportedUser] = []
    codes = 0
    for user in users:
        some.append(user)
        codes += len(user.recovery_codes)
        if codes >= CODES_AT_ONCE:
            yield some
            some, codes = [], 0
    if some:
        yield some
