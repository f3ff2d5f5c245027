"""Attacks on passkeys over HTTP, by the tests' own authenticator: played against each framework.

After each attack the right answer of the same browser is let in: so no attack was refused for another reason.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import cbor2

from ferrotp.mfa import (
    MFA,
    AlgorithmNotOffered,
    ChallengeExpired,
    ChallengeUnknown,
    ChallengeUsed,
    CounterWentBack,
    CrossOriginFrame,
    Event,
    OtherSession,
    OtherUsersPasskey,
    PasskeyMalformed,
    PasskeyRefused,
    Passkeys,
    PasskeyTaken,
    PasskeyUnknown,
    Policy,
    SignatureWrong,
    UserNotPresent,
    UserNotVerified,
    WrongOrigin,
    WrongRelyingParty,
)

from .passkey_device import BE, BS, ED, ORIGIN, UP, UV, Key, PasskeyDevice, b64, unb64

What = Literal["second factor", "sign in", "register"]

PASSKEYS = Passkeys(rp_id="example.com", origins=[ORIGIN], user_verification="required", sign_in=True)
POLICY = replace(Policy.cheap_for_tests(), passkeys=PASSKEYS)

ALIKE = (PasskeyUnknown, OtherUsersPasskey, SignatureWrong)
"""What must look alike to those who sign in by a passkey alone."""


class Browser(Protocol):
    """One browser at a site."""

    def options(self, what: What) -> dict[str, Any]:
        """What the site gives it to be signed."""

    def post(self, what: What, credential: object) -> int:
        """The status of the answer."""

    def is_in(self) -> bool:
        """Whether a page for those who have passed a second factor lets it in."""

    @property
    def told(self) -> str:
        """What the last answer said to be wrong."""


class Site(Protocol):
    """An application that is up, with the policy `POLICY`."""

    events: list[Event]

    @property
    def mfa(self) -> MFA: ...

    def user(self) -> str:
        """A new user's id."""

    def browser(self, what: What, user_id: str) -> Browser:
        """One that is about to do this: "second factor", a half-login; "sign in", nobody; "register", one who has just
        logged in by the password, and has no factor."""

    def wait(self, seconds: float) -> None:
        """Lets time go by."""


def give_passkey(site: Site, user_id: str, device: PasskeyDevice | None = None) -> PasskeyDevice:
    """Without a browser."""
    device = device or PasskeyDevice()
    options = site.mfa.begin_passkey(user_id=user_id, session="given", account_name="alice@example.com")
    site.mfa.finish_passkey(user_id=user_id, session="given", response=device.create(options))
    return device


@dataclass
class Scene:
    """Before an attack."""

    site: Site
    what: What
    user_id: str
    device: PasskeyDevice
    browser: Browser

    def right(self, **changes: Any) -> dict[str, Any]:
        """The answer to this browser's own challenge, with this otherwise."""
        return self.answer(self.browser.options(self.what), **changes)

    def answer(self, options: dict[str, Any], **changes: Any) -> dict[str, Any]:
        return (self.device.create if self.what == "register" else self.device.get)(options, **changes)

    def another_user(self) -> tuple[str, PasskeyDevice]:
        user_id = self.site.user()
        return user_id, give_passkey(self.site, user_id)


Attack = Callable[[Scene], object]


def _with(**changes: Any) -> Attack:
    return lambda scene: scene.right(**changes)


def _edited(name: str, edit: Callable[[bytes], bytes]) -> Attack:
    def attack(scene: Scene) -> object:
        credential = scene.right()
        credential["response"][name] = b64(edit(unb64(credential["response"][name])))
        return credential

    return attack


def _replayed(scene: Scene) -> object:
    credential = scene.right()
    assert scene.browser.post(scene.what, credential) < 400
    return credential


def _of_another_browser(scene: Scene) -> object:
    other = scene.site.browser(scene.what, scene.user_id)
    return scene.answer(other.options(scene.what))


def _challenge_of_another_user(scene: Scene) -> object:
    user_id, _ = scene.another_user()
    return scene.answer(scene.site.browser("second factor", user_id).options("second factor"))


def _challenge_for(what: What) -> Attack:
    return lambda scene: scene.answer(scene.site.browser(what, scene.user_id).options(what))


def _challenge_of_a_registration(scene: Scene) -> object:
    options = scene.site.mfa.begin_passkey(user_id=scene.user_id, session="any", account_name="alice@example.com")
    return scene.answer(options)


def _passkey_of_another_user(scene: Scene) -> object:
    _, other = scene.another_user()
    return other.get(scene.browser.options(scene.what))


def _passkey_of_nobody(scene: Scene) -> object:
    other = PasskeyDevice()
    other.user_handle = scene.device.user_handle
    return other.get(scene.browser.options(scene.what))


def _counter_back(scene: Scene) -> object:
    scene.device.counter = 7
    assert scene.browser.post(scene.what, scene.right()) < 400
    scene.browser = scene.site.browser(scene.what, scene.user_id)
    credential = scene.right(counter=6)
    scene.device.counter = 8
    return credential


def _late(scene: Scene) -> object:
    credential = scene.right()
    scene.site.wait(121)
    return credential


def _of_another_tenant(scene: Scene) -> object:
    other = scene.site.mfa.for_tenant("another customer")
    return scene.answer(other.passkey_challenge(user_id=None, session="any"))


def _registered_already(scene: Scene) -> object:
    _, other = scene.another_user()
    return other.create(scene.browser.options("register"))


def _padded(credential: dict[str, Any]) -> object:
    response = credential["response"]
    response["clientDataJSON"] = b64(unb64(response["clientDataJSON"]) + b" " * 9000)
    return credential


def _padded_object(raw: bytes) -> bytes:
    found = cbor2.loads(raw)
    found["authData"] += cbor2.dumps({"large": bytes(70_000)})
    return bytes(cbor2.dumps(found))


_OF_ALL: list[tuple[str, Attack, type[PasskeyRefused]]] = [
    ("wrong origin", _with(origin="https://example.com.evil.net"), WrongOrigin),
    ("wrong relying party", _with(rp_id="evil.net"), WrongRelyingParty),
    ("frame of another origin's page", _with(cross_origin=True), CrossOriginFrame),
    ("frame below another page", _with(top_origin="https://evil.net"), CrossOriginFrame),
    ("challenge made up", _with(challenge=b64(bytes(56))), ChallengeUnknown),
    ("challenge that is old", _late, ChallengeExpired),
    ("another browser's", _of_another_browser, OtherSession),
    ("nobody touched it", _with(flags=UV), UserNotPresent),
    ("nobody gave a PIN", _with(flags=UP | BE | BS), UserNotVerified),
    ("no JSON", lambda scene: "{", PasskeyMalformed),
    ("JSON of no passkey", lambda scene: {"id": [[[]]], "response": 7}, PasskeyMalformed),
    ("oversized client data", lambda scene: _padded(scene.right()), PasskeyMalformed),
]
_OF_ASSERTIONS: list[tuple[str, Attack, type[PasskeyRefused]]] = [
    ("a replay", _replayed, OtherSession),
    ("challenge of a registration", _challenge_of_a_registration, ChallengeUnknown),
    ("signature of another key", _with(key=Key()), SignatureWrong),
    ("a passkey that is not here", _passkey_of_nobody, PasskeyUnknown),
    ("a counter that goes back", _counter_back, CounterWentBack),
    ("truncated data", _edited("authenticatorData", lambda raw: raw[:-1]), PasskeyMalformed),
    ("truncated extensions", _edited("authenticatorData", lambda raw: _flagged(raw) + b"\xa1\x65he"), PasskeyMalformed),
    ("oversized data", _edited("authenticatorData", lambda raw: _flagged(raw) + bytes(9000)), PasskeyMalformed),
    ("oversized signature", _edited("signature", lambda raw: raw + bytes(2000)), PasskeyMalformed),
]
ATTACKS: dict[What, list[tuple[str, Attack, type[PasskeyRefused]]]] = {
    "second factor": [
        *_OF_ALL,
        *_OF_ASSERTIONS,
        ("a passkey of another user", _passkey_of_another_user, OtherUsersPasskey),
        ("challenge of another user", _challenge_of_another_user, ChallengeUnknown),
        ("challenge to sign in", _challenge_for("sign in"), ChallengeUnknown),
    ],
    "sign in": [
        *_OF_ALL,
        *_OF_ASSERTIONS,
        ("challenge of a second factor", _challenge_for("second factor"), ChallengeUnknown),
        ("challenge of another tenant", _of_another_tenant, ChallengeUnknown),
        ("no user handle", _with(handle=b""), OtherUsersPasskey),
        ("the handle of another user", _with(handle=bytes(32)), OtherUsersPasskey),
    ],
    "register": [
        *_OF_ALL,
        ("an algorithm that was not offered", _with(cose=Key(-35).cose), AlgorithmNotOffered),
        ("another user's passkey", _registered_already, PasskeyTaken),
        ("truncated object", _edited("attestationObject", lambda raw: raw[:-1]), PasskeyMalformed),
        ("oversized object", _edited("attestationObject", _padded_object), PasskeyMalformed),
    ],
}


def _flagged(raw: bytes) -> bytes:
    """The data, which says that extensions follow."""
    return raw[:32] + bytes([raw[32] | ED]) + raw[33:]


def play(site: Site, what: What) -> None:
    """Each attack, by a user and a browser of its own."""
    alike = set()
    for name, attack, error in ATTACKS[what]:
        user_id = site.user()
        device = PasskeyDevice()
        if what != "register":
            give_passkey(site, user_id, device)
        scene = Scene(site, what, user_id, device, site.browser(what, user_id))
        scene.browser.options(what)  # so that it has a challenge of its own
        credential = attack(scene)
        browser = scene.browser
        was_in = browser.is_in()
        before = len(site.mfa.passkeys(user_id=user_id))
        site.events.clear()
        status = browser.post(what, credential)
        assert 400 <= status < 500, (name, status)
        assert browser.is_in() == was_in and len(site.mfa.passkeys(user_id=user_id)) == before, name
        told = [event for event in site.events if event.kind in ("passkey refused", "enrollment refused")]
        # A browser that is in has another session, unless the client keeps what names it.
        errors = (error, ChallengeUsed) if name == "a replay" else (error,)
        assert [event.detail["reason"] for event in told] in [[error.reason] for error in errors], (name, told)
        assert browser.told, name
        if what == "sign in" and error in ALIKE:
            alike.add(_without_what_is_new(browser.told))
        if what == "second factor" and was_in:
            continue  # a replay: that was the login
        browser = browser if what != "second factor" else site.browser(what, user_id)
        scene.browser = browser
        if name == "another user's passkey":
            scene.device = PasskeyDevice()
        assert browser.post(what, scene.right()) < 400 and (what == "register" or browser.is_in()), (name, browser.told)
    assert len(alike) == (what == "sign in"), alike


def _without_what_is_new(text: str) -> str:
    return re.sub(r"[\w-]{40,}", "…", text)


def new_id() -> str:
    """Of a user, where ids are texts."""
    return secrets.token_hex(4)
