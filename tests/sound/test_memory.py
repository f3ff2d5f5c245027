"""A pair of midstates makes every code of its secret: neither outlives the object that it was made for."""

import sys

import pytest

from .process_memory import Program, midstates

SECRET = "MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")

WAYS = {
    "the last reference goes": """
        objects.clear()
    """,
    "the collector takes a cycle": """
        for otp in objects:
            otp.myself = otp
        del otp
        objects.clear()
        gc.collect()
    """,
    "the collector takes a cycle through an attribute": """
        for otp in objects:
            otp.issuer = [otp]
        del otp
        objects.clear()
        gc.collect()
    """,
    "the secret is replaced": """
        for otp in objects:
            otp.secret = OTHER
    """,
    "the secret is deleted": """
        for otp in objects:
            del otp.secret
    """,
    "the constructor runs again": """
        for otp in objects:
            otp.__init__(OTHER)
    """,
    "the attributes move to the dict": """
        for otp in objects:
            vars(otp)
        objects.clear()
    """,
}


@pytest.mark.parametrize("surface", ["ferrotp", "ferrotp.legacy"])
@pytest.mark.parametrize("way", WAYS)
def test_midstates_are_gone_when(way: str, surface: str) -> None:
    with Program(
        f"""
        import gc
        import {surface} as pyotp

        OTHER = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        objects = [pyotp.TOTP({SECRET!r}) for _ in range(1000)]
        for otp in objects:
            otp.at(59)
        del otp
        pause()
{WAYS[way]}
        for _ in range(3):
            pyotp.TOTP(OTHER).verify("000000", 59, 1)  # other keys go through the same stack
        pause()
        """
    ) as program:
        needles = midstates(SECRET)
        assert program.copies(needles) >= 2000, "the search finds nothing: it would find nothing afterwards either"
        assert program.copies(needles) == 0
