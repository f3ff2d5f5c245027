"""`AuditedCore`: the core of a service whose events are rows of the store as well, each written with its decision."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..vault import Keyring
from .audit_chain import appends, faults_met
from .core import Core, QuietCore, log, moment
from .errors import MFAError
from .events import AuditContext, Event
from .stores.base import AuditAppend, Owner

_T = TypeVar("_T")

OF_THE_STORE = Owner("", "")
"""Whose rows of the audit say when it began and which keys were rotated. They are never removed."""


class AuditedCore(Core):
    """A core whose events are rows.

    :param context: where the request of this moment comes from
    :param more: as for `Core`
    """

    audited = True

    def __init__(self, context: Callable[[], AuditContext], *more: Any) -> None:
        super().__init__(*more)
        self._context = context
        self._has_begun: set[str] = set()
        """Where the store is known to say when the audit began: one place, or a schema for each customer."""

    def decide(
        self,
        verb: Callable[..., _T],
        /,
        *arguments: object,
        events: "Callable[[Core, _T], None]",
        **named: object,
    ) -> _T:
        """As `Core.decide`. The events are rows, written with the decision.

        :param events: it is called in the middle of the decision, and again if another process came between
        """
        self.begin_audit()
        keyring = self.keyring  # before: no store waits for the place of the keys
        told: list[Event] = []
        quiet = QuietCore(self, told)
        answers: list[_T] = []
        written: list[AuditAppend] = []

        def audit(answer: _T) -> list[AuditAppend]:
            told.clear()
            answers[:] = [answer]
            events(quiet, answer)
            written[:] = self._appends(keyring, told)
            return written

        answer = verb(*arguments, audit=audit, **named)
        if answers != [answer]:  # what was looked at last did not stand
            events(self, answer)
        else:
            self._tell(told)
            self._tell_damaged(written)
        return answer

    def emit_together(self, events: Callable[[Core], None]) -> None:
        told: list[Event] = []
        events(QuietCore(self, told))
        self._note_all(told)

    def begin_audit(self) -> None:
        """Says once that from now on each event is a row: what a factor was used for before has none."""
        place = str(getattr(self.store, "schema", ""))
        if place in self._has_begun:
            return
        self._has_begun.add(place)
        try:
            if self.store.audit_head(OF_THE_STORE).number == 0:
                self.emit("audit began", self.now(), OF_THE_STORE)
        except BaseException:
            self._has_begun.discard(place)
            raise

    def _note_all(self, events: Sequence[Event]) -> None:
        """It is written first: what cannot be is not answered, either."""
        coming: list[AuditAppend] = []
        try:
            self.begin_audit()
            coming = self._appends(self.keyring, events)
            if coming:
                self.store.append_audit(coming)
        except MFAError:
            if any(event.kind != "store damaged" for event in events):
                raise
            # That the store is damaged is raised in any case.
        self._tell(events)
        self._tell_damaged(coming)

    def _appends(self, keyring: Keyring, events: Sequence[Event]) -> list[AuditAppend]:
        """The rows of events. What somebody does who has shown nothing is no row of anybody's: the log has it."""
        rows = [event for event in events if event.user_id or event.kind != "passkey refused"]
        if not rows:
            return []
        try:
            context = self._context()
        except Exception:
            # As with `on_event`: a decision does not hang on what the application knows of a request.
            log.error("audit_context raised: the row has no address")
            context = AuditContext()
        return appends(keyring, rows, context)

    def _tell_damaged(self, written: Sequence[AuditAppend]) -> None:
        """That somebody had changed rows of the audit, as was seen when others were written."""
        for owner, fault in faults_met(written):
            at = moment(self.now())
            self._tell([Event("audit damaged", at, owner.tenant, owner.user_id, detail={"reason": fault})])
