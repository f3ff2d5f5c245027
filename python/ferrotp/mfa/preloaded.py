"""What each process of `ferrotp.mfa.testing` would make by itself: the text of the SQL stores' statements. The process
that they are forked from loads this. Nothing is connected to.
"""

from contextlib import suppress

from .errors import StoreRefused
from .stores.sql import SQLStore

for _url in ("sqlite:///mfa.db", "postgresql+psycopg://localhost/mfa", "mysql+pymysql://localhost/mfa"):
    with suppress(StoreRefused):  # its driver is not installed
        SQLStore(_url)
