"""The migration format beside other implementations of it: protobuf's own, and the package otpa."""

import base64
import urllib.parse
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st
from otpa import migration as otpa
from otpa import models

from ferrotp import transfer
from ferrotp.transfer import Account, google

ALGORITHMS = ["SHA1", "SHA256", "SHA512", "MD5"]
NAMES = st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]), max_size=20).map(str.strip)


def _payload() -> Any:
    """Google's schema, compiled by protobuf itself."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="migration.proto", syntax="proto3")
    account = file.message_type.add(name="OtpParameters")
    kinds = [field.TYPE_BYTES, field.TYPE_STRING, field.TYPE_STRING, *[field.TYPE_INT32] * 3, field.TYPE_INT64]
    names = ["secret", "name", "issuer", "algorithm", "digits", "type", "counter"]
    for number, (name, kind) in enumerate(zip(names, kinds, strict=True), 1):
        account.field.add(name=name, number=number, type=kind, label=field.LABEL_OPTIONAL)
    payload = file.message_type.add(name="MigrationPayload")
    payload.field.add(
        name="otp_parameters", number=1, type=field.TYPE_MESSAGE, type_name=".OtpParameters", label=field.LABEL_REPEATED
    )
    for number, name in enumerate(["version", "batch_size", "batch_index", "batch_id"], 2):
        payload.field.add(name=name, number=number, type=field.TYPE_INT32, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("MigrationPayload"))


Payload = _payload()

accounts = st.builds(
    Account,
    secret=st.binary(min_size=1, max_size=64),
    name=NAMES,
    issuer=st.none() | NAMES.filter(bool),
    kind=st.sampled_from(["totp", "hotp"]),
    algorithm=st.sampled_from(ALGORITHMS),
    digits=st.sampled_from([6, 8]),
).flatmap(
    lambda account: (
        st.integers(0, (1 << 63) - 1).map(lambda n: Account(**{**fields(account), "counter": n}))
        if account.kind == "hotp"
        else st.just(account)
    )
)


def fields(account: Account) -> dict[str, Any]:
    return {name: getattr(account, name) for name in Account.__slots__}


def data(uri: str) -> bytes:
    return base64.b64decode(urllib.parse.parse_qs(urllib.parse.urlsplit(uri).query)["data"][0], validate=True)


@settings(deadline=None)
@given(st.lists(accounts, max_size=25))
def test_what_is_written_is_read_back_in_any_order(written: list[Account]) -> None:
    uris = google.encode(written)
    assert google.decode(reversed(uris)) == written
    assert len(uris) >= (len(written) + 9) // 10


@settings(deadline=None)
@given(st.lists(accounts, min_size=1, max_size=5))
def test_protobuf_and_otpa_read_what_we_write(written: list[Account]) -> None:
    ours = [account for uri in google.encode(written) for account in Payload.FromString(data(uri)).otp_parameters]
    theirs = [
        parameters
        for uri in google.encode(written)
        for parameters in otpa.migration_link_to_payload(uri).otp_parameters
    ]
    for account, plain, other in zip(written, ours, theirs, strict=True):
        label = f"{account.issuer}:{account.name}" if account.issuer else account.name
        assert plain.secret == other.secret == account.secret
        assert plain.name == other.name == label
        assert plain.issuer == other.issuer == (account.issuer or "")
        assert plain.algorithm == other.algorithm == ALGORITHMS.index(account.algorithm) + 1
        assert plain.digits == other.digits == {6: 1, 8: 2}[account.digits]
        assert plain.type == other.type == {"hotp": 1, "totp": 2}[account.kind]
        assert plain.counter == other.counter == account.counter


@settings(deadline=None)
@given(st.lists(accounts, min_size=1, max_size=5))
def test_we_read_what_protobuf_and_otpa_write(written: list[Account]) -> None:
    payload = Payload(version=1, batch_size=1, batch_id=-17)
    params = []
    for account in written:
        values = {
            "secret": account.secret,
            "name": account.name,
            "issuer": account.issuer or "",
            "algorithm": ALGORITHMS.index(account.algorithm) + 1,
            "digits": {6: 1, 8: 2}[account.digits],
            "type": {"hotp": 1, "totp": 2}[account.kind],
            "counter": account.counter,
        }
        payload.otp_parameters.add(**values)
        params.append(models.OtpParameters(**values))  # type: ignore[arg-type]
    encoded = base64.b64encode(payload.SerializeToString()).decode()
    assert google.decode(google.PREFIX + "offline?data=" + urllib.parse.quote(encoded, safe="")) == written
    assert google.decode(otpa.params_to_migration(params, batch_size=2, batch_id=99)) == written


def test_parts_hold_ten_accounts_and_fewer_where_names_are_long() -> None:
    key = bytes(range(20))
    uris = google.encode([Account(key, f"user{n}@example.com", "ACME") for n in range(25)])
    sizes = [len(Payload.FromString(data(uri)).otp_parameters) for uri in uris]
    assert sizes == [10, 10, 5]
    long = google.encode([Account(key, "x" * 500) for _ in range(10)])
    assert all(len(uri) < 1_300 for uri in long) and len(long) > 1


@pytest.mark.parametrize(
    "account",
    [
        Account(b"k" * 20, "a", kind="steam"),
        Account(b"k" * 20, "a", period=60),
        Account(b"k" * 20, "a", digits=7),
        Account(b"k" * 20, "a", kind="hotp", counter=1 << 63),
        Account(b"k" * 20, "a:b"),
    ],
)
def test_what_the_format_cannot_say_is_an_error_that_names_the_account(account: Account) -> None:
    with pytest.raises(transfer.UnsupportedError) as caught:
        google.encode([Account(b"k" * 20, "fine"), account])
    assert caught.value.account == account.name
    assert caught.value.place == "account 2"


def test_two_exports_can_be_read_at_once() -> None:
    one, two = Account(b"k" * 20, "a"), Account(b"l" * 20, "b")
    assert google.decode(google.encode([one], batch_id=1) + google.encode([two], batch_id=2)) == [one, two]
    assert transfer.load("\n".join([one.uri(), *google.encode([two])])) == [one, two]
