"""What ``ferrotp doctor --store`` finds out about a store."""

from typing import Any

from ..vault import Keyring, KeyringError
from .errors import InputError


def examine(where: str, keys_file: str | None) -> dict[str, Any]:
    """The store, how many records each key seals, and what is wrong.

    :raises InputError: if it cannot be looked at
    """
    try:
        from ..mfa import MFAError, StoreUnavailable, open_store
        from ..mfa.maintenance import closed_keys
    except ImportError:
        raise InputError("this needs more packages: pip install 'ferrotp[sql]'", "usage") from None
    keys: dict[str, int] = {}
    faults: list[str] = []
    try:
        store = open_store(where)
    except MFAError as error:  # its texts hold no password
        raise InputError(str(error), "mfa") from None
    try:
        faults += store.faults() if hasattr(store, "faults") else []
        keyring = Keyring.from_env() if keys_file is None else Keyring.from_file(keys_file)
        counts, closed = closed_keys(store, keyring)
        if counts[""]:
            faults.append(f"{counts.pop('')} records are none that a keyring sealed")
        keys = dict(counts)
        faults += [f"the keys at hand do not open what key {key_id} sealed" for key_id in closed]
    except KeyringError as error:
        faults.append(f"there are no keys to look with: {error}")
    except StoreUnavailable as error:
        faults = [f"it does not answer: {error}"]
    except MFAError as error:
        if not faults:
            faults = [str(error)]
    finally:
        store.close()
    return {"store": repr(store), "keys": keys, "faults": faults}
