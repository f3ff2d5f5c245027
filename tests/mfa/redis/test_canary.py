"""No secret, no code and no recovery code is in what Redis keeps."""

import io

from ..redis_server import Server
from ..test_no_leaks import Story, logged

__all__ = ["logged"]


def test_no_canary_in_the_log_and_in_a_snapshot(own: Server, logged: io.StringIO) -> None:
    own.client().config_set("slowlog-log-slower-than", "0")
    own.client().config_set("rdbcompression", "no")
    own.client().config_set("aof-use-rdb-preamble", "no")
    story = Story(own.url)
    story.run()
    slow = repr(own.client().slowlog_get(1000))
    story.search([*story.texts, logged.getvalue(), slow])
    own.client().save()
    files = {path.name: path.read_bytes() for path in own.folder.rglob("*") if path.is_file()}
    assert any(name.endswith(".rdb") for name in files) and any("aof" in name for name in files)
    # It is there to be found: what is no secret, is.
    assert all(b"otp:failures" in content for name, content in files.items() if name.endswith(("rdb", "incr.aof")))
    raw = [
        bytes.fromhex(text) for text in story.canaries if len(text) == 40 and text.isalnum() and text == text.lower()
    ]
    assert raw
    for name, content in files.items():
        for canary in [*raw, *(text.encode() for text in story.canaries)]:
            assert canary not in content, name
