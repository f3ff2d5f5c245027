"""One object in many threads, the garbage collector, and no leak."""

import contextlib
import gc
import hashlib
import sys
import threading
import time
import tracemalloc
import weakref

import pytest

from .helpers import OTHER_SECRET, SECRET, kinds, run_python

THREADS = 8
SECONDS = 0.6


@pytest.fixture(autouse=True)
def eager_switching():
    # Threads change places as often as Python lets them.
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def race(read, write):
    """Runs `read` in eight threads while another runs `write`, and returns everything that was read."""
    deadline = time.monotonic() + SECONDS
    barrier = threading.Barrier(THREADS + 1)
    seen, failures = [set() for _ in range(THREADS)], []

    def reader(place):
        barrier.wait()
        try:
            # At least once, however late its turn comes.
            while not seen[place] or time.monotonic() < deadline:
                for _ in range(20):
                    seen[place].add(read())
        except BaseException as error:  # what comes out of a thread must fail the test
            failures.append(error)

    def writer():
        barrier.wait()
        try:
            while time.monotonic() < deadline:
                write()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=reader, args=(place,)) for place in range(THREADS)]
    threads.append(threading.Thread(target=writer))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert not failures, failures[0]
    return set().union(*seen)


def codes_of(surface, *options):
    return {surface.TOTP(SECRET, **option).at(59) for option in options}


def test_while_the_secret_is_written_every_code_is_one_of_the_two(surface):
    otp = surface.TOTP(SECRET)

    def write():
        otp.secret = OTHER_SECRET
        otp.secret = SECRET

    expected = {surface.TOTP(secret).at(59) for secret in (SECRET, OTHER_SECRET)}
    assert race(lambda: otp.at(59), write) <= expected
    assert otp.at(59) == "287082"


def test_while_the_secret_is_written_verify_is_right_for_one_of_the_two(surface):
    otp = surface.TOTP(SECRET)
    codes = [surface.TOTP(secret).at(59) for secret in (SECRET, OTHER_SECRET)]

    def write():
        otp.secret = OTHER_SECRET
        otp.secret = SECRET

    def read():
        verdicts = tuple(otp.verify(code, for_time=59) for code in codes)
        return verdicts, otp.verify("000000", for_time=59)

    seen = race(read, write)
    assert {wrong for _, wrong in seen} == {False}
    assert {type(verdict) for verdicts, _ in seen for verdict in verdicts} == {bool}


def test_while_the_digest_is_written_every_code_is_one_of_the_two(surface):
    otp = surface.TOTP(SECRET)

    def write():
        otp.digest = hashlib.sha512
        otp.digest = hashlib.sha1

    assert race(lambda: otp.at(59), write) <= codes_of(surface, {}, {"digest": hashlib.sha512})


def test_while_the_digest_goes_in_and_out_of_the_native_ones_every_code_is_one_of_the_two(surface):
    otp = surface.TOTP(SECRET)

    def write():
        otp.digest = hashlib.sha3_256
        otp.digest = hashlib.sha1

    assert race(lambda: otp.at(59), write) <= codes_of(surface, {}, {"digest": hashlib.sha3_256})


def test_while_the_digits_are_written_every_code_has_one_of_the_two_lengths(surface):
    otp = surface.TOTP(SECRET)

    def write():
        otp.digits = 8
        otp.digits = 6

    assert race(lambda: otp.at(59), write) <= {"287082", "94287082"}


def test_while_the_interval_is_written_every_code_is_one_of_the_two(surface):
    otp = surface.TOTP(SECRET)

    def write():
        otp.interval = 60
        otp.interval = 30

    assert race(lambda: otp.at(59), write) <= {"287082", "755224"}


def test_the_dict_may_be_asked_for_in_the_middle(surface):
    for _ in range(30):
        otp = surface.TOTP(SECRET)
        barrier = threading.Barrier(THREADS)
        seen, dicts, failures = [], [], []

        def work(place, otp=otp, barrier=barrier, seen=seen, dicts=dicts, failures=failures):
            barrier.wait()
            try:
                for turn in range(30):
                    if place == 0 and turn == 10:
                        dicts.append(otp.__dict__)
                    elif place == 1 and turn == 11:
                        dicts.append(vars(otp))
                    elif place == 2:
                        otp.secret = OTHER_SECRET if turn % 2 else SECRET
                    elif place == 3:
                        otp.user = turn
                    else:
                        seen.append(otp.at(59))
                        seen.append({SECRET: "287082"}.get(otp.secret, "other"))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(place,)) for place in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not failures, failures[0]
        assert set(seen) <= {"287082", surface.TOTP(OTHER_SECRET).at(59), "other"}
        assert all(each is vars(otp) for each in dicts)
        # The last write is not lost, wherever it went.
        assert otp.secret == vars(otp)["secret"] == OTHER_SECRET
        assert otp.user == 29


def test_instance_attributes_may_come_and_go(surface):
    otp = surface.TOTP(SECRET)

    def write():
        otp.user = 1
        otp.generate_otp = lambda input: "000000"
        del otp.generate_otp
        del otp.user

    assert race(lambda: otp.at(59), write) <= {"287082", "000000"}


def test_an_attribute_may_be_deleted_and_set_again(surface):
    otp = surface.TOTP(SECRET)

    def write():
        del otp.digits
        otp.digits = 6

    def read():
        try:
            return otp.at(59)
        except AttributeError:
            return "none"

    assert race(read, write) <= {"287082", "none"}


def test_a_class_may_be_patched_in_the_middle(surface):
    otp = surface.TOTP(SECRET)

    def write():
        surface.TOTP.generate_otp = lambda self, input: "000000"
        del surface.TOTP.generate_otp

    assert race(lambda: otp.at(59), write) <= {"287082", "000000"}


def test_the_dict_may_be_replaced_in_the_middle(surface):
    otp = surface.TOTP(SECRET)
    dicts = [dict(vars(surface.TOTP(secret))) for secret in (SECRET, OTHER_SECRET)]

    def write():
        otp.__dict__ = dicts[1]
        otp.__dict__ = dicts[0]

    assert race(lambda: otp.at(59), write) <= {surface.TOTP(secret).at(59) for secret in (SECRET, OTHER_SECRET)}


def test_objects_may_be_made_copied_and_dropped_in_many_threads(surface):
    import copy
    import pickle

    otp = surface.TOTP(SECRET)

    def read():
        return surface.TOTP(SECRET).at(59) + copy.copy(otp).at(59) + pickle.loads(pickle.dumps(otp)).at(59)

    assert race(read, gc.collect) == {"287082" * 3}


def test_threads_may_load_everything_lazy_at_once(surface):
    run_python(
        f"""
        import sys, threading
        sys.setswitchinterval(1e-6)
        import {surface.__name__} as pyotp

        secret = {SECRET!r}
        tasks = [
            lambda: pyotp.utils.strings_equal("a", "a"),
            lambda: pyotp.contrib.Steam(secret).at(59),
            lambda: pyotp.random_base32(33, "AB"),
            lambda: pyotp.compat.random,
            lambda: pyotp.exceptions.PyOTPError,
            lambda: pyotp.OTPVerificationError,
            lambda: pyotp.TOTP(secret).digest().name,
            lambda: pyotp.TOTP(secret).verify("２８７０８２", for_time=59),
            lambda: pyotp.parse_uri("otpauth://totp/ann?encoder=steam&secret=" + secret),
            lambda: pyotp.TOTP(secret, digest="sha3_256").now(),
        ]
        barrier = threading.Barrier(len(tasks) * 2)
        failures = []

        def work(task):
            barrier.wait()
            try:
                task()
            except BaseException as error:
                failures.append(repr(error))

        threads = [threading.Thread(target=work, args=(task,)) for task in tasks * 2]
        [thread.start() for thread in threads]
        [thread.join(30) for thread in threads]
        assert not any(thread.is_alive() for thread in threads)
        assert not failures, failures
        """
    )


@pytest.mark.parametrize("kind", ["OTP", "HOTP", "TOTP", "Steam"])
@pytest.mark.parametrize("through", ["user", "secret", "name", "digest", "digits", "dict", "issuer"])
def test_a_cycle_through_an_object_is_collected(surface, kind, through):
    class Holder:
        pass

    otp, holder = kinds(surface)[kind](SECRET), Holder()
    otp.generate_otp(1)
    holder.otp = otp
    if through == "dict":
        vars(otp)["user"] = holder
    else:
        setattr(otp, through, holder)
    gone = []
    reference = weakref.ref(otp, lambda _: gone.append(1))
    weak = weakref.ref(holder)
    del otp, holder
    gc.collect()
    assert reference() is None and weak() is None
    assert gone == [1]


def test_a_cycle_of_an_object_with_itself_is_collected(surface):
    otp = surface.TOTP(SECRET)
    otp.name = otp
    reference = weakref.ref(otp)
    del otp
    gc.collect()
    assert reference() is None


def test_the_collector_sees_what_an_object_holds(surface):
    otp = surface.TOTP(SECRET)
    log = [1]
    otp.issuer = log
    assert gc.is_tracked(otp)
    assert log in gc.get_referents(otp)
    assert otp in gc.get_referrers(log)
    vars(otp)
    assert otp.issuer is log


def test_a_weakref_callback_may_use_the_surface(surface):
    answers = []
    otp = surface.TOTP(SECRET)
    reference = weakref.ref(otp, lambda _: answers.append(surface.TOTP(SECRET).at(59)))
    del otp
    assert reference() is None
    assert answers == ["287082"]


def test_a_finalizer_of_a_subclass_may_use_the_object(surface):
    answers = []

    class Mine(surface.TOTP):
        def __del__(self):
            answers.append((self.secret, self.at(59)))

    Mine(SECRET)
    gc.collect()
    assert answers == [(SECRET, "287082")]


def test_a_finalizer_may_bring_the_object_back(surface):
    saved = []

    class Mine(surface.TOTP):
        def __del__(self):
            saved.append(self)

    Mine(SECRET)
    assert saved[0].at(59) == "287082"
    saved.clear()


def test_a_value_whose_finalizer_writes_to_the_object_does_no_harm(surface):
    otp = surface.TOTP(SECRET)

    class Value(str):
        def __del__(self):
            otp.issuer = "from the finalizer"
            otp.at(59)

    otp.issuer = Value("x")
    otp.issuer = "y"  # drops the first value while the second is being put in place
    assert otp.issuer in ("y", "from the finalizer")
    otp.secret = Value(SECRET)
    otp.secret = SECRET
    assert otp.at(59) == "287082"


def test_the_memory_of_objects_is_given_back(surface):
    def churn(count):
        for _ in range(count):
            otp = surface.TOTP(SECRET, name="ann")
            otp.at(59)
            otp.user = 1
            surface.HOTP(SECRET).verify("287082", 1)

    churn(1000)
    gc.collect()
    blocks = sys.getallocatedblocks()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    churn(100_000 // 20)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 64_000
    churn(100_000)
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 2_000


def test_the_memory_of_failures_and_odd_uses_is_given_back(surface):
    def churn(count):
        for _ in range(count):
            for use in (
                lambda: surface.TOTP(None).now(),
                lambda: surface.TOTP("0" * 32).now(),
                lambda: surface.TOTP(SECRET, digits=99),
                lambda: surface.parse_uri("otpauth://totp/x?secret=0"),
                lambda: surface.TOTP(SECRET).verify_and_get_timecode("000000", 59),
            ):
                with contextlib.suppress(Exception):
                    use()
            otp = surface.TOTP(SECRET, digest="sha256")
            vars(otp)["user"] = otp
            otp.at(59)

    churn(200)
    gc.collect()
    blocks = sys.getallocatedblocks()
    churn(3000)
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 2_000


def test_reference_counts_of_what_is_passed_are_kept(surface):
    secret, name, code = SECRET.lower(), "".join(["an", "n"]), "".join(["287", "082"])
    moment = 1234567890
    values = (secret, name, code, moment, surface.TOTP, hashlib.sha256)
    before = [sys.getrefcount(value) for value in values]
    for _ in range(1000):
        otp = surface.TOTP(secret, name=name, digest=hashlib.sha256)
        otp.at(moment), otp.verify(code, for_time=moment, valid_window=1), otp.provisioning_uri(name, name)
        otp.secret, otp.digest, otp.name  # noqa: B018
        del otp.name
    del otp
    gc.collect()
    after = [sys.getrefcount(value) for value in values]
    assert all(abs(now - then) <= 3 for now, then in zip(after, before, strict=True)), (before, after)
