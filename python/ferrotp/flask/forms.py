"""What the pages post. Flask-WTF keeps forged requests out."""

from flask import current_app
from flask_wtf import FlaskForm  # type: ignore[import-untyped]
from wtforms import BooleanField, StringField  # type: ignore[import-untyped]


class Form(FlaskForm):  # type: ignore[misc]
    """A form that checks its token even where the application turned that off for its own: only tests may do so."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        @property
        def csrf(self) -> bool:
            return bool(current_app.config.get("WTF_CSRF_ENABLED", True)) or not current_app.testing


class CodeForm(Form):
    """A code of the app, or a recovery code. It is never shown again."""

    code = StringField()
    trust = BooleanField()


class NameForm(Form):
    """A name for a device."""

    name = StringField()


class SavedForm(Form):
    """Whether the recovery codes are saved."""

    saved = BooleanField()
    download = StringField()
