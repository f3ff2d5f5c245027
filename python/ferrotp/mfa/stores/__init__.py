"""Where the second factor keeps its state."""

import importlib
from typing import Any

from ..errors import StoreRefused
from .base import Store

__all__ = ["Store", "open_store"]


def open_store(where: Any, *, timeout: float = 1.8) -> Store:
    """The store that a URL names, or that an object is.

    ``sqlite:///mfa.db``, ``postgresql+psycopg://host/database``, ``redis://host``, ``rediss://host``,
    ``unix:///socket``; an SQLAlchemy engine; or a store. Each of its operations answers within `timeout` seconds, or
    raises `StoreUnavailable`.

    Raises:
        StoreRefused: nothing serves it. The message says what does, or what to install.
    """
    if isinstance(where, str):
        scheme = where.partition(":")[0].partition("+")[0].lower()
        if scheme in ("redis", "rediss", "unix"):
            store: Store = _load(".redis", "redis").RedisStore.from_url(where, timeout=timeout)
        elif scheme in ("sqlite", "postgresql"):
            store = _load(".sql", scheme if scheme == "postgresql" else "sql").SQLStore(where, timeout=timeout)
        else:
            # The text itself may hold a password.
            raise StoreRefused("a store's URL begins with sqlite:, postgresql+psycopg:, redis:, rediss: or unix:")
        return store
    if hasattr(where, "reserve"):
        return where  # type: ignore[no-any-return]
    if hasattr(where, "dialect") and hasattr(where, "pool"):
        store = _load(".sql", "sql").SQLStore(where, timeout=timeout)
        return store
    raise StoreRefused(f"{type(where).__name__} is no store: a URL, an SQLAlchemy engine or a store is")


def _load(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module, __name__)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("ferrotp"):
            raise
        raise StoreRefused(f"{error.name} is not installed: pip install 'ferrotp[{extra}]'") from None
