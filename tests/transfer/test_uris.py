"""URIs as apps write them: each dialect with what is said about it. And writing for another app."""

import dataclasses

import pytest

from ferrotp import transfer
from ferrotp.transfer import Account, Note, targets, uris

KEY = b"12345678901234567890"
S = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
ALICE = Account(KEY, "alice", "ACME")
STEAM = Account(KEY, "gaben", "Steam", kind="steam", digits=5)


@pytest.mark.parametrize(
    ("uri", "account", "kinds"),
    [
        (f"otpauth://totp/ACME:alice?secret={S}&issuer=ACME", ALICE, []),
        (f"otpauth://totp/ACME:%20alice?secret={S}&issuer=ACME", ALICE, []),
        (f"otpauth://totp/ACME%3Aalice?secret={S}&issuer=ACME", ALICE, ["encoded-colon"]),
        (f"otpauth://totp/ACME%3Aalice?secret={S}", ALICE, ["encoded-colon"]),
        (f"otpauth://totp/alice?secret={S}", Account(KEY, "alice"), []),
        (f"otpauth://totp/ACME:alice?secret={S}&issuer=Other", Account(KEY, "alice", "Other"), ["issuer-mismatch"]),
        (f"otpauth://totp/ACME:alice:home?secret={S}&issuer=ACME", Account(KEY, "alice:home", "ACME"), []),
        (f"otpauth://totp/ACME:alice:home?secret={S}", Account(KEY, "alice:home", "ACME"), ["several-colons"]),
        (f"otpauth://totp/A:B:alice?secret={S}&issuer=A%3AB", Account(KEY, "alice", "A:B"), []),
        (f"otpauth://totp/Foo #2:alice?secret={S}", Account(KEY, "alice", "Foo #2"), ["raw-character"]),
        (f"otpauth://totp/AT&T:alice?secret={S}", Account(KEY, "alice", "AT&T"), ["raw-character"]),
        (f"otpauth://totp/AT%26T:alice?secret={S}&issuer=AT&T", Account(KEY, "alice", "AT&T"), ["raw-ampersand"]),
        (f"otpauth://totp/a?issuer=A#1&secret={S}", Account(KEY, "a", "A#1"), ["raw-character"]),
        (f"otpauth://totp/who?me?secret={S}", Account(KEY, "who?me"), ["raw-character"]),
        (f"otpauth://totp/a?secret={S}&issuer=A+B", Account(KEY, "a", "A B"), ["plus-sign"]),
        (f"otpauth://totp/a+b?secret={S}", Account(KEY, "a+b"), []),
        (f"otpauth://totp/100%?secret={S}", Account(KEY, "100%"), ["percent"]),
        (f"otpauth://totp/caf%E9?secret={S}", Account(KEY, "café"), ["not-utf8"]),
        (f"otpauth://steam/Steam:gaben?secret={S}&issuer=Steam", STEAM, ["steam-host"]),
        (f"steam://{S}", Account(KEY, kind="steam", digits=5), ["steam-uri"]),
        (f"otpauth://totp/Steam:gaben?secret={S}&issuer=Steam", STEAM, ["steam-by-issuer"]),
        (f"otpauth://totp/Steam:gaben?secret={S}&digits=5", STEAM, ["steam-by-issuer"]),
        (f"otpauth://totp/gaben?secret={S}&issuer=steam&digits=5", dataclasses.replace(STEAM, issuer="steam"), ["steam-by-issuer"]),
        (f"otpauth://totp/Steam:gaben?secret={S}&issuer=Steam&encoder=steam", STEAM, []),
        (f"otpauth://totp/Steam:gaben?secret={S}&digits=6", Account(KEY, "gaben", "Steam"), ["steam-digits"]),
        (f"otpauth://totp/a?secret={S}&digits=5", Account(KEY, "a", digits=5), ["five-digits"]),
        (f"otpauth://totp/a?secret={S}&algorithm=sha512", Account(KEY, "a", algorithm="SHA512"), ["algorithm-spelling"]),
        (f"otpauth://totp/a?secret={S}&algorithm=SHA-1", Account(KEY, "a"), ["algorithm-spelling"]),
        (f"otpauth://totp/a?secret={S}&algorithm=HmacSHA1", Account(KEY, "a"), ["algorithm-spelling"]),
        (f"otpauth://totp/a?secret={S}&algorithm=HMAC-SHA-256", Account(KEY, "a", algorithm="SHA256"), ["algorithm-spelling"]),
        (f"otpauth://totp/a?secret={S}&algorithm=MD5", Account(KEY, "a", algorithm="MD5"), []),
        (f"otpauth://totp/a?secret={S.lower()}", Account(KEY, "a"), ["secret-case"]),
        ("otpauth://totp/a?secret=GEZD+GNBV GY3T-QOJQ", Account(KEY[:10], "a"), ["secret-spaces", "secret-hyphens"]),
        ("otpauth://totp/a?secret=GEZDGNBVGY======", Account(KEY[:6], "a"), ["padding"]),
        (f"otpauth://totp/a?secret={KEY.hex()}", Account(KEY, "a"), ["hex-secret"]),
        (f"OTPAUTH://TOTP/a?SECRET={S}", Account(KEY, "a"), ["scheme", "kind-case", "parameter-case"]),
        (f"apple-otpauth://totp/a?secret={S}", Account(KEY, "a"), ["scheme"]),
        (f"otpauth://hotp/a?secret={S}", Account(KEY, "a", kind="hotp"), ["no-counter"]),
        (f"otpauth://hotp/a?secret={S}&counter=5&period=30", Account(KEY, "a", kind="hotp", counter=5), ["stray-period"]),
        (f"otpauth://totp/a?secret={S}&counter=5", Account(KEY, "a"), ["stray-counter"]),
        (f"otpauth://totp/a?secret={S}&digits=&period=", Account(KEY, "a"), ["empty-parameter", "empty-parameter"]),
        (f"otpauth://totp/a?secret={S}&secret={S}", Account(KEY, "a"), ["twice"]),
        (f"otpauth://totp/a?secret={S}&lock=1&image=x", Account(KEY, "a"), ["unknown-parameter"]),
        (f"otpauth://totp/a?secret={S}&codeDisplay=%7B%22trashed%22%3Atrue%7D", Account(KEY, "a"), ["trashed"]),
        (f"otpauth://totp/{S}?secret={S}", Account(KEY, S), ["secret-in-label"]),
    ],
)  # fmt: skip
def test_each_dialect_is_read_and_said(uri: str, account: Account, kinds: list[str]) -> None:
    reading = uris.explain(uri)
    assert reading.error is None and reading.account == account
    assert [note.kind for note in reading.notes] == kinds
    notes: list[Note] = []
    assert transfer.load(uri, on_note=notes.append) == [account]
    assert [note.kind for note in notes] == kinds
    for note in notes:
        assert note.message and note.place == "line 1" and S not in repr(note)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        (f"otpauth://totp/a?secret={S}&secret=MZXW6YTBOI", "duplicate secret parameter"),
        (f"otpauth://totp/a&secret={S}", "no question mark"),
        (f"otpauth://yaotp/a?secret={S}", "Yandex"),
        (f"motp://a?secret={S}", "mOTP"),
        (f"otpauth://totp/a?secret={S}&period=0", "out of range"),
        (f"otpauth://totp/a?secret={S}&digits=٦", "not a number"),
        (f"otpauth://totp/a?secret={S}&encoder=base10", "encoder"),
        (f"otpauth://steam/a?secret={S}&digits=6", "Steam's codes"),
        ("otpauth://totp/a?secret=", "no secret"),
        ("otpauth://totp/a?secret=GEZDGNB0", "typing error"),
        ("otpauth://totp/a?secret=GEZDGNBVGY3TQOJQG", "cut off"),
        ("otpauth://totp/a?secret=GEZD!", "not base32"),
        ("https://example.com", "not an otpauth URI"),
        (f"otpauth://totp/a\x00?secret={S}", "control characters"),
        ("otpauth://totp/a?secret=" + "A" * 30_000, "too long"),
    ],
)
def test_what_is_refused_is_explained(uri: str, reason: str) -> None:
    reading = uris.explain(uri)
    assert reading.account is None and reading.error is not None and reason in reading.error.reason
    assert "GEZD" not in repr(reading) and "MZXW" not in repr(reading)


def test_a_refusal_comes_with_the_oddities_before_it() -> None:
    reading = uris.explain(f"otpauth://totp/ACME%3Aalice?secret={S}&algorithm=SHA3")
    assert [note.kind for note in reading.notes] == ["encoded-colon"]
    assert reading.error is not None and reading.error.account == "ACME:alice"


def test_comments_and_empty_lines_do_not_count() -> None:
    text = f"\ufeff# my codes\n\n// more\notpauth://totp/a?secret={S}\n  # end\n"
    assert transfer.load(text) == [Account(KEY, "a")]
    with pytest.raises(transfer.MalformedError) as caught:
        transfer.load(text + "nonsense\n")
    assert caught.value.place == "line 6"


ODD = (
    ALICE,
    Account(KEY, "alice:home", "AT&T #1"),
    Account(KEY, "zoë@example.com", "Ümläut"),
    Account(KEY, "a+b", "A/B?"),
    Account(KEY, "bob", algorithm="SHA512", digits=8, period=60),
    Account(KEY, "carol", "ACME", kind="hotp", counter=7),
    STEAM,
    Account(KEY, "own", kind="steam", digits=5),
)


@pytest.mark.parametrize("target", ["aegis", "2fas", "ente"])
@pytest.mark.parametrize("account", ODD, ids=lambda account: account.label)
def test_what_is_written_for_an_app_is_read_back_as_the_account(target: targets.Target, account: Account) -> None:
    uri, lost = targets.uri(account, target)
    assert lost == []
    read = uris.explain(uri).account
    if target == "2fas" and account.kind == "steam" and account.issuer is None:
        account = dataclasses.replace(account, issuer="Steam")  # without it 2FAS takes five digits
    assert read == account


def test_what_an_app_loses_is_said_and_what_it_cannot_make_is_refused() -> None:
    uri, lost = targets.uri(Account(KEY, "bob", algorithm="SHA256", digits=8, period=60), "google")
    assert uri == f"otpauth://totp/bob?secret={S}&algorithm=SHA256&digits=8&period=60"
    assert [note.kind for note in lost] == ["lost-period", "lost-algorithm", "lost-digits"]
    assert all(note.account == "bob" and note.matters and S not in repr(note) for note in lost)
    for account, target in [
        (STEAM, "google"), (ALICE, "steam"), (Account(KEY, "a", digits=10), "google"), (Account(KEY, "a", digits=9), "ente"),
        (Account(KEY, "a", algorithm="MD5"), "aegis"),
    ]:  # fmt: skip
        with pytest.raises(transfer.UnsupportedError) as caught:
            targets.uri(account, target)  # type: ignore[arg-type]
        assert caught.value.format == target and caught.value.account == account.label
    assert targets.uri(STEAM, "steam")[0] == f"steam://{S}"
    assert [note.kind for note in targets.uri(STEAM, "steam")[1]] == ["lost-name"]
