"""Attributes are plain ones, as pyotp's: readable, writable, deletable, and a write takes effect at the next call."""

import hashlib
from typing import ClassVar

import pytest
from names import shown

from .helpers import EDGES, OTHER_SECRET, SECRET, is_fast, kinds, outcome

KINDS = ["OTP", "HOTP", "TOTP", "Steam"]


def code(otp):
    return otp.generate_otp(1)


@pytest.mark.parametrize("kind", KINDS)
def test_vars_has_pyotps_names_in_pyotps_order(surface, reference, kind):
    ours, theirs = (kinds(module)[kind](SECRET) for module in (surface, reference))
    assert list(vars(ours)) == list(vars(theirs))
    assert vars(ours) == vars(theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_vars_of_an_object_made_by_the_plain_rules_is_pyotps_too(surface, reference, kind):
    # A subclass is not served by the native constructor.
    ours, theirs = (type("Mine", (kinds(module)[kind],), {})(SECRET) for module in (surface, reference))
    assert list(vars(ours).items()) == list(vars(theirs).items())


@pytest.mark.parametrize("kind", KINDS)
def test_the_dict_is_one_live_object(surface, kind):
    otp = kinds(surface)[kind](SECRET)
    names = vars(otp)
    assert type(names) is dict
    assert names is otp.__dict__ is vars(otp)
    otp.secret = OTHER_SECRET
    assert names["secret"] == OTHER_SECRET
    otp.user = "ann"
    assert names["user"] == "ann"
    names["name"] = "bob"
    assert otp.name == "bob"
    del names["user"]
    assert not hasattr(otp, "user")
    del otp.issuer
    assert "issuer" not in names


@pytest.mark.parametrize("kind", KINDS)
def test_a_write_to_the_dict_takes_effect(surface, reference, kind):
    def use(module):
        otp = kinds(module)[kind](SECRET)
        codes = [code(otp)]
        for name, value in [("secret", OTHER_SECRET), ("digits", 8), ("digest", hashlib.sha256), ("secret", SECRET)]:
            otp.__dict__[name] = value
            codes.append(code(otp))
        otp.__dict__.update(secret=OTHER_SECRET, digest=hashlib.sha512)
        return [*codes, code(otp)]

    assert use(surface) == use(reference)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_write_takes_effect_whether_or_not_there_was_a_code_before(surface, reference, kind, before):
    def use(module):
        otp = kinds(module)[kind](SECRET)
        codes = []
        for name, value in [
            ("secret", OTHER_SECRET),
            ("digits", 8),
            ("digest", hashlib.sha256),
            ("digest", "sha512"),
            ("secret", SECRET.lower()),
            ("digest", hashlib.sha1),
            ("digits", 6),
            ("name", "ann"),
            ("issuer", "Bank"),
        ]:
            if before:
                codes.append(code(otp))
            setattr(otp, name, value)
            assert getattr(otp, name) is value
            codes.append(code(otp))
        return codes

    assert use(surface) == use(reference)


def test_a_written_interval_and_initial_count_take_effect(surface, reference):
    def use(module):
        totp, hotp = module.TOTP(SECRET), module.HOTP(SECRET)
        answers = [totp.at(1234567890), hotp.at(3)]
        for value in (1, 60, 600, 86400, 7.5, 315360000, *EDGES):
            totp.interval = value
            answers += [totp.at(1234567890), totp.timecode(module.totp.datetime.datetime(2020, 1, 1))]
            answers += [totp.provisioning_uri(name="ann")]
        for value in (1, 5, *EDGES, 10**31):
            hotp.initial_count = value
            answers += [hotp.at(3), hotp.verify(hotp.at(3), 3), hotp.provisioning_uri(name="ann")]
        return answers

    assert use(surface) == use(reference)


def test_after_a_write_of_an_ordinary_value_the_object_is_fast_again(surface):
    otp = surface.TOTP(SECRET)
    for name, value in [("secret", OTHER_SECRET), ("digits", 8), ("digest", hashlib.sha256), ("interval", 60)]:
        setattr(otp, name, value)
        assert is_fast(otp), name
    otp.issuer, otp.name, otp.user = "Bank", "ann", 7
    assert is_fast(otp)


@pytest.mark.parametrize(
    "writes",
    [
        {"digits": 4},
        {"digits": 1},
        {"digits": 12},
        {"digits": 0},
        {"digits": -1},
        {"digits": "6"},
        {"digits": None},
        {"digits": True},
        {"interval": 600},
        {"interval": 0.5},
        {"interval": 0},
        {"interval": -30},
        {"interval": None},
        {"digest": hashlib.md5},
        {"digest": hashlib.shake_128},
        {"digest": "sha256"},
        {"digest": "no such"},
        {"digest": None},
        {"digest": lambda data=b"": hashlib.sha1(data)},
        {"secret": "GEZDGNBV"},
        {"secret": ""},
        {"secret": "not base32"},
        {"secret": None},
        {"secret": b"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"},
        {"secret": SECRET + "===="},
        {"name": None},
        {"name": 5},
        {"issuer": 5},
        {"issuer": ""},
    ],
    ids=shown,
)
@pytest.mark.parametrize("through_dict", [False, True])
def test_nothing_is_validated_at_the_write_and_use_decides(surface, reference, writes, through_dict):
    def write(otp):
        if through_dict:
            otp.__dict__.update(writes)
        else:
            for name, value in writes.items():
                setattr(otp, name, value)

    for use in (
        lambda otp: otp.at(1234567890),
        lambda otp: otp.verify("000000", for_time=1234567890),
        lambda otp: otp.provisioning_uri(),
        lambda otp: otp.byte_secret(),
        lambda otp: otp.generate_otp(5),
    ):

        def used(module, use=use):
            otp = module.TOTP(SECRET)
            otp.at(0)
            write(otp)
            return use(otp)

        assert outcome(used, surface) == outcome(used, reference)


def test_byte_secret_checks_the_length_each_time_except_in_legacy(modern, legacy):
    for module, refuses in ((modern, True), (legacy, False)):
        otp = module.TOTP(SECRET)
        assert otp.at(59) == "287082"
        otp.secret = "GEZDGNBVGY3TQOJQ"  # 80 bits
        for use in (otp.now, otp.byte_secret, lambda otp=otp: otp.verify("000000"), lambda otp=otp: otp.at(5)):
            if refuses:
                with pytest.raises(ValueError, match=r"^Secrets must be at least 112 bits after decoding$"):
                    use()
            else:
                use()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["secret", "digits", "digest", "name", "issuer", "interval", "initial_count"])
@pytest.mark.parametrize("seen", [True, False])
def test_a_deleted_attribute_is_gone_as_in_pyotp(surface, reference, kind, name, seen):
    def delete(module):
        otp = kinds(module)[kind](SECRET)
        if seen:
            vars(otp)
        delattr(otp, name)
        return otp

    assert (
        outcome(lambda module: delete(module) and None, surface)[0]
        == (outcome(lambda module: delete(module) and None, reference)[0])
    )
    if not hasattr(kinds(reference)[kind](SECRET), name):
        return
    for use in (
        lambda otp: getattr(otp, name),
        lambda otp: delattr(otp, name),
        lambda otp: name in vars(otp),
        lambda otp: otp.generate_otp(1),
        lambda otp: otp.at(59),
        lambda otp: otp.provisioning_uri(),
        lambda otp: setattr(otp, name, "back") or getattr(otp, name),
    ):
        ours = outcome(lambda module, use=use: use(delete(module)), surface)
        theirs = outcome(lambda module, use=use: use(delete(module)), reference)
        if use.__code__.co_names and "delattr" in use.__code__.co_names:
            # Python's own words for a missing key differ between its versions.
            assert ours[0] == theirs[0]
        else:
            assert ours == theirs


@pytest.mark.parametrize("kind", KINDS)
def test_another_dict_can_take_the_dicts_place(surface, reference, kind):
    def use(module):
        otp = kinds(module)[kind](SECRET)
        names = dict(vars(kinds(module)[kind](OTHER_SECRET)))
        otp.__dict__ = names
        assert vars(otp) is names
        codes = [code(otp), otp.secret]
        names["secret"] = SECRET
        codes += [code(otp), otp.secret]
        otp.secret = OTHER_SECRET
        assert names["secret"] == OTHER_SECRET
        otp.__dict__ = {}
        return [*codes, hasattr(otp, "secret"), hasattr(otp, "digest"), dict(vars(otp))]

    assert use(surface) == use(reference)


@pytest.mark.parametrize("value", [5, None, [], "text"], ids=repr)
def test_only_a_dict_can_take_the_dicts_place(surface, value):
    otp = surface.TOTP(SECRET)
    with pytest.raises(TypeError):
        otp.__dict__ = value
    assert otp.at(59) == "287082"


def test_objects_can_share_one_dict(surface):
    # The Borg pattern.
    class Borg(surface.TOTP):
        shared: ClassVar[dict] = {}

        def __init__(self, secret=None):
            self.__dict__ = self.shared
            if secret is not None:
                super().__init__(secret)

    first, second = Borg(SECRET), Borg()
    assert first.at(59) == second.at(59) == "287082"
    second.secret = OTHER_SECRET
    assert first.secret == OTHER_SECRET
    assert first.at(59) == second.at(59) == surface.TOTP(OTHER_SECRET).at(59)
    Borg.shared["digits"] = 8
    assert len(first.at(59)) == len(second.at(59)) == 8
    assert vars(first) is vars(second) is Borg.shared


def test_a_plain_object_can_take_anothers_dict(surface):
    first, second = surface.TOTP(SECRET), surface.TOTP(OTHER_SECRET)
    second.__dict__ = first.__dict__
    assert second.at(59) == "287082"
    first.digits = 8
    assert second.at(59) == "94287082"


def test_the_generic_ways_of_access_reach_the_attributes(surface):
    otp = surface.TOTP(SECRET)
    object.__setattr__(otp, "digits", 8)
    assert otp.at(59) == "94287082"
    assert object.__getattribute__(otp, "digits") == 8
    object.__delattr__(otp, "digits")
    assert not hasattr(otp, "digits")
    assert getattr(otp, "digits", 7) == 7


def test_any_further_attribute_can_be_set(surface):
    otp = surface.TOTP(SECRET)
    otp.user, otp.last_code = "ann", "000000"
    assert (otp.user, vars(otp)["last_code"]) == ("ann", "000000")
    del otp.user
    with pytest.raises(AttributeError):
        otp.user  # noqa: B018


def test_further_attributes_keep_their_place_after_pyotps(surface, reference):
    def use(module):
        otp = module.TOTP(SECRET)
        otp.user = "ann"
        otp.digits = 8
        return list(vars(otp))

    assert use(surface) == use(reference)


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_can_be_initialised_again(surface, reference, kind):
    def use(module):
        otp = kinds(module)[kind](SECRET, name="ann", issuer="Bank")
        codes = [code(otp)]
        otp.__init__(OTHER_SECRET)
        codes += [code(otp), otp.name, otp.issuer]
        vars(otp)
        otp.__init__(SECRET, issuer="Shop")
        return [*codes, code(otp), otp.name, otp.issuer, dict(vars(otp))]

    assert use(surface) == use(reference)


def test_an_instances_attribute_wins_over_its_classs(surface, reference):
    def use(module):
        class Mine(module.TOTP):
            digits, interval, issuer, secret = 8, 60, "Class", "CLASS"

        otp = Mine(SECRET, issuer="Instance")
        seen = [otp.digits, otp.interval, otp.issuer, otp.secret, otp.at(1234567890)]
        del otp.digits, otp.interval, otp.issuer
        return [*seen, otp.digits, otp.interval, otp.issuer, otp.at(1234567890)]

    assert use(surface) == use(reference)


def test_an_attribute_put_on_the_public_class_leaves_an_instances_own(surface, reference):
    # While it stands there it wins over an instance that was there before it: docs/pyotp.md.
    def use(module):
        with pytest.MonkeyPatch.context() as patch:
            before = module.TOTP(SECRET)
            patch.setattr(module.TOTP, "digits", 8, raising=False)
            patch.setattr(module.TOTP, "interval", 60, raising=False)
            after = module.TOTP(SECRET)
            seen = [after.digits, after.interval, after.at(1234567890)]
        return [*seen, after.digits, after.at(1234567890), before.digits, before.interval, before.at(1234567890)]

    assert use(surface) == use(reference)


def test_the_class_of_an_object_can_be_changed(surface, reference):
    def use(module):
        class Loud(module.TOTP):
            def generate_otp(self, input):
                return "<" + super().generate_otp(input) + ">"

        otp = module.TOTP(SECRET)
        otp.at(59)
        otp.__class__ = Loud
        codes = [otp.at(59), otp.verify("<287082>", for_time=59)]
        otp.__class__ = module.TOTP
        return [*codes, otp.at(59), otp.secret, otp.interval]

    assert use(surface) == use(reference)


def test_digest_reads_as_hashlibs_function(surface):
    otp = surface.TOTP(SECRET)
    assert otp.digest is hashlib.sha1
    assert otp.digest().name == "sha1"
    for digest in (hashlib.sha256, hashlib.sha512):
        assert surface.TOTP(SECRET, digest=digest).digest is digest
    assert vars(surface.TOTP(SECRET))["digest"] is hashlib.sha1


def test_the_very_object_that_was_given_is_the_one_that_is_read(surface):
    secret, name, issuer = "".join(["GEZDGNBV", "GY3TQOJQ"] * 2), "".join("ann"), "".join("Bank")
    otp = surface.TOTP(secret, name=name, issuer=issuer)
    assert otp.secret is secret and otp.name is name and otp.issuer is issuer
