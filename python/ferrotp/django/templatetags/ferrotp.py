"""``{% load ferrotp %}``: the pages' words, by message id."""

from django import template

from ferrotp.django.texts import texts

register = template.Library()


@register.simple_tag(name="t")
def text(message_id: str, **values: object) -> str:
    """``{% t "challenge.trust" days=30 %}``"""
    return texts(message_id, **values)
