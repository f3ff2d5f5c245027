"""The admin's words, by Django's gettext: under a context of our own, so that no other application's catalogue answers
for one of them."""

from functools import partial

from django.utils.translation import npgettext, pgettext, pgettext_lazy

CONTEXT = "ferrotp"

word = partial(pgettext, CONTEXT)
lazy_word = partial(pgettext_lazy, CONTEXT)
counted_word = partial(npgettext, CONTEXT)
