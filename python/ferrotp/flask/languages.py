"""Which language the pages are in: the configuration's, Flask-Babel's where the application has it, or English."""

import importlib
from collections.abc import Callable
from pathlib import Path

from flask import Flask, current_app

from ..web import SetupError, Texts


def texts_of(app: Flask, language: str | Callable[[], object] | None) -> Texts:
    """The words of an application, with its own from where Flask-Babel looks for catalogues: ``translations``.

    :param language: None: ``FERROTP_LANG``
    :raises SetupError: if there are no words in a language that is named
    """
    language = language or app.config["FERROTP_LANG"]
    names = str(app.config.get("BABEL_TRANSLATION_DIRECTORIES", "translations")).split(";")
    texts = Texts(
        language=language or _language_of_babel, translations=[Path(app.root_path, name.strip()) for name in names]
    )
    if isinstance(language, str) and texts.language == "en" and language.lower()[:2] != "en":
        there = ", ".join(texts.catalogues.languages)
        raise SetupError(f"FERROTP_LANG is {language!r}, and there are no pages in it. There are: {there}.")
    return texts


def _language_of_babel() -> str:
    """The request's language, if the application has set up Flask-Babel."""
    if "babel" not in current_app.extensions:
        return "en"
    try:
        babel = importlib.import_module("flask_babel")
    except ImportError:  # another package's, of that name
        return "en"
    return str(babel.get_locale() or "en")
