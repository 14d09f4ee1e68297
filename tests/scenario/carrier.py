"""A Kamailio in the place of a carrier, with one of the configs in kamailio/."""
import os, pathlib, shutil, signal, subprocess, tempfile

from gateway import WAIT

CONFIGS = pathlib.Path(__file__).resolve().parent / "kamailio"


class Kamailio:
    """Runs until the test's end; what it prints is in text()."""

    def __init__(self, case, config, **defines):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sipward-kamailio-"))
        case.addCleanup(self.close)
        command = ["kamailio", "-DD", "-E", "-m", "16", "-M", "4", "-Y", self.dir]
        command += ["-P", self.dir / "pid", "-f", CONFIGS / config]
        for name, value in defines.items():
            command += ["-A", f"{name}={value}"]
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def text(self):
        return (self.dir / "log").read_text(errors="replace")

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(WAIT)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
