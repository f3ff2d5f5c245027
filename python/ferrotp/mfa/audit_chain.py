"""The chain of the audit: what the rows of a user are bound together by, so that a changed one shows.

Each row has a hash of all rows before it, and a MAC of itself with that hash under a key of the keyring. The head has
the number and the hash of the last row, under a MAC of its own: so that rows that are missing at the end show, too. The
chain is made of hashes, so a row can get a MAC of another key while those after it stay as they are.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest

from .. import vault
from .events import AuditContext, Event
from .stores.base import AuditAppend, AuditHead, AuditRow, Owner

BY_ITSELF: AuditContext = AuditContext()
"""Where no request is."""

request_context: "ContextVar[AuditContext | Callable[[], AuditContext]]" = ContextVar(
    "ferrotp audit", default=BY_ITSELF
)
"""Who asks, in the request that is answered now: each framework sets it."""

LONGEST_TEXT = 255
"""Characters of an address or a user agent that are kept: clients send any. A bound of the tables."""


providers: "dict[str, Callable[[], AuditContext | None]]" = {}
"""The same of frameworks that know the request of a thread: by name, what says who asks; None: nobody."""


def context_of_request() -> AuditContext:
    """Who asks, as the framework of this moment says it."""
    found = request_context.get()
    if found is not BY_ITSELF:
        return found() if callable(found) else found
    return next((context for provide in providers.values() if (context := provide()) is not None), BY_ITSELF)


def appends(keyring: vault.Keyring, events: Iterable[Event], context: AuditContext) -> list[AuditAppend]:
    """The rows of some events, for each of their users."""
    by_owner: dict[Owner, list[Event]] = {}
    for event in events:
        by_owner.setdefault(Owner(event.tenant, event.user_id), []).append(event)
    return [AuditAppend(owner, _Appending(keyring, owner, mine, context)) for owner, mine in by_owner.items()]


class _Appending:
    """`AuditAppend.after`."""

    def __init__(self, keyring: vault.Keyring, owner: Owner, events: Sequence[Event], context: AuditContext) -> None:
        self._keyring, self._owner, self._context = keyring, owner, context
        self._rows = [_row_of(owner, event, context) for event in events]
        self.fault = ""
        """What was wrong with the head that it was called with last."""

    def __call__(self, head: AuditHead) -> tuple[AuditHead, list[AuditRow]]:
        coming, number, link = self._rows, head.number, head.link
        fault = self.fault = fault_of_head(self._keyring, self._owner, head)
        if fault:
            # Somebody changed what is there. It goes on behind it, so that nobody is locked out, and says so for good.
            number = max(head.number, head.last)
            damaged = replace(coming[0], kind="audit damaged", factor_id="", method="", detail=_json({"reason": fault}))
            coming = [damaged, *coming]
        rows = []
        for row in coming:
            number += 1
            row = replace(row, number=number, before=link, key_id=self._keyring.writes_with)
            link = link_of(row)
            rows.append(replace(row, mac=_mac_of_row(self._keyring, row.key_id, row)))
        pruned = min(head.pruned, number)
        fresh = AuditHead(number, link, pruned, head.anchor, last=number)
        return sealed_head(self._keyring, self._owner, fresh), rows


def faults_met(appends: Iterable[AuditAppend]) -> list[tuple[Owner, str]]:
    """What was found wrong when these were written, and whose it is."""
    found = [(append.owner, getattr(append.after, "fault", "")) for append in appends]
    return [(owner, fault) for owner, fault in found if fault]


def _row_of(owner: Owner, event: Event, context: AuditContext) -> AuditRow:
    """A row that has no number yet."""
    return AuditRow(
        owner,
        0,
        round(event.at.timestamp() * 1000),
        event.kind,
        event.factor_id,
        event.method,
        _json(event.detail),
        _plain(context.address),
        _plain(context.user_agent),
        b"",
        "",
        b"",
    )


def _json(detail: dict[str, object]) -> str:
    """In ASCII, with times as texts."""
    return json.dumps(detail, sort_keys=True, separators=(",", ":"), default=_said)


def _said(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _plain(text: object) -> str:
    """What a client says of itself, as a text that every database holds, and no terminal obeys."""
    letters = str(text or "")[:LONGEST_TEXT]
    return "".join(letter if letter.isprintable() else "?" for letter in letters)


def link_of(row: AuditRow) -> bytes:
    """The hash of a row and of all before it."""
    owner = row.owner
    numbers = (str(row.number), str(row.at))
    said = (row.kind, row.factor_id, row.method, row.detail, row.address, row.user_agent)
    hashed = sha256(b"ferrotp audit 1")
    for part in (
        row.before,
        *(text.encode("utf-8", "surrogatepass") for text in (*owner_texts(owner), *numbers, *said)),
    ):
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.digest()


def owner_texts(owner: Owner) -> tuple[str, str]:
    """What a MAC is bound to."""
    return owner.tenant, owner.user_id


def _mac_of_row(keyring: vault.Keyring, key_id: str, row: AuditRow) -> bytes:
    texts = (*owner_texts(row.owner), str(row.number), link_of(row).hex())
    return keyring.mac(key_id, "audit row", texts) or b""


def _mac_of_head(keyring: vault.Keyring, key_id: str, owner: Owner, head: AuditHead) -> bytes:
    numbers = (str(head.number), head.link.hex(), str(head.pruned), head.anchor.hex())
    return keyring.mac(key_id, "audit head", (*owner_texts(owner), *numbers)) or b""


def sealed_row(keyring: vault.Keyring, row: AuditRow) -> AuditRow:
    """The row with a MAC of the key that writes now."""
    key_id = keyring.writes_with
    return replace(row, key_id=key_id, mac=_mac_of_row(keyring, key_id, row))


def sealed_head(keyring: vault.Keyring, owner: Owner, head: AuditHead) -> AuditHead:
    """The head with a MAC of the key that writes now."""
    key_id = keyring.writes_with
    return replace(head, key_id=key_id, mac=_mac_of_head(keyring, key_id, owner, head))


def fault_of_row(keyring: vault.Keyring, row: AuditRow) -> str:
    """What is wrong with a row by itself: empty if nothing is."""
    if row.key_id not in keyring.key_ids:
        return f"its key is not in the keyring ({row.key_id})" if row.key_id.isalnum() else "changed"
    return "" if compare_digest(row.mac, _mac_of_row(keyring, row.key_id, row)) else "changed"


def fault_of_head(keyring: vault.Keyring, owner: Owner, head: AuditHead) -> str:
    """What is wrong with a head, and with where the rows end beside it: empty if nothing is."""
    if head.number == 0:
        return "the head is missing" if head.last else ""
    if head.key_id not in keyring.key_ids:
        return (
            f"the head's key is not in the keyring ({head.key_id})" if head.key_id.isalnum() else "the head was changed"
        )
    if not compare_digest(head.mac, _mac_of_head(keyring, head.key_id, owner, head)):
        return "the head was changed"
    if head.last != (head.number if head.number > head.pruned else 0):
        return "rows are missing at the end" if head.last < head.number else "the head is older than the rows"
    return ""
