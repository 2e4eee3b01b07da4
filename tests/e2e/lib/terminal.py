"""A program in a terminal of its own, typed to and read as a person would."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from .tap import SLOW, until

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]")  # what a line editor draws with


class Terminal:
    def __init__(self, words, env=None, cwd=None, size=(40, 200)):
        self.seen, self._mark, self.status = "", 0, None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(cwd or ".")
                os.execve(words[0], words, {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})})
            finally:
                os._exit(127)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", size[0], size[1], 0, 0))

    def _read(self, seconds):
        """What has come; "" when nothing did, None at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return ""
        try:
            return os.read(self.fd, 65536).decode("utf-8", "replace") or None
        except OSError:  # Linux tells the end of a terminal so
            return None

    def wait(self, text, seconds=20.0):
        """Reads on until `text` has come behind what was waited for before; returns all in between and moves on behind it."""
        end = time.monotonic() + seconds * SLOW
        while True:
            plain = CONTROL.sub("", self.seen)
            at = plain.find(text, self._mark)
            if at >= 0:
                between = plain[self._mark:at]
                self._mark = at + len(text)
                return between
            more = self._read(0.1)
            if more is None or time.monotonic() > end:
                raise AssertionError(f"{text!r} did not come; since then: {plain[self._mark:]!r}")
            self.seen += more

    def wait_editor(self, seconds=20.0):
        """Until each key goes to the program as it is typed: a line editor shows its prompt before it asks for that."""
        until(lambda: not termios.tcgetattr(self.fd)[3] & termios.ICANON, "the line editor has the terminal", seconds)

    def type(self, text):
        os.write(self.fd, text.encode())

    def line(self, text):
        self.type(text + "\r")

    def interrupt(self):
        self.type("\x03")

    def is_running(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is None

    def end(self, seconds=20.0):
        """Waits for the program's own end; its exit status."""
        end = time.monotonic() + seconds * SLOW
        while self.is_running() and time.monotonic() < end:
            self.seen += self._read(0.05) or ""
        if self.is_running():
            self.kill()
            raise AssertionError(f"still there; at the end: {self.seen[-500:]!r}")
        self._close()
        return self.status

    def leave(self, seconds=20.0):
        """Ctrl-D, once: it must work whatever mode the terminal is in just then. Its exit status."""
        self.type("\x04")
        return self.end(seconds)

    def kill(self):
        if self.is_running():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.status = -signal.SIGKILL
        self._close()

    def _close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
