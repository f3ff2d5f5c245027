"""Whether this is `make soak`, which does for long what other runs do for a moment."""

import os

SOAK = bool(os.environ.get("FERROTP_SOAK"))
