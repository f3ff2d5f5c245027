"""Every way in which programs and tests replace the clock is seen."""

import datetime
import os
import time
from unittest import mock

import freezegun
import pytest
import time_machine

from .helpers import MIRRORED, RELEASES, SECRET, is_fast, load_release, outcome, run_python

MOMENT = 1234567890  # 2009-02-13 23:31:30 UTC
CODE = "005924"  # of the RFC's secret at that moment


def uses(otp, code):
    return [
        otp.now() == code,
        otp.verify(code),
        otp.verify(code, valid_window=1),
        not otp.verify("000000"),
        otp.verify_and_get_timecode(code) == MOMENT // 30,
    ]


@pytest.fixture
def otp(surface):
    otp = surface.TOTP(SECRET)
    otp.now()
    yield otp
    # Whatever was in place is gone again, and so is its effect.
    assert otp.now() in (otp.at(time.time()), otp.at(time.time() - 1))
    assert is_fast(otp)


def test_freezegun_is_seen(otp):
    with freezegun.freeze_time("2009-02-13 23:31:30.7"):
        assert all(uses(otp, CODE))
    with freezegun.freeze_time("2009-02-13 23:31:30", tz_offset=-5):
        assert otp.at(time.time()) == CODE
    with freezegun.freeze_time("2009-02-13 23:31:30") as frozen:
        frozen.tick(30)
        assert otp.now() == otp.at(MOMENT + 30) != CODE
        frozen.move_to("2009-02-13 23:31:30")
        assert otp.now() == CODE


@freezegun.freeze_time("2009-02-13 23:31:30")
def test_freezegun_as_a_decorator_is_seen(surface):
    assert all(uses(surface.TOTP(SECRET), CODE))


def test_freezegun_is_seen_by_modules_loaded_while_it_is_in_place(surface):
    run_python(
        f"""
        import freezegun
        with freezegun.freeze_time("2009-02-13 23:31:30"):
            import {surface.__name__} as pyotp
            otp = pyotp.TOTP({SECRET!r})
            assert otp.now() == "005924", otp.now()
            assert otp.verify("005924")
        assert otp.now() != "005924"
        assert not otp.verify("005924")
        """
    )


def test_time_machine_is_seen(otp):
    # It patches the builtin in place: the function's identity does not tell.
    with time_machine.travel(MOMENT, tick=False):
        assert all(uses(otp, CODE))
    with time_machine.travel(datetime.datetime.fromtimestamp(MOMENT, datetime.timezone.utc)) as traveller:
        assert otp.now() == CODE
        traveller.shift(30)
        assert otp.now() == otp.at(MOMENT + 30)


@time_machine.travel(MOMENT)
def test_time_machine_as_a_decorator_is_seen(surface):
    assert all(uses(surface.TOTP(SECRET), CODE))


@pytest.mark.parametrize("value", [MOMENT, MOMENT + 0.999])
def test_a_patched_time_dot_time_is_seen(modern, value):
    otp = modern.TOTP(SECRET)
    with mock.patch("ferrotp.totp.time.time", return_value=value):
        assert all(uses(otp, CODE))
    with mock.patch("time.time", return_value=value):
        assert all(uses(otp, CODE))


def test_a_replaced_time_module_is_seen(modern):
    otp = modern.TOTP(SECRET)
    with mock.patch("ferrotp.totp.time") as clock:
        clock.time.return_value = MOMENT
        assert all(uses(otp, CODE))
    with mock.patch.object(modern.totp, "time", mock.Mock(time=lambda: MOMENT)):
        assert all(uses(otp, CODE))


def test_a_patched_time_dot_time_changes_nothing_in_legacy_as_in_pyotp_2_10(legacy):
    # A test of a session's end patches it; a `side_effect` list is for the code under test, and loses no entry.
    theirs = load_release(RELEASES["ferrotp.legacy"])
    for module in (legacy, theirs):
        otp = module.TOTP(SECRET)
        right = otp.now(), otp.at(time.time())
        with mock.patch("time.time", side_effect=[MOMENT]) as clock:
            assert otp.now() in (*right, otp.at(datetime.datetime.now()))
            assert not otp.verify(CODE)
            assert not otp.verify(CODE, valid_window=1)
            assert clock.call_count == 0
            assert time.time() == MOMENT
    with mock.patch("time.time", return_value=MOMENT), pytest.raises(legacy.OTPVerificationError):
        legacy.TOTP(SECRET).verify_and_get_timecode(CODE)


def test_the_clock_is_read_once_for_each_question(modern):
    otp = modern.TOTP(SECRET)
    for use in (otp.now, lambda: otp.verify("000000"), lambda: otp.verify("000000", valid_window=3)):
        with mock.patch("ferrotp.totp.time.time", return_value=MOMENT) as clock:
            use()
        assert clock.call_count == 1
    with mock.patch("ferrotp.totp.time.time", return_value=MOMENT) as clock:
        otp.at(59)
        otp.verify("000000", for_time=59)
    assert clock.call_count == 0


def test_legacy_reads_its_clock_once_for_each_question(legacy):
    otp = legacy.TOTP(SECRET)
    moment = datetime.datetime.fromtimestamp(MOMENT)
    for use in (otp.now, lambda: otp.verify("000000")):
        with mock.patch("datetime.datetime") as clock:
            clock.now.return_value = moment
            use()
        assert clock.now.call_count == 1


def test_a_clock_that_ticks_is_followed(modern):
    otp = modern.TOTP(SECRET)
    ticks = [MOMENT, MOMENT + 30, MOMENT + 60]
    with mock.patch("time.time", side_effect=ticks):
        assert [otp.now() for _ in ticks] == [otp.at(tick) for tick in ticks]


def test_a_clock_that_fails_fails_the_question(surface):
    otp = surface.TOTP(SECRET)
    target = "time.time" if surface.__name__ == "ferrotp" else "datetime.datetime"
    for use in (otp.now, lambda: otp.verify("000000")):
        with mock.patch(target) as clock:
            clock.side_effect = clock.now.side_effect = RuntimeError("no clock")
            with pytest.raises(RuntimeError, match="no clock"):
                use()


def test_odd_clocks_are_judged_as_by_pyotp(modern):
    theirs = load_release(MIRRORED)
    for value in (-1, -0.5, 0, 0.9, 253402300799.9, 253402300800, float("nan"), float("inf"), None, "59", 10**30):

        def use(module, value=value):
            with mock.patch.object(module.totp.time, "time", return_value=value):
                return module.TOTP(SECRET).now()

        assert outcome(use, modern) == outcome(use, theirs), value


def test_legacy_sees_a_replaced_datetime_class(legacy):
    # pyotp 2.10's own tests do this.
    class Frozen(datetime.datetime):
        @classmethod
        def now(cls, **kwargs):
            return cls.fromtimestamp(MOMENT)

    otp = legacy.TOTP(SECRET)
    real = datetime.datetime
    datetime.datetime = Frozen
    try:
        assert all(uses(otp, CODE))
        assert otp.at(59) == "287082"
        assert otp.at(Frozen.now()) == CODE
        assert otp.at(real.fromtimestamp(59)) == "287082"
    finally:
        datetime.datetime = real
    assert otp.now() != CODE


@pytest.mark.parametrize("where", ["datetime.datetime", "ferrotp.legacy.totp.datetime.datetime"])
def test_legacy_sees_a_mock_for_the_datetime_class(legacy, where):
    otp = legacy.TOTP(SECRET)
    moment = datetime.datetime.fromtimestamp(MOMENT)
    with mock.patch(where) as clock:
        clock.now.return_value = moment
        assert otp.now() == CODE


def test_legacy_sees_a_replaced_datetime_module(legacy):
    otp = legacy.TOTP(SECRET)
    moment = datetime.datetime.fromtimestamp(MOMENT)
    with mock.patch("ferrotp.legacy.totp.datetime") as module:
        module.datetime.now.return_value = moment
        assert otp.now() == CODE


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def zone(request, monkeypatch):
    if not os.path.exists(f"/usr/share/zoneinfo/{request.param}") and request.param != "UTC":
        # POSIX's own notation needs no data base of zones.
        posix = {
            "America/New_York": "EST5EDT,M3.2.0,M11.1.0",
            "Asia/Kolkata": "IST-5:30",
            "Pacific/Kiritimati": "<+14>-14",
            "Pacific/Pago_Pago": "SST11",
        }
        monkeypatch.setenv("TZ", posix[request.param])
    else:
        monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_the_clock_does_not_depend_on_the_time_zone(surface, zone):
    otp = surface.TOTP(SECRET)
    with time_machine.travel(MOMENT, tick=False):
        assert all(uses(otp, CODE))
    with freezegun.freeze_time("2009-02-13 23:31:30"), mock.patch("time.time", return_value=MOMENT):
        assert otp.at(time.time()) == CODE


def test_datetimes_are_read_as_by_pyotp_in_every_zone(surface, reference, zone):
    moments = [
        datetime.datetime(2009, 2, 13, 23, 31, 30),
        datetime.datetime(2009, 2, 13, 23, 31, 30, 999999),
        datetime.datetime(2009, 2, 13, 23, 31, 30, tzinfo=datetime.timezone.utc),
        datetime.datetime(2009, 2, 13, 23, 31, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=-7, minutes=30))),
        datetime.datetime(2024, 11, 3, 1, 30, 0, fold=0),  # New York lives this hour twice
        datetime.datetime(2024, 11, 3, 1, 30, 0, fold=1),
        datetime.datetime(2024, 3, 10, 2, 30, 0),  # and this one not at all
        datetime.datetime(2024, 7, 1, 12, 0, 0),
    ]
    ours, theirs = surface.TOTP(SECRET), reference.TOTP(SECRET)
    for moment in moments:
        assert ours.at(moment) == theirs.at(moment), moment
        assert ours.timecode(moment) == theirs.timecode(moment), moment
        assert ours.verify(theirs.at(moment), for_time=moment)


def test_fold_tells_the_repeated_hour_apart(modern, monkeypatch):
    monkeypatch.setenv("TZ", "EST5EDT,M3.2.0,M11.1.0")
    time.tzset()
    try:
        otp = modern.TOTP(SECRET)
        first, second = (datetime.datetime(2024, 11, 3, 1, 30, fold=fold) for fold in (0, 1))
        assert otp.timecode(second) - otp.timecode(first) == 120
    finally:
        monkeypatch.undo()
        time.tzset()
