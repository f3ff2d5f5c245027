"""One-time passwords on the terminal, with ferrotp beside pyotp and oathtool.

usage: python examples/terminal_demo.py [--legacy] [SECRET | URI | -]

Shows the code of a new secret, or of your own: base32 or an otpauth:// URI, from standard input with -, from the
environment variable FERROTP_SECRET, or as an argument (which the shell's history keeps, and ps shows).

  --legacy   as pyotp 2.10 took it: secrets under 112 bits, periods over two minutes
"""

from __future__ import annotations

import getpass
import importlib
import os
import shutil
import statistics
import subprocess
import sys
import time
import timeit
from importlib.metadata import version
from typing import Any

import ferrotp
import ferrotp.legacy

HOTP = (ferrotp.HOTP, ferrotp.legacy.HOTP)
STEAM = (ferrotp.contrib.Steam, ferrotp.legacy.contrib.Steam)
COLOURS = {"good": "\033[32m", "bad": "\033[31m", "faint": "\033[2m"}


class BadInput(Exception):
    """What is wrong with the input, in one sentence that does not hold it."""


def show(label: str, value: str, note: str = "", mood: str = "faint") -> None:
    """Prints one line."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        note = note and f"{COLOURS[mood]}{note}\033[0m"
    print(f"  {label:<14} {value}  {note}".rstrip())


def own_input(arguments: list[str]) -> str | None:
    """The user's secret or URI; None if there is none."""
    if arguments == ["-"]:
        prompt = "Secret or otpauth:// URI (not shown): "
        try:
            text = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
        except (EOFError, UnicodeDecodeError):
            text = ""
    elif arguments:
        print("Warning: the shell's history keeps this argument, and ps shows it; - reads it unseen.", file=sys.stderr)
        text = " ".join(arguments)
    elif "FERROTP_SECRET" in os.environ:
        text = os.environ["FERROTP_SECRET"]
    else:
        return None
    text = text.strip()
    if not is_uri(text):
        text = "".join(text.split()).replace("-", "")  # apps show secrets in groups
    if not text:
        raise BadInput("No secret was given.")
    return text


def is_uri(text: str) -> bool:
    """Whether it was meant as a URI."""
    return ":" in text


def make(surface: Any, text: str) -> Any:
    """The object for a secret or a URI, by pyotp or what stands for it."""
    otp = surface.parse_uri(text) if is_uri(text) else surface.TOTP(text)
    if not otp.byte_secret():
        raise ValueError("No secret found")
    otp.at(0)  # pyotp 2.10 and its like decode at first use
    return otp


def serves(surface: Any, text: str) -> bool:
    """Whether pyotp or what stands for it takes this secret or URI."""
    try:
        make(surface, text)
    except (TypeError, ValueError):
        return False
    return True


def make_own(text: str, legacy: bool) -> Any:
    """`make` for the user's text; what is wrong with it as `BadInput`."""
    try:
        return make(ferrotp.legacy if legacy else ferrotp, text)
    except (TypeError, ValueError) as error:
        reason = str(error).rstrip(".")
    what = "URI" if is_uri(text) else "secret"
    if not legacy and serves(ferrotp.legacy, text):
        raise BadInput(f"pyotp 2.12 refuses this {what} ({reason}); pyotp 2.10 took it, and so does --legacy.")
    if what == "secret":
        raise BadInput("This is no base32 secret: letters A to Z and digits 2 to 7, as the service shows it.")
    if "'" in reason or reason.endswith("is not a valid parameter"):
        reason = "a parameter does not fit"  # the reason quotes it, and in a damaged URI it may be the secret
    raise BadInput(f"This URI cannot be read: {reason}.")


def real_pyotp() -> Any:
    """pyotp; None if it is not installed, or if its name stands for ferrotp here."""
    try:
        pyotp = importlib.import_module("pyotp")
    except ImportError:
        return None
    return pyotp if pyotp.__name__ == "pyotp" and pyotp.TOTP.__module__ == "pyotp.totp" else None


def oathtool_code(otp: Any, moment: int) -> str | None:
    """oathtool's code, or None if it has no such codes. The secret goes through a pipe, where ps does not see it."""
    algorithm = otp.digest().name.upper()
    if isinstance(otp, STEAM):
        return None
    if isinstance(otp, HOTP):
        if algorithm != "SHA1" or otp.initial_count >= 2**63:
            return None
        mode = ["--hotp", f"--counter={otp.initial_count}"]
    else:
        mode = [f"--totp={algorithm}", f"--time-step-size={otp.interval}s", f"--now=@{moment}"]
    command = ["oathtool", "--base32", f"--digits={otp.digits}", *mode, "-"]
    done = subprocess.run(command, input=otp.secret + "\n", capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def nanoseconds(objects: list[Any], moment: int) -> list[float]:
    """What a code costs each of the objects: medians of 21 rounds in which they take turns."""
    timers = [timeit.Timer("at(moment)", globals={"at": otp.at, "moment": moment}) for otp in objects]
    counted = [(timer, int(0.001 / min(timer.repeat(3, 100)) * 100)) for timer in timers]  # 1 ms each
    rounds = [[timer.timeit(count) / count * 1e9 for timer, count in counted] for _ in range(21)]
    return [statistics.median(samples) for samples in zip(*rounds, strict=True)]


def compare(label: str, code: str, other: str | None) -> bool:
    """Prints another program's code. False if it is not ours."""
    if other is None:
        show(label, "has no such codes")
    elif other == code:
        show(label, other, "the same", "good")
    else:
        show(label, other, "DIFFERENT", "bad")
    return other in (None, code)


def demo(otp: Any, text: str) -> bool:
    """Shows it all for one object. False if another program's code was different."""
    # One moment for all, so that no code runs out between two programs. HOTP counts instead, from its initial count.
    moment = 0 if isinstance(otp, HOTP) else int(time.time())
    code = otp.at(moment)
    if isinstance(otp, HOTP):
        show("code", code, f"of count {otp.initial_count}")
    else:
        show("code", code, f"{otp.interval - moment % otp.interval} s left")

    accepted = otp.verify(code, moment)
    show("verified", code, *(("accepted", "good") if accepted else ("REFUSED", "bad")))
    wrong = ("2" if code[0] != "2" else "3") + code[1:]  # digits that Steam's codes have too
    refused = not otp.verify(wrong, moment)
    show("wrong code", wrong, *(("refused", "good") if refused else ("ACCEPTED", "bad")))
    right = accepted and refused

    pyotp = real_pyotp()
    theirs = make(pyotp, text) if pyotp and serves(pyotp, text) else None
    if theirs:
        right &= compare(f"pyotp {version('pyotp')}", code, theirs.at(moment))
    elif pyotp:
        show(f"pyotp {version('pyotp')}", "refuses this secret or period")
    else:
        show("pyotp", "only its name is here, for ferrotp" if "pyotp" in sys.modules else "not installed")
    if shutil.which("oathtool"):
        right &= compare("oathtool", code, oathtool_code(otp, moment))
    else:
        show("oathtool", "not installed")
    if theirs:
        mine, other = nanoseconds([otp, theirs], moment)
        show("speed", f"{mine:,.0f} ns a code, pyotp {other:,.0f} ns", f"{other / mine:.0f} times as fast", "good")
    return right


def main(arguments: list[str]) -> int:
    """0: done; 1: another program's code was different; 2: bad input."""
    options = {argument for argument in arguments if argument.startswith("-") and argument != "-"}
    if options & {"-h", "--help"}:
        print(__doc__)
        return 0
    legacy = "--legacy" in options
    try:
        if options - {"--legacy"}:
            raise BadInput("There is no such option: see --help.")
        text = own_input([argument for argument in arguments if argument not in options])
        if text is None:
            text = ferrotp.random_base32()
            otp = make(ferrotp.legacy if legacy else ferrotp, text)
            uri = otp.provisioning_uri(name="alice@example.com", issuer_name="Ferrotp demo")
        else:
            otp, uri = make_own(text, legacy), None
    except BadInput as problem:
        print(problem, file=sys.stderr)
        return 2
    print(f"ferrotp {ferrotp.__version__}{', as pyotp 2.10' if legacy else ''}")
    if uri:
        show("new secret", text)
        show("URI", uri)
    else:
        show("your secret", f"{len(otp.byte_secret()) * 8} bits", "not shown")
    return 0 if demo(otp, text) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
