"""Subclasses as real programs write them."""

import abc
import dataclasses
import enum
import typing

import pytest

from .helpers import OTHER_SECRET, SECRET, kinds

KINDS = ["OTP", "HOTP", "TOTP", "Steam"]
CODE = "287082"  # RFC 6238's secret at 59 seconds


class User:
    secret, name = SECRET, "ann"


def test_an_init_may_have_a_signature_of_its_own(surface):
    class TOTPer(surface.TOTP):
        def __init__(self, user):
            self.user = user
            super().__init__(user.secret, name=user.name, interval=60)

    otp = TOTPer(User)
    assert otp.user is User
    assert otp.at(119) == otp.at(60) == CODE
    assert otp.verify(CODE, for_time=100)
    assert otp.name == "ann"
    assert TOTPer(user=User).at(60) == CODE


@pytest.mark.parametrize("kind", KINDS)
def test_new_accepts_any_arguments(surface, kind):
    class Mine(kinds(surface)[kind]):
        def __init__(self, *args, **kwargs):
            super().__init__(SECRET)
            self.args, self.kwargs = args, kwargs

    for args, kwargs in [((), {}), ((1, 2, 3), {}), ((None,) * 20, {"s": 1, "x": 2}), ((), {"self_": 1, "cls": 2})]:
        otp = Mine(*args, **kwargs)
        assert (otp.args, otp.kwargs) == (args, kwargs)
        assert otp.generate_otp(1) == kinds(surface)[kind](SECRET).generate_otp(1)


@pytest.mark.parametrize("kind", KINDS)
def test_attributes_may_be_set_without_the_base_init(surface, kind):
    import hashlib

    class Mine(kinds(surface)[kind]):
        def __init__(self, secret):
            self.secret = secret
            self.digits = 10 if kind == "Steam" else 6
            self.digest = hashlib.sha1
            self.interval = 30
            self.initial_count = 0

    otp, plain = Mine(SECRET), kinds(surface)[kind](SECRET)
    assert otp.generate_otp(1) == plain.generate_otp(1)
    if kind in ("TOTP", "Steam"):
        assert otp.at(59) == otp.at(59.5) == plain.at(59)
        assert otp.verify(plain.at(59), for_time=59)
        assert otp.now()
    if kind == "HOTP":
        assert otp.at(1) == CODE
        assert otp.verify(CODE, 1)
    otp.secret = OTHER_SECRET
    assert otp.generate_otp(1) == kinds(surface)[kind](OTHER_SECRET).generate_otp(1)


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_made_without_init_fails_by_the_attribute_that_it_lacks(surface, kind):
    base = kinds(surface)[kind]
    otp = base.__new__(base)
    with pytest.raises(AttributeError, match=f"^'{kind}' object has no attribute "):
        otp.generate_otp(1)
    assert vars(otp) == {}
    assert repr(otp)


def test_attributes_may_be_set_before_the_base_init(surface):
    class Mine(surface.TOTP):
        def __init__(self, secret, **kwargs):
            self.digits = 8
            self.extra = kwargs.pop("extra", None)
            super().__init__(secret, **kwargs)

    otp = Mine(SECRET, extra=3)
    assert (otp.extra, otp.digits, otp.at(59)) == (3, 6, CODE)


def test_class_attributes_stand_in_for_an_init(surface):
    import hashlib

    class Mine(surface.TOTP):
        secret, digits, digest, interval, name, issuer = SECRET, 6, hashlib.sha1, 30, "ann", "Bank"

        def __init__(self):
            pass

    otp = Mine()
    assert otp.at(59) == CODE
    assert otp.verify(CODE, for_time=59)
    assert otp.provisioning_uri() == f"otpauth://totp/Bank:ann?secret={SECRET}&issuer=Bank"
    Mine.secret = OTHER_SECRET
    assert otp.at(59) == surface.TOTP(OTHER_SECRET).at(59)


def test_a_read_only_property_over_an_attribute_fails_at_construction_as_in_pyotp(surface, reference):
    for module in (surface, reference):

        class Mine(module.TOTP):
            @property
            def secret(self):
                return SECRET

        with pytest.raises(AttributeError):
            Mine(OTHER_SECRET)


def test_a_lazy_property_as_the_secret_is_asked_for_at_each_code(surface):
    class Mine(surface.HOTP):
        calls = 0

        def __init__(self):
            super().__init__(SECRET)

        @property
        def secret(self):
            type(self).calls += 1
            return OTHER_SECRET

        @secret.setter
        def secret(self, value):
            pass

    otp = Mine()
    before = Mine.calls
    assert otp.at(1) == otp.at(1) == surface.HOTP(OTHER_SECRET).at(1)
    assert Mine.calls >= before + 2


def test_an_abstract_base_among_the_bases_is_enforced(surface):
    class Factor(abc.ABC):
        @abc.abstractmethod
        def check(self, code): ...

    class Unfinished(surface.TOTP, Factor):
        pass

    class Finished(Factor, surface.TOTP):
        def check(self, code):
            return self.verify(code, for_time=59)

    with pytest.raises(TypeError, match="abstract"):
        Unfinished(SECRET)
    otp = Finished(SECRET)
    assert otp.check(CODE)
    assert isinstance(otp, Factor)
    Factor.register(surface.HOTP)
    assert isinstance(surface.HOTP(SECRET), Factor)


def test_abstract_methods_of_a_subclass_are_enforced(surface):
    class Unfinished(surface.TOTP, abc.ABC):
        @property
        @abc.abstractmethod
        def user(self): ...

    with pytest.raises(TypeError, match="abstract"):
        Unfinished(SECRET)

    class Finished(Unfinished):
        user = "ann"

    assert Finished(SECRET).at(59) == CODE


def test_slots_work(surface):
    class Mine(surface.TOTP):
        __slots__ = ("user",)

        def __init__(self, secret, user):
            super().__init__(secret)
            self.user = user

    otp = Mine(SECRET, "ann")
    assert (otp.user, otp.at(59)) == ("ann", CODE)
    assert "user" not in vars(otp)
    otp.more = 1
    with pytest.raises(AttributeError):
        Mine.__new__(Mine).user  # noqa: B018


def test_a_slot_named_like_an_attribute_holds_it(surface):
    class Mine(surface.TOTP):
        __slots__ = ("secret",)

    otp = Mine(SECRET)
    assert otp.secret == SECRET
    assert otp.at(59) == CODE
    otp.secret = OTHER_SECRET
    assert otp.at(59) == surface.TOTP(OTHER_SECRET).at(59)


def test_mixins_cooperate(surface):
    class Logged:
        def __init__(self, *args, log, **kwargs):
            super().__init__(*args, **kwargs)
            self.log = log

        def verify(self, *args, **kwargs):
            verdict = super().verify(*args, **kwargs)
            self.log.append(verdict)
            return verdict

    class Mine(Logged, surface.TOTP):
        pass

    otp = Mine(SECRET, log=[], name="ann")
    assert otp.verify(CODE, for_time=59)
    assert not otp.verify("000000", for_time=59)
    assert otp.log == [True, False]
    assert otp.name == "ann"


def test_a_mixin_after_the_otp_class_is_reached_by_nobody_as_in_pyotp(surface, reference):
    # pyotp's OTP.__init__ does not call super().__init__ either.
    for module in (surface, reference):
        reached = []

        class Last:
            def __init__(self, *args, reached=reached):
                reached.append(args)

        class Mine(module.TOTP, Last):
            pass

        assert Mine(SECRET).at(59) == CODE
        assert reached == []


def test_multiple_inheritance_from_two_kinds_works_where_pyotps_does(surface, reference):
    def use(module):
        class Both(module.TOTP, module.HOTP):
            def __init__(self, secret):
                module.TOTP.__init__(self, secret)
                self.initial_count = 5

        otp = Both(SECRET)
        return otp.at(59), module.HOTP.at(otp, 1), otp.verify(CODE, for_time=59), isinstance(otp, module.HOTP)

    theirs = use(reference)
    assert use(surface) == theirs


def test_other_bases_with_state_can_be_mixed_in(surface):
    class Plain:
        greeting = "hello"

    class Named(Plain):
        def __init_subclass__(cls, label="", **kwargs):
            super().__init_subclass__(**kwargs)
            cls.label = label

    class Mine(surface.TOTP, Named, label="x"):
        pass

    assert (Mine(SECRET).at(59), Mine.label, Mine.greeting) == (CODE, "x", "hello")


def test_an_exception_cannot_be_mixed_in_silently(surface):
    # Two native layouts: Python refuses, and must do so without a crash.
    with pytest.raises(TypeError, match=r"lay-?out"):
        type("Mine", (surface.TOTP, Exception), {})


def test_init_subclass_and_class_getitem_work(surface):
    seen = []

    class Base(surface.HOTP):
        def __init_subclass__(cls, **kwargs):
            super().__init_subclass__()
            seen.append((cls.__name__, kwargs))

        def __class_getitem__(cls, item):
            return (cls, item)

    class Child(Base, flavour="mint"):
        pass

    assert seen == [("Child", {"flavour": "mint"})]
    assert Child[int] == (Child, int)


def test_a_generic_subclass_works(surface):
    T = typing.TypeVar("T")

    class Mine(surface.TOTP, typing.Generic[T]):
        pass

    assert Mine[int](SECRET).at(59) == CODE


def test_a_metaclass_of_ones_own_works(surface):
    class Registry(type):
        made: typing.ClassVar[list] = []

        def __call__(cls, *args, **kwargs):
            otp = super().__call__(*args, **kwargs)
            cls.made.append(otp)
            return otp

    class Mine(surface.TOTP, metaclass=Registry):
        pass

    otp = Mine(SECRET)
    assert Registry.made[-1] is otp
    assert otp.at(59) == CODE


def test_a_protocol_that_matches_holds(surface):
    @typing.runtime_checkable
    class Verifier(typing.Protocol):
        def verify(self, otp: str) -> bool: ...

    assert isinstance(surface.TOTP(SECRET), Verifier)


def test_a_new_of_ones_own_works(surface):
    class Single(surface.TOTP):
        only = None

        def __new__(cls, *args, **kwargs):
            if cls.only is None:
                cls.only = super().__new__(cls)
            return cls.only

    assert Single(SECRET) is Single(OTHER_SECRET)
    assert Single.only.at(59) == surface.TOTP(OTHER_SECRET).at(59)

    class Passing(surface.TOTP):
        def __new__(cls, *args, **kwargs):
            return super().__new__(cls, *args, **kwargs)

    with pytest.raises(TypeError):
        # pyotp's `object.__new__` refuses arguments when it is handed some by an overridden `__new__`.
        object.__new__(Passing, SECRET)


def test_a_dataclass_can_be_made_of_it(surface):
    @dataclasses.dataclass
    class Mine(surface.TOTP):
        secret: str
        digits: int = 6
        interval: int = 30

        def __post_init__(self):
            surface.TOTP.__init__(self, self.secret, digits=self.digits, interval=self.interval)

    otp = Mine(SECRET, digits=8)
    assert otp.at(59) == "94287082"
    assert dataclasses.asdict(otp) == {"secret": SECRET, "digits": 8, "interval": 30}
    assert otp == Mine(SECRET, digits=8)


def test_an_enum_member_can_hold_one(surface):
    class Factor(enum.Enum):
        MAIN = surface.TOTP(SECRET)

    assert Factor.MAIN.value.at(59) == CODE


def test_equality_and_hash_of_a_subclass_are_its_own(surface):
    class Mine(surface.TOTP):
        def __eq__(self, other):
            return self.secret == other.secret

        def __hash__(self):
            return hash(self.secret)

    assert Mine(SECRET) == Mine(SECRET)
    assert len({Mine(SECRET), Mine(SECRET)}) == 1


def test_getattr_and_setattr_hooks_of_a_subclass_are_called(surface, reference):
    def use(module):
        log = []

        class Mine(module.TOTP):
            def __setattr__(self, name, value):
                log.append(name)
                super().__setattr__(name, value)

            def __getattr__(self, name):
                return f"no {name}"

            def __delattr__(self, name):
                log.append(f"-{name}")
                super().__delattr__(name)

        otp = Mine(SECRET)
        otp.digits = 8
        del otp.issuer
        return sorted(set(log)), otp.issuer, otp.nothing, otp.at(59)

    assert use(surface) == use(reference)


def test_each_attribute_is_set_once_in_pyotps_order(surface, reference):
    def use(module):
        log = []

        class Mine(module.TOTP):
            def __setattr__(self, name, value):
                log.append(name)
                super().__setattr__(name, value)

        Mine(SECRET)
        return log

    assert use(surface) == use(reference)


def test_an_encrypting_subclass_sees_the_secret_that_was_given(surface, reference):
    # A setter that keeps the secret in another form is handed it once, and is asked for it at use.
    def use(module):
        class Sealed(module.TOTP):
            @property
            def secret(self):
                return self._sealed[::-1]

            @secret.setter
            def secret(self, value):
                self._sealed = value[::-1]

        otp = Sealed(SECRET)
        return otp.at(59), otp._sealed, otp.verify(CODE, for_time=59)

    assert use(surface) == use(reference)


def test_a_write_only_setter_gets_each_value_once(surface, reference):
    def use(module):
        stored = []

        class Counting(module.TOTP):
            @property
            def secret(self):
                return SECRET

            @secret.setter
            def secret(self, value):
                stored.append(value)

        Counting(OTHER_SECRET)
        return stored

    assert use(surface) == use(reference)


def test_a_deep_tree_of_subclasses_works(surface):
    kind = surface.TOTP
    for depth in range(50):
        kind = type(f"Level{depth}", (kind,), {})
    assert kind(SECRET).at(59) == CODE


def test_positional_arguments_reach_the_base_init_in_pyotps_order(surface):
    import hashlib

    class Mine(surface.TOTP):
        def __init__(self, *args):
            super().__init__(*args)

    otp = Mine(SECRET, 8, hashlib.sha256, "ann", "Bank", 60)
    assert vars(otp) == {
        "interval": 60,
        "digits": 8,
        "digest": hashlib.sha256,
        "secret": SECRET,
        "name": "ann",
        "issuer": "Bank",
    }
