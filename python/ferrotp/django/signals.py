"""What happened to a second factor, for the application."""

from django.dispatch import Signal

mfa_event = Signal()
"""Sent after each decision, with ``event``, a `ferrotp.mfa.Event`: it holds no code and no secret. What a receiver
raises is logged and changes nothing."""
