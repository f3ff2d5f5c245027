"""What keeps an import from beginning, or from going on."""

from ..errors import MFAError


class SourceError(MFAError):
    """The source is not what was said. The message says what to change, and holds nothing that was read."""
