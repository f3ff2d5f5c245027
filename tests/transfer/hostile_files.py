"""Files that no program exports: huge, deep, endless. It imports nothing: callgrind runs it."""

from collections.abc import Callable

PSKC = '<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">'
AEGIS = '{"version":1,"header":{},"db":{"version":3,"entries":'
MIB = 1 << 20

# A file of a size, and the size that is huge.
FILES: dict[str, tuple[Callable[[int], bytes], int]] = {
    "nothing": (lambda size: b" " * size, 17 * MIB),
    "XML": (lambda size: PSKC.encode() + b"<a/>" * size, 17 * MIB // 4),
    "nested JSON": (lambda size: b'{"db":' + b"[" * size, 10 * MIB),
    "nested JSON objects": (lambda size: b'{"a":' * size, MIB),
    "nested XML": (lambda size: PSKC.encode() + b"<a>" * size, MIB),
    "many attributes": (
        lambda size: (PSKC + "<a " + " ".join(f'a{number}="" ' for number in range(size)) + "/>").encode(),
        MIB,
    ),
    "many namespaces": (
        lambda size: (
            PSKC + "<a " + " ".join(f'xmlns:a{number}="b{number}" ' for number in range(size)) + "/>"
        ).encode(),
        500_000,
    ),
    "namespaces on ten levels": (
        lambda size: (
            PSKC
            + "".join(
                "<a" + "".join(f" xmlns:a{level}n{number}='b'" for number in range(250)) + ">" for level in range(10)
            )
            + "<a xmlns:q='b'/>" * size
            + "</a>" * 10
            + "</KeyContainer>"
        ).encode(),
        2_500,
    ),
    "one long tag": (lambda size: (PSKC + "<" + "a" * size).encode(), 15 * MIB),
    "many keys": (lambda size: (PSKC + "<KeyPackage/>" * size + "</KeyContainer>").encode(), 120_000),
    "many accounts": (lambda size: (AEGIS + "[" + ",".join(["0"] * size) + "]}}").encode(), 120_000),
    "a long number": (lambda size: b'{"db":' + b"9" * size + b"}", 10 * MIB),
    "a long field": (lambda size: b"1001," + b"0" * size, MIB),
    "many lines": (lambda size: b"1001,00,totp\n" * size, 120_000),
    "a long URI": (lambda size: b"otpauth-migration://offline?data=" + b"A" * size, 10 * MIB),
    "a long otpauth URI": (lambda size: b"otpauth://totp/a?secret=" + b"1" * size, 10 * MIB),
    "long NUL": (bytes, 10 * MIB),
    "nested KeePass groups": (lambda size: b"<KeePassFile><Root>" + b"<Group>" * size, MIB),
    "one endless KeePass entry": (
        lambda size: b"<KeePassFile><Entry>" + b"<String><Key>a</Key></String>" * size,
        300_000,
    ),
    "many KeePass elements": (lambda size: b"<KeePassFile>" + b"<a/>" * size, 2_200_000),
    "a long comment before the root": (lambda size: b"<!--" + b"-" * size, 10 * MIB),
    "many brackets": (lambda size: b"[" * size, MIB),
    "many andOTP accounts": (
        lambda size: b'[{"secret":"A","type":"","label":""}' + b",0" * size + b"]",
        120_000,
    ),
    "a long heading": (lambda size: b"a," * size, MIB),
    "a password manager's open quote": (lambda size: b'login_totp\n"' + b"a" * size, 5 * MIB),
    "many question marks": (lambda size: b"otpauth://totp/" + b"?a=" * size, 300_000),
    "many parameters": (lambda size: b"otpauth://totp/a?secret=A" + b"&" * size, MIB),
    "many comments": (lambda size: b"#\n" * size, MIB),
    "an endless word": (lambda size: b"a b " + b"A" * size, 5 * MIB),
}
