"""`Gate`: the steps of a login and of its changes, each from one `Login` to the next.

What a code is worth is decided by `ferrotp.mfa`; the gate holds that no step is taken out of turn. A step that comes
too early is raised, as a `StepError`.
"""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..mfa import (
    MFA,
    AlreadyEnrolled,
    CodesNotAccepted,
    DeviceNotTrusted,
    DeviceToken,
    Enrollment,
    EnrollmentExpired,
    EpochMoved,
    FactorDisabled,
    FactorInfo,
    LastFactor,
    LoginCancelled,
    MFAError,
    NotEnrolled,
    PasskeyInfo,
    PasskeyUnknown,
    RecoveryCodes,
    Status,
    StoreUnavailable,
    UserId,
    Verification,
    user_id_text,
)
from ..mfa.stores.base import new_epoch
from .epochs import EpochCache
from .errors import HalfLoginEnded, LoginRequired, NoFactor, NotFresh, SecondFactorRequired, SessionEnded
from .login import Login, Stage
from .safety import device_cookie, safe_next

Mode = Literal["optional", "required"]

NAME_LENGTH = 60
"""Characters of a device's name that are kept."""


@dataclass(frozen=True, slots=True)
class LoginStep:
    """Where a login stands after the password."""

    login: Login
    next_page: Literal["challenge", "recover", "set-up", "add-passkey", "done"]
    device: DeviceToken | None = None
    """To be kept by the browser instead of the one that it showed."""


class Gate:
    """The way in.

    :param mode: "optional": a user without a second factor is let in with the password. "required": such a user is led
        to set one up before anything else
    :param required: for whom it is required in mode "optional": called with the user id, each time it matters
    :param passkey_required: who must have a passkey: called with the user id. Such a user is led to add one, and once
        there is one, codes are not accepted any more
    :param fresh_seconds: how long a proof of identity is good for changes of a factor
    :param clock: Unix seconds, this server's
    :param epochs: for gates that live for one request: what they keep together
    """

    def __init__(
        self,
        mfa: MFA,
        *,
        mode: Mode = "optional",
        required: Callable[[str], object] | None = None,
        passkey_required: Callable[[str], object] | None = None,
        fresh_seconds: int = 600,
        clock: Callable[[], float] = time.time,
        epochs: EpochCache | None = None,
    ) -> None:
        if mode not in ("optional", "required"):
            raise ValueError("mode must be 'optional' or 'required'")
        self.mfa = mfa
        if passkey_required is not None and mfa.policy.passkeys is None:
            raise ValueError("passkey_required asks for passkeys, and the policy has none")
        self.mode = mode
        self._required = required
        self._passkey_required = passkey_required
        self.fresh_seconds = fresh_seconds
        self.now = clock
        self._epochs = EpochCache() if epochs is None else epochs
        self._half_login_lifetime = mfa.policy.half_login_lifetime
        self._issuer = mfa.issuer

    def is_required(self, user_id: str) -> bool:
        """Whether this user must have a second factor."""
        if self.mode == "required" or (self._required is not None and bool(self._required(user_id))):
            return True
        return self.must_have_passkey(user_id)

    def must_have_passkey(self, user_id: str) -> bool:
        """Whether this user must have a passkey."""
        return self._passkey_required is not None and bool(self._passkey_required(user_id))

    def sets_up_codes(self, user_id: str) -> bool:
        """Whether this user may set up an authenticator app."""
        return self.mfa.policy.codes and not self.must_have_passkey(user_id)

    def set_up_page(self, user_id: str) -> Literal["set-up", "add-passkey"]:
        """Where this user sets up a factor."""
        return "set-up" if self.sets_up_codes(user_id) else "add-passkey"

    def takes_codes(self, user_id: str, status: Status) -> bool:
        """Whether codes of this user's apps are accepted: until there is a passkey, of one who must have one."""
        return self.mfa.policy.codes and not (self.must_have_passkey(user_id) and _has_passkey(status))

    def for_tenant(self, tenant: str) -> "Gate":
        """The same gate for the users of another tenant."""
        gate = copy(self)
        gate.mfa = self.mfa.for_tenant(tenant)
        return gate

    def load(self, record: object) -> Login | None:
        """The login in a session, if it lives."""
        lifetime, tenant = self._half_login_lifetime, self.mfa.tenant
        return Login.load(record, self.now(), lifetime, issuer=self._issuer, tenant=tenant)

    def device_cookie(self, user_id: UserId, *, host: bool = False) -> str:
        """The name of the cookie of a trusted device of this user, here: see `ferrotp.web.device_cookie`."""
        return device_cookie(user_id_text(user_id), self.mfa.issuer, self.mfa.tenant, host=host)

    # The way in

    def begin(
        self,
        user_id: UserId,
        account_name: str,
        *,
        next_url: object = "",
        remember: bool | None = None,
        device_token: str | None = None,
        enrolled: bool = False,
    ) -> LoginStep:
        """The password was right: what comes next.

        :param next_url: where the user wants to go. What leads off this site is dropped
        :param device_token: what the browser keeps if the user trusts it
        :param enrolled: whether the application's own record says that the user has a second factor
        :raises InvalidIdentifier: if the id is none
        :raises EnrollmentLost: if the application knows of a second factor, and the store does not
        """
        now, user_id = self.now(), user_id_text(user_id)
        account_name = tidy_name(account_name) or user_id
        status = self.mfa.status(user_id=user_id, enrolled=enrolled)

        def login(stage: Stage) -> Login:
            mfa = self.mfa
            started = Login.start(stage, user_id, account_name, now, issuer=mfa.issuer, tenant=mfa.tenant)
            return replace(started, epoch=status.epoch, next=safe_next(next_url), remember=remember)

        if not status.enrolled:
            if self.is_required(user_id):
                return LoginStep(login("set-up"), self.set_up_page(user_id))
            return LoginStep(replace(login("full"), fresh_at=int(now)), "done")
        page = _code_page(status)
        if device_token and page == "challenge":
            try:
                device = self.mfa.recognize_device(user_id=user_id, token=device_token)
            except DeviceNotTrusted:
                pass
            else:
                return LoginStep(login("full").promote(now, fresh=False), "done", device)
        return LoginStep(login("half"), page)

    def adopt(
        self, user_id: UserId, account_name: str, *, proved_at: int = 0, device_token: str | None = None
    ) -> LoginStep:
        """The same for a user whom the application says to be logged in, by a way that did not lead past the gate: a
        cookie that remembers, a password reset, a line of its own. It counts as the password.

        :param proved_at: when the user proved to the application who it is, if that is known: as fresh the login is
        :raises LoginRequired: if the user has to set up a factor first, and has not just proved who it is: a thief with
            a cookie that remembers would bind a device of its own
        """
        step = self.begin(user_id, account_name, device_token=device_token)
        login = replace(step.login, fresh_at=0 if step.login.passed else proved_at)
        if login.stage == "set-up" and not self.is_fresh(login):
            raise LoginRequired
        return replace(step, login=login)

    def begin_passed(
        self, user_id: UserId, account_name: str, *, by: str, next_url: object = "", remember: bool | None = None
    ) -> LoginStep:
        """The user has passed a second factor elsewhere, as what vouches for it says: a single sign-on, for one. None
        of this service is asked for.

        :param by: its name, for the event
        """
        user_id = user_id_text(user_id)
        self.mfa.note_passed(user_id=user_id, by=by)
        login = self._passed_login(user_id, account_name, fresh=True)
        return LoginStep(replace(login, next=safe_next(next_url), remember=remember), "done")

    def begin_impersonated(self, user_id: UserId, account_name: str, *, by: str, impersonator: Login) -> Login:
        """Somebody else comes in as this user. What counts is the factor of the one who comes in; and nothing is fresh:
        the factors of the user are not touched.

        :param impersonator: the login of the one who comes in
        """
        user_id = user_id_text(user_id)
        self.mfa.note_passed(user_id=user_id, by=by, impersonator=impersonator.user_id)
        return replace(self._passed_login(user_id, account_name, fresh=False), passed=impersonator.passed)

    def _passed_login(self, user_id: str, account_name: str, *, fresh: bool) -> Login:
        mfa, now = self.mfa, self.now()
        name = tidy_name(account_name) or user_id
        login = Login.start("full", user_id, name, now, issuer=mfa.issuer, tenant=mfa.tenant)
        return replace(login.promote(now, fresh=fresh), epoch=mfa.epoch(user_id=user_id))

    def verify(self, login: Login, code: str) -> tuple[Login, Verification]:
        """A code of an authenticator app: ends a half-login, or refreshes a full one.

        :raises MFAError: what `MFA.verify` raises
        """
        self._refuse_out_of_turn(login)
        self._refuse_codes(login)
        try:
            verification = self.mfa.verify(user_id=login.user_id, code=code, login_id=login.nonce)
        except NotEnrolled:
            raise self._what_is_there_instead(login) from None
        except LoginCancelled:
            raise HalfLoginEnded from None
        except FactorDisabled:
            self.cancel(login)
            raise
        return self._promote(login), verification

    def unlock(self, login: Login, code: str, next_code: str) -> tuple[Login, Verification]:
        """The same by two codes in a row, while single ones are delayed.

        :raises MFAError: what `MFA.unlock` raises
        """
        self.allow_challenge(login)
        self._refuse_codes(login)
        try:
            verification = self.mfa.unlock(user_id=login.user_id, code=code, next_code=next_code)
        except NotEnrolled:
            raise self._what_is_there_instead(login) from None
        except FactorDisabled:
            self.cancel(login)
            raise
        return self._promote(login), verification

    def verify_typed(self, login: Login, code: str, next_code: str = "") -> tuple[Login, Verification]:
        """`verify`, or `unlock` where a second code was typed: what the challenge's form posts."""
        return self.unlock(login, code, next_code) if next_code.strip() else self.verify(login, code)

    def passkey_challenge(self, login: Login, session: str = "") -> dict[str, Any]:
        """What the browser needs to use a passkey instead of a code.

        :param session: names the login, where its own id does not last from request to request
        :raises NoFactor: if the user has no active one
        """
        self.allow_challenge(login)
        try:
            return self.mfa.passkey_challenge(user_id=login.user_id, session=session or login.nonce)
        except NotEnrolled:
            raise self._what_is_there_instead(login) from None

    def verify_passkey(self, login: Login, response: object, session: str = "") -> Login:
        """A passkey instead of a code: what the browser made of `passkey_challenge`.

        :raises MFAError: what `MFA.verify_passkey` raises
        """
        self.allow_challenge(login)
        self.mfa.verify_passkey(user_id=login.user_id, session=session or login.nonce, response=response)
        return self._promote(login)

    def sign_in_challenge(self, session: str) -> dict[str, Any]:
        """What a browser needs to sign in by a passkey alone. It is the same for everybody, and names nobody.

        :param session: names the browser, before anybody is logged in: random, and known to it alone
        """
        return self.mfa.passkey_challenge(user_id=None, session=session)

    def sign_in(self, response: object, session: str, *, next_url: object = "", remember: bool | None = None) -> Login:
        """A passkey alone, which is both factors in one: what the browser made of `sign_in_challenge`. Whether the
        user is still there and may log in, the application has to say: it saw no password.

        :param next_url: where the user wants to go. What leads off this site is dropped
        :raises MFAError: what `MFA.verify_passkey` raises
        """
        yes = self.mfa.verify_passkey(user_id=None, session=session, response=response)
        # The epoch beside the passkey, in one look: a reset in between has taken the passkey away.
        status = self.mfa.status(user_id=yes.user_id)
        if not any(factor.factor_id == yes.factor_id and factor.state == "active" for factor in status.factors):
            raise PasskeyUnknown
        now, mfa = self.now(), self.mfa
        login = Login.start("full", yes.user_id, yes.user_id, now, issuer=mfa.issuer, tenant=mfa.tenant)
        login = replace(login, epoch=status.epoch, next=safe_next(next_url), remember=remember)
        return login.promote(now, fresh=True)

    def recover(self, login: Login, code: str) -> tuple[Login, Verification]:
        """The same by a recovery code."""
        self.allow_challenge(login)
        try:
            verification = self.mfa.recover(user_id=login.user_id, code=code)
        except NotEnrolled:
            raise self._what_is_there_instead(login) from None
        except FactorDisabled:
            self.cancel(login)
            raise
        return self._promote(login), verification

    def allow_challenge(self, login: Login | None) -> Login:
        """A login that may be asked for a code."""
        login = self._refuse_out_of_turn(login)
        self._refuse_cancelled(login)
        return login

    def cancel(self, login: Login | None) -> None:
        """Ends a login that has not passed yet, and every copy of it, which a thief may have: at logout, and at a
        lockout. A store that is away keeps nobody from logging out: the login dies after ten minutes in any case."""
        if login is not None and login.stage != "full":
            with suppress(StoreUnavailable):
                self.mfa.end_half_login(user_id=login.user_id, login_id=login.nonce)

    # What a view may ask for

    def require_login(self, login: Login | None) -> Login:
        """A login by as many factors as there are now, and as there have to be: one by the password alone ends where a
        factor was set up since, in another browser. That costs a look into the store for each page; a login that has
        passed a second factor costs one a minute (`Policy.session_check_seconds`).

        :raises SessionEnded: if it has ended: by a reset, the removal of a factor, or "log out everywhere"
        :raises StoreUnavailable: if the store is asked, and does not answer
        """
        return self._require(login)

    def require_mfa(self, login: Login | None) -> Login:
        """A login that has passed the second factor."""
        return self._require(login, passed=True)

    def require_fresh(self, login: Login | None) -> Login:
        """A login whose user has proved within the last minutes who it is, by all factors that there are. The store
        says whether the login is still good, each time."""
        return self._require(login, fresh=True)

    def require_fresh_mfa(self, login: Login | None) -> Login:
        """Both: the second factor was passed, and the user has proved within the last minutes who it is."""
        return self._require(login, passed=True, fresh=True)

    def _require(
        self, login: Login | None, *, passed: bool = False, fresh: bool = False, may_set_up: bool = False
    ) -> Login:
        if login is None:
            raise LoginRequired
        if login.stage != "full":
            raise SecondFactorRequired(self._page_of_half_login(login))
        is_fresh = self.is_fresh(login)
        if login.passed:
            self._refuse_ended(login, 0 if fresh and is_fresh else self.mfa.policy.session_check_seconds)
            if not may_set_up and self._lacks_passkey(login.user_id):
                raise SecondFactorRequired("add-passkey")
        else:
            status = self.mfa.status(user_id=login.user_id)
            if status.enrolled:
                raise SecondFactorRequired(_code_page(status))
            if status.epoch != login.epoch:
                raise SessionEnded
            # It may have become required since.
            if passed or (not may_set_up and self.is_required(login.user_id)):
                raise SecondFactorRequired(self.set_up_page(login.user_id))
        if fresh and not is_fresh:
            status = self.mfa.status(user_id=login.user_id)
            raise NotFresh(_code_page(status) if status.enrolled else "password")
        return login

    def confirm_password(self, login: Login | None) -> Login:
        """The password was right once more: a login without a second factor is fresh again. One with a second factor is
        not refreshed by the password alone."""
        login = self._require(login, may_set_up=True)
        status = self.mfa.status(user_id=login.user_id)
        if status.enrolled:
            raise SecondFactorRequired(_code_page(status))
        return replace(login, fresh_at=int(self.now()))

    def is_fresh(self, login: Login) -> bool:
        """Whether the user has proved within the last minutes who it is: what `require_fresh` asks of a login."""
        return login.is_fresh(self.now(), self.fresh_seconds)

    # Changes. Each asks for a fresh login, or for the half-login that has to set up

    def allow_set_up(self, login: Login | None) -> Login:
        """A login that may set up a factor."""
        if login is not None and login.stage == "set-up":
            self._refuse_cancelled(login)
            return login
        return self._require(login, fresh=True, may_set_up=True)

    def enroll(self, login: Login | None, name: str = "") -> Login:
        """Begins to set up a factor: it is `Login.pending_factor`."""
        login = self.allow_set_up(login)
        self._refuse_late_set_up(login)
        if not self.sets_up_codes(login.user_id):
            raise CodesNotAccepted
        enrollment = self.mfa.enroll(user_id=login.user_id, account_name=login.account_name, name=tidy_name(name))
        return replace(login, pending_factor=enrollment.factor_id)

    def pending_enrollment(self, login: Login | None) -> Enrollment | None:
        """What is being set up, to show it again. None: nothing, or it has expired."""
        login = self.allow_set_up(login)
        factor_id = login.pending_factor
        if not factor_id:
            return None
        try:
            return self.mfa.pending(user_id=login.user_id, factor_id=factor_id, account_name=login.account_name)
        except EnrollmentExpired:
            return None

    def confirm(self, login: Login | None, code: str, name: str = "") -> Login:
        """Ends set-up by the first code. It also ends a half-login: the user has shown both factors. The recovery codes
        come after it, by `first_codes`: what fails in between leaves a user without codes, who is told so, and not with
        codes that nobody has seen.

        By the password alone it is the first factor, or none: one that came meanwhile is the owner's.

        :param name: what the user calls the device, asked beside the code: the QR code comes before this question
        :raises MFAError: what `MFA.confirm` raises
        """
        login = self.allow_set_up(login)
        if not login.pending_factor:
            raise EnrollmentExpired
        self._refuse_late_set_up(login)
        try:
            self.mfa.confirm(
                user_id=login.user_id,
                factor_id=login.pending_factor,
                code=code,
                name=tidy_name(name),
                recovery_codes=False,
                only_first=not login.passed,
            )
        except AlreadyEnrolled:
            if login.stage == "set-up":
                raise LoginRequired from None
            raise SecondFactorRequired("challenge") from None
        return replace(self._promote(login), pending_factor="")

    def begin_passkey(self, login: Login | None, session: str = "") -> dict[str, Any]:
        """Begins to set up a passkey: what the browser needs. Nothing is kept.

        :param session: as for `passkey_challenge`
        """
        login = self.allow_set_up(login)
        self._refuse_late_set_up(login)
        return self.mfa.begin_passkey(
            user_id=login.user_id, session=session or login.nonce, account_name=login.account_name
        )

    def finish_passkey(
        self, login: Login | None, response: object, name: str, session: str = ""
    ) -> tuple[Login, PasskeyInfo]:
        """Ends the set-up of a passkey, as `confirm` does that of an authenticator app.

        :raises MFAError: what `MFA.finish_passkey` raises
        """
        login = self.allow_set_up(login)
        self._refuse_late_set_up(login)
        try:
            made = self.mfa.finish_passkey(
                user_id=login.user_id,
                session=session or login.nonce,
                response=response,
                name=tidy_name(name),
                recovery_codes=False,
                only_first=not login.passed,
            )
        except AlreadyEnrolled:
            if login.stage == "set-up":
                raise LoginRequired from None
            raise SecondFactorRequired("challenge") from None
        return self._promote(login), made.passkey

    def first_codes(self, login: Login) -> tuple[Login, RecoveryCodes]:
        """The recovery codes of a user who has none, to be shown once, after a set-up. Empty if there are some; or if
        none can be made just now, which the settings say."""
        login = self.require_fresh_mfa(login)
        try:
            codes = self.mfa.regenerate_recovery_codes(user_id=login.user_id, only_first=True)
        except MFAError:  # the set-up stands
            codes = RecoveryCodes()
        return replace(login, unsaved_codes=login.unsaved_codes or bool(codes)), codes

    def new_codes(self, login: Login | None, *, end_sessions: bool = False) -> tuple[Login, RecoveryCodes]:
        """Replaces the recovery codes.

        :param end_sessions: whether to end the user's other logins with it: somebody may have used a code
        :raises MFAError: what `MFA.regenerate_recovery_codes` raises
        """
        login = self.require_fresh(login)
        codes = self.mfa.regenerate_recovery_codes(user_id=login.user_id)
        if end_sessions:  # afterwards: a login by one of the earlier codes may have come in between
            login = self._end_other_sessions(login)
        return replace(login, unsaved_codes=True, codes_at=int(self.now())), codes

    def end_sessions(self, login: Login | None) -> Login:
        """Logs the user out everywhere else, and ends the trust in all devices. It asks for a fresh login: with a
        copied one, a thief would throw the user out."""
        return self._end_other_sessions(self.require_fresh(login))

    def removable_factor(self, login: Login | None, factor_id: str) -> FactorInfo:
        """One of the user's own factors, for the page that asks before it is removed. `remove` decides.

        :raises NotEnrolled: if this user has none of that id
        :raises LastFactor: if it must stay
        """
        login = self.require_fresh(login)
        factors = self.mfa.status(user_id=login.user_id).factors
        for factor in factors:
            if factor.factor_id == factor_id:
                active = [other for other in factors if other.state == "active"]
                if self.must_have_passkey(login.user_id) and factor.kind == "passkey":
                    active = [other for other in active if other.kind == "passkey"]
                if active == [factor] and self.is_required(login.user_id):
                    raise LastFactor
                return factor
        raise NotEnrolled

    def remove(self, login: Login | None, factor_id: str) -> tuple[Login, FactorInfo]:
        """Removes a factor of the user's own. The user's other logins end with it, and the trust in all devices.

        :raises NotEnrolled: if this user has none of that id
        :raises LastFactor: if it must stay
        """
        login = self.require_fresh(login)
        if self.must_have_passkey(login.user_id):
            self.removable_factor(login, factor_id)
        epoch, keep_last = new_epoch(), self.is_required(login.user_id)
        removed = self.mfa.remove_factor(user_id=login.user_id, factor_id=factor_id, epoch=epoch, keep_last=keep_last)
        return replace(login, epoch=epoch), removed

    def trust_device(self, login: Login, name: str) -> DeviceToken | None:
        """Trusts this device, if the policy has it and a code was just accepted."""
        policy = self.mfa.policy
        if not policy.trusted_device_days or not login.passed:
            return None
        if not login.is_fresh(self.now(), policy.trust_window):
            return None
        return self.mfa.trust_device(user_id=login.user_id, name=tidy_name(name))

    def forget_devices(self, login: Login | None, series: str | None = None) -> int:
        """Stops trusting a device of this user, or all of them. It only ever takes trust away: no proof is asked."""
        login = self.require_login(login)
        if series is not None and not re.fullmatch("[0-9a-f]{32}", series):
            return 0
        return self.mfa.forget_devices(user_id=login.user_id, series=series)

    # Below

    def _page_of_half_login(self, login: Login) -> Literal["challenge", "set-up", "add-passkey"]:
        return self.set_up_page(login.user_id) if login.stage == "set-up" else "challenge"

    def _what_is_there_instead(self, login: Login) -> NoFactor:
        """Where a user goes who was asked for a factor that is not there."""
        status = self.mfa.status(user_id=login.user_id)
        if status.enrolled:
            return NoFactor(_code_page(status))
        # A half-login had a factor when it began: it begins again.
        return NoFactor(self.set_up_page(login.user_id) if login.stage == "full" else "password")

    def _lacks_passkey(self, user_id: str) -> bool:
        """Whether this user must have a passkey, and has none."""
        return self.must_have_passkey(user_id) and not _has_passkey(self.mfa.status(user_id=user_id))

    def _refuse_codes(self, login: Login) -> None:
        if self.must_have_passkey(login.user_id) and _has_passkey(self.mfa.status(user_id=login.user_id)):
            raise CodesNotAccepted

    def _promote(self, login: Login) -> Login:
        """The login that has just passed. One that began before there was any factor goes on in the user's epoch."""
        epoch = login.epoch or self.mfa.epoch(user_id=login.user_id)
        return replace(login.promote(self.now(), fresh=True), epoch=epoch)

    def _end_other_sessions(self, login: Login) -> Login:
        try:
            epoch = self.mfa.end_sessions(user_id=login.user_id, by=login.user_id, epoch=login.epoch)
        except EpochMoved:
            raise SessionEnded from None
        return replace(login, epoch=epoch)

    def _refuse_out_of_turn(self, login: Login | None) -> Login:
        """A login that is to be asked for a code, if it was not cancelled."""
        if login is None:
            raise LoginRequired
        if login.stage == "set-up":
            raise SecondFactorRequired(self._page_of_half_login(login))
        if login.passed:
            self._refuse_ended(login, 0)
        return login

    def _refuse_ended(self, login: Login, seconds: int) -> None:
        """Refuses a login that has ended since.

        :param seconds: how late it may find out
        """
        if not self._epochs.is_current(self.mfa, login, self.now(), seconds):
            raise SessionEnded

    def _refuse_cancelled(self, login: Login) -> None:
        if login.stage != "full" and self.mfa.half_login_has_ended(user_id=login.user_id, login_id=login.nonce):
            raise HalfLoginEnded

    def _refuse_late_set_up(self, login: Login) -> None:
        """A login that had to set up does so no more where a factor came meanwhile: it is for the challenge. `confirm`
        holds it also against one that comes at the same moment."""
        if login.stage == "set-up" and self.mfa.status(user_id=login.user_id).enrolled:
            raise LoginRequired


def _has_passkey(status: Status) -> bool:
    return any(factor.kind == "passkey" and factor.state == "active" for factor in status.factors)


def tidy_name(text: str) -> str:
    """A name as the service takes it: printable, without space at its ends, not too long."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())[:NAME_LENGTH].strip()


def _code_page(status: Status) -> Literal["challenge", "recover"]:
    """Where a user who has a factor is asked for one. Passkeys are good after any number of wrong codes."""
    active = [factor for factor in status.factors if factor.state == "active"]
    usable = any(factor.kind == "passkey" or not status.disabled for factor in active)
    return "challenge" if usable else "recover"
