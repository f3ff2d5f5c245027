"""The pages' words in the language of the reader, as Django knows it, and then in the site's own."""

from django.conf import settings
from django.utils.translation import get_language

from ferrotp.web import Texts


def _wanted() -> str:
    # None: translations are off, as in commands.
    return f"{get_language() or 'en'},{settings.LANGUAGE_CODE}"


texts = Texts(language=_wanted, translations=lambda: settings.LOCALE_PATHS)
