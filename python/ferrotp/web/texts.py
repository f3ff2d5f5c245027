"""Every word of the pages and notices, by message id; and the words in the language of the reader."""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import cast

from .catalogues import Catalogue, Catalogues

ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        # Asking for a code
        "challenge.title": "Enter your code",
        "challenge.again": "Confirm that it is you",
        "challenge.why": "For your security, enter a code before you change this.",
        "challenge.lost": "What you just sent has not been done. Send it again afterwards.",
        "challenge.account": "Account: {account}",
        "challenge.label": "Code from your authenticator app",
        "challenge.hint": "It has {digits} digits and changes every {period} seconds.",
        "challenge.two": "Too many wrong codes were entered for this account, so we ask for two in a row. You need not "
        "wait: enter the code that your app shows now, and then the one after it.",
        "challenge.first": "First code from your authenticator app",
        "challenge.first.hint": "The one that it shows now.",
        "challenge.second": "Second code",
        "challenge.second.hint": "The one that comes next. Wait until the code changes.",
        "challenge.clock": "Your last code came early or late: if your device's clock is off, let the device set its "
        "time by itself.",
        "challenge.trust.one": "Trust this device for one day",
        "challenge.trust.other": "Trust this device for {count} days",
        "challenge.trust.hint": "You will not be asked for a code here. Only on a device that nobody else uses.",
        "challenge.submit": "Continue",
        "challenge.recover": "Use a recovery code instead",
        "challenge.cancel": "Cancel and log out",
        "challenge.back": "Cancel",
        "challenge.passkey": "Use your passkey",
        "challenge.passkey.why": "Your device asks for your fingerprint, your face or its PIN.",
        "challenge.passkey.without": "Your passkey cannot be used here: this browser has no passkeys, or scripts are "
        "switched off. Use another way.",
        "challenge.or": "Or use a code",
        "recover.title": "Use a recovery code",
        "recover.label": "Recovery code",
        "recover.hint": "One of the codes you saved when you set up two-step login. Each works once.",
        "recover.challenge": "Use the authenticator app instead",
        "recover.disabled": "Your authenticator app is switched off after too many wrong codes. Log in with a recovery "
        "code, then set up the app again.",
        "recover.used": "You used a recovery code. If you lost your device, remove it below and add a new one.",
        # The password once more, where there is no second factor yet
        "password.title": "Confirm that it is you",
        "password.why": "For your security, enter your password before you change this.",
        "password.label": "Password",
        "password.wrong": "The password is not right.",
        # Setting up
        "setup.title": "Set up an authenticator app",
        "setup.why": "With two-step login, a stolen password is not enough to get in: we also ask for a code that only "
        "your device shows.",
        "setup.required": "This site requires it.",
        "setup.need": "You need an authenticator app on your phone, such as Aegis, 2FAS, FreeOTP, Google Authenticator "
        "or your password manager.",
        "setup.name": "Device name",
        "setup.name.hint": "So that you recognize it later: “My phone”. Optional.",
        "setup.start": "Start",
        "setup.scan": "Scan this QR code with the app",
        "setup.qr": "QR code for your authenticator app",
        "setup.open": "On your phone? Open it in your authenticator app",
        "setup.type": "No camera? Enter this key in the app",
        "setup.type.hint": "Choose “time-based”. Capitals and spaces do not matter.",
        "setup.confirm": "Enter the code that the app shows",
        "setup.submit": "Confirm",
        "setup.expires": "This key expires in {duration}.",
        "setup.restart": "Start over with a new key",
        "setup.expired": "This key has expired, or is in use already. Start again.",
        "setup.done": "Your authenticator app is set up.",
        "setup.full": "You have as many devices as this site allows. Remove one first.",
        "setup.passkey": "Use a passkey instead",
        "passkey.title": "Add a passkey",
        "passkey.why": "With a passkey you log in with your fingerprint, your face or the PIN of your device. It works "
        "on this site alone, so no other page can ask for it.",
        "passkey.name": "Name",
        "passkey.create": "Create a passkey",
        "passkey.without": "This browser has no passkeys, or scripts are switched off. Set up an authenticator app "
        "instead.",
        "passkey.without.codes": "This browser has no passkeys, or scripts are switched off. Use another browser.",
        "passkey.done": "Your passkey is ready.",
        "passkey.cancelled": "It was cancelled, or took too long. Nothing has changed: you may try again.",
        "passkey.taken": "This device, or this password manager, has a passkey of your account already.",
        "passkey.site": "This page is not at the address that passkeys are for. Open the site by its own address.",
        "passkey.other": "Your browser could not use a passkey. Try again, or use another way.",
        # Signing in by a passkey alone
        "sign-in.title": "Sign in with a passkey",
        "sign-in.why": "You need no password: your device asks for your fingerprint, your face or its PIN.",
        "sign-in.submit": "Sign in with a passkey",
        "sign-in.without": "This browser has no passkeys, or scripts are switched off. Log in with your password.",
        "sign-in.password": "Log in with your password",
        # Recovery codes
        "codes.title": "Save your recovery codes",
        "codes.why": "Use one to log in when you do not have your device. Each works once. They will not be shown "
        "again.",
        "codes.list": "Recovery codes",
        "codes.copy": "Copy",
        "codes.copied": "Copied",
        "codes.print": "Print",
        "codes.download": "Download as text",
        "codes.saved": "I saved these codes",
        "codes.continue": "Continue",
        "codes.unsaved": "Save the codes first, then tick the box below.",
        "codes.file": "{issuer}: recovery codes of {account}",
        "codes.file.hint": "Each code works once. Keep this file where only you can read it.",
        "codes.new.title": "Make new recovery codes",
        "codes.new.why": "Your current codes will stop working at once.",
        "codes.new.sessions": "Somebody may have my codes: log out everywhere else",
        "codes.new.submit": "Make new codes",
        "codes.new.wait": "You have made new codes many times. Try again {when}.",
        # Settings
        "settings.title": "Two-step login",
        "settings.on": "Two-step login is on: you log in with your password and a code.",
        "settings.off": "Two-step login is off: your password alone lets you in.",
        "settings.factors": "Authenticator apps",
        "settings.unnamed": "Authenticator app",
        "settings.added": "Added {when}",
        "settings.used": "Last used {when}",
        "settings.never": "Not used yet",
        "settings.disabled": "Switched off: remove it and set it up again.",
        "settings.legacy": "Set up by an older standard: add it again, and remove this one.",
        "settings.add": "Add an authenticator app",
        "settings.passkeys": "Passkeys",
        "settings.passkeys.none": "Log in with your fingerprint, your face or a PIN: no code to type.",
        "settings.passkeys.add": "Add a passkey",
        "settings.passkeys.synced": "In your password manager, on all your devices",
        "settings.passkeys.bound": "On this one device or key",
        "settings.unnamed.passkey": "Passkey",
        "settings.unnamed.device": "Browser",
        "settings.disabled.passkey": "Switched off: remove it and add a new one.",
        "settings.remove": "Remove",
        "settings.remove.which": "Remove {name}",
        "settings.codes": "Recovery codes",
        "settings.codes.left.one": "One code is left.",
        "settings.codes.left.other": "{count} codes are left.",
        "settings.codes.left.none": "No code is left.",
        "settings.codes.low": "Make new ones, so that you are not locked out.",
        "settings.codes.missing": "You have no recovery codes. Make some now: without them, a lost device locks you "
        "out.",
        "settings.codes.unsaved": "New codes were shown, and you have not confirmed that you saved them. If you did "
        "not, make new ones.",
        "settings.codes.new": "Make new codes",
        "settings.devices": "Trusted devices",
        "settings.devices.why": "You are not asked for a code on these devices.",
        "settings.devices.none": "There are none.",
        "settings.devices.until": "Until {date}",
        "settings.devices.forget": "Stop trusting this device",
        "settings.devices.forget.which": "Stop trusting this device: {name}",
        "settings.devices.all": "Stop trusting all devices",
        "settings.devices.forgotten": "Done. You will be asked for a code there.",
        "settings.sessions": "Other browsers and devices",
        "settings.sessions.end": "Log out everywhere else",
        "settings.sessions.ended": "Done. You are logged in here only.",
        "settings.sessions.this": "This browser",
        "settings.sessions.began": "Logged in {when}",
        "settings.sessions.log-out": "Log out there",
        "settings.sessions.log-out.which": "Log out there: {name}",
        "settings.sessions.logged-out": "Done. That browser is logged out.",
        "session.title": "Log out “{name}”?",
        "session.why": "That browser is logged out at once. If it is not yours, change your password, too.",
        "session.submit": "Log out",
        "sessions.why": "Every other login of your account ends, and no device is trusted any more. You stay logged in "
        "here.",
        "settings.removed": "“{name}” is removed.",
        "settings.gone": "It had already been removed.",
        # What happened of late, for the user's own eyes
        "activity.title": "Recent activity",
        "activity.why": "If you do not recognize something here, change your password and log out everywhere else.",
        "activity.from": "From {address}",
        "activity.confirmed": "Login confirmed",
        "activity.refused": "A code or a passkey was refused",
        "activity.throttled": "An attempt came too soon",
        "activity.recovered": "A recovery code was used",
        "activity.added": "An authenticator app or a passkey was added",
        "activity.removed": "An authenticator app or a passkey was removed",
        "activity.codes": "New recovery codes were made",
        "activity.trusted": "A device was trusted",
        "activity.recognized": "Login from a trusted device",
        "activity.forgotten": "Trusted devices were removed",
        "activity.ended": "Logged out everywhere else",
        "activity.reset": "Two-step login was reset",
        "activity.disabled": "Switched off after too many wrong codes",
        "activity.suspected": "Somebody may have tried to get in",
        "activity.elsewhere": "Login confirmed by another service",
        "activity.impersonated": "Somebody of this site came in as you",
        "activity.revealed": "The key of an authenticator app was shown to somebody of this site",
        "remove.title": "Remove “{name}”?",
        "remove.why": "Its codes will stop working, and you will be logged out everywhere else.",
        "remove.why.passkey": "It will not let you in any more, and you will be logged out everywhere else. Delete it "
        "in your password manager, too.",
        "remove.last": "This is your only device. You will log in with your password alone, and your recovery codes "
        "will stop working.",
        "remove.needed": "This is your only device, and this site requires one. Add another first.",
        "remove.submit": "Remove",
        "remove.keep": "Cancel",
        # What goes wrong
        "error.empty": "Enter a code.",
        "error.code": "This code is not right. Each code works once, and only for a short time: wait for the next one.",
        "error.two": "These are not two codes in a row, or one of them was used. Begin with the code that your app "
        "shows now.",
        "error.recovery": "This recovery code is not right. Each works once.",
        "error.wait": "Too many wrong codes. Try again {when}.",
        "error.last": "After one more wrong code you will have to wait.",
        "error.locked": "Too many wrong codes: the authenticator app is switched off. Log in again with your password "
        "and a recovery code.",
        "error.locked.recovery": "Too many wrong recovery codes: they are switched off. Ask the people who run "
        "this site.",
        "error.passkey": "This passkey was not accepted. Please try again.",
        "error.passkey.site": "This passkey was used on another page than ours. Check the address, and try again.",
        "error.passkey.late": "That took too long. Please try again.",
        "error.passkey.unknown": "This passkey is not one of this account. Choose another, or another way to log in.",
        "error.passkey.verify": "Unlock your device for this: by its PIN, your fingerprint or your face.",
        "error.passkey.sign-in": "This passkey was not accepted. Choose another, or log in with your password.",
        "error.passkey.taken": "This passkey is registered already.",
        "error.passkey.kind": "This site does not take this kind of passkey. Use another device.",
        "error.passkey.copied": "There may be a copy of this passkey. Use another way to log in, and remove it.",
        "error.codes": "Codes are not accepted here: use a passkey, or a recovery code.",
        "error.gone": "Log in again.",
        "error.none": "There is no two-step login for this account yet. Set it up first.",
        "ended.login": "Log in",
        "error.refused.title": "That did not work",
        "error.form": "This page was open for too long. Please try again.",
        "error.unavailable": "Codes cannot be checked at the moment. Try again in a minute.",
        "error.unavailable.title": "One moment",
        "error.broken": "Your authenticator app cannot be checked. Ask the people who run this site.",
        "error.title": "Please correct this",
        # Times
        "in.seconds.one": "in one second",
        "in.seconds.other": "in {count} seconds",
        "in.minutes.one": "in one minute",
        "in.minutes.other": "in {count} minutes",
        "in.hours.one": "in one hour",
        "in.hours.other": "in {count} hours",
        "in.days.one": "in one day",
        "in.days.other": "in {count} days",
        "for.seconds.one": "one second",
        "for.seconds.other": "{count} seconds",
        "for.minutes.one": "one minute",
        "for.minutes.other": "{count} minutes",
        "for.hours.one": "one hour",
        "for.hours.other": "{count} hours",
        "for.days.one": "one day",
        "for.days.other": "{count} days",
        "ago.now": "just now",
        "ago.minutes.one": "a minute ago",
        "ago.minutes.other": "{count} minutes ago",
        "ago.hours.one": "an hour ago",
        "ago.hours.other": "{count} hours ago",
        "ago.days.one": "yesterday",
        "ago.days.other": "{count} days ago",
        # Notices
        "notice.subject": "{issuer}: your two-step login was changed",
        "notice.body": "{what}\n\nThis was on {when}. If it was you, there is nothing to do.\n\nIf it was not you, log "
        "in to {issuer} now, change your password, and look at your two-step login.\n",
        "notice.enrollment-confirmed": "An authenticator app was added to your account.",
        "notice.factor-imported": "An authenticator app was added to your account.",
        "notice.factor-removed": "An authenticator app was removed from your account.",
        "notice.factor-resynchronized": "A token of your account was put back in step.",
        "notice.recovery-codes-replaced": "New recovery codes were made for your account. Earlier ones have stopped "
        "working.",
        "notice.recovered": "A recovery code was used to log in to your account.",
        "notice.guessing-suspected": "Somebody who knows your password has entered several wrong codes. If that was "
        "not you, change your password now.",
        "notice.passkey-added": "A passkey was added to your account.",
        "notice.passkey-removed": "A passkey was removed from your account.",
        "notice.passkey-copy-suspected": "There may be a copy of a passkey of your account. Remove it, and add a new "
        "one.",
        "notice.disabled": "Too many wrong codes were typed for your account: the authenticator app is switched off.",
        "notice.reset": "The two-step login of your account was reset.",
        "notice.sessions-ended": "Your account was logged out everywhere but in one browser.",
        "notice.device-trusted": "A device is now trusted by your account: you are not asked for a code there.",
        "notice.device-theft-suspected": "Somebody may have copied the cookie of a trusted device. No device is "
        "trusted any more.",
        "notice.enrollment-lost": "Somebody with your password tried to log in, and your second step was not found. "
        "Nobody was let in.",
        "notice.other": "The two-step login of your account was changed.",
        "notice.reminder.subject": "{issuer}: please set up two-step login",
        "notice.reminder.body": "Your account has no two-step login yet: your password alone lets in.\n\nLog in "
        "to {issuer}, and set it up. It takes two minutes.\n",
        "notice.reminder.due": "Your account has no two-step login yet: your password alone lets in.\n\nLog in "
        "to {issuer}, and set it up. It takes two minutes. From {date} on it is required.\n",
    }
)
"""Message id to text. Ids that end in ``.one`` and ``.other`` are chosen by ``{count}``."""

Folders = Iterable[str | Path]


class Texts:
    """The words, in the language of the reader.

    :param language: which one is wanted: a tag (``de``, ``pt-BR``), or several in the form of ``Accept-Language``; or a
        function that says so each time, as a text or what becomes one. A language that is not there, and None, is
        English, all of it
    :param translations: folders of the application's own catalogues, ``LANGUAGE/LC_MESSAGES/ferrotp.mo``, or a function
        that gives them. A sentence there goes before ours; see `docs/languages.md`
    """

    def __init__(
        self, *, language: str | Callable[[], object] = "en", translations: Folders | Callable[[], Folders] = ()
    ) -> None:
        self._language = language
        self._translations = translations if callable(translations) else tuple(translations)

    def in_language(self, language: str) -> "Texts":
        """The same in another language."""
        return Texts(language=language, translations=self._translations)

    @property
    def language(self) -> str:
        """What these words are in, for ``lang``: not what was wanted."""
        return self._catalogue().language

    @property
    def catalogues(self) -> Catalogues:
        """The languages that there are."""
        folders = self._translations() if callable(self._translations) else self._translations
        return _catalogues(tuple(map(str, folders)))

    def __call__(self, message_id: str, /, **values: object) -> str:
        """The text of a message; what is counted is given as `count`. The values go in as they are: the template
        escapes."""
        catalogue = self._catalogue()
        counted = catalogue.counted.get(message_id)
        text = catalogue.texts[message_id] if counted is None else counted(cast(int, values["count"]))
        return text.format_map(values) if values else text

    def _catalogue(self) -> Catalogue:
        wanted = self._language() if callable(self._language) else self._language
        return self.catalogues.best(str(wanted or "en"))

    def until(self, moment: datetime, now: float) -> str:
        """``in 2 minutes``, rounded up: after so long a code is looked at."""
        return self._span("in", max(moment.timestamp() - now, 1))

    def lasting(self, moment: datetime, now: float) -> str:
        """``10 minutes``: how long until then."""
        return self._span("for", max(moment.timestamp() - now, 1))

    def ago(self, moment: datetime, now: float) -> str:
        """``3 days ago``, rounded down."""
        seconds = now - moment.timestamp()
        for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
            if seconds >= size:
                return self(f"ago.{unit}", count=int(seconds // size))
        return self("ago.now")

    def _span(self, what: str, seconds: float) -> str:
        for unit, size, limit in (("seconds", 1, 60), ("minutes", 60, 60), ("hours", 3600, 48)):
            count = math.ceil(seconds / size)
            if count < limit:
                return self(f"{what}.{unit}", count=count)
        return self(f"{what}.days", count=math.ceil(seconds / 86_400))


@lru_cache(maxsize=32)
def _catalogues(folders: tuple[str, ...]) -> Catalogues:
    """Read once: pages and mails share them."""
    return Catalogues(ENGLISH, folders)
