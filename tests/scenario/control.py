"""Cases about sipwardctl and the control socket."""
import subprocess

from gateway import BIN, WAIT
from legs import CallCase


class ControlCase(CallCase):
    def run_ctl(self, *words, json_too=False, stdin="", socket_path=None):
        socket_path = socket_path or self.gateway.dir / "run/control.sock"
        return subprocess.run(
            [
                BIN / "sipwardctl",
                "-s",
                socket_path,
                *(["--json"] if json_too else []),
                *map(str, words),
            ],
            capture_output=True,
            text=True,
            timeout=WAIT,
            input=stdin,
        )

    def table(self, *words):
        """The lines of a table for people."""
        done = self.run_ctl(*words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def change(self, old, new):
        text = self.gateway.config.read_text()
        self.assertIn(old, text)
        self.gateway.config.write_text(text.replace(old, new))

    def calls_up(self):
        return len(self.gateway.ctl("calls"))
