"""Where the second factor keeps its state: `open_store` finds the store by its URL."""

from typing import TYPE_CHECKING, cast

from ..errors import StoreRefused
from .base import TIMEOUT, Store

if TYPE_CHECKING:
    from sqlalchemy import Engine


def open_store(where: "str | Engine | Store", *, timeout: float = TIMEOUT) -> Store:
    """The store that a URL names, or an engine of SQLAlchemy holds. A store is given back as it is.

    :param where: ``sqlite:///file.db``, ``postgresql+psycopg://...``, ``mysql+pymysql://...``, ``redis://...``,
        ``rediss://...``, ``unix://...``, ``redis+cluster://...``, ``rediss+cluster://...``, an engine, or a store
    :param timeout: seconds within which each of its operations answers or raises `StoreUnavailable`
    :raises StoreRefused: for another URL, or if the extra that it needs is not installed
    """
    if not isinstance(where, str):
        if hasattr(where, "reserve"):
            return cast(Store, where)
        from .sql import SQLStore

        return SQLStore(where, timeout=timeout)
    scheme = where.partition(":")[0].partition("+")[0]
    try:
        if scheme in ("sqlite", "postgresql", "mysql", "mariadb"):
            from .sql import SQLStore

            return SQLStore(where, timeout=timeout)
        if where.partition(":")[0] in ("redis+cluster", "rediss+cluster"):
            from .redis_cluster import RedisClusterStore

            return RedisClusterStore.from_url(where, timeout=timeout)
        if scheme in ("redis", "rediss", "unix"):
            from .redis import RedisStore

            return RedisStore.from_url(where, timeout=timeout)
    except ImportError as error:
        extras = {"sqlite": "sql", "mariadb": "mysql", "rediss": "redis", "unix": "redis"}
        extra = extras.get(scheme, scheme)
        raise StoreRefused(f"{error.name} is not installed: pip install 'ferrotp[{extra}]'") from None
    raise StoreRefused("a store is named by a URL of sqlite, postgresql, mysql, mariadb, redis, rediss or unix")
