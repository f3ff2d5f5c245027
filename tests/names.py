"""Names for parameters: the same in every process, or the workers of a parallel run would not agree on the tests."""

import re


def shown(value: object) -> str:
    """Its representation, without the address of an object that has no better one."""
    return re.sub(r" at 0x[0-9a-f]+", "", ascii(value))
