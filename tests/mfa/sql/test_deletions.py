"""The second factor ends with the account where SQLAlchemy's sessions delete it, and stays where they take it back."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, bindparam, create_engine, delete, event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from ferrotp.mfa import MFA, Event, Policy
from ferrotp.mfa.sqlalchemy_events import follow_deletions
from ferrotp.mfa.stores.memory import MemoryStore
from ferrotp.vault import Keyring


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "team"
    id: Mapped[int] = mapped_column(primary_key=True)
    members: Mapped[list["User"]] = relationship(cascade="all, delete-orphan")


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(default="user")
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "user"}  # noqa: RUF012


class Clerk(User):
    """In the users' own table."""

    __mapper_args__ = {"polymorphic_identity": "clerk"}  # noqa: RUF012


class Admin(User):
    """With a table of its own beside it."""

    __tablename__ = "admin"
    id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    __mapper_args__ = {"polymorphic_identity": "admin"}  # noqa: RUF012


class World:
    """Five users with a factor each, in an application whose sessions are followed."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.store = MemoryStore()
        policy = Policy.cheap_for_tests()
        self.mfa = MFA(self.store, issuer="ACME", keyring=Keyring.generate(), policy=policy, on_event=self._note)
        self.engine = _engine()
        Base.metadata.create_all(self.engine)

        class OwnSession(Session):
            """So that other tests are not followed."""

        self.session_class = OwnSession
        follow_deletions(lambda: self.mfa, User, sessions=OwnSession)
        with self.session() as session:
            session.add_all([User(id=1), User(id=2), Clerk(id=3), Admin(id=4), Team(id=1, members=[User(id=5)])])
            session.commit()
        for user_id in range(1, 6):
            self.mfa.import_factor(user_id=user_id, secret=b"12345678901234567890")

    def _note(self, happened: Event) -> None:
        self.events.append(happened)

    def session(self, **more: Any) -> Session:
        return self.session_class(self.engine, **more)

    def enrolled(self) -> set[int]:
        return {user_id for user_id in range(1, 6) if self.mfa.status(user_id=user_id).enrolled}

    def users(self) -> set[int]:
        with Session(self.engine) as session:
            return {user.id for user in session.query(User)}

    def agrees(self) -> set[int]:
        """The users who are left: they, and no others, have their factors."""
        assert self.enrolled() == self.users()
        return self.users()


def _engine() -> Engine:
    engine = create_engine("sqlite://")

    # As SQLAlchemy's documentation has it: sqlite3 would open no transaction for a savepoint.
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begun(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.engine.dispose()


def _all(session: Session) -> None:
    session.execute(delete(Admin))
    session.query(User).delete()


def _orphaned(session: Session) -> None:
    team = session.get_one(Team, 1)
    team.members.clear()
    session.flush()


def _moved(session: Session) -> None:
    session.get_one(User, 1).team_id = 1
    session.execute(delete(User).where(User.team_id == 1))


DELETIONS: dict[str, tuple[Callable[[Session], object], set[int]]] = {
    "one": (lambda session: session.delete(session.get(User, 1)), {2, 3, 4, 5}),
    "a cascade": (lambda session: session.delete(session.get(Team, 1)), {1, 2, 3, 4}),
    "an orphan": (_orphaned, {1, 2, 3, 4}),
    "a subclass": (lambda session: session.delete(session.get(Admin, 4)), {1, 2, 3, 5}),
    "many": (lambda session: session.execute(delete(User).where(User.id.in_([1, 2]))), {3, 4, 5}),
    "a query": (lambda session: session.query(User).filter(User.id > 4).delete(), {1, 2, 3, 4}),
    "a query of a subclass": (lambda session: session.query(Clerk).delete(), {1, 2, 4, 5}),
    "by another table": (
        lambda session: session.execute(delete(User).where(User.team_id.in_(select(Team.id)))),
        {1, 2, 3, 4},
    ),
    "by the table": (lambda session: session.execute(delete(User.__table__).where(User.id < 3)), {3, 4, 5}),  # type: ignore[arg-type]
    "with a parameter": (
        lambda session: session.execute(delete(User).where(User.id == bindparam("which")), {"which": 2}),
        {1, 3, 4, 5},
    ),
    "all": (_all, set()),
    "what was changed just before": (_moved, {2, 3, 4}),
}


@pytest.mark.parametrize("way", DELETIONS)
def test_the_factor_ends_with_the_account_and_not_before_the_commit(world: World, way: str) -> None:
    act, left = DELETIONS[way]
    with world.session() as session:
        act(session)
        session.flush()
        assert world.enrolled() == {1, 2, 3, 4, 5}
        session.commit()
    assert world.agrees() == left
    assert [happened.kind for happened in world.events].count("user deleted") == 5 - len(left)


@pytest.mark.parametrize("way", DELETIONS)
@pytest.mark.parametrize("end", ["rollback", "close", "an error", "a failed flush"])
def test_a_deletion_that_is_taken_back_ends_nothing(world: World, way: str, end: str) -> None:
    act, _ = DELETIONS[way]
    with world.session() as session:
        act(session)
        if end == "an error":
            with pytest.raises(ZeroDivisionError), session.begin_nested():
                1 / 0  # noqa: B018
            session.rollback()
        elif end == "a failed flush":
            session.add_all([Team(id=7), Team(id=7)])
            with pytest.raises(IntegrityError):
                session.flush()
            session.rollback()
        else:
            session.flush()
            getattr(session, end)()
        session.commit()  # nothing is left of it in the session
    assert world.agrees() == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("way", DELETIONS)
def test_a_savepoint_takes_back_its_part_alone(world: World, way: str) -> None:
    act, left = DELETIONS[way]
    with world.session() as session:
        savepoint = session.begin_nested()
        act(session)
        session.flush()
        savepoint.rollback()
        session.commit()
    assert world.agrees() == {1, 2, 3, 4, 5}
    with world.session() as session:
        with session.begin_nested(), session.begin_nested():
            act(session)
        assert world.enrolled() == {1, 2, 3, 4, 5}
        session.commit()
    assert world.agrees() == left


def test_a_savepoint_around_another_takes_back_both(world: World) -> None:
    with world.session() as session:
        session.delete(session.get(User, 1))
        session.flush()
        outer = session.begin_nested()
        with session.begin_nested():
            session.delete(session.get(User, 2))
        outer.rollback()
        session.commit()
    assert world.agrees() == {2, 3, 4, 5}


def test_what_leaves_the_user_leaves_the_factor(world: World) -> None:
    with world.session() as session:
        session.execute(delete(Admin))  # the row of its own table alone
        session.execute(delete(Team))
        session.commit()
    assert world.enrolled() == {1, 2, 3, 4, 5}


def test_many_are_one_decision_of_the_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    decisions: list[int] = []
    delete_users = world.store.delete_users
    monkeypatch.setattr(
        world.store, "delete_users", lambda owners: (decisions.append(len(owners)), delete_users(owners))[1]
    )
    with world.session() as session:
        session.execute(delete(Admin))
        session.execute(delete(User))
        session.commit()
    assert decisions == [5]


def test_a_store_that_is_away_is_logged_and_leaves_the_commit_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from ferrotp.mfa import StoreUnavailable

    def away(owners: object) -> list[int]:
        raise StoreUnavailable("away")

    monkeypatch.setattr(world.store, "delete_users", away)
    with world.session() as session:
        session.delete(session.get(User, 2))
        session.commit()
    assert world.users() == {1, 3, 4, 5}
    assert "delete_users(['2'])" in caplog.text
    monkeypatch.undo()
    world.mfa.delete_users(user_ids=["2"])
    world.agrees()


def test_users_are_known_by_the_attribute_that_is_named() -> None:
    class OwnBase(DeclarativeBase):
        pass

    class Member(OwnBase):
        __tablename__ = "member"
        team: Mapped[int] = mapped_column(primary_key=True)
        number: Mapped[int] = mapped_column(primary_key=True)
        handle: Mapped[str | None]

    class OwnSession(Session):
        pass

    mfa = MFA(MemoryStore(), issuer="ACME", keyring=Keyring.generate(), policy=Policy.cheap_for_tests())
    with pytest.raises(ValueError, match="several columns"):
        follow_deletions(mfa, Member, sessions=OwnSession)
    follow_deletions(mfa, Member, user_id="handle", sessions=OwnSession)
    engine = _engine()
    OwnBase.metadata.create_all(engine)
    for handle in ("a", "b", "c"):
        mfa.import_factor(user_id=handle, secret=b"12345678901234567890")
    with OwnSession(engine) as session:
        handles = ["a", "b", "c", None]
        session.add_all(Member(team=1, number=number, handle=handle) for number, handle in enumerate(handles))
        session.commit()
        session.delete(session.get(Member, (1, 0)))
        session.delete(session.get(Member, (1, 3)))  # nobody's
        session.execute(delete(Member).where(Member.number == 1))
        session.commit()
    assert [mfa.status(user_id=handle).enrolled for handle in ("a", "b", "c")] == [False, False, True]
    engine.dispose()
