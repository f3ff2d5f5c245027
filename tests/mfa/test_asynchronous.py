"""`AsyncMFA`: the same verbs, awaited; bounded, fair, and with nothing half done where a task is cancelled."""

import asyncio
import contextvars
import inspect
import os
import random
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ferrotp import TOTP, random_base32
from ferrotp.mfa import MFA, AsyncMFA, Event, InvalidCode, Overloaded, Policy, StoreUnavailable
from ferrotp.mfa.stores import open_store
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.mfa.threads import Threads
from ferrotp.vault import Keyring

from .authenticator import Device
from .conftest import World

NOW = 1_800_000_000


class Gate:
    """Holds what goes through it up, until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Semaphore(0)
        self.opened = threading.Event()

    def __call__(self) -> float:
        """As a clock: each decision asks it once."""
        self.reached.release()
        assert self.opened.wait(60)
        return float(NOW)


def service(where: Any = None, clock: Callable[[], float] = lambda: float(NOW), **more: Any) -> MFA:
    return MFA(
        where or MemoryStore(),
        issuer="ACME",
        keyring=Keyring.generate(),
        policy=Policy.cheap_for_tests(),
        clock=clock,
        **more,
    )


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """A hang is a failure."""
    return asyncio.run(asyncio.wait_for(main, 120))


def verbs() -> Iterator[str]:
    for name, attribute in vars(MFA).items():
        if (
            inspect.isfunction(attribute)
            and not name.startswith("_")
            and name not in ("close", "for_tenant", "factors", "audit_entries", "audit_marks")
        ):
            yield name


def test_every_verb_is_there_with_its_arguments_and_its_words() -> None:
    for name in verbs():
        awaited = getattr(AsyncMFA, name)
        assert inspect.signature(awaited) == inspect.signature(getattr(MFA, name))
        assert awaited.__doc__ == getattr(MFA, name).__doc__
        assert inspect.iscoroutinefunction(awaited), name


def test_a_login_from_the_first_secret_to_the_last_code(world: World) -> None:
    async def main() -> None:
        async with AsyncMFA(world.mfa) as mfa:
            enrollment = await mfa.enroll(user_id=42, account_name="alice")
            device = Device(enrollment.uri)
            codes = await mfa.confirm(user_id=42, factor_id=enrollment.factor_id, code=device.at(world.clock.now))
            world.clock.now += 60
            code = device.at(world.clock.now)
            assert (await mfa.verify(user_id=42, code=code)).factor_id == enrollment.factor_id
            with pytest.raises(InvalidCode):
                await mfa.verify(user_id=42, code=code)
            await mfa.recover(user_id=42, code=codes[0])
            assert (await mfa.status(user_id=42)).recovery_codes == len(codes) - 1
            assert [factor.user_id async for factor in mfa.factors()] == ["42"]
            assert [factor.user_id async for factor in mfa.for_tenant("other").factors()] == []

    run(main())
    kinds = [
        "enrollment started",
        "enrollment confirmed",
        "recovery codes replaced",
        "verified",
        "refused",
        "recovered",
    ]
    assert world.kinds() == kinds


def test_no_traceback_holds_the_code() -> None:
    async def main() -> None:
        mfa = AsyncMFA(service())
        await mfa.import_factor(user_id="ann", secret=random_base32())
        with pytest.raises(InvalidCode) as caught:
            await mfa.verify(user_id="ann", code="31415926")
        frames = traceback.walk_tb(caught.value.__traceback__)
        held = [repr(frame.f_locals) for frame, _ in frames if frame.f_code.co_filename != __file__]
        assert held and not any("31415926" in text for text in held)
        await mfa.aclose()

    run(main())


def test_the_threads_know_the_context_of_the_task() -> None:
    customer = contextvars.ContextVar[str]("customer")

    async def main() -> None:
        mfa = AsyncMFA(service(tenant=customer.get), threads=2)

        async def of(name: str) -> list[str]:
            customer.set(name)
            await mfa.import_factor(user_id=name, secret=random_base32())
            await asyncio.sleep(0)
            return [factor.user_id async for factor in mfa.factors()]

        names = [f"customer {number}" for number in range(20)]
        assert await asyncio.gather(*map(of, names)) == [[name] for name in names]
        await mfa.aclose()

    run(main())


def test_the_loop_goes_on_while_the_store_is_asked() -> None:
    gate = Gate()

    async def main() -> None:
        mfa = AsyncMFA(service(clock=gate))
        asked = asyncio.create_task(mfa.import_factor(user_id="ann", secret=random_base32()))
        for _ in range(10):
            await asyncio.sleep(0.001)
        assert not asked.done()
        gate.opened.set()
        assert (await asked).user_id == "ann"
        await mfa.aclose()

    run(main())


def test_200_coroutines_with_one_code_are_answered_and_one_is_let_in(tmp_path: Path) -> None:
    otp = TOTP(random_base32())

    async def main() -> Counter[str]:
        async with AsyncMFA(service(f"sqlite:///{tmp_path}/mfa.db"), patience=60) as mfa:
            await mfa.import_factor(user_id="ann", secret=otp.secret)
            asked = (mfa.verify(user_id="ann", code=otp.at(NOW)) for _ in range(200))
            return Counter(type(answer).__name__ for answer in await asyncio.gather(*asked, return_exceptions=True))

    answers = run(main())
    assert answers["Verification"] == 1 and answers.total() == 200
    assert answers.keys() <= {"Verification", "InvalidCode", "Throttled"}


def test_who_waits_is_let_in_in_order_and_more_than_may_wait_are_refused() -> None:
    gate, order = Gate(), list[str]()

    async def main() -> None:
        mfa = AsyncMFA(
            service(clock=gate, on_event=lambda event: order.append(event.user_id)), threads=1, waiting=5, patience=60
        )
        asked = [
            asyncio.create_task(mfa.import_factor(user_id=str(number), secret=random_base32())) for number in range(9)
        ]
        while sum(task.done() for task in asked) < 3:
            await asyncio.sleep(0.001)
        for task in asked[6:]:
            with pytest.raises(Overloaded):
                await task
        gate.opened.set()
        await asyncio.gather(*asked[:6])
        assert order == [str(number) for number in range(6)]
        # There is room again.
        await mfa.import_factor(user_id="last", secret=random_base32())
        await mfa.aclose()

    run(main())


def test_who_has_waited_too_long_is_refused_and_nothing_is_decided_for_them() -> None:
    gate, order = Gate(), list[str]()

    async def main() -> None:
        mfa = AsyncMFA(
            service(clock=gate, on_event=lambda event: order.append(event.user_id)), threads=1, patience=0.05
        )
        first = asyncio.create_task(mfa.import_factor(user_id="first", secret=random_base32()))
        while not gate.reached.acquire(blocking=False):
            await asyncio.sleep(0.001)
        for _ in range(3):
            with pytest.raises(Overloaded):
                await mfa.import_factor(user_id="late", secret=random_base32())
        # It has begun, so it is not late however long it takes.
        assert not first.done()
        gate.opened.set()
        await first
        await mfa.aclose()

    run(main())
    assert order == ["first"]


def test_a_decision_that_has_begun_is_made_though_its_task_is_cancelled() -> None:
    gate, told = Gate(), list[Event]()

    async def main() -> None:
        mfa = AsyncMFA(service(clock=gate, on_event=told.append), threads=1)
        begun = asyncio.create_task(mfa.import_factor(user_id="begun", secret=random_base32()))
        waiting = asyncio.create_task(mfa.import_factor(user_id="waiting", secret=random_base32()))
        while not gate.reached.acquire(blocking=False):
            await asyncio.sleep(0.001)
        for task in (begun, waiting):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert told == []
        gate.opened.set()
        assert (await mfa.status(user_id="begun")).enrolled
        assert not (await mfa.status(user_id="waiting")).enrolled
        assert [event.user_id for event in told] == ["begun"]
        await mfa.aclose()

    run(main())


@pytest.mark.parametrize("where", ["memory", "sqlite", "postgresql", "mariadb"])
def test_logins_that_are_cancelled_anywhere_leave_nothing_half_decided(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Each is either not made, or counted and told, or accepted, refunded and told."""
    url = f"sqlite:///{tmp_path}/mfa.db" if where == "sqlite" else None
    if where in ("postgresql", "mariadb"):
        url = request.getfixturevalue(where).database()
    store = open_store(url, timeout=30) if url else MemoryStore()
    rng, told = random.Random(1), list[Event]()
    keyring = Keyring.generate()

    async def main() -> None:
        sync = MFA(
            store,
            issuer="ACME",
            keyring=keyring,
            policy=Policy.cheap_for_tests(),
            clock=lambda: float(NOW),
            on_event=told.append,
        )
        mfa = AsyncMFA(sync, threads=4, patience=60)
        right = {}
        for number in range(60):
            otp = TOTP(random_base32())
            right[str(number)] = otp.at(NOW)
            await mfa.import_factor(user_id=number, secret=otp.secret)
        told.clear()
        answered: dict[str, bool] = {}

        async def log_in(user_id: str, code: str) -> None:
            try:
                await mfa.verify(user_id=user_id, code=code)
                answered[user_id] = True
            except InvalidCode:
                answered[user_id] = False

        codes = {user_id: code if int(user_id) % 2 else "12345" for user_id, code in right.items()}
        tasks = [asyncio.create_task(log_in(user_id, code)) for user_id, code in codes.items()]
        for task in rng.sample(tasks, 40):
            await asyncio.sleep(rng.choice((0, 0, 0.001)))
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, mfa._threads.close)  # what has begun has ended
        kinds = {user_id: [event.kind for event in told if event.user_id == user_id] for user_id in right}
        for user_id in right:
            status = sync.status(user_id=user_id)
            used = status.factors[0].last_used_at is not None
            kept = ["verified"] if used else ["refused"] if status.failures else []
            assert (used, status.failures) in ((True, 0), (False, 1), (False, 0)), user_id
            assert [kind for kind in kinds[user_id] if kind in ("verified", "refused")] == kept, kinds[user_id]
            if user_id in answered:
                assert kept == (["verified"] if answered[user_id] else ["refused"])
        assert answered and len(answered) < 60
        sync.close()

    run(main())


def test_a_crowd_is_few_hand_overs_for_the_loop_and_all_threads_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the loop does for each is what it stands still for."""
    gate, by_loop = Gate(), list[str]()
    submit = ThreadPoolExecutor.submit

    def noting(self: ThreadPoolExecutor, *arguments: Any) -> Any:
        by_loop.extend([threading.current_thread().name] * (threading.current_thread() is threading.main_thread()))
        return submit(self, *arguments)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", noting)

    async def main() -> None:
        mfa = AsyncMFA(service(clock=gate), threads=8, patience=60)
        asked = [asyncio.create_task(mfa.import_factor(user_id=n, secret=random_base32())) for n in range(200)]
        reached = 0
        while reached < 8:
            reached += gate.reached.acquire(blocking=False)
            await asyncio.sleep(0.001)
        assert 1 <= len(by_loop) <= 8
        assert not gate.reached.acquire(blocking=False), "no more at once than there are threads"
        gate.opened.set()
        assert [factor.user_id for factor in await asyncio.gather(*asked)] == [str(n) for n in range(200)]
        await mfa.aclose()

    run(main())


def test_a_call_that_is_slow_keeps_no_later_one_from_a_free_thread() -> None:
    gate = Gate()

    async def main() -> None:
        mfa = AsyncMFA(service(clock=gate), threads=2, patience=60)
        slow = asyncio.create_task(mfa.import_factor(user_id="slow", secret=random_base32()))
        while not gate.reached.acquire(blocking=False):
            await asyncio.sleep(0.001)
        assert await mfa.epoch(user_id="other") == ""  # which asks no clock
        assert not slow.done()
        gate.opened.set()
        await slow
        await mfa.aclose()

    run(main())


def test_a_loop_that_ends_before_its_answer_takes_no_thread_along() -> None:
    gate, told = Gate(), list[Event]()
    mfa = AsyncMFA(service(clock=gate, on_event=told.append), threads=1, patience=60)

    async def leave() -> None:
        asking = asyncio.create_task(mfa.import_factor(user_id="left", secret=random_base32()))
        while not gate.reached.acquire(blocking=False):
            await asyncio.sleep(0.001)
        asking.cancel()

    run(leave())
    gate.opened.set()

    async def come_later() -> None:
        assert (await mfa.status(user_id="left")).enrolled
        await mfa.aclose()

    run(come_later())
    assert [event.user_id for event in told] == ["left"]


def test_a_handler_that_lets_stop_iteration_out_keeps_nobody_else_waiting() -> None:
    """A future takes no StopIteration: the answers that came together with it are told all the same."""

    def exhausted() -> None:
        next(iter(()))

    async def main() -> None:
        threads = Threads(2, 8, 60)
        asked = [threads.run(exhausted), threads.run(int), threads.run(exhausted), threads.run(int)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers] == [RuntimeError, int, RuntimeError, int]
        threads.close()

    run(main())


def test_what_waits_when_it_is_closed_is_still_made() -> None:
    gate = Gate()

    async def main() -> None:
        mfa = AsyncMFA(service(clock=gate), threads=2, patience=60)
        asked = [asyncio.create_task(mfa.import_factor(user_id=n, secret=random_base32())) for n in range(20)]
        while not gate.reached.acquire(blocking=False):
            await asyncio.sleep(0.001)
        closing = asyncio.create_task(mfa.aclose())
        await asyncio.sleep(0.01)
        gate.opened.set()
        assert len(await asyncio.gather(*asked)) == 20
        await closing

    run(main())


def test_closing_waits_for_what_is_under_way_and_nothing_is_asked_afterwards() -> None:
    gate = Gate()

    async def main() -> None:
        mfa = AsyncMFA(service(clock=gate))
        asked = asyncio.create_task(mfa.import_factor(user_id="ann", secret=random_base32()))
        while not gate.reached.acquire(blocking=False):
            await asyncio.sleep(0.001)
        closing = asyncio.create_task(mfa.aclose())
        await asyncio.sleep(0.01)
        assert not closing.done() and not asked.done()
        gate.opened.set()
        await closing
        assert (await asked).user_id == "ann"
        with pytest.raises(StoreUnavailable, match="closed"):
            await mfa.status(user_id="ann")
        await mfa.aclose()

    run(main())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ferrotp answers")]


def test_a_forked_child_has_threads_of_its_own(tmp_path: Path) -> None:
    mfa = AsyncMFA(service(f"sqlite:///{tmp_path}/mfa.db"))
    run(mfa.import_factor(user_id="parent", secret=random_base32()))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run(mfa.import_factor(user_id="child", secret=random_base32()))
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert run(mfa.status(user_id="child")).enrolled
    run(mfa.aclose())


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"waiting": -1}, {"patience": 0}])
def test_limits_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="thread"):
        AsyncMFA(service(), **wrong)
