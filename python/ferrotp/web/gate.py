"""`Gate`: the steps of a login and of its changes, each from one `Login` to the next.

What a code is worth is decided by `ferrotp.mfa`; the gate holds that no step is taken out of turn. A step that is not
to be taken is raised.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from ..mfa import (
    MFA,
    DeviceNotTrusted,
    DeviceToken,
    Enrollment,
    EnrollmentExpired,
    FactorDisabled,
    FactorInfo,
    NotEnrolled,
    RecoveryCodes,
    Verification,
)
from .login import Login
from .safety import safe_next

Mode = Literal["optional", "required"]

NAME_LENGTH = 60
"""Characters of a device's name that are kept."""


class LoginRequired(Exception):
    """Nobody is logged in, or the half-login has died: begin with the password."""


class SecondFactorRequired(Exception):
    """The second factor is missing from this login. `next_page` is the page that leads on."""

    def __init__(self, next_page: "Literal['challenge', 'recover', 'set-up']") -> None:
        super().__init__(next_page)
        self.next_page = next_page


class NotFresh(Exception):
    """It is too long ago that the user proved who it is (ASVS 7.5.1): ask for a code, on the page `next_page`, or,
    where there is no second factor, for the password."""

    def __init__(self, next_page: "Literal['challenge', 'recover', 'password']") -> None:
        super().__init__(next_page)
        self.next_page = next_page


class LastFactor(Exception):
    """The second factor is required, and this is the last one."""


@dataclass(frozen=True, slots=True)
class LoginStep:
    """Where a login stands after the password."""

    login: Login
    next_page: Literal["challenge", "recover", "set-up", "done"]
    device: DeviceToken | None = None
    """To be kept by the browser instead of the one that it showed."""


class Gate:
    """The way in.

    :param mode: "optional": whoever has no second factor is let in with the password. "required": is led to set one up
        before anything else
    :param fresh_seconds: how long a proof of identity is good for changes of a factor
    :param clock: Unix seconds, this server's
    """

    def __init__(
        self, mfa: MFA, *, mode: Mode = "optional", fresh_seconds: int = 600, clock: Callable[[], float] = time.time
    ) -> None:
        if mode not in ("optional", "required"):
            raise ValueError("mode must be 'optional' or 'required'")
        self.mfa = mfa
        self.mode = mode
        self.fresh_seconds = fresh_seconds
        self.now = clock

    def load(self, data: object) -> Login | None:
        """The login in a session, if it lives."""
        return Login.load(data, self.now())

    # In

    def begin(
        self,
        user_id: str,
        account_name: str,
        *,
        next_url: object = "",
        remember: bool = False,
        device_token: str | None = None,
    ) -> LoginStep:
        """The password was right: what comes next.

        :param next_url: where the user wants to go. What leads off this site is dropped
        :param device_token: what the browser keeps if the user trusts it
        """
        now = self.now()
        account_name = tidy(account_name) or user_id
        status = self.mfa.status(user_id=user_id)

        def login(stage: Literal["half", "set-up", "full"]) -> Login:
            started = Login.start(stage, user_id, account_name, now)
            return replace(started, next=safe_next(next_url), remember=bool(remember))

        if not status.enrolled:
            if self.mode == "required":
                return LoginStep(login("set-up"), "set-up")
            return LoginStep(replace(login("full"), fresh_at=int(now)), "done")
        page = self._page(status.factors, status.disabled)
        if device_token and page == "challenge":
            try:
                device = self.mfa.recognize_device(user_id=user_id, token=device_token)
            except DeviceNotTrusted:
                pass
            else:
                return LoginStep(login("full").promote("full", now, fresh=False), "done", device)
        return LoginStep(login("half"), page)

    def again(self, user_id: str, account_name: str, *, next_url: object = "") -> LoginStep:
        """The same for somebody whom the application says to be logged in, by a way that did not lead past the gate
        (a cookie that remembers, for one): it counts as the password, and as no fresh one.

        :raises LoginRequired: if the user has to set up a factor first, for which the password must be fresh
        """
        step = self.begin(user_id, account_name, next_url=next_url)
        if step.next_page == "set-up":
            raise LoginRequired
        return step if step.next_page != "done" else replace(step, login=replace(step.login, fresh_at=0))

    def verify(self, login: Login, code: str) -> Login:
        """A code of an authenticator app: ends a half-login, or refreshes a full one.

        :raises MFAError: what `MFA.verify` raises
        """
        self.challenged(login)
        self._checked(login, lambda: self.mfa.verify(user_id=login.user_id, code=code))
        return login.promote("full", self.now(), fresh=True)

    def recover(self, login: Login, code: str) -> tuple[Login, Verification]:
        """The same by a recovery code."""
        self.challenged(login)
        verification = self._checked(login, lambda: self.mfa.recover(user_id=login.user_id, code=code))
        return login.promote("full", self.now(), fresh=True), verification

    def challenged(self, login: Login | None) -> Login:
        """Whom the challenge may be shown."""
        if login is None:
            raise LoginRequired
        if login.stage == "set-up":
            raise SecondFactorRequired("set-up")
        return login

    # Through

    def inside(self, login: Login | None) -> Login:
        """Whoever is logged in, by as many factors as there are now: a login by the password alone ends where a factor
        was set up since, in another browser. That costs a look into the store for each page; one that has passed a
        second factor costs none."""
        if login is None:
            raise LoginRequired
        if login.stage == "set-up":
            raise SecondFactorRequired("set-up")
        if login.stage == "half":
            raise SecondFactorRequired("challenge")
        if not login.passed:
            status = self.mfa.status(user_id=login.user_id)
            if status.enrolled:
                raise SecondFactorRequired(self._page(status.factors, status.disabled))
        return login

    def passed(self, login: Login | None) -> Login:
        """Whoever has passed the second factor."""
        login = self.inside(login)
        if not login.passed:
            raise SecondFactorRequired("set-up")
        return login

    def fresh(self, login: Login | None) -> Login:
        """Whoever has proved within the last minutes who it is, by all factors that it has."""
        login = self.inside(login)
        if login.is_fresh(self.now(), self.fresh_seconds):
            return login
        status = self.mfa.status(user_id=login.user_id)
        raise NotFresh(self._page(status.factors, status.disabled) if status.enrolled else "password")

    # Changes. Each asks for `fresh`, or for the half-login that has to set up

    def may_set_up(self, login: Login | None) -> Login:
        """Whom set-up is open."""
        return login if login is not None and login.stage == "set-up" else self.fresh(login)

    def enroll(self, login: Login | None, name: str) -> Login:
        """Begins to set up a factor: it is `Login.pending`."""
        login = self.may_set_up(login)
        if login.stage == "set-up" and self.mfa.status(user_id=login.user_id).enrolled:
            raise LoginRequired  # somebody was faster: from now on it is for the challenge
        enrollment = self.mfa.enroll(user_id=login.user_id, account_name=login.account_name, name=tidy(name))
        return replace(login, pending=enrollment.factor_id)

    def pending(self, login: Login | None) -> Enrollment | None:
        """What is being set up, to show it again. None: nothing, or it has expired."""
        login = self.may_set_up(login)
        if not login.pending:
            return None
        try:
            return self.mfa.pending(user_id=login.user_id, factor_id=login.pending, account_name=login.account_name)
        except EnrollmentExpired:
            return None

    def confirm(self, login: Login | None, code: str) -> tuple[Login, RecoveryCodes]:
        """Ends set-up by the first code. It also ends a half-login: the user has shown both factors.

        :raises MFAError: what `MFA.confirm` raises
        """
        login = self.may_set_up(login)
        if not login.pending:
            raise EnrollmentExpired
        if login.stage == "set-up" and self.mfa.status(user_id=login.user_id).enrolled:
            raise LoginRequired
        codes = self.mfa.confirm(user_id=login.user_id, factor_id=login.pending, code=code)
        entered = login.promote("full", self.now(), fresh=True)
        return replace(entered, pending="", unsaved_codes=login.unsaved_codes or bool(codes)), codes

    def new_codes(self, login: Login | None) -> tuple[Login, RecoveryCodes]:
        """Replaces the recovery codes."""
        login = self.fresh(login)
        codes = self.mfa.regenerate_recovery_codes(user_id=login.user_id)
        return replace(login, unsaved_codes=True), codes

    def factor(self, login: Login | None, factor_id: str) -> FactorInfo:
        """One of the user's own factors, before it is removed.

        :raises NotEnrolled: if this user has none of that id
        :raises LastFactor: if it must stay
        """
        login = self.fresh(login)
        factors = self.mfa.status(user_id=login.user_id).factors
        for factor in factors:
            if factor.factor_id == factor_id:
                usable = [one for one in factors if one.state == "active"]
                if self.mode == "required" and usable == [factor]:
                    raise LastFactor
                return factor
        raise NotEnrolled

    def remove(self, login: Login | None, factor_id: str) -> FactorInfo:
        """Removes a factor of the user's own."""
        factor = self.factor(login, factor_id)
        return self.mfa.remove_factor(user_id=factor.user_id, factor_id=factor.factor_id)

    def trust(self, login: Login, name: str) -> DeviceToken | None:
        """Trusts this device, if the policy has it and a code was just accepted."""
        if (
            not self.mfa.policy.trusted_device_days
            or not login.is_fresh(self.now(), self.mfa.policy.trust_window)
            or not login.passed
        ):
            return None
        return self.mfa.trust_device(user_id=login.user_id, name=tidy(name))

    def forget_devices(self, login: Login | None, series: str | None = None) -> int:
        """Trusts a device of this user no more, or none of them. It only ever takes trust away: no proof is asked."""
        login = self.inside(login)
        if series is not None and not re.fullmatch("[0-9a-f]{32}", series):
            return 0
        return self.mfa.forget_devices(user_id=login.user_id, series=series)

    # Below

    @staticmethod
    def _page(factors: tuple[FactorInfo, ...], disabled: bool) -> Literal["challenge", "recover"]:
        usable = any(factor.state == "active" for factor in factors)
        return "challenge" if usable and not disabled else "recover"

    @staticmethod
    def _checked(login: Login, check: Callable[[], Verification]) -> Verification:
        verification = check()
        if verification.user_id != login.user_id:  # a store that mixed up two users
            raise FactorDisabled
        return verification


def tidy(text: str) -> str:
    """A name as the service takes it: printable, without space at its ends, not too long."""
    return "".join(one for one in " ".join(text.split()) if one.isprintable())[:NAME_LENGTH].strip()
