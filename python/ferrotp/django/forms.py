"""The forms of the pages, for people who build their own.

::

    form = ChallengeForm(request, request.POST)
    if form.is_valid():
        return form.complete_login()

What was typed is never shown again, and no pattern or length refuses ``492 039``.
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.functional import lazy
from django.views.decorators.debug import sensitive_variables

from ferrotp.mfa import FactorDisabled, InvalidCode, MFAError, PasskeyRefused, Throttled, Verification
from ferrotp.web import Login, device_name
from ferrotp.web.pages import posted_codes
from ferrotp.web.problems import Problem

from . import auth
from .service import gate_for
from .texts import texts

_EMPTY: Any = lazy(texts, str)("error.empty")


class _CodeInput(forms.TextInput):
    def get_context(self, name: str, value: Any, attrs: Any) -> Any:
        return super().get_context(name, None, attrs)


class CodeField(forms.CharField):
    """A code of an authenticator app."""

    def __init__(self, **more: Any) -> None:
        attributes = {"inputmode": "numeric", "autocomplete": "one-time-code", "spellcheck": "false", "autofocus": True}
        more.setdefault("widget", _CodeInput(attrs=attributes))
        more.setdefault("error_messages", {"required": _EMPTY})
        super().__init__(**more)


class RecoveryCodeField(forms.CharField):
    """A recovery code."""

    def __init__(self, **more: Any) -> None:
        attributes = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "autofocus": True}
        more.setdefault("widget", _CodeInput(attrs=attributes))
        more.setdefault("error_messages", {"required": _EMPTY})
        super().__init__(**more)


class ChallengeForm(forms.Form):
    """Asks for a code at login, or again before a change. Valid means that the code was accepted, and is used up: call
    `complete_login`."""

    recovery = False
    code: forms.CharField = CodeField()
    next_code = CodeField(required=False)
    trust = forms.BooleanField(required=False)

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.problem: Problem | None = None
        """Why the code was not accepted: `status` of HTTP, `retry_after`, and whether the login ends."""
        before = auth.load(request)
        self._user = auth.user_of_login(request, before)
        self.gate = gate_for(self._user)
        # Where something was posted, the step that takes it asks whether the login may: the store is asked once.
        self.login: Login = before if before is not None and self.is_bound else self.gate.allow_challenge(before)
        """The login that asks, and after a right code, the one that it has become."""
        self.verification: Verification | None = None
        """What a right code was found to be."""
        self._is_half_login = self.login.stage == "half"

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "code" not in cleaned:
            self.gate.allow_challenge(self.login)
            self.problem = Problem("invalid-request", 400, texts("error.empty"))
            return cleaned
        code, next_code = cleaned.pop("code"), cleaned.pop("next_code", "")
        try:
            if self.recovery:
                self.login, self.verification = self.gate.recover(self.login, code)
            else:
                self.login, self.verification = self.gate.verify_typed(self.login, code, next_code)
        except MFAError as error:
            two_codes = bool(next_code)
            self.problem = auth.problem_of(self.request, error, recovery=self.recovery, two_codes=two_codes)
            self._note_failure(error)
            raise ValidationError(self.problem.message) from None
        return cleaned

    def complete_login(self) -> HttpResponse:
        """Logs in, and goes on to where the user wanted to go."""
        device = None
        if self._is_half_login and self.cleaned_data.get("trust"):
            device = self.gate.trust_device(self.login, device_name(self.request.headers.get("User-Agent", "")))
        response = auth.complete_login(self.request, self.login, device, self._user)
        if self._is_half_login and self.data.get("code"):
            auth.note_code(self.request, self.data["code"], response["Location"])
        return response

    def _note_failure(self, error: MFAError) -> None:
        if self._is_half_login and isinstance(error, (InvalidCode, Throttled, FactorDisabled, PasskeyRefused)):
            auth.note_failure(self.request, self._user)


class RecoveryForm(ChallengeForm):
    """The same for a recovery code."""

    recovery = True
    code = RecoveryCodeField()
    next_code = None  # type: ignore[assignment]
    trust = None  # type: ignore[assignment]


class PasskeyForm(ChallengeForm):
    """The same for a passkey: what the browser made, as JSON."""

    code = None  # type: ignore[assignment]
    next_code = None  # type: ignore[assignment]
    credential = forms.CharField(required=False, widget=forms.HiddenInput)

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = forms.Form.clean(self) or {}
        response = cleaned.pop("credential", "")
        if not response:  # the page was open for longer than its challenge is good
            self.problem = Problem("invalid-request", 400, texts("error.passkey.late"))
            raise ValidationError(self.problem.message)
        try:
            self.login = self.gate.verify_passkey(self.login, response)
        except MFAError as error:
            self.problem = auth.problem_of(self.request, error)
            self._note_failure(error)
            raise ValidationError(self.problem.message) from None
        return cleaned


class SignInForm(forms.Form):
    """A passkey alone, as the browser answered for it."""

    credential = forms.CharField(widget=forms.HiddenInput)


class NewPasskeyForm(forms.Form):
    """A passkey that the browser made."""

    credential = forms.CharField()
    name = forms.CharField(required=False)


class ConfirmForm(forms.Form):
    """The first code of a new device, and its name."""

    code = CodeField()
    name = forms.CharField(required=False)


class SavedForm(forms.Form):
    """Whether the recovery codes are saved; `codes` are those of the page, which come back with it."""

    saved = forms.BooleanField(required=False)
    download = forms.CharField(required=False)

    @property
    def codes(self) -> tuple[str, ...]:
        return posted_codes(self.data.getlist("codes")) if hasattr(self.data, "getlist") else ()
