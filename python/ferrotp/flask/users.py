"""Which user is which: Flask-Login's, by an id that does not change.

`get_id()` may be an "alternative id", which rotates with the password so that sessions end. To the service it would be
another user each time, who has no second factor, and comes in by the password alone.
"""

import sys
from collections.abc import Callable
from typing import Any

from ..mfa import UserId, user_id_text
from ..web import SetupError

_EXPLAIN = (
    "Flask-Login's get_id() is not the user's primary key, and an id that may change loses the second factor:"
    " pass FlaskMFA(user_id=...), a function that gives the immutable id of a user object"
)


def stable_user_id(user: Any, user_id: Callable[[Any], UserId] | None) -> str:
    """The id of a user object of Flask-Login's, in the service's text.

    :param user_id: the application's own word. Without one it is the primary key of a model of SQLAlchemy's, and
        otherwise `get_id()`, if the object's ``id`` is the same
    :raises SetupError: if it is not
    """
    if user_id is not None:
        return user_id_text(user_id(user))
    sqlalchemy = sys.modules.get("sqlalchemy")  # not loaded: no such model
    model = sqlalchemy.inspect(user, raiseerr=False) if sqlalchemy is not None else None
    identity = getattr(model, "identity", None)  # None outside of the database
    if identity is not None and len(identity) == 1 and identity[0] is not None:
        return user_id_text(identity[0])
    text = user_id_text(user.get_id())
    own = getattr(user, "id", None)
    if own is not None and str(own) != text:
        raise SetupError(_EXPLAIN)
    return text


def load_user(
    manager: Any, user_id: str, load: Callable[[str], Any] | None, stable_id: Callable[[Any], UserId] | None
) -> Any:
    """The user object of an id of the service's; None if there is none.

    :param load: the application's own; None takes Flask-Login's ``user_loader``, which takes what `get_id()` gives
    :raises SetupError: if it is another user's
    """
    user = (load or manager._user_callback)(user_id)
    if user is not None and stable_user_id(user, stable_id) != user_id:
        raise SetupError(
            f"{'load_user' if load else 'user_loader'} gives another user than was asked for: begin_login takes the"
            " id that FlaskMFA(user_id=...) gives, and FlaskMFA(load_user=...) loads the user by it"
        )
    return user


def check_user(
    manager: Any, user_id: str, load: Callable[[str], Any] | None, stable_id: Callable[[Any], UserId] | None
) -> None:
    """Whether a user whose password was right can be logged in when the second factor is.

    :raises SetupError: if not
    """
    if load_user(manager, user_id, load, stable_id) is None:
        raise SetupError(
            "the user of begin_login is not found by the same id: where user_loader takes another one"
            " (get_id() of the user object), pass FlaskMFA(user_id=..., load_user=...)"
        )
