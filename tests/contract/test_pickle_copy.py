"""Objects can be pickled, copied, weakly referenced and put into sets, as pyotp's."""

import copy
import copyreg
import gc
import hashlib
import io
import multiprocessing
import pickle
import weakref

import pytest

from .helpers import OTHER_SECRET, RELEASES, SECRET, is_fast, kinds, release_path, run_python

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
CLASSES = ["OTP", "HOTP", "TOTP", "Steam"]
WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {protocol}": lambda otp, p=protocol: pickle.loads(pickle.dumps(otp, p)) for protocol in PROTOCOLS},
    # The pickler in Python takes other paths than the one in C.
    **{f"python {p}": lambda otp, p=p: pickle._loads(pickle._dumps(otp, p)) for p in (0, 2, pickle.HIGHEST_PROTOCOL)},
}


@pytest.fixture(params=WAYS)
def duplicate(request):
    return WAYS[request.param]


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("used", [False, True, "seen"])
def test_a_duplicate_has_the_same_attributes_and_codes(surface, kind, used, duplicate):
    otp = kinds(surface)[kind](SECRET, name="ann", issuer="Bank")
    if used:
        otp.generate_otp(1)
    if used == "seen":
        vars(otp)
    other = duplicate(otp)
    assert type(other) is type(otp)
    assert other is not otp
    assert vars(other) == vars(otp)
    assert list(vars(other)) == list(vars(otp))
    assert other.generate_otp(1) == otp.generate_otp(1)
    if kind != "OTP":
        assert other.provisioning_uri() == otp.provisioning_uri()


@pytest.mark.parametrize("kind", ["HOTP", "TOTP", "Steam"])
def test_a_duplicate_is_as_fast_and_leaves_the_original_so(surface, kind, duplicate):
    otp = kinds(surface)[kind](SECRET)
    assert is_fast(duplicate(otp))
    assert is_fast(otp)


def test_a_duplicate_lives_on_its_own(surface, duplicate):
    otp = surface.TOTP(SECRET)
    other = duplicate(otp)
    other.secret, other.digits, other.user = OTHER_SECRET, 8, "bob"
    assert (otp.secret, otp.digits, hasattr(otp, "user")) == (SECRET, 6, False)
    assert otp.at(59) == "287082"
    otp.interval = 60
    assert other.interval == 30


def test_further_and_changed_attributes_are_kept(surface, duplicate):
    otp = surface.TOTP(SECRET, digits=8, digest=hashlib.sha512, interval=60)
    otp.user, otp.digits = "ann", 4
    del otp.issuer
    other = duplicate(otp)
    assert (other.user, other.digits, other.digest, other.interval) == ("ann", 4, hashlib.sha512, 60)
    assert not hasattr(other, "issuer")
    assert other.generate_otp(1) == otp.generate_otp(1)


def test_odd_attribute_values_are_kept(surface, duplicate):
    otp = surface.TOTP(SECRET)
    otp.digits, otp.interval, otp.secret, otp.digest, otp.name = "6", 2.5, b"bytes", "sha256", None
    assert vars(duplicate(otp)) == vars(otp)


def test_an_object_without_attributes_is_kept(surface, duplicate):
    empty = surface.TOTP.__new__(surface.TOTP)
    assert vars(duplicate(empty)) == {}


def test_deepcopy_copies_deep_and_copy_does_not(surface):
    otp = surface.TOTP(SECRET)
    otp.log = [1]
    assert copy.copy(otp).log is otp.log
    assert copy.deepcopy(otp).log is not otp.log
    otp.self = otp
    other = copy.deepcopy(otp)
    assert other.self is other
    other = pickle.loads(pickle.dumps(otp))
    assert other.self is other


def test_copy_follows_a_shared_dict_as_in_pyotp(surface, reference):
    def use(module):
        otp = module.TOTP(SECRET)
        shared = vars(otp)
        other = copy.copy(otp)
        shared["digits"] = 8
        return other.digits, otp.digits

    assert use(surface) == use(reference)


def local(surface, name, body):
    """A subclass that pickle finds by its name in this module."""
    kind = type(name, (surface.TOTP,), body)
    kind.__module__, kind.__qualname__ = __name__, name
    globals()[name] = kind
    return kind


def test_a_subclass_is_kept_with_its_attributes(surface, duplicate):
    def init(self, user):
        self.user = user
        surface.TOTP.__init__(self, SECRET)

    other = duplicate(local(surface, "Mine", {"__init__": init})("ann"))
    assert (type(other).__name__, other.user, other.at(59)) == ("Mine", "ann", "287082")


def test_a_subclass_with_slots_is_kept(surface, duplicate, request):
    if request.node.callspec.id.endswith(("pickle 0", "pickle 1", "python 0")):
        return  # Python refuses slots there, for any class
    kind = local(surface, "Slotted", {"__slots__": ("user",)})
    otp = kind(SECRET)
    otp.user = "ann"
    otp.more = 1
    other = duplicate(otp)
    assert (other.user, other.more, other.at(59)) == ("ann", 1, "287082")


def test_a_subclasss_own_getstate_and_setstate_are_used(surface, duplicate):
    def getstate(self):
        return {"sealed": self.secret[::-1]}

    def setstate(self, state):
        surface.TOTP.__init__(self, state["sealed"][::-1])

    kind = local(surface, "Stateful", {"__getstate__": getstate, "__setstate__": setstate})
    assert duplicate(kind(SECRET)).at(59) == "287082"


def test_a_subclasss_own_getstate_alone_is_used(surface, duplicate):
    def getstate(self):
        state = dict(self.__dict__)
        state["user"] = "pickled"
        return state

    other = duplicate(local(surface, "Getter", {"__getstate__": getstate})(SECRET))
    assert (other.user, other.at(59)) == ("pickled", "287082")


def test_a_subclasss_own_setstate_alone_is_used(surface, duplicate):
    def setstate(self, state):
        self.__dict__.update(state, user="restored")

    other = duplicate(local(surface, "Setter", {"__setstate__": setstate})(SECRET))
    assert (other.user, other.secret, other.at(59)) == ("restored", SECRET, "287082")


def test_a_subclasss_own_reduce_is_used(surface, duplicate):
    kind = local(surface, "Reduced", {})
    kind.__reduce__ = lambda self: (kind, (self.secret,))
    assert duplicate(kind(SECRET)).at(59) == "287082"


def test_a_subclasss_own_reduce_ex_is_used(surface, duplicate):
    kind = local(surface, "ReducedEx", {})
    kind.__reduce_ex__ = lambda self, protocol: (kind, (OTHER_SECRET,))
    assert duplicate(kind(SECRET)).secret == OTHER_SECRET


def test_a_subclasss_own_getnewargs_are_used(surface):
    def new(cls, *args):
        otp = surface.TOTP.__new__(cls)
        otp.made_with = args
        return otp

    body = {"__new__": new, "__getnewargs__": lambda self: ("again",), "__init__": lambda self, s: None}
    otp = local(surface, "Newargs", body)(SECRET)
    del otp.made_with
    assert pickle.loads(pickle.dumps(otp)).made_with == ("again",)
    assert copy.copy(otp).made_with == ("again",)


def test_a_subclasss_own_copy_and_deepcopy_are_used(surface):
    kind = local(surface, "Copied", {"__copy__": lambda self: "copy", "__deepcopy__": lambda self, memo: "deep"})
    assert (copy.copy(kind(SECRET)), copy.deepcopy(kind(SECRET))) == ("copy", "deep")


def test_a_registered_reducer_is_used(surface):
    kind = local(surface, "Registered", {})
    copyreg.pickle(kind, lambda otp: (kind, (OTHER_SECRET,)))
    try:
        assert pickle.loads(pickle.dumps(kind(SECRET))).secret == OTHER_SECRET
    finally:
        del copyreg.dispatch_table[kind]


def test_getstate_gives_what_vars_gives(surface):
    otp = surface.TOTP(SECRET)
    state = otp.__getstate__()
    assert state == vars(otp)


def test_an_object_travels_to_another_process(surface):
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        assert pool.map(surface.TOTP(SECRET).at, [59, 1234567890]) == ["287082", "005924"]


def test_bound_methods_and_classes_can_be_pickled(surface):
    otp = surface.TOTP(SECRET)
    assert pickle.loads(pickle.dumps(otp.at))(59) == "287082"
    assert pickle.loads(pickle.dumps(surface.TOTP)) is surface.TOTP
    assert pickle.loads(pickle.dumps(surface.random_base32)) is surface.random_base32
    assert pickle.loads(pickle.dumps(surface.TOTP.timecode)) is surface.TOTP.timecode


def test_an_exception_can_be_pickled(surface):
    error = surface.OTPVerificationError("OTP verification failed")
    other = pickle.loads(pickle.dumps(error))
    assert type(other) is surface.OTPVerificationError
    assert other.args == error.args


@pytest.mark.parametrize("kind", CLASSES)
def test_equality_is_identity_and_objects_are_hashable(surface, kind):
    first, second = kinds(surface)[kind](SECRET), kinds(surface)[kind](SECRET)
    assert first == first
    assert first != second
    assert first != second
    assert first != SECRET and first is not None
    assert len({first, second, first}) == 2
    assert hash(first) == hash(first) == object.__hash__(first)
    assert {first: 1}[first] == 1
    assert bool(first)
    with pytest.raises(TypeError):
        first < second  # noqa: B015
    before = hash(first)
    first.secret = OTHER_SECRET
    assert hash(first) == before


@pytest.mark.parametrize("kind", CLASSES)
def test_weak_references_work(surface, kind):
    gone = []
    otp = kinds(surface)[kind](SECRET)
    reference = weakref.ref(otp, gone.append)
    proxy = weakref.proxy(otp)
    keyed, valued = weakref.WeakKeyDictionary({otp: 1}), weakref.WeakValueDictionary({1: otp})
    assert reference() is otp
    assert proxy.generate_otp(1) == otp.generate_otp(1)
    assert weakref.getweakrefcount(otp) >= 2
    finalized = []
    weakref.finalize(otp, finalized.append, 1)
    del otp
    gc.collect()
    assert reference() is None
    assert gone == [reference]
    assert finalized == [1]
    assert not keyed and not valued
    with pytest.raises(ReferenceError):
        proxy.secret  # noqa: B018


MADE = """
    import hashlib, pickle, sys
    {prepare}
    import pyotp
    otps = [
        pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", name="ann", issuer="Bank"),
        pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", digits=8, digest=hashlib.sha256, interval=60),
        pyotp.HOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", initial_count=5),
        pyotp.contrib.Steam("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
        pyotp.OTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
    ]
    otps[0].user = "ann"
    sys.stdout.write(pickle.dumps(otps, int(sys.argv[1])).hex())
"""
LOADED = """
    import pickle, sys
    {prepare}
    import pyotp
    otps = pickle.loads(bytes.fromhex(sys.argv[1]))
    assert [type(otp).__name__ for otp in otps] == ["TOTP", "TOTP", "HOTP", "Steam", "OTP"], otps
    assert type(otps[0]) is pyotp.TOTP, type(otps[0])
    print([otp.generate_otp(7) for otp in otps], [sorted(vars(otp).items(), key=str) for otp in otps])
"""


# Protocols 0 and 1 ask `object` itself to make the object, which it does of no class with a native base: docs/pyotp.md.
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_made_by_pyotp_loads_under_the_alias(surface, protocol):
    pyotp = {"PYTHONPATH": release_path(RELEASES[surface.__name__])}
    made = run_python(MADE.format(prepare=""), str(protocol), env=pyotp).stdout
    alias = f"import ferrotp; ferrotp.alias_as_pyotp({surface.__name__ == 'ferrotp.legacy'})"
    assert run_python(LOADED.format(prepare=""), made, env=pyotp).stdout == (
        run_python(LOADED.format(prepare=alias), made).stdout
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickle_made_without_the_alias_loads_under_it(surface, protocol):
    # Those made under it say pyotp, and load where pyotp or the alias is: test_alias.py.
    name = surface.__name__
    made = run_python(
        MADE.format(prepare=f"import sys, {name}; sys.modules['pyotp'] = sys.modules['{name}']"), str(protocol)
    ).stdout
    alias = f"import ferrotp; ferrotp.alias_as_pyotp({name == 'ferrotp.legacy'})"
    assert run_python(LOADED.format(prepare=alias), made).stdout


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_what_is_in_a_pickle_is_what_pyotps_classes_take(surface, reference, protocol):
    # The way back to pyotp: only the module's name is another.
    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            prefix = surface.__name__
            if module == prefix or module.startswith(prefix + "."):
                module = reference.__name__ + module[len(prefix) :]
            return super().find_class(module, name)

    for name, kind in kinds(surface).items():
        otp = kind(SECRET, name="ann")
        otp.user = "ann"
        other = Unpickler(io.BytesIO(pickle.dumps(otp, protocol))).load()
        assert type(other) is kinds(reference)[name]
        assert vars(other) == vars(otp)
        assert other.generate_otp(7) == otp.generate_otp(7)


def test_a_pickle_is_no_larger_than_pyotps(surface, reference):
    ours, theirs = (len(pickle.dumps(module.TOTP(SECRET))) for module in (surface, reference))
    assert ours <= theirs + 40
