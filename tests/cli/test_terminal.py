"""At a real terminal: what is asked, what is drawn, what is left behind."""

import itertools
import pathlib
import re

import pytest
from qr.readers import screen as picture_of
from qr.readers import zxing

from .program import SECRET, URI, ok
from .terminal import needs_tmux

pytestmark = needs_tmux
CORPUS = pathlib.Path(__file__).parents[1] / "transfer" / "corpus"
PROMPT = "Secret or otpauth:// URI (not shown):"


def test_the_prompt_does_not_show_the_secret(terminal):
    pane = terminal()
    pane.type("ferrotp code --at 59")
    pane.wait(lambda screen: PROMPT in screen)
    pane.type(SECRET)
    pane.wait(lambda screen: "287082" in screen)
    assert SECRET[:8] not in pane.history()


def test_verify_asks_for_both_and_shows_the_code_only(terminal):
    pane = terminal()
    pane.type("ferrotp verify --at 59; echo rc=$?")
    pane.wait(lambda screen: PROMPT in screen)
    pane.type(SECRET)
    pane.wait(lambda screen: "Code:" in screen)
    pane.type("287 082")  # as apps show it
    screen = pane.wait(lambda screen: "rc=0" in screen)
    assert "yes: the code of now" in screen and "Code: 287 082" in screen
    assert SECRET[:8] not in pane.history()


def test_watch_counts_down_and_rolls_over_in_one_line(terminal):
    pane = terminal()
    pane.run(f"export S={URI!r}")
    pane.type("clear; ferrotp code --watch --interval 3 --secret-env S")
    line = re.compile(r"^ACME:alice  (\d{6})  ([█░]{30})  ([123]) s$", re.M)
    seen = []

    def rolled_over(screen):
        found = line.findall(screen)
        assert len(found) <= 1, screen  # redrawn, not written below
        if found and (not seen or seen[-1] != found[0]):
            seen.append(found[0])
        return len({code for code, _, _ in seen}) >= 3 and len(seen) >= 5

    pane.wait(rolled_over, seconds=40)
    assert SECRET[:8] not in pane.screen()
    for (code, bar, left), (next_code, next_bar, next_left) in itertools.pairwise(seen):
        if code == next_code:
            assert next_left < left and next_bar.count("█") < bar.count("█")
    assert any(later.count("█") > bar.count("█") for (_, bar, _), (_, later, _) in itertools.pairwise(seen))
    assert "\x1b[" in pane.screen(escapes=True)

    pane.key("C-c")
    pane.wait(lambda screen: screen.rstrip().endswith("$"))
    pane.type("echo rc=$?")
    screen = pane.wait(lambda screen: "rc=130\n" in screen)
    # The line is gone, the cursor is there, and typing is echoed again.
    assert "█" not in screen and "Traceback" not in screen and "Aborted" not in screen
    assert pane.tmux("display", "-p", "#{cursor_flag}") == "1\n"


def test_watch_fits_a_narrow_terminal(terminal):
    pane = terminal(columns=24, lines=10)
    pane.run(f"export S={URI!r}")
    pane.type("clear; ferrotp code --watch --secret-env S")
    pane.wait(lambda screen: re.search(r"^\d{6}  [█░]{9}  [ \d]\d s$", screen, re.M))


def test_ctrl_c_at_a_prompt_is_quiet_and_echo_comes_back(terminal):
    pane = terminal()
    pane.type("clear; ferrotp code")
    pane.wait(lambda screen: PROMPT in screen)
    pane.key("C-c")
    pane.wait(lambda screen: screen.rstrip().endswith("$"))
    pane.type("echo rc=$?")
    screen = pane.wait(lambda screen: "rc=130\n$" in screen)
    assert [line for line in screen.splitlines() if line] == [PROMPT, "$ echo rc=$?", "rc=130", "$"]


def test_a_new_secret_is_scanned_off_the_screen(terminal):
    pane = terminal()
    screen = pane.run("ferrotp new alice@example.com --issuer ACME")
    [uri] = re.findall(r"otpauth://\S+", screen)
    # What tmux shows, drawn on a dark and on a light background.
    shown = pane.screen(escapes=True)
    for colours in (("#ffffff", "#000000"), ("#000000", "#ffffff")):
        assert zxing(picture_of(qr_part(shown), *colours)) == [uri]


def test_without_colour_a_qr_code_is_right_on_a_dark_background(terminal):
    pane = terminal(NO_COLOR="1")
    pane.run(f"export S={URI!r}")
    screen = pane.run("ferrotp qr --secret-env S")
    assert "on a dark background only" in screen
    shown = pane.screen(escapes=True)
    assert "\x1b[3" not in shown and "\x1b[4" not in shown
    assert zxing(picture_of(qr_part(shown), "#ffffff", "#000000")) == [URI]


def test_a_terminal_too_narrow_for_a_qr_code_says_so(terminal):
    pane = terminal(columns=36)
    pane.run(f"export S={URI!r}")
    screen = pane.run("ferrotp qr --secret-env S")
    assert "[rc=2]" in screen and "▄" not in screen and "--qr-file" in screen
    screen = pane.run("ferrotp new alice")
    assert "[rc=0]" in screen and "▄" not in screen and "secret" in screen


def qr_part(shown: str) -> str:
    """A screen with blanks in the place of letters."""
    return re.sub(r"\x1b\[[\d;]*m|[^ ▀▄█\n]", lambda found: found[0] if len(found[0]) > 1 else " ", shown)


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_is_for_terminals_that_want_it(terminal, variables, coloured):
    pane = terminal(**variables)
    pane.run(f"export S={SECRET}")
    screen = pane.run("ferrotp verify --secret-env S --at 59 --code 287082")
    assert "yes: the code of now" in screen
    assert ("\x1b[" in pane.screen(escapes=True)) == coloured


def test_the_verbs_name_fits_its_help_at_80_columns():
    for verb in ([], ["new"], ["code"], ["verify"], ["uri"], ["qr"], ["scan"], ["import"], ["export"], ["doctor"]):
        text = ok(*verb, "--help", env={"COLUMNS": "80"})
        assert all(len(line) <= 80 for line in text.splitlines()), verb
        assert "..." not in text.replace("[ARGS]...", "").replace("[FILE]...", "").replace("PICTURE...", ""), verb


def test_a_password_is_asked_for_where_a_file_needs_one(terminal):
    pane = terminal()
    pane.type(f"clear; ferrotp import {CORPUS / 'pskc' / 'good' / 'rfc6030_figure7.xml'}")
    pane.wait(lambda screen: "Password of the file (not shown):" in screen)
    pane.type("qwerty")
    pane.wait(lambda screen: "Example-Issuer" in screen)
    assert "qwerty" not in pane.history()


def test_an_export_with_colours_in_its_names_does_not_steer_the_terminal(terminal, tmp_path):
    path = tmp_path / "export.txt"
    path.write_text(f"otpauth://totp/a%1b]0;owned%07%1b[31mb?secret={SECRET}\n")
    screen = terminal().run(f"ferrotp import {path}")
    assert r"a\x1b]0;owned\x07\x1b[31mb" in screen
