"""The commands of those who run the service: made once, for ``ferrotp mfa`` and for ``flask ferrotp``.

With ``--json`` each says one object (`factors` one a line), for programs. None shows a secret.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import click

from ..mfa import MFA, FactorInfo, MFAError
from .api_answers import device_body, factor_body
from .audit_commands import audit_group
from .operators import operator
from .problems import rfc3339

Service: TypeAlias = Callable[..., AbstractContextManager[MFA]]
"""Gives the service for a command: called with the values of the options that `commands` was given, with
``needs_keys``, and with ``decides``: whether something is changed, of which there may have to be a row of the audit."""
Option: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


def commands(
    service: Service, options: Sequence[Option] = (), *, failed: Callable[[str], Exception] = click.ClickException
) -> list[click.Command]:
    """The commands: status, factors, devices, report, reset, keys, rotate-keys, retire-key, and those of the audit.

    :param service: where they find the service
    :param options: decorators of click's for what `service` has to know
    :param failed: the exception that says what the service refused
    """

    @contextmanager
    def opened(given: dict[str, Any], *, needs_keys: bool = False, decides: bool = False) -> Iterator[MFA]:
        try:
            with service(needs_keys=needs_keys, decides=decides, **given) as mfa:
                yield mfa
        except MFAError as error:  # its texts hold neither codes nor secrets
            raise failed(str(error)) from None

    def command(name: str, function: Callable[..., Any]) -> click.Command:
        decorators: Sequence[Any] = (click.option("--json", "as_json", is_flag=True, help="For programs."), *options)
        for decorate in reversed(decorators):
            function = decorate(function)
        return click.command(name)(function)

    @click.argument("user")
    def status(user: str, as_json: bool, **given: Any) -> int:
        """What there is of a user.

        USER is the id that the application knows the user by."""
        with opened(given) as mfa:
            found = mfa.status(user_id=user)
        body = {
            "user_id": user,
            "enrolled": found.enrolled,
            "disabled": found.disabled,
            "retry_at": None if found.retry_at is None else rfc3339(found.retry_at),
            "recovery_codes": found.recovery_codes,
            "factors": [_factor(factor) for factor in found.factors],
        }
        lines = [f"{user}: {'has a second factor' if found.enrolled else 'has no second factor'}"]
        if found.disabled:
            lines.append("  switched off after too many wrong codes")
        if found.retry_at is not None:
            lines.append(f"  the next code is looked at from {rfc3339(found.retry_at)}")
        lines += [f"  {_line(factor)}" for factor in found.factors]
        lines.append(f"  {found.recovery_codes} recovery codes left")
        _say(body, lines, as_json)
        return 0

    def factors(as_json: bool, **given: Any) -> int:
        """All factors, by user: a line each."""
        with opened(given) as mfa:
            for factor in mfa.factors():
                body = {"user_id": factor.user_id, **_factor(factor)}
                _say(body, [f"{factor.user_id}  {_line(factor)}"], as_json)
        return 0

    @click.argument("user")
    @click.option("--forget", is_flag=True, help="Trust none of them any more.")
    def devices(user: str, forget: bool, as_json: bool, **given: Any) -> int:
        """The devices that a user trusts.

        USER is the id that the application knows the user by."""
        with opened(given, decides=forget) as mfa:
            found = mfa.trusted_devices(user_id=user)
            forgotten = mfa.forget_devices(user_id=user) if forget else 0
        body = {"user_id": user, "devices": [device_body(device) for device in found], "forgotten": forgotten}
        lines = [f"{device.series}  {device.name}  until {rfc3339(device.expires_at)}" for device in found]
        if forget:
            lines.append(f"{forgotten} forgotten")
        _say(body, lines or ["none"], as_json)
        return 0

    def report(as_json: bool, **given: Any) -> int:
        """Who should enroll again, whose factor is disabled, and whether this server's clock is off."""
        with opened(given) as mfa:
            found = mfa.report()
        body = {
            "factors": found.factors,
            "disabled": list(found.disabled),
            "re_enroll": list(found.re_enroll),
            "median_drift": found.median_drift,
            "clock_suspect": found.clock_suspect,
        }
        lines = [f"{found.factors} factors"]
        lines += [f"disabled: {user_id}" for user_id in found.disabled]
        lines += [f"to enroll again: {user_id}" for user_id in found.re_enroll]
        if found.clock_suspect:
            lines.append(f"most devices are off by {found.median_drift:+g} time steps: it is this server's clock")
        _say(body, lines, as_json)
        return 0

    @click.argument("user")
    @click.option("--by", default="", metavar="NAME", help="Who does it, for the event.  [default: you]")
    @click.option("--yes", is_flag=True, help="Do not ask whether to.")
    def reset(user: str, by: str, yes: bool, as_json: bool, **given: Any) -> int:
        """Remove all that there is of a user, whom you have identified anew.

        USER is the id that the application knows the user by. The user's logins end."""
        if not yes:
            click.confirm(f"Reset the second factor of {user}?", abort=True, err=True)
        with opened(given, decides=True) as mfa:
            removed = mfa.reset(user_id=user, by=by or operator())
        _say({"user_id": user, "removed": removed}, [f"{user} had {removed} factors, and has none now"], as_json)
        return 0

    def keys(as_json: bool, **given: Any) -> int:
        """The keys' ids, and how many records each seals."""
        with opened(given, needs_keys=True) as mfa:
            used, keyring = mfa.keys_in_use(), mfa.keyring
        found = [
            {"id": key_id, "seals": key_id == keyring.writes_with, "records": used.pop(key_id, 0), "missing": False}
            for key_id in keyring.key_ids
        ]
        found += [{"id": key_id, "seals": False, "records": n, "missing": True} for key_id, n in used.items()]
        roles = {True: "seals and opens", False: "opens"}
        lines = [
            f"{key['id']}  {'MISSING' if key['missing'] else roles[bool(key['seals'])]}  {key['records']} records"
            for key in found
        ]
        _say({"keys": found}, lines, as_json)
        return 1 if used else 0

    def rotate_keys(as_json: bool, **given: Any) -> int:
        """Seal every record with the first key. Stopped at any point, it goes on when it is run again."""
        with opened(given, needs_keys=True, decides=True) as mfa:
            done = mfa.rotate_keys()
        body = {"seen": done.seen, "resealed": done.resealed, "failed": list(done.failed)}
        lines = [*done.failed, f"{done.seen} records seen, {done.resealed} resealed, {len(done.failed)} failed"]
        _say(body, lines, as_json)
        return 1 if done.failed else 0

    @click.argument("key_id", metavar="ID")
    def retire_key(key_id: str, as_json: bool, **given: Any) -> int:
        """Say whether no record needs a key any more: it is an error if one does."""
        with opened(given, needs_keys=True) as mfa:
            mfa.retire_key(key_id)
        _say({"id": key_id, "needed": False}, [f"no record needs {key_id}: take it out of the keyring"], as_json)
        return 0

    functions: dict[str, Any] = {
        "status": status,
        "factors": factors,
        "devices": devices,
        "report": report,
        "reset": reset,
        "keys": keys,
        "rotate-keys": rotate_keys,
        "retire-key": retire_key,
    }
    made = [command(name, function) for name, function in functions.items()]
    return [*made, audit_group(command, opened, _say, failed)]


def _say(body: dict[str, Any], lines: Sequence[str], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(body))
        return
    for line in lines:
        # Names are users' own: nothing in them steers a terminal.
        click.echo("".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in line))


def _factor(factor: FactorInfo) -> dict[str, Any]:
    return {**factor_body(factor), "drift": factor.drift}


def _line(factor: FactorInfo) -> str:
    used = "never used" if factor.last_used_at is None else f"used {rfc3339(factor.last_used_at)}"
    more = "  legacy" if factor.legacy else ""
    return f"{factor.factor_id}  {factor.kind}  {factor.state}  {used}{more}  {factor.name}".rstrip()
