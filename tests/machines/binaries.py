"""What an extension for Windows or macOS has to be, read from its file: nothing here can run it.

It exports the module's start. It wants no library but the system's and Python's own. It is for the machines, and for a
system as old as the oldest, that the wheel's tag names. On macOS its signature fits its bytes: Apple's ARM loads no
other.

`wheels.py` runs it in an environment that has `lief`: ``python binaries.py FILE PLATFORM_TAG``. It prints what it
found.
"""

from __future__ import annotations

import hashlib
import re
import struct
import sys
from pathlib import Path

import lief

START = "PyInit__native"
# What every Windows since 8.1 has, and Python's own library for extensions of any version.
OF_WINDOWS = re.compile(
    r"(python3|kernel32|kernelbase|ntdll|bcryptprimitives|advapi32|userenv|ws2_32|api-ms-win-[a-z0-9-]+)\.dll"
)
OF_MACOS = {"/usr/lib/libSystem.B.dylib", "/usr/lib/libiconv.2.dylib", "/usr/lib/libcharset.1.dylib"}
MACHINES = {
    "win_amd64": lief.PE.Header.MACHINE_TYPES.AMD64,
    "win_arm64": lief.PE.Header.MACHINE_TYPES.ARM64,
}
CPUS = {
    "x86_64": {lief.MachO.Header.CPU_TYPE.X86_64},
    "arm64": {lief.MachO.Header.CPU_TYPE.ARM64},
    "universal2": {lief.MachO.Header.CPU_TYPE.X86_64, lief.MachO.Header.CPU_TYPE.ARM64},
}


def expect(what: bool, found: object) -> None:
    """Ends the program where something is not as it has to be."""
    if not what:
        sys.exit(f"not right: {found}")


def windows(file: Path, tag: str) -> str:
    """Asks a DLL."""
    library = lief.PE.parse(str(file))
    expect(library.header.machine == MACHINES[tag], library.header.machine)
    exported = {str(entry.name) for entry in library.get_export().entries}
    expect(START in exported, exported)
    wanted = {str(entry.name).lower() for entry in [*library.imports, *library.delay_imports]}
    expect(all(OF_WINDOWS.fullmatch(name) for name in wanted) and "python3.dll" in wanted, wanted)
    return f"exports {START}; wants {', '.join(sorted(wanted))}"


def macos(file: Path, tag: str) -> str:
    """Asks a bundle, each of its machines."""
    match = re.fullmatch(r"macosx_(\d+)_(\d+)_(\w+)", tag)
    expect(match is not None, tag)
    assert match is not None
    content = file.read_bytes()
    both = lief.MachO.parse(str(file))  # what is in it lives no longer
    libraries = list(both)
    expect({library.header.cpu_type for library in libraries} == CPUS[match[3]], tag)
    said = []
    for library in libraries:
        exported = {str(symbol.name) for symbol in library.exported_symbols}
        expect(f"_{START}" in exported, exported)
        own = lief.MachO.LoadCommand.TYPE.ID_DYLIB  # its own name stands among them
        wanted = {str(entry.name) for entry in library.libraries if entry.command != own}
        expect(wanted <= OF_MACOS, wanted)
        built = library.build_version
        least = list(built.minos if built else library.version_min.version)[:2]
        # There is no ARM with a macOS before 11, whatever the tag of both together says.
        arm = library.header.cpu_type == lief.MachO.Header.CPU_TYPE.ARM64
        promised = max([int(match[1]), int(match[2])], [11, 0] if arm else [0, 0])
        expect(least <= promised, (least, promised))
        if arm or library.has_code_signature:
            expect(library.has_code_signature, "no signature")
            place = library.fat_offset + library.code_signature.data_offset
            pages = signed_pages(
                content[library.fat_offset :], content[place : place + library.code_signature.data_size]
            )
            signature = f"{pages} signed pages"
        else:
            signature = "not signed"
        said.append(f"{'ARM' if arm else 'x86-64'}, macOS {'.'.join(map(str, least))}, {signature}")
    return f"exports _{START}; {'; '.join(said)}"


def signed_pages(content: bytes, signature: bytes) -> int:
    """How many pages a signature vouches for, each compared with its hash (Apple's `cs_blobs.h`)."""
    magic, _, count = struct.unpack_from(">3I", signature)
    expect(magic == 0xFADE0CC0, hex(magic))
    for entry in range(count):
        kind, start = struct.unpack_from(">2I", signature, 12 + 8 * entry)
        if kind == 0:
            break
    else:
        sys.exit("not right: a signature of no code")
    directory = signature[start:]
    magic, _, _, _, hashes, _, _, pages, limit = struct.unpack_from(">9I", directory)
    size, algorithm, _, page_bits = struct.unpack_from("4B", directory, 36)
    expect(magic == 0xFADE0C02 and (size, algorithm) == (32, 2), (hex(magic), size, algorithm))
    page = 1 << page_bits
    expect(pages == -(-limit // page), (pages, limit, page))
    for place in range(pages):
        wanted = directory[hashes + 32 * place : hashes + 32 * (place + 1)]
        found = hashlib.sha256(content[place * page : min((place + 1) * page, limit)]).digest()
        expect(found == wanted, f"page {place} of {pages} is not what was signed")
    return pages


if __name__ == "__main__":
    file, tag = Path(sys.argv[1]), sys.argv[2]
    print(windows(file, tag) if tag.startswith("win") else macos(file, tag))
