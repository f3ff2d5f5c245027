"""ferrotp beside pyotp on generated input: the same value, or the same exception with the same message.

`ferrotp` is compared with pyotp 2.12.1 and `ferrotp.legacy` with pyotp 2.10.0, both out of their release archives.
A longer run: `FERROTP_SOAK=1`.
"""

import copy
import datetime
import functools
import itertools
import operator
import os
import pickle
import random
import re
import time
from collections import Counter
from urllib.parse import parse_qsl, urlparse

import inputs
import pytest
import releases
from figures import report
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from soak import SOAK
from surfaces import ATTRIBUTES, OVERRIDES, POSITIONAL_IN_2_12, SIGNATURES, SUBCLASSES, clock, signature, surfaces, zone

from ferrotp import _native

# Where ferrotp differs from pyotp, and why. Every other difference is a defect.
DEVIATIONS = {
    "positional": "ferrotp takes by position what pyotp 2.10 did; 2.12 refuses it, and no program needs the refusal",
    "digits": "legacy refuses fewer than 1 digit at once: pyotp 2.10 takes 0, and every secret has the same code",
    "interval": "legacy refuses an interval of 0 or less at once: pyotp 2.10 takes it and fails at every use",
    "long text": "legacy keeps 2.12's limit of 1,024 characters: normalizing more was CVE-2026-3276",
    "summer time": "legacy counts in Unix time: pyotp 2.10 is an hour off when summer time ends",
    "unknown parameter": "legacy names it where there is no secret either: so did pyotp 2.9, whose tests ask for it",
    "timecode": "legacy has verify_and_get_timecode, which came with pyotp 2.11",
}

COMMON = {
    "deadline": None,
    # Continuous integration tries the same inputs each time; a developer and `make soak` new ones.
    "derandomize": os.environ.get("CI") == "true",
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
}
settings.register_profile("ferrotp", max_examples=350, **COMMON)
settings.register_profile("ferrotp-soak", max_examples=12_000, phases=[Phase.generate, Phase.shrink], **COMMON)
PROFILE = settings.get_profile("ferrotp-soak" if SOAK else "ferrotp")

compared = Counter()
deviated = Counter()


@pytest.fixture(scope="module", autouse=True)
def numbers():
    """Says at the end how much was compared."""
    yield
    for legacy, name in (
        (False, f"ferrotp with pyotp {releases.COMPARED}"),
        (True, "ferrotp.legacy with pyotp 2.10.0"),
    ):
        report(f"compared {name}: {compared[legacy]:,} calls")
    report(
        "  deviations met: " + (", ".join(f"{name} {count:,}" for name, count in sorted(deviated.items())) or "none")
    )


@pytest.fixture(params=[False, True], ids=["ferrotp", "legacy"])
def legacy(request):
    return request.param


class Raised:
    """An exception, as far as a caller sees it."""

    def __init__(self, error: Exception) -> None:
        kind = type(error)
        builtin = not kind.__module__.startswith(("ferrotp", "pyotp"))
        self.kind = kind if builtin else tuple(base.__name__ for base in kind.__mro__)
        # Python writes a function's module into some messages.
        self.message = re.sub(r"\b(ferrotp\.legacy|ferrotp|pyotp(?:_\d+){3})\.", "pyotp.", str(error))

    def is_a(self, kind: type, message: str) -> bool:
        return self.kind is kind and self.message == message

    def __eq__(self, other):
        return isinstance(other, Raised) and (self.kind, self.message) == (other.kind, other.message)

    def __hash__(self):
        return hash(self.message)

    def __repr__(self):
        return f"raised {self.kind!r}: {self.message[:300]!r}"


def outcome(call, *args, **kwargs):
    """What a call comes to: its value with its type, or its exception."""
    try:
        value = call(*args, **kwargs)
    except Exception as error:
        return Raised(error)
    return described(value)


def described(value):
    """A value so that `==` compares all that a caller sees of it."""
    if hasattr(value, "generate_otp"):
        return {"class": type(value).__name__, **{name: outcome(getattr, value, name) for name in ATTRIBUTES}}
    # NaN is not equal to itself, nor a partial to its deep copy.
    if isinstance(value, (float, dict, list, tuple, functools.partial)):
        return type(value).__name__, repr(value)
    return type(value).__name__, value


class Comparison:
    """An object of ferrotp's and its twin of pyotp's, and what has been done to both."""

    def __init__(self, legacy: bool, paths: Counter | None = None) -> None:
        self.legacy = legacy
        self.ours, self.theirs = surfaces(legacy)
        self.story: list = []
        self.paths = Counter() if paths is None else paths
        self.kind = ""

    def same(self, what: tuple, ours, theirs, allowed=None) -> None:
        """Counts, and fails on a difference that no deviation allows."""
        compared[self.legacy] += 1
        if ours == theirs:
            return
        if allowed is not None and (name := allowed(ours, theirs)):
            assert name in DEVIATIONS
            deviated[name] += 1
            return
        self.differ(what, ours, theirs)

    def differ(self, what, ours, theirs):
        """Fails, and tells all that has been done to the two."""
        told = ["ferrotp.legacy" if self.legacy else "ferrotp", *(" ".join(map(repr, step)) for step in self.story)]
        told += [" ".join(map(repr, what)), f"ferrotp: {ours!r}", f"pyotp:   {theirs!r}"]
        raise AssertionError("\n  ".join(line[:1000] for line in told))

    def make(self, kind: str, variant: str, named: dict, by_position: int) -> bool:
        """Constructs both. False if they refused."""
        self.kind = kind
        made = []
        for side in (self.ours, self.theirs):
            args, kwargs = side.arguments(kind, "__init__", named, by_position)
            try:
                value = side.subclass(kind, variant)(*args, **kwargs)
                made.append((value, described(value)))
            except Exception as error:
                made.append((None, Raised(error)))
        if by_position > 1 and not self.legacy:
            deviated["positional"] += 1
        self.ours_object, self.theirs_object = made[0][0], made[1][0]
        what = (kind, variant, by_position, named)
        self.same(what, made[0][1], made[1][1], lambda ours, theirs: self._refused_early(named, ours, theirs))
        self.story.append(what)
        return self.ours_object is not None and self.theirs_object is not None

    def _refused_early(self, named: dict, ours, theirs):
        if not self.legacy or not isinstance(ours, Raised):
            return None
        if self.kind != "Steam" and ours.is_a(ValueError, "digits must be at least 1") and named["digits"] < 1:
            return "digits"
        if self.kind != "TOTP" or not ours.is_a(ValueError, "interval must be positive"):
            return None
        interval = named["interval"]
        return "interval" if isinstance(interval, (int, float)) and interval <= 0 else None

    def call(self, method: str, named: dict, by_position: int = 0, reading=None, extra=None) -> None:
        """Calls a method on both."""
        extra = extra or {}
        results = []
        for side, target in ((self.ours, self.ours_object), (self.theirs, self.theirs_object)):
            args, kwargs = side.arguments(self.kind, method, named, by_position)
            kwargs |= extra
            function = lambda *a, target=target, **k: getattr(target, method)(*a, **k)  # noqa: E731
            if self.legacy and side is self.theirs and method == "verify_and_get_timecode":
                function = lambda *a, target=target, **k: find_as_2_12(target, *a, **k)  # noqa: E731
                deviated["timecode"] += 1
            with clock(*self._clock(reading)):
                results.append(outcome(function, *args, **kwargs))
        self._probe(method, named, reading, extra)
        what = (method, by_position, named, extra, reading)
        self.same(what, *results, lambda ours, theirs: self._call_deviates(method, named, reading, ours, theirs))
        self.story.append((*what, results[1]))

    def _clock(self, reading):
        if reading is None:
            reading = 1_800_000_000.25
        if self.legacy:
            return reading, self.theirs.module.totp
        return (reading,)

    def _call_deviates(self, method, named, reading, ours, theirs):
        if not self.legacy:
            return None
        if method in ("verify", "verify_and_get_timecode"):
            text = outcome(str, named.get("otp"))
            refused = ours == ("bool", False) or getattr(ours, "message", "") == "OTP verification failed"
            too_long = not isinstance(text, Raised) and len(text[1]) > 1024
            if too_long and refused and isinstance(theirs, Raised) and theirs.kind is UnicodeEncodeError:
                return "long text"
        if method in ("at", "verify", "verify_and_get_timecode", "now") and self.kind in ("TOTP", "Steam"):
            at = named.get("for_time")
            at = self._clock(reading)[0] if at is None else at
            if isinstance(at, datetime.datetime):
                return None
            seconds = int(at)
            local = datetime.datetime.fromtimestamp(seconds)
            if time.mktime(local.timetuple()) == seconds:
                return None
            # The twin, asked in UTC, is right.
            right = {**named, "for_time": datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)}
            function = getattr(self.theirs_object, "at" if method == "now" else method, None)
            if method == "verify_and_get_timecode":
                function = lambda **k: find_as_2_12(self.theirs_object, **k)  # noqa: E731
            if outcome(function, **right) == ours:
                return "summer time"
        return None

    def _probe(self, method, named, reading, extra):
        """Which path answers: the native one, or pyotp's rules."""
        at = named.get("for_time")
        if at is None and method in ("verify", "verify_and_get_timecode"):
            at = self._clock(reading)[0]
        totp = self.kind in ("TOTP", "Steam")
        window = named.get("valid_window", 0)
        if extra:
            return
        name, args = {
            ("at", True): ("totp_at", (at, named.get("counter_offset", 0))),
            ("now", True): ("totp_now", (self._clock(reading)[0],)),
            ("verify", True): ("totp_verify", (named.get("otp"), at, window)),
            ("verify_and_get_timecode", True): ("totp_find", (named.get("otp"), at, window)),
            ("provisioning_uri", True): ("totp_uri", (named.get("name"), named.get("issuer_name"))),
            ("provisioning_uri", False): (
                "hotp_uri",
                (named.get("name"), named.get("initial_count", 0), named.get("issuer_name")),
            ),
            ("at", False): ("hotp_at", (named.get("count"),)),
            ("verify", False): ("hotp_verify", (named.get("otp"), named.get("counter"))),
            ("generate_otp", True): ("generate", (named.get("input"),)),
            ("generate_otp", False): ("generate", (named.get("input"),)),
        }.get((method, totp), ("", ()))
        if name:
            answer = getattr(_native, name)(self.ours_object, *args)
            self.paths[name, answer is not None] += 1

    def both(self, function, *what) -> None:
        """Does something else to both, and compares what comes of it."""
        self.same(what, *(outcome(function, target) for target in (self.ours_object, self.theirs_object)))
        self.story.append(what)

    def become(self, function, *what) -> None:
        """Goes on with copies."""
        made = []
        for target in (self.ours_object, self.theirs_object):
            try:
                value = function(target)
                made.append((value, described(value)))
            except Exception as error:
                made.append((target, type(error)))  # the message names the class, which is another
        self.same(what, made[0][1], made[1][1])
        self.ours_object, self.theirs_object = made[0][0], made[1][0]
        self.story.append(what)

    def right_code(self, at, offset: int):
        """pyotp's code at a time or count, or one that is right nowhere."""
        try:
            if self.kind == "HOTP":
                return self.theirs_object.generate_otp(self.theirs_object.initial_count + at + offset)
            if self.legacy and not isinstance(at, datetime.datetime):
                at = datetime.datetime.fromtimestamp(int(at), datetime.timezone.utc)
            return self.theirs_object.generate_otp(self.theirs_object.timecode(at) + offset)
        except Exception:
            return "123456"


def find_as_2_12(self, otp, for_time=None, valid_window=0):
    """pyotp 2.12's `verify_and_get_timecode` on an object of 2.10."""
    module = releases.load("2.10.0")
    if for_time is None:
        for_time = module.totp.datetime.datetime.now()
    if valid_window < 0:
        raise ValueError("valid_window cannot be negative")
    if not isinstance(for_time, datetime.datetime):
        for_time = datetime.datetime.fromtimestamp(int(for_time))
    timecode = self.timecode(for_time)
    for i in range(-valid_window, valid_window + 1):
        if module.utils.strings_equal(str(otp), str(self.generate_otp(timecode + i))):
            return timecode + i
    raise releases.load(releases.COMPARED).OTPVerificationError("OTP verification failed")


def anything(kind: str) -> st.SearchStrategy:
    """Arguments for a constructor."""
    fields = {"digits": inputs.refused_digits, "name": inputs.names, "issuer": inputs.names}
    if kind != "Steam":
        fields["digest"] = inputs.digests
    if kind == "HOTP":
        fields["initial_count"] = inputs.counts
    if kind in ("TOTP", "Steam"):
        fields["interval"] = inputs.intervals
    return st.fixed_dictionaries({"s": inputs.secrets}, optional=fields)


KINDS = ("OTP", "TOTP", "HOTP", "Steam")
ANYTHING = {kind: anything(kind) for kind in KINDS}
ORDINARY = {
    kind: st.fixed_dictionaries(
        {"s": inputs.good_secrets},
        optional={
            "digits": st.integers(6, 10),
            **({} if kind == "Steam" else {"digest": st.sampled_from(["sha256", *inputs.ORDINARY_DIGESTS])}),
            **({"interval": st.integers(1, 120)} if kind in ("TOTP", "Steam") else {}),
            **({"initial_count": st.integers(0, 100)} if kind == "HOTP" else {}),
        },
    )
    for kind in KINDS
}
kinds = st.sampled_from(["TOTP", "TOTP", "HOTP", "Steam"])
by_position = st.integers(0, 6)
variants = inputs.mostly(st.just("itself"), st.sampled_from(sorted(SUBCLASSES)))


# Mostly arguments that make an object: a refused one ends its example.
CONSTRUCTED = {kind: inputs.mostly(ORDINARY[kind], ANYTHING[kind]) for kind in KINDS}


def check(strategy, run, share=1.0, needs=()):
    """Runs a property on both surfaces, which get each input that is drawn: drawing takes most of the time. Then checks
    that the native path and the rules both had their part in it.
    """
    paths = {legacy: Counter() for legacy in (False, True)}

    def both(example):
        for legacy in paths:
            run(Comparison(legacy, paths[legacy]), example)

    both.__name__ = run.__qualname__.partition(".")[0]  # by it, too, hypothesis tells properties and their inputs apart
    settings(PROFILE, max_examples=int(PROFILE.max_examples * share))(given(strategy)(both))()
    for legacy, name in itertools.product(paths, needs):
        assert paths[legacy][name, True], f"{name} never answered, legacy: {legacy}"
        assert paths[legacy][name, False], f"{name} never left it to the rules, legacy: {legacy}"


def attributes(target):
    """What `vars` gives, in one order: pyotp's own depends on its release."""
    return sorted(vars(target).items(), key=lambda item: item[0])


def test_the_same_arguments_construct_the_same_object_or_are_refused_alike():
    def run(comparison, example):
        kind, variant, named, place = example
        if comparison.make(kind, variant, named, place):
            comparison.call("byte_secret", {})
            comparison.call("generate_otp", {"input": 1})
            comparison.call("generate_otp", {"input": 2**40})
            if kind == "HOTP":
                comparison.call("at", {"count": 1})
            elif kind != "OTP":
                comparison.call("at", {"for_time": 1_700_000_000})
                comparison.call("now", {})
            if kind != "OTP":
                comparison.call("provisioning_uri", {})
            comparison.both(attributes, "vars")

    kinds = st.sampled_from(KINDS)
    check(kinds.flatmap(lambda kind: st.tuples(st.just(kind), variants, ANYTHING[kind], by_position)), run)


# Every class with every method that it has, its own and inherited.
METHODS = [
    (kind, method)
    for kind, above in (("OTP", ""), ("TOTP", "OTP"), ("HOTP", "OTP"), ("Steam", "TOTP OTP"))
    for method in dict.fromkeys(method for owner, method in SIGNATURES if owner in {kind, *above.split()})
]


@pytest.mark.parametrize(("kind", "method"), METHODS)
def test_calls_with_wrong_arguments_are_refused_alike(legacy, kind, method):
    if legacy and method == "verify_and_get_timecode":
        return  # pyotp 2.10 has none
    comparison = Comparison(legacy)
    assert comparison.make(kind, "itself", {"s": "A" * 32}, 1)
    call = operator.methodcaller
    if method == "__init__":
        call = lambda method, *args, **kwargs: lambda target: type(target)(*args, **kwargs)  # noqa: E731
    comparison.both(call(method, nonsense=1), method, "an unknown argument and none else")
    if method not in ("provisioning_uri", "now", "byte_secret"):
        comparison.both(call(method), method, "no arguments")
    if method not in ("now", "byte_secret") and (legacy or POSITIONAL_IN_2_12.get(method)):
        first = signature(kind, method)[0]
        comparison.both(call(method, 1, **{first: 2}), method, "one argument twice")
    if legacy:  # pyotp 2.12 has keyword-only arguments, and says so in this message
        comparison.both(call(method, *range(9)), method, "too many arguments")


def optional(value):
    """None, or a value in a tuple: the value may be None itself."""
    return inputs.mostly(st.none(), value.map(lambda value: (value,)))


moments = st.tuples(
    inputs.times,
    inputs.offsets,
    inputs.windows,
    inputs.disguises,
    st.one_of(st.integers(-3, 3), st.integers(-60, 60)),
    optional(inputs.odd_codes),
    inputs.clocks,
    by_position,
)


def calls_by_time(comparison, moment):
    """Each method that goes by time, at one moment."""
    at, offset, window, how, steps, odd, reading, place = moment
    if comparison.legacy and not (type(reading) in (int, float) and 0 <= reading < 253402000000):
        reading = 1_790_000_000.5  # what else a clock may say, `datetime.now` cannot
    comparison.call("now", {}, 0, reading)
    if not comparison.legacy or isinstance(at, datetime.datetime):
        comparison.call("timecode", {"for_time": at}, place)
    comparison.call("at", {"for_time": at}, place)
    comparison.call("at", {"for_time": at, "counter_offset": offset}, place)
    right = comparison.right_code(reading if at is None else at, steps if window else 0)
    named = {} if at is None else {"for_time": at}
    if place != 2:
        named["valid_window"] = window
    for code in (right, inputs.disguise(right, how), *(odd or ())):
        comparison.call("verify", {"otp": code, **named}, place, reading)
        comparison.call("verify_and_get_timecode", {"otp": code, **named}, place, reading)


def test_codes_of_a_time_are_the_same_and_accepted_alike():
    def run(comparison, example):
        kind, variant, named, local, calls = example
        with zone(local):
            if comparison.make(kind, variant, named, 1):
                for moment in calls:
                    calls_by_time(comparison, moment)

    strategy = st.sampled_from(["TOTP", "TOTP", "TOTP", "Steam"]).flatmap(
        lambda kind: st.tuples(
            st.just(kind), variants, CONSTRUCTED[kind], inputs.zones, st.lists(moments, min_size=1, max_size=8)
        )
    )
    check(strategy, run, 1.0, ["totp_at", "totp_verify", "totp_find", "totp_now"])


countings = st.tuples(
    inputs.counts,
    inputs.disguises,
    inputs.mostly(st.just(0), st.integers(-2, 2)),
    optional(inputs.odd_codes),
    st.integers(0, 40),
    by_position,
)


def calls_by_count(comparison, counting):
    """Each method that goes by count, at one count."""
    count, how, steps, odd, padding, place = counting
    comparison.call("at", {"count": count}, place)
    comparison.call("generate_otp", {"input": count}, place)
    if type(count) is int and count >= 0:  # for a negative number, or NaN, pyotp never ends
        comparison.call("int_to_bytestring", {"i": count, "padding": padding}, place)
    right = comparison.right_code(count, steps)
    for code in (right, inputs.disguise(right, how), *(odd or ())):
        comparison.call("verify", {"otp": code, "counter": count}, place)


def test_codes_of_a_count_are_the_same_and_accepted_alike():
    def run(comparison, example):
        variant, named, calls = example
        if comparison.make("HOTP", variant, named, 1):
            for counting in calls:
                calls_by_count(comparison, counting)

    strategy = st.tuples(variants, CONSTRUCTED["HOTP"], st.lists(countings, min_size=1, max_size=10))
    check(strategy, run, 1.0, ["hotp_at", "hotp_verify", "generate"])


values = {
    "secret": inputs.secrets,
    "digits": inputs.digits,
    "digest": inputs.digests,
    "name": inputs.names,
    "issuer": inputs.names,
    "interval": inputs.intervals,
    "initial_count": inputs.counts,
}
steps = st.one_of(
    st.sampled_from(ATTRIBUTES).flatmap(lambda name: st.tuples(st.just("set"), st.just(name), values[name])),
    st.tuples(st.just("delete"), st.sampled_from(ATTRIBUTES)),
    st.tuples(st.just("set"), st.just("other"), st.integers()),
    st.tuples(st.just("override"), st.sampled_from(sorted(OVERRIDES))),
    st.tuples(st.just("copy"), st.sampled_from(["copy", "deepcopy", "pickle0", "pickle5"])),
    st.tuples(st.just("dict"), st.sampled_from(["read", "write", "replace", "clear"])),
)


def act(comparison, step):
    """Changes both objects in one way."""
    match step:
        case "set", name, value:
            comparison.both(lambda target: setattr(target, name, value), *step)
        case "delete", name:
            comparison.both(lambda target: delattr(target, name), *step)
        case "override", name:
            comparison.both(lambda target: setattr(target, name, OVERRIDES[name]), *step)
        case "copy", "copy":
            comparison.become(copy.copy, *step)
        case "copy", "deepcopy":
            comparison.become(copy.deepcopy, *step)
        case "copy", protocol:
            number = int(protocol[-1])
            comparison.become(lambda target: pickle.loads(pickle.dumps(target, number)), *step)
        case "dict", "read":
            comparison.both(attributes, *step)
        case "dict", "write":
            comparison.both(lambda target: target.__dict__.update(digits=8, secret="B" * 32), *step)
        case "dict", "replace":
            comparison.both(lambda target: setattr(target, "__dict__", dict(target.__dict__, digits=7)), *step)
        case "dict", "clear":
            comparison.both(lambda target: target.__dict__.pop("secret", None), *step)


def test_attributes_that_change_between_calls_change_the_same():
    def run(comparison, example):
        kind, variant, named, acts = example
        if not comparison.make(kind, variant, named, 1):
            return
        for step, call, name in acts:
            act(comparison, step)
            (calls_by_count if kind == "HOTP" else calls_by_time)(comparison, call)
            comparison.call("provisioning_uri", {"name": name})
            comparison.call("byte_secret", {})
            comparison.both(described, "attributes")

    def strategy(kind):
        call = countings if kind == "HOTP" else moments
        acts = st.lists(st.tuples(steps, call, inputs.names), min_size=1, max_size=6)
        return st.tuples(st.just(kind), variants, CONSTRUCTED[kind], acts)

    check(kinds.flatmap(strategy), run, 0.6, ["totp_at", "hotp_at", "totp_uri"])


def test_uris_are_written_the_same():
    def run(comparison, example):
        kind, variant, named, calls = example
        if not comparison.make(kind, variant, named, 1):
            return
        for named, extra, place in calls:
            comparison.call("provisioning_uri", named)
            comparison.call("provisioning_uri", named, place)
            others = {key: value for key, value in extra.items() if key not in named and key != "self"}
            comparison.call("provisioning_uri", named, place, extra=others)

    def strategy(kind):
        fields = {"name": inputs.names, "issuer": inputs.names}
        named = st.tuples(CONSTRUCTED[kind], st.fixed_dictionaries({}, optional=fields)).map(
            lambda two: two[0] | two[1]
        )
        own = {"name": inputs.names, "issuer_name": inputs.names}
        if kind == "HOTP":
            own["initial_count"] = inputs.counts
        call = st.tuples(st.fixed_dictionaries({}, optional=own), inputs.extras, st.integers(0, 3))
        return st.tuples(st.just(kind), variants, named, st.lists(call, min_size=1, max_size=6))

    check(kinds.flatmap(strategy), run, 1.0, ["totp_uri", "hotp_uri"])


def parse_deviates(uri, ours, theirs):
    """The deviations of `legacy.parse_uri`."""
    if not isinstance(ours, Raised):
        return None
    if ours.is_a(ValueError, "interval must be positive") and isinstance(theirs, dict) and theirs["interval"][1] <= 0:
        return "interval"
    if isinstance(theirs, Raised) and theirs.is_a(ValueError, "No secret found in URI"):
        known = {"secret", "issuer", "algorithm", "encoder", "digits", "period", "counter"}
        keys = [key for key, _ in parse_qsl(urlparse(uri).query, keep_blank_values=True) if key not in known]
        if keys and ours.is_a(ValueError, f"{keys[-1]} is not a valid parameter"):
            return "unknown parameter"
    return None


def test_uris_are_read_the_same():
    def run(comparison, uri):
        ours, theirs = [], []
        for side, results in ((comparison.ours, ours), (comparison.theirs, theirs)):
            try:
                results += [value := side.module.parse_uri(uri), described(value)]
            except Exception as error:
                results += [None, Raised(error)]
        allowed = (lambda ours, theirs: parse_deviates(uri, ours, theirs)) if comparison.legacy else None
        comparison.same(("parse_uri", uri), ours[1], theirs[1], allowed)
        names = {name: getattr(comparison.ours.module, name) for name in ("TOTP", "HOTP")}
        native = outcome(_native.parse_uri, uri, names)
        comparison.paths["parse_uri", native != ("NoneType", None)] += 1
        if ours[0] is None or theirs[0] is None:
            return
        comparison.story.append(("parse_uri", uri))
        comparison.ours_object, comparison.theirs_object = ours[0], theirs[0]
        comparison.kind = type(theirs[0]).__name__
        comparison.call("generate_otp", {"input": 1})
        comparison.call("provisioning_uri", {})
        comparison.call("at", {"count": 1} if comparison.kind == "HOTP" else {"for_time": 1_700_000_000})

    check(
        st.one_of(inputs.ordinary_uris(), inputs.ordinary_uris(), inputs.uris(), inputs.uris(), inputs.odd_uris),
        run,
        1.0,
        ["parse_uri"],
    )


texts = st.tuples(st.from_regex(r"[0-9]{6,8}", fullmatch=True), inputs.disguises)


def test_texts_are_compared_alike():
    def allowed(ours, theirs):
        return "long text" if isinstance(theirs, Raised) and theirs.kind is UnicodeEncodeError else None

    def run(comparison, example):
        pairs = [(example[0][0], inputs.disguise(*example[0])), (example[1], example[2]), (example[2], example[0][0])]
        for pair in pairs:
            results = [outcome(side.module.utils.strings_equal, *pair) for side in (comparison.ours, comparison.theirs)]
            too_long = any(isinstance(text, str) and len(text) > 1024 for text in pair)
            comparison.same(("strings_equal", *pair), *results, allowed if too_long and comparison.legacy else None)

    check(st.tuples(texts, inputs.odd_codes, inputs.odd_codes), run)


def test_build_uri_writes_the_same():
    def run(comparison, example):
        results = [outcome(side.module.utils.build_uri, **example) for side in (comparison.ours, comparison.theirs)]
        comparison.same(("build_uri", example), *results)

    fields = {
        "initial_count": inputs.counts,
        "issuer": inputs.names,
        "algorithm": st.sampled_from([None, "sha1", "SHA1", "sha256", "", 1, "ß"]),
        "digits": inputs.digits,
        "period": inputs.intervals,
        "image": st.sampled_from(inputs.IMAGES),
        "foo": inputs.extra_values,
    }
    check(st.fixed_dictionaries({"secret": inputs.secrets, "name": inputs.names}, optional=fields), run)


def test_secrets_are_drawn_alike_from_the_same_generator():
    def run(comparison, example):
        named, seed = example
        for function in ("random_base32", "random_hex"):
            results = []
            for side in (comparison.ours, comparison.theirs):
                generator = random.Random(seed)
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(side.module, "random", generator, raising=False)
                    results.append(outcome(getattr(side.module, function), **named))
            comparison.same((function, named), *results)

    lengths = st.one_of(
        st.integers(-1, 100), st.sampled_from([31, 32, 39, 40, True, 40.0, 40.5, "40", None, inputs.Number(40)])
    )
    chars = st.one_of(
        st.text(max_size=5), st.sampled_from(["ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", ["ab", "c"], None, 5, b"ab", ("x",)])
    )
    check(
        st.tuples(st.fixed_dictionaries({}, optional={"length": lengths, "chars": chars}), st.integers(0, 99)),
        run,
    )
