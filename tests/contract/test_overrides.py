"""What pyotp's methods call can be replaced, in a subclass, on an object, on the public class, in `utils`; and when it
is put back, the fast path is back."""

import abc
import copy
import datetime
import inspect
import pickle
import pydoc
from unittest import mock

import pytest
import time_machine

from .helpers import OTHER_SECRET, SECRET, is_fast, kinds, outcome, run_python

# Each replacement changes every code that depends on it, and works as a function of the class or of the object.
REPLACEMENTS = {
    "generate_otp": lambda self, input: f"{input % 1000:06}",
    "timecode": lambda self, for_time: 77,
    "byte_secret": lambda self: b"another key of 20 by",
    "int_to_bytestring": staticmethod(lambda i, padding=8: b"\0\0\0\0\0\0\0\7"),
    "at": lambda self, *args, **kwargs: "424242",
}


def answers(otp, genuine):
    """What an object answers to every question."""
    codes = [outcome(lambda _: otp.generate_otp(1), mock), outcome(lambda _: otp.byte_secret(), mock)]
    guesses = [genuine, "424242", "000077", "000041"]
    if hasattr(otp, "initial_count"):
        codes.append(otp.at(41152263))
        guesses.append(codes[-1])
        return codes + [otp.verify(guess, 41152263) for guess in guesses]
    if not hasattr(otp, "interval"):
        return codes
    codes += [otp.at(1234567890), otp.at(1234567890, counter_offset=3)]
    guesses += [*codes[-2:], otp.generate_otp(otp.timecode(_date(1234567890)))]
    # It moves pyotp 2.10's clock, which is datetime's, as well as 2.12's.
    with time_machine.travel(1234567890.5, tick=False):
        codes.append(otp.now())
        codes += [otp.verify(guess) for guess in guesses]
    codes += [otp.verify(guess, for_time=1234567890) for guess in guesses]
    codes += [otp.verify(guess, for_time=1234567890, valid_window=4) for guess in guesses]
    return codes


def _date(timestamp):
    return datetime.datetime.fromtimestamp(timestamp, datetime.timezone.utc)


@pytest.mark.parametrize("kind", ["OTP", "HOTP", "TOTP", "Steam"])
@pytest.mark.parametrize("name", REPLACEMENTS)
def test_an_override_in_a_subclass_changes_what_pyotps_changes(surface, reference, kind, name):
    def use(module):
        base = kinds(module)[kind]
        return answers(type("Mine", (base,), {name: REPLACEMENTS[name]})(SECRET), _genuine(module, kind))

    assert use(surface) == use(reference)


@pytest.mark.parametrize("kind", ["OTP", "HOTP", "TOTP", "Steam"])
@pytest.mark.parametrize("name", REPLACEMENTS)
@pytest.mark.parametrize("through_dict", [False, True])
def test_an_override_on_an_object_changes_what_pyotps_changes(surface, reference, kind, name, through_dict):
    def use(module):
        otp = kinds(module)[kind](SECRET)
        function = REPLACEMENTS[name]
        bound = function.__func__ if isinstance(function, staticmethod) else function.__get__(otp)
        if through_dict:
            otp.__dict__[name] = bound
        else:
            setattr(otp, name, bound)
        while_replaced = answers(otp, _genuine(module, kind))
        delattr(otp, name)
        return while_replaced, answers(otp, _genuine(module, kind))

    assert use(surface) == use(reference)


@pytest.mark.parametrize("kind", ["OTP", "HOTP", "TOTP", "Steam"])
@pytest.mark.parametrize("patched", ["OTP", "its own class"])
@pytest.mark.parametrize("name", REPLACEMENTS)
def test_a_patched_public_class_changes_what_pyotps_changes(surface, reference, kind, patched, name):
    def use(module):
        otp = kinds(module)[kind](SECRET)
        target = module.OTP if patched == "OTP" else type(otp)
        genuine = _genuine(module, kind)
        with mock.patch.object(target, name, REPLACEMENTS[name], create=True):
            while_patched = answers(otp, genuine), answers(type(otp)(SECRET), genuine)
        return while_patched, answers(otp, genuine)

    assert use(surface) == use(reference)


def _genuine(module, kind):
    otp = kinds(module)[kind](SECRET)
    return otp.at(41152263) if kind == "HOTP" else otp.generate_otp(41152263)


@pytest.mark.parametrize("kind", ["HOTP", "TOTP", "Steam"])
@pytest.mark.parametrize("name", REPLACEMENTS)
def test_the_fast_path_steps_aside_for_a_patch_and_comes_back(surface, kind, name):
    otp = kinds(surface)[kind](SECRET)
    assert is_fast(otp)
    for target in {surface.OTP, type(otp), *([surface.TOTP] if kind == "Steam" else [])}:
        if not hasattr(target, name):
            continue
        with mock.patch.object(target, name, REPLACEMENTS[name]):
            if name != "at" or surface.__name__ == "ferrotp.legacy":
                assert not is_fast(otp), target
        assert is_fast(otp), target
    setattr(otp, name, REPLACEMENTS[name])
    if name != "at" or surface.__name__ == "ferrotp.legacy":
        assert not is_fast(otp)
    delattr(otp, name)
    assert is_fast(otp)


def test_at_overridden_changes_verify_in_legacy_and_not_in_2_12(modern, legacy):
    for module, follows in ((modern, False), (legacy, True)):

        class Mine(module.TOTP):
            def at(self, for_time, counter_offset=0):
                return "424242"

        patched = module.TOTP(SECRET)
        patched.at = lambda for_time, counter_offset=0: "424242"
        for otp in (Mine(SECRET), patched):
            assert otp.verify("424242", for_time=59) is follows
            assert otp.verify("424242", for_time=59, valid_window=1) is follows
            assert otp.verify("287082", for_time=59) is not follows


def test_hotps_verify_goes_through_at(surface):
    class Mine(surface.HOTP):
        def at(self, count):
            return "424242"

    assert Mine(SECRET).verify("424242", 5)
    otp = surface.HOTP(SECRET)
    otp.at = lambda count: "434343"
    assert otp.verify("434343", 5)
    with mock.patch.object(surface.HOTP, "at", return_value="444444"):
        assert surface.HOTP(SECRET).verify("444444", 5)


def test_verify_and_get_timecode_follows_overrides(surface):
    class Mine(surface.TOTP):
        def timecode(self, for_time):
            return 77

        def generate_otp(self, input):
            return str(input)

    assert Mine(SECRET).verify_and_get_timecode("78", for_time=59, valid_window=1) == 78
    with pytest.raises(surface.OTPVerificationError):
        Mine(SECRET).verify_and_get_timecode("287082", for_time=59, valid_window=1)
    otp = surface.TOTP(SECRET)
    otp.generate_otp = str
    assert otp.verify_and_get_timecode("1", for_time=59) == 1
    with mock.patch.object(surface.TOTP, "generate_otp", return_value="424242"):
        assert surface.TOTP(SECRET).verify_and_get_timecode("424242", for_time=59) == 1
    with mock.patch.object(surface.utils, "strings_equal", return_value=True):
        assert surface.TOTP(SECRET).verify_and_get_timecode("wrong", for_time=59) == 1


def test_a_replaced_attribute_read_by_the_methods_is_honoured_through_getattribute(surface, reference):
    def use(module):
        class Mine(module.TOTP):
            def __getattribute__(self, name):
                return OTHER_SECRET if name == "secret" else super().__getattribute__(name)

        otp = Mine(SECRET)
        return otp.at(59), otp.verify(otp.at(59), for_time=59), otp.provisioning_uri()

    assert use(surface) == use(reference)


def test_a_property_over_an_attribute_is_honoured(surface, reference):
    def use(module):
        class Mine(module.TOTP):
            def __init__(self):
                super().__init__(SECRET)

            @property
            def digits(self):
                return 8

            @digits.setter
            def digits(self, value):
                pass

            @property
            def secret(self):
                return OTHER_SECRET

            @secret.setter
            def secret(self, value):
                pass

        return Mine().at(59), Mine().generate_otp(5), Mine().provisioning_uri()

    assert use(surface) == use(reference)


@pytest.mark.parametrize(
    "how", ["{}.utils.strings_equal", "{}.totp.utils.strings_equal", "{}.hotp.utils.strings_equal"]
)
def test_a_patched_strings_equal_decides(surface, how):
    totp, hotp = surface.TOTP(SECRET), surface.HOTP(SECRET)
    with mock.patch(how.format(surface.__name__), return_value=True) as equal:
        assert totp.verify("wrong", for_time=59) is True
        assert hotp.verify("wrong", 5) is True
        assert totp.verify_and_get_timecode("wrong", for_time=59, valid_window=1) == 0
    assert equal.mock_calls == [
        mock.call("wrong", "287082"),
        mock.call("wrong", "254676"),
        mock.call("wrong", "755224"),
    ]
    with mock.patch(how.format(surface.__name__), return_value=False):
        assert totp.verify("287082", for_time=59) is False
    assert totp.verify("287082", for_time=59) is True
    assert is_fast(totp) and is_fast(hotp)


def test_a_strings_equal_patched_before_utils_is_ever_loaded_decides(surface):
    run_python(
        f"""
        import sys
        from unittest import mock
        import {surface.__name__} as pyotp

        otp = pyotp.TOTP({SECRET!r})
        with mock.patch("{surface.__name__}.utils.strings_equal", return_value=True):
            assert otp.verify("wrong")
        assert not otp.verify("wrong")
        """
    )


def test_a_patched_compare_digest_decides(surface):
    otp = surface.TOTP(SECRET)
    with mock.patch.object(surface.utils, "compare_digest", return_value=True) as compare:
        assert otp.verify("wrong", for_time=59)
    compare.assert_called_once_with(b"wrong", b"287082")
    assert not otp.verify("wrong", for_time=59)
    assert is_fast(otp)


@pytest.mark.parametrize("through_module", [True, False])
def test_a_patched_normalize_decides(surface, reference, through_module):
    def use(module):
        otp = module.TOTP(SECRET)
        target = module.utils.unicodedata if through_module else module.utils
        name = "normalize" if through_module else "unicodedata"
        with mock.patch.object(target, name) as patched:
            normalize = patched if through_module else patched.normalize
            normalize.side_effect = lambda form, text: "same"
            verdicts = [otp.verify("wrong", for_time=59), module.HOTP(SECRET).verify("wrong", 5)]
            return verdicts, normalize.mock_calls

    assert use(surface) == use(reference)
    assert is_fast(surface.TOTP(SECRET))


def test_a_patched_build_uri_makes_the_uri(surface):
    for otp in (surface.TOTP(SECRET), surface.HOTP(SECRET), surface.contrib.Steam(SECRET)):
        with mock.patch.object(surface.utils, "build_uri", return_value="uri") as build:
            assert otp.provisioning_uri(name="ann", issuer_name="Bank") == "uri"
        assert build.call_count == 1
        assert otp.provisioning_uri(name="ann").startswith("otpauth://")


def test_a_patched_random_draws_the_secret(surface, reference):
    def use(module):
        drawn = []
        for patch in (
            mock.patch.object(module.random, "choice", side_effect=lambda chars: chars[3]),
            mock.patch.object(module, "random", mock.Mock(choice=lambda chars: chars[4])),
            mock.patch.object(module.compat.random, "choice", side_effect=lambda chars: chars[5]),
        ):
            with patch:
                drawn += [module.random_base32(), module.random_hex(), module.random_base32(33, "abcdef")]
        return drawn

    assert use(surface) == use(reference)
    assert len({surface.random_base32() for _ in range(100)}) == 100


def test_a_patched_random_base32_is_what_random_hex_draws_with(surface, reference):
    def use(module):
        with mock.patch.object(module, "random_base32", return_value="drawn") as draw:
            return module.random_hex(), draw.mock_calls

    assert use(surface) == use(reference)


def test_patched_classes_are_what_parse_uri_makes(surface):
    uris = {
        "TOTP": f"otpauth://totp/ann?secret={SECRET}",
        "HOTP": f"otpauth://hotp/ann?secret={SECRET}&counter=1",
    }
    for name, uri in uris.items():
        with mock.patch.object(surface, name, return_value="made") as kind:
            assert surface.parse_uri(uri) == "made"
        assert kind.call_count == 1
    with mock.patch.object(surface.contrib, "Steam", return_value="made"):
        assert surface.parse_uri(uris["TOTP"] + "&encoder=steam") == "made"


def test_the_fast_path_survives_being_looked_at(surface):
    # Each of these puts a name into a class's dict on some Python, or might.
    otp = surface.TOTP(SECRET)
    for kind in kinds(surface).values():
        inspect.getmembers(kind)
        inspect.getdoc(kind)
        inspect.get_annotations(kind)
        kind.__annotations__  # noqa: B018
        pydoc.render_doc(kind)
        abc.update_abstractmethods(kind)
        mock.create_autospec(kind)
        isinstance(otp, kind)
        dir(kind)
        type("Mine", (kind,), {})
    pickle.loads(pickle.dumps(otp))
    copy.deepcopy(otp)
    hash(otp), repr(otp), otp == otp, vars(surface.TOTP)
    for kind in ("HOTP", "TOTP", "Steam"):
        assert is_fast(kinds(surface)[kind](SECRET)), kind


def test_the_fast_path_survives_many_patches_of_everything(surface):
    otp = surface.TOTP(SECRET)
    for name in ("now", "at", "verify", "verify_and_get_timecode", "provisioning_uri", "timecode", "__init__"):
        for options in ({}, {"autospec": True}):
            if name == "__init__":
                options = {"return_value": None, **options}
            with mock.patch.object(surface.TOTP, name, **options):
                pass
            assert is_fast(otp), (name, options)
            assert is_fast(surface.TOTP(SECRET)), (name, options)


def test_a_patch_of_a_method_that_no_code_depends_on_changes_no_code(surface):
    otp = surface.TOTP(SECRET)
    with mock.patch.object(surface.TOTP, "provisioning_uri", return_value="uri"):
        assert otp.provisioning_uri() == "uri"
        assert otp.at(59) == "287082"
    assert is_fast(otp)


def test_super_reaches_the_genuine_rules(surface):
    class Mine(surface.TOTP):
        def generate_otp(self, input):
            return "x" + super().generate_otp(input)

        def timecode(self, for_time):
            return super().timecode(for_time) + 1

        def byte_secret(self):
            return super().byte_secret()

        def at(self, *args, **kwargs):
            return super().at(*args, **kwargs)

        def now(self):
            return super().now()

        def verify(self, otp, for_time=None, valid_window=0):
            return super().verify(otp, for_time, valid_window)

    moment = datetime.datetime.fromtimestamp(59, datetime.timezone.utc)
    assert Mine(SECRET).at(moment) == "x" + surface.TOTP(SECRET).at(60)
    assert Mine(SECRET).verify("x" + surface.TOTP(SECRET).at(60), moment)
    assert Mine(SECRET).now().startswith("x")


def test_methods_called_through_the_class_work(surface):
    otp = surface.TOTP(SECRET)
    assert surface.TOTP.at(otp, 59) == "287082"
    assert surface.TOTP.verify(otp, "287082", for_time=59)
    assert surface.OTP.generate_otp(otp, 1) == "287082"
    assert surface.TOTP.timecode(otp, otp_time(surface)) == 1
    assert surface.OTP.byte_secret(otp) == b"12345678901234567890"
    assert surface.OTP.int_to_bytestring(1) == otp.int_to_bytestring(1) == b"\0\0\0\0\0\0\0\1"


def otp_time(surface):
    return surface.totp.datetime.datetime.fromtimestamp(59, surface.totp.datetime.timezone.utc)
