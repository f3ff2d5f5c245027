"""What each page shows, as values: a template puts them into HTML and decides nothing.

A page's fixed words come from `Texts` by id; what depends on the user or the moment is in the values below, in words.
None of them holds a secret but `SetUpPage` and `CodesPage`, and those neither show it in a `repr` nor are kept.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TypeVar, cast

from .._tracebacks import attempt
from ..mfa import DeviceInfo, Enrollment, FactorInfo, PasskeyInfo
from .gate import Gate, tidy_name
from .login import Login
from .problems import had_drift
from .safety import device_name, safe_next
from .sessions import SessionInfo
from .texts import Texts

_T = TypeVar("_T")

_log = logging.getLogger("ferrotp.web")


@dataclass(frozen=True, slots=True)
class ChallengePage:
    """Asks for a code of the app, or for a recovery code: at login, or again before a change."""

    account: str
    recovery: bool
    again: bool
    """Whether somebody is logged in, and asked before a change."""
    hint: str
    trust_days: int = 0
    """The offer not to ask on this device. 0: none."""
    switch: bool = True
    """Whether the other way is open, too."""
    two_codes: bool = False
    """Whether single codes are delayed: two in a row are asked for, which have attempts of their own."""
    note: str = ""
    error: str = ""
    passkey: str = ""
    """What the browser needs to use a passkey, as JSON. Empty: the user has none, or is asked for a recovery code."""
    codes: bool = True
    """Whether there is anything to type."""

    @property
    def focus_code(self) -> bool:
        """Whether the code's field has the focus: not where a passkey comes first."""
        return not self.passkey


def challenge_page(gate: Gate, login: Login, texts: Texts, *, recovery: bool, error: str = "") -> ChallengePage:
    """For a half-login, or for a full one that has to be refreshed."""
    policy = gate.mfa.policy
    status = gate.mfa.status(user_id=login.user_id)
    active = [factor.kind for factor in status.factors if factor.state == "active"]
    has_passkey = policy.passkeys is not None and "passkey" in active
    takes_codes = gate.takes_codes(login.user_id, status)
    has_app = takes_codes and not status.disabled and any(kind != "passkey" for kind in active)
    usable = has_app or has_passkey
    again = login.stage == "full"
    two_codes = not recovery and has_app and status.retry_at is not None
    if error and not recovery and had_drift(status):
        error = f"{error} {texts('challenge.clock')}"
    hint = texts("challenge.hint", digits=policy.digits, period=policy.period)
    return ChallengePage(
        account=texts("challenge.account", account=login.account_name),
        recovery=recovery,
        again=again,
        hint=texts("recover.hint") if recovery else texts("challenge.first.hint") if two_codes else hint,
        trust_days=0 if again or recovery else policy.trusted_device_days,
        switch=usable if recovery else status.recovery_codes > 0,
        two_codes=two_codes,
        note=texts("recover.disabled") if recovery and not usable else texts("challenge.two") if two_codes else "",
        error=error,
        passkey=json.dumps(gate.passkey_challenge(login)) if has_passkey and not recovery else "",
        codes=recovery or has_app or not has_passkey,
    )


@dataclass(frozen=True, slots=True)
class SetUpPage:
    """The start of a set-up, or the key of one that waits for its code."""

    required: bool
    """Whether there is no way around it."""
    can_leave: bool
    error: str = ""
    qr: str = field(default="", repr=False)
    """SVG, safe to stand in the page as it is."""
    key: str = field(default="", repr=False)
    """In groups of four."""
    uri: str = field(default="", repr=False)
    """``otpauth://``, for a link that opens the app."""
    expires: str = ""
    name: str = ""
    """Of the device, as it was typed beside a code that was not right."""
    offers_passkeys: bool = False
    """Whether a passkey is the other way."""


def set_up_page(
    gate: Gate, login: Login, texts: Texts, enrollment: Enrollment | None, *, error: str = "", name: str = ""
) -> SetUpPage:
    """Without an enrollment: the start."""
    required, can_leave = gate.is_required(login.user_id), login.stage == "full"
    if enrollment is None:
        return SetUpPage(required, can_leave, error, offers_passkeys=gate.mfa.policy.passkeys is not None)
    return SetUpPage(
        required,
        can_leave,
        error,
        # Its own white ground: readable in dark mode. The title describes and does not hold the secret.
        qr=enrollment.qr.svg(size=240, title=texts("setup.qr")),
        key=enrollment.grouped_secret,
        uri=enrollment.uri,
        expires=texts("setup.expires", duration=texts.lasting(enrollment.expires_at, gate.now())),
        name=tidy_name(name),
    )


@dataclass(frozen=True, slots=True)
class PasskeyPage:
    """The creation of a passkey."""

    options: str
    """What the browser needs, as JSON. Empty: there is none to be made, and `error` says why."""
    name: str
    """What it will be called, unless the user says otherwise."""
    can_leave: bool
    codes: bool
    """Whether an authenticator app is the other way."""
    error: str = ""


def passkey_page(gate: Gate, login: Login, texts: Texts, *, name: str, error: str = "") -> PasskeyPage:
    """For a login that may set up a factor.

    :raises MFAError: what `MFA.begin_passkey` raises
    """
    options = json.dumps(gate.begin_passkey(login))
    return PasskeyPage(options, name, login.stage == "full", gate.sets_up_codes(login.user_id), error)


@dataclass(frozen=True, slots=True)
class SignInPage:
    """Offers to sign in by a passkey alone: on a page of its own, or as a part of the application's login page."""

    options: str
    """What the browser needs, as JSON."""
    next: str
    """Where the user wants to go: a path on this site."""
    error: str = ""


def sign_in_page(gate: Gate, session: str, *, next_url: object = "", error: str = "") -> SignInPage:
    """For a browser in which nobody is logged in.

    :param session: as for `Gate.sign_in_challenge`
    """
    return SignInPage(json.dumps(gate.sign_in_challenge(session)), safe_next(next_url), error)


@dataclass(frozen=True, slots=True)
class CodesPage:
    """New recovery codes, shown this once."""

    codes: tuple[str, ...] = field(repr=False)
    error: str = ""
    about: str = ""
    """Whose they are, and of which day: for paper."""


def codes_page(gate: Gate, login: Login, texts: Texts, codes: Iterable[str], *, error: str = "") -> CodesPage:
    """With what a printed page has to say."""
    about = texts("codes.file", issuer=gate.mfa.issuer, account=login.account_name)
    day = datetime.fromtimestamp(gate.now(), timezone.utc)
    return CodesPage(tuple(codes), error, f"{about}, {day:%Y-%m-%d}")


def show_codes(make: Callable[[], CodesPage | None], show: Callable[[CodesPage], _T]) -> _T | None:
    """Makes recovery codes and shows them: the codes are in the frames below this one, which no exception takes along
    to a report.

    :param make: None: there are none to be shown
    :return: None also if they could not be shown: the settings tell the user, who makes new ones
    """
    page, failure = attempt(make)
    if failure is not None:
        raise failure
    if page is None:
        return None
    shown, failure = attempt(show, page)
    del page
    if failure is None:
        return cast(_T, shown)
    if not isinstance(failure, Exception):
        raise failure
    _log.error("the page of recovery codes could not be shown (%s): the settings tell the user", type(failure).__name__)
    return None


def was_posted_before(login: Login, opened_at: str) -> bool:
    """Whether the form that makes new codes was opened before this login made its last ones: the page that showed them
    was loaded again, and would end codes that the user may have saved.

    :param opened_at: of the form: when it was opened, in Unix seconds. A form that does not say so makes new codes
    """
    return opened_at.isascii() and opened_at.isdigit() and len(opened_at) < 16 and int(opened_at) <= login.codes_at


_CODE = re.compile(r"[0-9A-Za-z]{2,8}(-[0-9A-Za-z]{2,8}){1,7}")


def posted_codes(texts: Iterable[str]) -> tuple[str, ...]:
    """The codes that a form gives back for the file or for another look: what does not look like one is dropped."""
    found = [text for _, text in zip(range(20), texts, strict=False) if len(text) <= 64]
    return tuple(text for text in found if _CODE.fullmatch(text))


def codes_file(codes: Iterable[str], texts: Texts, *, issuer: str, account: str) -> str:
    """The file of recovery codes: plain text, with line ends that every system shows."""
    lines = [texts("codes.file", issuer=issuer, account=account), texts("codes.file.hint"), "", *codes, ""]
    return "\r\n".join(tidy_line(line) for line in lines)


def tidy_line(line: str) -> str:
    """One line stays one line."""
    return " ".join(line.split())


@dataclass(frozen=True, slots=True)
class FactorRow:
    """A factor of the user's own."""

    factor_id: str
    name: str
    added: str
    used: str
    used_at: str
    """ISO 8601; empty if never."""
    warning: str
    disabled: bool
    is_passkey: bool = False
    about: str = ""
    """Of a passkey: whether it is in one device, or in all of its user's."""


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A trusted device of the user's own."""

    series: str
    name: str
    used: str
    until: str


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """One thing that happened to the user."""

    what: str
    when: str
    at: str
    """ISO 8601."""
    where: str
    """The address; empty if it is not known."""
    browser: str


_ACTIVITY: Mapping[str, str] = {
    "verified": "confirmed",
    "unlocked": "confirmed",
    "factor resynchronized": "confirmed",
    "refused": "refused",
    "passkey refused": "refused",
    "recovery refused": "refused",
    "unlock refused": "refused",
    "enrollment refused": "refused",
    "throttled": "throttled",
    "recovered": "recovered",
    "enrollment confirmed": "added",
    "factor imported": "added",
    "factor removed": "removed",
    "recovery codes replaced": "codes",
    "device trusted": "trusted",
    "device recognized": "recognized",
    "devices removed": "forgotten",
    "sessions ended": "ended",
    "reset": "reset",
    "disabled": "disabled",
    "guessing suspected": "suspected",
    "device theft suspected": "suspected",
    "passkey copy suspected": "suspected",
    "enrollment lost": "suspected",
    "passed elsewhere": "elsewhere",
    "impersonated": "impersonated",
    "secret revealed": "revealed",
}
"""What a user is told of, by the kind of event. The rest is for those who run the site."""

_ROWS = 20


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session of the user's own."""

    handle: str
    name: str
    began: str
    current: bool


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """What there is of the user, and what can be changed."""

    on: bool
    factors: tuple[FactorRow, ...]
    """Authenticator apps."""
    passkeys: tuple[FactorRow, ...]
    offers_passkeys: bool
    offers_codes: bool
    codes_left: str
    codes_low: bool
    codes_unsaved: bool
    devices: tuple[DeviceRow, ...]
    trust_days: int
    """0: the policy has no trusted devices, and the page does not speak of them."""
    message: str = ""
    sessions: tuple[SessionRow, ...] = ()
    """Empty: the application cannot list them."""
    activity: tuple[ActivityRow, ...] = ()
    """What happened of late, the newest first. Empty, too, where events are not kept."""


def activity_rows(gate: Gate, login: Login, texts: Texts) -> tuple[ActivityRow, ...]:
    """For a user who is logged in."""
    if not gate.mfa.audited:
        return ()
    now, entries = gate.now(), gate.mfa.activity(user_id=login.user_id, limit=5 * _ROWS)
    rows = [
        ActivityRow(
            texts(f"activity.{_ACTIVITY[entry.kind]}"),
            texts.ago(entry.at, now),
            entry.at.isoformat(timespec="seconds"),
            texts("activity.from", address=entry.address) if entry.address else "",
            device_name(entry.user_agent) if entry.user_agent else "",
        )
        for entry in entries
        if entry.kind in _ACTIVITY
    ]
    return tuple(rows[:_ROWS])


def factor_row(factor: FactorInfo, texts: Texts, now: float, passkey: PasskeyInfo | None = None) -> FactorRow:
    """A factor in words."""
    used = factor.last_used_at
    disabled = factor.state == "disabled"
    is_passkey = factor.kind == "passkey"
    of_kind = ".passkey" if is_passkey else ""
    about = ""
    if passkey is not None:
        about = texts("settings.passkeys.synced" if passkey.backup_eligible else "settings.passkeys.bound")
    return FactorRow(
        factor.factor_id,
        factor.name or texts(f"settings.unnamed{of_kind}"),
        texts("settings.added", when=texts.ago(factor.created_at, now)),
        texts("settings.used", when=texts.ago(used, now)) if used else texts("settings.never"),
        used.isoformat(timespec="seconds") if used else "",
        texts(f"settings.disabled{of_kind}") if disabled else texts("settings.legacy") if factor.legacy else "",
        disabled,
        is_passkey,
        about,
    )


def session_row(session: SessionInfo, texts: Texts, now: float) -> SessionRow:
    """A session in words."""
    name = session.browser or texts("settings.unnamed.device")
    began = texts("settings.sessions.began", when=texts.ago(session.began_at, now))
    return SessionRow(session.handle, name, began, session.current)


def settings_page(
    gate: Gate, login: Login, texts: Texts, *, message: str = "", sessions: Iterable[SessionInfo] = ()
) -> SettingsPage:
    """For a user who is logged in.

    :param sessions: the user's, where they can be listed
    """
    mfa, now = gate.mfa, gate.now()
    status = mfa.status(user_id=login.user_id)
    left = status.recovery_codes
    trust_days = mfa.policy.trusted_device_days
    devices: list[DeviceInfo] = mfa.trusted_devices(user_id=login.user_id) if trust_days else []
    passkeys = {passkey.factor_id: passkey for passkey in mfa.passkeys(user_id=login.user_id)}
    rows = [factor_row(factor, texts, now, passkeys.get(factor.factor_id)) for factor in status.factors]
    return SettingsPage(
        on=status.enrolled,
        factors=tuple(row for row in rows if not row.is_passkey),
        passkeys=tuple(row for row in rows if row.is_passkey),
        offers_passkeys=mfa.policy.passkeys is not None,
        offers_codes=gate.sets_up_codes(login.user_id),
        codes_left=texts("settings.codes.left", count=left) if left else texts("settings.codes.left.none"),
        codes_low=left <= 3,
        codes_unsaved=login.unsaved_codes,
        devices=tuple(
            DeviceRow(
                device.series,
                device.name or texts("settings.unnamed.device"),
                texts("settings.used", when=texts.ago(device.last_used_at, now)),
                texts("settings.devices.until", date=f"{device.expires_at:%Y-%m-%d}"),
            )
            for device in devices
        ),
        trust_days=trust_days,
        message=message,
        activity=activity_rows(gate, login, texts),
        sessions=tuple(session_row(session, texts, now) for session in sessions),
    )


@dataclass(frozen=True, slots=True)
class RemovePage:
    """Asks before a factor is removed."""

    factor: FactorRow
    title: str
    last: bool
    """Whether the second factor ends with it."""


def remove_page(gate: Gate, factor: FactorInfo, texts: Texts) -> RemovePage:
    """For a factor that may be removed."""
    row = factor_row(factor, texts, gate.now())
    factors = gate.mfa.status(user_id=factor.user_id).factors
    return RemovePage(
        row, texts("remove.title", name=row.name), [other.factor_id for other in factors] == [row.factor_id]
    )


@dataclass(frozen=True, slots=True)
class EndSessionPage:
    """Asks before one session is ended."""

    session: SessionRow
    title: str


def end_session_page(gate: Gate, texts: Texts, sessions: Iterable[SessionInfo], handle: str) -> EndSessionPage | None:
    """For a session of the user's own, and not the one that asks. None: there is none of that handle."""
    for session in sessions:
        if session.handle == handle and not session.current:
            row = session_row(session, texts, gate.now())
            return EndSessionPage(row, texts("session.title", name=row.name))
    return None
