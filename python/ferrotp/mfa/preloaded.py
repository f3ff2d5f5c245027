"""What each process of `ferrotp.mfa.testing` would make by itself: the text of the SQL stores' statements. The process
that they are forked from loads this. Nothing is connected to.
"""

from contextlib import suppress

from .errors import StoreRefused
from .policy import Policy
from .stores.base import METHODS
from .stores.sql import SQLStore

_POLICY = Policy()
_KINDS = (
    *((method, _POLICY.limits()) for method in METHODS),
    ("unlock", _POLICY.unlock_limits()),
)

for _url in ("sqlite:///mfa.db", "postgresql+psycopg://localhost/mfa", "mysql+pymysql://localhost/mfa"):
    with suppress(StoreRefused):  # its driver is not installed
        _counts = SQLStore(_url)._statements.counts
        for _method, _limits in _KINDS:  # one factor is asked for where a set-up is confirmed
            _counts[_method, _method == "enrollment", len(_limits.delays)]
