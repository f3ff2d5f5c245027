"""`StarletteMFA`: what an application makes and installs."""

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Mount, Route

from . import starlette_routes
from .operations import Operations
from .problems import ProblemError, answer_problem

if TYPE_CHECKING:
    from fastapi import APIRouter


class StarletteMFA(Operations):
    """The second factor of a Starlette or FastAPI application.

    :param mfa: the service
    :param secret_key: signs pending logins and stamps; or several, of which the last one signs and all are read
    :param current_user: the id of the user whom the application's own session or token names, or None
    :param stamp: what `on_login` put into that session or token, or None
    :param on_login: makes the application's session or token, new each time: called as
        ``on_login(request, response, user_id, stamp)`` when a login is done, and again when the user has proved once
        more who it is, or has ended the other logins. `response` takes cookies. What it returns is ``session`` in the
        answer
    :param account_name: a user's name or address, where a login began elsewhere
    :param mode: "optional": a user without a second factor is let in with the password. "required": has to set one up
    :param required: for whom it is required in mode "optional": a function of the user id, not async
    :param passkey_required: who must have a passkey: likewise. Such a user is asked to make one (`begin_passkey`), and
        once there is one, codes are not accepted any more
    :param flat_session: whether what `on_login` returned stands in the answer itself, too: programs for OAuth2 look for
        ``access_token`` there
    :param fresh_seconds: how long a proof of identity is good for changes
    :param secure_cookies: whether the cookie of a trusted device is for HTTPS alone. None: unless the application is in
        debug mode, and the request came without
    :param tenant: whose users a request is about, where one application serves several customers. None: as the service
        has it
    :param may_sign_in: whether a user who signs in by a passkey alone is there, and may log in: called with the user
        id. It is needed where the policy has `Passkeys(sign_in=True)`: with a password, your login has looked at that
    :param language: of `detail`: a tag (``de``), or a function of the request that says one, or several in the form of
        ``Accept-Language``
    :param translations: folders of the application's own words: see `ferrotp.web.Texts`
    :raises SetupError: if the application cannot start like this

    The callables may be async; those that are not run in the thread pool.
    """

    def install(self, app: Starlette, prefix: str = "/mfa", **options: Any) -> None:
        """Adds the routes below a prefix, and the handler of problems; `require_mfa` finds this by the application.

        :param options: for FastAPI: see `router`
        """
        app.state.ferrotp = self
        app.add_exception_handler(ProblemError, answer_problem)
        if hasattr(app, "include_router"):
            from .fastapi_router import include

            include(app, self.router(**options), prefix)
        else:
            app.router.routes.append(Mount(prefix, routes=self.routes()))

    def routes(self) -> list[Route]:
        """For Starlette."""
        return starlette_routes.routes(self)

    def router(self, **options: Any) -> "APIRouter":
        """For FastAPI.

        :param options: of the `fastapi.APIRouter`: `tags`, `dependencies` with the application's security scheme …
        """
        from .fastapi_router import router  # FastAPI is loaded where it is used

        return router(self, **options)
