"""A gateway of its own for a scenario test, on a loopback address that nobody else uses.

Everything waits for conditions and is bounded in time.
"""
import hashlib, json, os, pathlib, random, re, shutil, signal, socket, subprocess, sys
import tempfile, time

BUILD = pathlib.Path(
    os.environ.get("SIPWARD_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build")
)
BIN = BUILD / "bin"
# The carrier between workers: zeromq, unless a run is for the other one.
IPC = os.environ.get("SIPWARD_IPC", "zeromq")
WAIT = int(
    os.environ.get("SIPWARD_WAIT", 30)
)  # seconds: the bound on every wait. Only what never comes may fail, on a loaded machine too


def own_address():
    """A loopback address that this process takes for itself: 127/8 is all loopback."""
    while True:
        ip = f"127.{random.randint(1, 250)}.{random.randint(0, 255)}.{random.randint(2, 250)}"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.bind((ip, 5060))
            except OSError:
                continue
        return ip


def wait_for(condition, what, seconds=WAIT):
    """Calls condition until it is true; returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


CONFIG = """
runtime-directory = "{dir}/run"
state-directory = "{dir}/state"
workers {{ transport = {transport}  sip = {sip}  tls = {tls} }}
{extra}
zone "access" {{ trust = no   auth = digest {access} }}
zone "core"   {{ trust = yes  auth = none     sources = {{ "127.0.0.0/8" }} }}
listener "udp"  {{ bind = "udp:{ip}:5060"  zone = "access" }}
listener "tcp"  {{ bind = "tcp:{ip}:5060"  zone = "access" }}
listener "core" {{ bind = "udp:{ip}:5062"  zone = "core" }}
listener "core-tcp" {{ bind = "tcp:{ip}:5062"  zone = "core" }}
domain "example.net" {{ users = "users"  algorithms = {{ "SHA-256", "MD5" }}
    expires = "60s..3600s" }}
trunk "pbx" {{ zone = "core"  target = {{ {targets} }} {trunk} }}
route "users" {{ from = {{ "access", "core" }}  to-domain = "example.net"  action = "registered" }}
route "out"   {{ from = {{ "access" }}  number = "^\\\\+?[0-9]{{3,15}}$"  action = "trunk"  \
trunk = {{ "pbx" }} }}
{routes}
"""


def with_ipc(config, ipc):
    """The config with that carrier between workers: zeromq or pairs."""
    return re.sub(r"\bworkers\s*{", f"workers {{ ipc = {ipc} ", config, count=1)


class Gateway:
    """A running sipward with the usual test config: users alice, bob, carol (password = name +
    "-secret"), access on :5060, core on :5062, trunk to {ip}:5080.

    ipc: what carries messages between workers; by default what SIPWARD_IPC says, or else the
    product's own default."""

    def __init__(
        self,
        transport=1,
        sip=1,
        tls=0,
        targets=None,
        access="",
        trunk="",
        routes="",
        extra="",
        users=("alice", "bob", "carol"),
        config=None,
        start=True,
        bin=BIN,
        ipc=None,
    ):
        self.ip, self.bin = own_address(), pathlib.Path(bin)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sipward-"))
        os.chmod(self.dir, 0o755)
        self.process = None
        self.violations = False  # a test that makes some says so
        targets = targets or [f"sip:{self.ip}:5080"]
        text = config if config is not None else CONFIG
        self.config = self.dir / "sipward.conf"
        self.config.write_text(
            text.format(
                dir=self.dir,
                ip=self.ip,
                transport=transport,
                sip=sip,
                tls=tls,
                extra=extra + "\n" + os.environ.get("SIPWARD_EXTRA", ""),
                access=access,
                trunk=trunk,
                routes=routes,
                targets=", ".join(f'"{t.format(ip=self.ip)}"' for t in targets),
            )
        )
        self.ipc = ipc or os.environ.get("SIPWARD_IPC")
        if self.ipc:
            self.config.write_text(with_ipc(self.config.read_text(), self.ipc))
        self.write_users(users)
        if start:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    def write_users(self, users, realm="example.net"):
        lines = []
        for u in users:
            for name, h in (("MD5", hashlib.md5), ("SHA-256", hashlib.sha256)):
                lines.append(
                    f"{u}:{realm}:{name}:{h(f'{u}:{realm}:{u}-secret'.encode()).hexdigest()}"
                )
        path = self.dir / "users.new"
        path.write_text("\n".join(lines) + "\n")
        os.chmod(path, 0o644)
        path.rename(self.dir / "users")

    def carrier(self):
        """The carrier between its workers."""
        return self.ctl("status")["object"]["ipc"]

    def command(self):
        return [
            *os.environ.get("SIPWARD_UNDER", "").split(),
            self.bin / "sipward",
            "-c",
            self.config,
        ]

    def launch(self):
        """Starts the master and waits for nothing."""
        self.log = open(self.dir / "log", "ab")
        self.process = subprocess.Popen(
            self.command(),
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def start(self):
        self.launch()
        wait_for(self.ready, "gateway ready\n" + self.log_text())

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError("gateway ended at once:\n" + self.log_text())
        try:
            rows = self.ctl("workers")
        except (subprocess.CalledProcessError, json.JSONDecodeError):
            return False
        return rows and all(r.get("state") == "ready" for r in rows)

    def command_of(self, *words):
        """The command line of sipwardctl."""
        return [self.bin / "sipwardctl", "-s", self.dir / "run/control.sock", *map(str, words)]

    def run_ctl(self, *words, **how):
        """sipwardctl, as people run it; the process, which has ended."""
        how = {"capture_output": True, "text": True, "timeout": WAIT, **how}
        return subprocess.run(self.command_of(*words), **how)

    def ctl(self, *words, check=True, whole=False):
        """Rows of a sipwardctl command (its --json); whole: all of the answer."""
        done = self.run_ctl("--json", *words)
        if check:
            done.check_returncode()
        reply = json.loads(done.stdout) if done.stdout.strip() else None
        has_rows = isinstance(reply, dict) and "rows" in reply
        return reply["rows"] if has_rows and not whole else reply

    def counters(self):
        """All counters by name, summed over the workers."""
        return {r["counter"]: r["total"] for r in self.ctl("counters")}

    def workers(self, role):
        return [r for r in self.ctl("workers") if r["worker"].startswith(role + "-")]

    def successor(self, worker):
        """Waits for another life of a worker, of which there is a row; returns that one's."""

        def ready():
            for row in self.ctl("workers"):
                if row["worker"] == worker["worker"] and row["pid"] != worker["pid"]:
                    return row["state"] == "ready" and row
            return None

        return wait_for(ready, "another life of " + worker["worker"])

    def log_text(self):
        try:
            return (self.dir / "log").read_text(errors="replace")
        except OSError:
            return ""

    def stop(self):
        """Ends the gateway; asserts that it leaves nothing behind."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(WAIT)
        code = self.process.returncode if self.process else 0
        self.log.close()
        text = self.log_text()
        left = (
            [p for p in (self.dir / "run").rglob("*") if p.is_socket()]
            if (self.dir / "run").exists()
            else []
        )
        return code, text, left

    def close(self):
        """For addCleanup: stops and removes everything, and says what went wrong."""
        try:
            if self.process and self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.process.wait(WAIT)
                except subprocess.TimeoutExpired:
                    os.killpg(self.process.pid, signal.SIGKILL)
                    self.process.wait()
                    raise AssertionError("gateway did not end:\n" + self.log_text())
            if self.process:
                self.log.close()
            text = self.log_text()
            if "jail-violation" in text and not self.violations:
                raise AssertionError("a worker did what its filter does not allow:\n" + text)
            if (
                "ERROR: AddressSanitizer" in text
                or "runtime error:" in text
                or "ERROR: LeakSanitizer" in text
            ):
                raise AssertionError(text)
        finally:
            if os.environ.get("SIPWARD_KEEP"):
                print("kept", self.dir, file=sys.stderr)
            else:
                shutil.rmtree(self.dir, ignore_errors=True)
