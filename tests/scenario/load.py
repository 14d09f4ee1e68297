"""sipp as a load: its processes, and what its statistics say."""
import csv, pathlib, signal, subprocess, tempfile, time

from gateway import wait_for

SCENARIOS = pathlib.Path(__file__).resolve().parent / "sipp"


class Sipp:
    """One sipp process with a scenario of ours."""

    def __init__(
        self,
        case,
        scenario,
        ip,
        port,
        *words,
        calls,
        to=None,
        rate=None,
        limit=None,
        pause=200,
        seconds=60,
        service="+4930123456",
        transport="u1",
    ):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sipward-sipp-"))
        self.stat, self.errors, self.scenario = self.dir / "stat.csv", self.dir / "errors", scenario
        command = [
            "sipp",
            "-sf",
            SCENARIOS / f"{scenario}.xml",
            "-i",
            ip,
            "-p",
            port,
            "-t",
            transport,
            "-m",
            calls,
            "-d",
            pause,
            "-s",
            service,
            "-nostdin",
            "-default_behaviors",
            "all,-bye",
            "-timeout",
            f"{seconds}s",
            "-recv_timeout",
            seconds * 1000,
            "-trace_stat",
            "-stf",
            self.stat,
            "-fd",
            1,
            "-trace_err",
            "-error_file",
            self.errors,
            *words,
        ]
        if rate:
            command += ["-r", rate]
        if limit:
            command += ["-l", limit]
        if to:
            command.append(f"{to[0]}:{to[1]}")
        self.seconds = seconds
        self.process = subprocess.Popen(
            [str(c) for c in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self.dir,
        )
        case.addCleanup(self.close)
        if not to:
            wait_for(lambda: self.listening(ip, int(port)), f"sipp to listen on {ip}:{port}")

    def listening(self, ip, port):
        if self.process.poll() is not None:
            raise AssertionError("sipp ended at once: " + self.process.stderr.read().decode())
        address = "".join(f"{int(b):02X}" for b in reversed(ip.split("."))) + f":{port:04X}"
        return any(
            line.split()[1] == address
            for line in pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]
        )

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def wait(self):
        """Waits for all its calls; its statistics."""
        try:
            self.code = self.process.wait(self.seconds + 10)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"sipp {self.scenario} did not end: {self.last()}")
        return self.last()

    def end(self, seconds=2):
        """Stops it, whatever it does, within so many seconds; its statistics."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.last()

    def last(self):
        """The last line of the statistics by column; cumulative figures as numbers."""
        try:
            rows = list(csv.DictReader(self.stat.read_text().splitlines(), delimiter=";"))
        except OSError:
            rows = []
        if not rows:
            return {}
        return {
            k[:-3]: int(v)
            for k, v in rows[-1].items()
            if k and k.endswith("(C)") and v and v.isdigit()
        }

    def errors_text(self):
        try:
            return self.errors.read_text(errors="replace")[:4000]
        except OSError:
            return ""


def figure(text):
    """A line that tests/run shows though nothing failed."""
    print("figure:", text, flush=True)


def at_rest(gateway, seconds=10):
    """Waits until no call is up."""
    end = time.monotonic() + seconds
    while gateway.ctl("calls") and time.monotonic() < end:
        time.sleep(0.1)
    return gateway.ctl("calls")
