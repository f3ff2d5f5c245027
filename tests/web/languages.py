"""Languages of a site's own, made as its translators would make them; and what a page is in."""

import html
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
tool: dict[str, Any] = runpy.run_path(str(ROOT / "tools" / "translations.py"), run_name="translations")
OURS = ["de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt-BR", "tr", "uk", "zh-Hans"]
CZECH = "nplurals=3; plural=(n==1 ? 0 : n>=2 && n<=4 ? 1 : 2);"

Translate = Callable[[Any], tuple[str, ...] | None]


def marked(message: Any) -> tuple[str, ...]:
    """A language that nobody mistakes for another: each text in brackets, with the number of its plural."""
    if message.plural:
        return tuple(f"⟦{number}:{message.plural}⟧" for number in range(3))
    return (f"⟦{message.text}⟧",)


def write(folder: Path, language: str, translate: Translate = marked) -> Path:
    """A site's catalogue, of the messages for which there is a text.

    :return: the folder of all of its languages
    """
    made = tool["Language"](language, CZECH)
    texts = {message: translate(message) for message in tool["shared_messages"]()}
    made.texts.update({message: text for message, text in texts.items() if text is not None})
    file = folder / language / "LC_MESSAGES" / "ferrotp.mo"
    file.parent.mkdir(parents=True)
    file.write_bytes(tool["compiled"](made))
    return folder


def texts_of(page: str) -> list[str]:
    """What a reader of a page reads, or hears: texts between tags, and the attributes that are for people."""
    page = re.sub(r"<svg.*?</svg>|<!doctype html>", "", page, flags=re.S)
    attributes = re.findall(
        r'\b(?:aria-label|alt|title|placeholder|data-(?:ferrotp-done|cancelled|taken|site|other))="([^"]*)"', page
    )
    between = re.findall(r">([^<]+)<", page)
    found = [html.unescape(text).strip() for text in (*attributes, *between)]
    return [text for text in found if re.search(r"[^\W\d_]", text)]


def languages_said(page: str) -> set[str]:
    """What the page, and our part of it, say that they are in."""
    return set(re.findall(r'\blang="([^"]*)"', page))
