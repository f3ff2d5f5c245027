"""Users are known by their address."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password


class LoginForm(AuthenticationForm):
    """The first factor. `remember` is looked at by the login view."""

    remember = forms.BooleanField(label="Remember me", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "E-mail address"


class PasswordForm(forms.Form):
    """A new password."""

    password = forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), min_length=8)

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password)
        return password


class RegisterForm(PasswordForm):
    """A new user."""

    email = forms.EmailField(label="E-mail address")
    field_order = ("email", "password")

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        if User.objects.filter(username=email).exists():
            raise forms.ValidationError("There is such a user.")
        return email
