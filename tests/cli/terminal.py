"""A real terminal: tmux, whose screen is looked at as a person does."""

import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable

from .program import FERROTP, environment, needs

needs_tmux = needs("tmux", "tmux")


class Terminal:
    """A shell in a terminal of its own."""

    def __init__(self, socket: str, columns: int = 100, lines: int = 45, **variables: str) -> None:
        self._socket = socket
        folder = os.path.dirname(FERROTP)
        env = environment(PATH=folder + os.pathsep + os.environ["PATH"], LC_ALL="C.UTF-8", **variables)
        env.pop("PYTHONIOENCODING")
        # A server with no configuration; its panes take their TERM from tmux.
        command = ["tmux", "-L", socket, "-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines)]
        dumb = ["TERM=dumb"] if variables.get("TERM") == "dumb" else []
        shell = ["env", "PS1=$ ", *dumb, "bash", "--norc", "--noprofile"]
        subprocess.run([*command, shlex.join(shell)], env=env, check=True, timeout=20)
        self.wait(lambda screen: screen.startswith("$"))

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", self._socket, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout

    def close(self) -> None:
        subprocess.run(["tmux", "-L", self._socket, "kill-server"], capture_output=True, check=False, timeout=20)

    def type(self, text: str, enter: bool = True) -> None:
        self.tmux("send-keys", "-l", text)
        if enter:
            self.key("Enter")

    def key(self, name: str) -> None:
        self.tmux("send-keys", name)

    def screen(self, escapes: bool = False) -> str:
        return self.tmux("capture-pane", "-p", *(["-e", "-N"] if escapes else []))

    def history(self) -> str:
        """The scrollback, too."""
        return self.tmux("capture-pane", "-p", "-S", "-")

    def wait(self, seen: Callable[[str], object], seconds: float = 15) -> str:
        """The screen, once it shows what is waited for."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            screen = self.screen()
            if seen(screen):
                return screen
            time.sleep(0.03)
        raise AssertionError(f"not seen; the screen is:\n{self.screen()}")

    def run(self, command: str) -> str:
        """A command that asks nothing: the screen once it has ended, its exit code in the last line."""
        self.tmux("send-keys", "-R")  # `clear` does not know every TERM
        self.type(f'{command}; echo "[rc=$?]"')
        return self.wait(lambda screen: re.search(r"\[rc=\d+\]", screen))
