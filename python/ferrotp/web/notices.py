"""What the user is told of by mail: changes of a factor, recovery, a factor that was disabled."""

from collections.abc import Callable
from dataclasses import dataclass

from ..mfa import Event
from .texts import ENGLISH, Texts

_OF_PASSKEYS: dict[str, str] = {
    "enrollment confirmed": "passkey added",
    "factor imported": "passkey added",
    "factor removed": "passkey removed",
}
"""Events whose words are others for a passkey."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A mail to a user, in plain text. It holds no code, no secret and no link: its reader opens the site."""

    user_id: str
    subject: str
    body: str
    event: Event


class Notifier:
    """An `on_event` of `MFA` that hands notices to the application's mail.

    ``MFA(..., on_event=Notifier(send, issuer="ACME"))``; `send` is called with a `Notice` after the change. It should
    not make the user wait: put the mail into a queue.

    :param language: which language to write in: a tag (``de``), or a function of the user id. A request does not say
        it: a notice may warn of those who sent it. None: that of `texts`
    :param texts: the words, where the application has its own. None: ours, in English
    """

    def __init__(
        self,
        send: Callable[[Notice], None],
        *,
        issuer: str,
        language: str | Callable[[str], str | None] | None = None,
        texts: Texts | None = None,
    ) -> None:
        self._send = send
        self._issuer = issuer
        self._language = language
        self._texts = texts or Texts()

    def __call__(self, event: Event) -> None:
        if not event.notify_user or not event.user_id:
            return
        kind = _OF_PASSKEYS.get(event.kind, event.kind) if event.method == "passkey" else event.kind
        what = "notice." + kind.replace(" ", "-")
        language = self._language(event.user_id) if callable(self._language) else self._language
        texts = self._texts if language is None else self._texts.in_language(language)
        if event.kind == "reminded":
            self._send(_reminder(event, texts, self._issuer))
            return
        text = texts(what if what in ENGLISH else "notice.other", issuer=self._issuer)
        when = f"{event.at:%Y-%m-%d %H:%M} UTC"
        body = texts("notice.body", what=text, when=when, issuer=self._issuer)
        subject = texts("notice.subject", issuer=self._issuer)
        self._send(Notice(event.user_id, subject, body, event))


def _reminder(event: Event, texts: Texts, issuer: str) -> Notice:
    """To a user who has no second factor yet: nothing has happened, so nobody is to look for an intruder."""
    due = event.detail.get("due")
    body = texts("notice.reminder.due" if due else "notice.reminder.body", issuer=issuer, date=due)
    return Notice(event.user_id, texts("notice.reminder.subject", issuer=issuer), body, event)
