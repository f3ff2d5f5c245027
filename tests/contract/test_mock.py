"""`unittest.mock` and `inspect` find what they find in pyotp."""

import hashlib
import inspect
from unittest import mock

import pytest

from .helpers import SECRET, is_fast, kinds, load_release

CLASSES = ["OTP", "HOTP", "TOTP", "Steam"]
METHODS = ["now", "at", "verify", "provisioning_uri", "timecode", "generate_otp", "byte_secret", "int_to_bytestring"]


@pytest.mark.parametrize("kind", ["HOTP", "TOTP", "Steam"])
@pytest.mark.parametrize("method", METHODS)
def test_a_method_patched_on_its_class_is_replaced_and_restored(surface, kind, method):
    kind = kinds(surface)[kind]
    if not hasattr(kind, method):
        return
    before, otp = getattr(kind, method), kind(SECRET)
    with mock.patch.object(kind, method, return_value="patched") as patched:
        assert getattr(otp, method)("any") == "patched"
        patched.assert_called_once_with("any")
    assert getattr(kind, method) is before
    assert is_fast(kind(SECRET))


@pytest.mark.parametrize("target", ["{}.TOTP.verify", "{}.totp.TOTP.verify"])
def test_verify_patched_by_name_decides(surface, target):
    otp = surface.TOTP(SECRET)
    for verdict in (True, False):
        with mock.patch(target.format(surface.__name__), return_value=verdict) as verify:
            assert otp.verify("000000") is verdict
            assert surface.TOTP(SECRET).verify("000000", valid_window=1) is verdict
        assert verify.mock_calls == [mock.call("000000"), mock.call("000000", valid_window=1)]


def test_now_patched_by_name_is_what_it_returns(surface):
    with mock.patch(f"{surface.__name__}.TOTP.now", return_value="123456"):
        assert surface.TOTP(SECRET).now() == "123456"


def test_a_class_patched_in_its_package_is_a_mock(surface):
    with mock.patch(f"{surface.__name__}.TOTP") as kind:
        kind.return_value.verify.return_value = True
        assert surface.TOTP("anything", interval=5).verify("x") is True
        kind.assert_called_once_with("anything", interval=5)
    assert surface.TOTP(SECRET).at(59) == "287082"


def test_a_function_patched_in_the_package_is_replaced(surface):
    with mock.patch(f"{surface.__name__}.random_base32", return_value="SECRET"):
        assert surface.random_base32() == "SECRET"
    with mock.patch(f"{surface.__name__}.parse_uri", return_value=None):
        assert surface.parse_uri("x") is None


@pytest.mark.parametrize("kind", ["HOTP", "TOTP", "Steam"])
@pytest.mark.parametrize("method", [method for method in METHODS if method != "int_to_bytestring"])
def test_autospec_binds_self_and_checks_the_arguments_as_in_pyotp(surface, reference, kind, method):
    def use(module):
        otp = kinds(module)[kind](SECRET)
        if not hasattr(otp, method):
            return None
        arguments = {"now": (), "byte_secret": (), "provisioning_uri": ()}.get(method, (1,))
        if kind == "HOTP" and method == "verify":
            arguments = (1, 2)
        with mock.patch.object(type(otp), method, autospec=True) as patched:
            with pytest.raises(TypeError):
                getattr(otp, method)(1, 2, 3, 4, 5, 6, 7, nothing=8)
            patched.return_value = "patched"
            assert getattr(otp, method)(*arguments) == "patched"
        (call,) = patched.mock_calls
        return ["self" if argument is otp else argument for argument in call.args]

    assert use(surface) == use(reference)
    assert is_fast(kinds(surface)[kind](SECRET))


@pytest.mark.parametrize("kind", CLASSES)
def test_create_autospec_of_a_class_has_pyotps_methods_and_signatures(surface, kind):
    spec = mock.create_autospec(kinds(surface)[kind])
    if kind != "TOTP":  # its `__init__` is a slot, whose signature mock cannot see: docs/pyotp.md
        with pytest.raises(TypeError):
            spec()
        with pytest.raises(TypeError):
            spec(SECRET, nothing=1)
    otp = spec(SECRET, name="ann")
    assert isinstance(otp, kinds(surface)[kind])
    with pytest.raises(AttributeError):
        otp.nothing  # noqa: B018
    otp.generate_otp(5)
    with pytest.raises(TypeError):
        otp.generate_otp()


@pytest.mark.parametrize("kind", CLASSES)
def test_create_autospec_of_an_object_has_its_attributes(surface, kind):
    spec = mock.create_autospec(kinds(surface)[kind](SECRET), spec_set=True)
    assert isinstance(spec, kinds(surface)[kind])
    spec.secret, spec.digits, spec.digest  # noqa: B018
    spec.generate_otp(5)
    with pytest.raises(TypeError):
        spec.generate_otp()
    with pytest.raises(AttributeError):
        spec.nothing = 1


def test_create_autospec_of_a_class_needs_no_instance_argument(surface):
    spec = mock.create_autospec(surface.TOTP, instance=True)
    spec.verify.return_value = True
    assert spec.verify("000000", valid_window=1)
    spec.verify.assert_called_once_with("000000", valid_window=1)
    with pytest.raises(TypeError):
        spec.verify()


def test_autospec_of_a_class_patched_by_name_works(surface):
    with mock.patch(f"{surface.__name__}.TOTP", autospec=True) as kind:
        kind.return_value.now.return_value = "123456"
        assert surface.TOTP(SECRET).now() == "123456"
        with pytest.raises(TypeError):
            surface.TOTP(SECRET).now(1)


@pytest.mark.parametrize("method", ["timecode", "generate_otp", "byte_secret", "int_to_bytestring"])
def test_wraps_on_an_object_sees_the_calls_and_changes_nothing(surface, reference, method):
    import datetime

    moment = datetime.datetime(2009, 2, 13, tzinfo=datetime.timezone.utc)

    def use(module):
        otp = module.TOTP(SECRET)
        with mock.patch.object(otp, method, wraps=getattr(otp, method)) as wrapped:
            answers = [otp.at(moment), otp.verify("000000", for_time=moment, valid_window=2)]
        return answers, wrapped.mock_calls, otp.at(moment)

    assert use(surface) == use(reference)


@pytest.mark.parametrize("method", ["now", "verify", "at"])
def test_wraps_on_a_public_method_sees_the_call(surface, method):
    otp = surface.TOTP(SECRET)
    arguments = {"now": (), "verify": ("287082", 59), "at": (59,)}[method]
    with mock.patch.object(otp, method, wraps=getattr(otp, method)) as wrapped:
        answer = getattr(otp, method)(*arguments)
    assert wrapped.mock_calls == [mock.call(*arguments)]
    assert answer == getattr(otp, method)(*arguments)


def test_patching_an_attribute_of_an_object_works(surface):
    otp = surface.TOTP(SECRET)
    with mock.patch.object(otp, "digits", 8), mock.patch.object(otp, "interval", 60):
        assert otp.at(119) == "94287082"
    assert otp.at(59) == "287082"
    assert (otp.digits, otp.interval) == (6, 30)
    with mock.patch.dict(otp.__dict__, secret="GEZDGNBVGY3TQOJQGEZDGNBV"):
        assert otp.at(59) != "287082"
    assert otp.at(59) == "287082"


def test_an_init_patched_on_the_class_is_not_called(surface):
    for kind in ("HOTP", "TOTP", "Steam"):
        with mock.patch.object(kinds(surface)[kind], "__init__", return_value=None) as init:
            otp = kinds(surface)[kind]("anything", x=1)
        init.assert_called_once_with("anything", x=1)
        assert vars(otp) == {}
        assert kinds(surface)[kind](SECRET).generate_otp(1)


def test_an_init_wrapped_on_the_class_is_called_and_works(surface, monkeypatch):
    seen = []
    genuine = surface.TOTP.__init__

    def init(self, *args, **kwargs):
        seen.append((args, kwargs))
        genuine(self, *args, **kwargs)

    monkeypatch.setattr(surface.TOTP, "__init__", init)
    otp = surface.TOTP(SECRET, digits=8)
    assert seen == [((SECRET,), {"digits": 8})]
    assert otp.at(59) == "94287082"


# pyotp 2.10's signatures are those of both surfaces: what 2.12 made keyword-only is accepted by position as well.
def signature(function):
    # ferrotp writes hashlib.sha1 for the function, so as not to load hashlib.
    return [
        (name, "hashlib.sha1" if parameter.default is hashlib.sha1 else repr(parameter.default))
        for name, parameter in inspect.signature(function).parameters.items()
    ]


def kinds_of_parameters(function):
    return [
        (parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL), parameter.kind)
        for parameter in inspect.signature(function).parameters.values()
    ]


@pytest.mark.parametrize("kind", CLASSES)
def test_the_signature_of_a_class_is_pyotps(surface, kind):
    theirs = kinds(load_release("2.10.0"))[kind]
    assert signature(kinds(surface)[kind]) == signature(theirs)
    assert kinds_of_parameters(kinds(surface)[kind]) == kinds_of_parameters(theirs)


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind != "TOTP"])  # a slot: docs/pyotp.md
def test_the_signature_of_an_init_is_pyotps(surface, kind):
    theirs = kinds(load_release("2.10.0"))[kind]
    assert signature(kinds(surface)[kind].__init__) == signature(theirs.__init__)


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("kind", CLASSES)
def test_the_signature_of_every_method_is_pyotps(surface, kind, bound):
    theirs = kinds(load_release("2.10.0"))[kind]
    ours = kinds(surface)[kind]
    if bound:
        ours, theirs = ours(SECRET), theirs(SECRET)
    for method in (*METHODS, "verify_and_get_timecode"):
        assert hasattr(ours, method) >= hasattr(theirs, method)
        if hasattr(theirs, method):
            assert signature(getattr(ours, method)) == signature(getattr(theirs, method)), method
            assert kinds_of_parameters(getattr(ours, method)) == kinds_of_parameters(getattr(theirs, method)), method


def test_the_signature_of_verify_and_get_timecode_is_that_of_verify(surface):
    assert signature(surface.TOTP.verify_and_get_timecode) == signature(surface.TOTP.verify)


@pytest.mark.parametrize("name", ["random_base32", "random_hex", "parse_uri"])
def test_the_signature_of_every_function_is_pyotps(surface, name):
    assert signature(getattr(surface, name)) == signature(getattr(load_release("2.10.0"), name))


@pytest.mark.parametrize("name", ["build_uri", "strings_equal"])
def test_the_signature_of_every_function_of_utils_is_pyotps(surface, name):
    assert signature(getattr(surface.utils, name)) == signature(getattr(load_release("2.10.0").utils, name))


def test_a_subclasss_own_init_is_its_signature(surface):
    class TOTPer(surface.TOTP):
        def __init__(self, user, *, strict: bool = True):
            super().__init__(user)

    class Inheriting(surface.TOTP):
        pass

    class Grandchild(TOTPer):
        pass

    assert str(inspect.signature(TOTPer)) == str(inspect.signature(Grandchild)) == "(user, *, strict: bool = True)"
    assert list(inspect.signature(Inheriting).parameters) == list(inspect.signature(surface.TOTP).parameters)
    with pytest.raises(TypeError):
        mock.create_autospec(TOTPer)("user", "strict")
    mock.create_autospec(TOTPer)("user", strict=False)


def test_a_subclasss_own_new_is_its_signature(surface, reference):
    def use(module):
        class Mine(module.TOTP):
            def __new__(cls, account):
                return super().__new__(cls)

            def __init__(self, account):
                super().__init__(SECRET)

        return list(inspect.signature(Mine).parameters), Mine("ann").at(59)

    assert use(surface) == use(reference)


@pytest.mark.parametrize("kind", CLASSES)
def test_methods_are_functions(surface, kind):
    # What mocks bind to an object, what Sphinx lists, what `inspect.isfunction` says.
    for method in (*METHODS, "verify_and_get_timecode"):
        if hasattr(kinds(surface)[kind], method):
            found = inspect.getattr_static(kinds(surface)[kind], method)
            found = found.__func__ if isinstance(found, staticmethod) else found
            assert inspect.isfunction(found), method
            assert inspect.getdoc(found), method
            assert found.__name__ == method


@pytest.mark.parametrize("kind", CLASSES)
def test_the_source_of_everything_public_can_be_read(surface, kind):
    assert inspect.getsourcefile(kinds(surface)[kind])
    assert inspect.getsource(kinds(surface)[kind]).startswith("class ")
    assert inspect.getdoc(kinds(surface)[kind])


def test_functools_partial_and_callables_work(surface):
    import functools

    short = functools.partial(surface.TOTP, digits=8)
    assert short(SECRET).at(59) == "94287082"
    assert list(map(surface.TOTP(SECRET).at, [59, 60])) == [surface.TOTP(SECRET).at(59), surface.TOTP(SECRET).at(60)]
