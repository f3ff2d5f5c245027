"""Variants of TOTP that others use."""

from .steam import Steam

__all__ = ["Steam"]
