"""The servers that the benches run, ours and Kamailio, started, watched and ended the same way."""
import os, pathlib, shutil, signal, socket, subprocess, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")
PORT = 5060
READY_SECONDS = 30

PEER_CONFIG = """
runtime-directory = "{dir}/run"
state-directory   = "{dir}/state"
workers {{ transport = {transport}  sip = {sip}  tls = 0  ipc = {ipc} }}
{extra}
zone "load" {{ trust = yes  auth = none  sources = {{ "127.0.0.0/8" }} }}
listener "udp" {{ bind = "udp:127.0.0.1:5060"  zone = "load" }}
listener "tcp" {{ bind = "tcp:127.0.0.1:5060"  zone = "load" }}
trunk "peer" {{ zone = "load"  target = {{ "sip:127.0.0.1:5080;transport={protocol}" }} }}
{routes}
route "all" {{ from = {{ "load" }}  action = "trunk"  trunk = {{ "peer" }} }}
"""

REGISTRAR_CONFIG = """
runtime-directory = "{dir}/run"
state-directory   = "{dir}/state"
workers {{ transport = {transport}  sip = {sip}  tls = 0  ipc = {ipc} }}
{extra}
zone "access" {{ trust = no  auth = digest  rate = "1000000/s per source"
    refusals-per-source = off  refusals-per-prefix = off }}
listener "udp" {{ bind = "udp:127.0.0.1:5060"  zone = "access" }}
domain "example.net" {{ users = "users"  algorithms = {{ "MD5" }}  expires = "60s..3600s" }}
{routes}
route "users" {{ from = {{ "access" }}  to-domain = "example.net"  action = "registered" }}
"""

# Phones register at one listener, with digest; a trusted peer calls them by the other.
USERS_CONFIG = """
runtime-directory = "{dir}/run"
state-directory   = "{dir}/state"
workers {{ transport = {transport}  sip = {sip}  tls = 0  ipc = {ipc} }}
{extra}
zone "load" {{ trust = yes  auth = none  sources = {{ "127.0.0.0/8" }} }}
zone "access" {{ trust = no  auth = digest  rate = "1000000/s per source"
    refusals-per-source = off  refusals-per-prefix = off }}
listener "udp" {{ bind = "udp:127.0.0.1:5060"  zone = "load" }}
listener "access" {{ bind = "udp:127.0.0.1:5062"  zone = "access" }}
domain "example.net" {{ users = "users"  algorithms = {{ "MD5" }}  expires = "60s..3600s" }}
trunk "peer" {{ zone = "load"  target = {{ "sip:127.0.0.1:5080" }} }}
{routes}
route "users" {{ from = {{ "load", "access" }}  to-domain = "example.net"  action = "registered" }}
"""


def raise_priority(pid):
    """Where root may: the session of pid goes before whatever else runs on the machine, for others'
    load is no part of what is measured."""
    try:
        pathlib.Path(f"/proc/{pid}/autogroup").write_text("-20")
    except OSError:
        pass
    try:
        os.setpriority(os.PRIO_PROCESS, pid, -15)
    except OSError:
        pass


def prepare():
    """For a process about to be a server or a load: a session of its own, first in the queue."""
    os.setsid()
    raise_priority(os.getpid())


def tree(pid):
    """pid and all its descendants."""
    children, found, todo = {}, [], [pid]
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(p))
    while todo:
        p = todo.pop()
        found.append(p)
        todo += children.get(p, [])
    return found


class Server:
    """One running server. cpu() and memory() are of its whole process tree."""

    def __init__(self, command, directory):
        self.dir = directory
        self.log = open(directory / "log", "wb")
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
            preexec_fn=prepare,
            cwd=directory,
        )
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise

    def wait(self):
        """Until it answers OPTIONS, with whatever."""
        ask = (
            "OPTIONS sip:127.0.0.1:5060 SIP/2.0\r\n"
            "Via: SIP/2.0/UDP {}:{};branch=z9hG4bKready{};rport\r\n"
            "From: <sip:ready@example.net>;tag=1\r\nTo: <sip:127.0.0.1>\r\n"
            "Call-ID: ready-{}\r\nCSeq: {} OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            s.settimeout(0.2)
            end = time.monotonic() + READY_SECONDS
            n = 0
            while time.monotonic() < end:
                if self.process.poll() is not None:
                    break
                n += 1
                try:
                    s.sendto(ask.format(*s.getsockname(), n, n, n).encode(), ("127.0.0.1", PORT))
                    s.recv(65535)
                    time.sleep(0.3)
                    for pid in self.pids():
                        raise_priority(pid)
                    return
                except (TimeoutError, ConnectionRefusedError):
                    time.sleep(0.05)
        raise RuntimeError(
            "server does not answer:\n" + (self.dir / "log").read_text(errors="replace")[-3000:]
        )

    def pids(self):
        return tree(self.process.pid)

    def cpu(self, name=""):
        """User and system seconds so far; of the processes whose program has name in it."""
        total = 0
        for p in self.pids():
            try:
                if name and name not in pathlib.Path(f"/proc/{p}/comm").read_text():
                    continue
                f = pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
                total += int(f[11]) + int(f[12])
            except OSError:
                pass
        return total / TICK

    def memory(self, name=""):
        """Proportional set size in KiB; of the processes whose program has name in it."""
        total = 0
        for p in self.pids():
            try:
                if name not in pathlib.Path(f"/proc/{p}/comm").read_text():
                    continue
                for line in pathlib.Path(f"/proc/{p}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
            except OSError:
                pass
        return total

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.stop()


def directory():
    path = pathlib.Path(tempfile.mkdtemp(prefix="bench-"))
    os.chmod(path, 0o755)
    return path


def ours(
    build,
    config=PEER_CONFIG,
    users="",
    transport=1,
    sip=1,
    extra="",
    routes="",
    protocol="udp",
    state=None,
    ipc="zeromq",
):
    """sipward with config; users: the text of its users file; state: a state directory to begin
    with."""
    d = directory()
    if state:
        shutil.copytree(state, d / "state")
    (d / "sipward.conf").write_text(
        config.format(
            dir=d,
            transport=transport,
            sip=sip,
            ipc=ipc,
            extra=extra,
            routes=routes,
            protocol=protocol,
        )
    )
    if users:
        (d / "users").write_text(users)
    return Server([build / "bin/sipward", "-c", d / "sipward.conf"], d)


def kamailio(config="kamailio-proxy.cfg", memory=512, defines=()):
    d = directory()
    options = [w for x in defines for w in ("-A", x)]
    return Server(
        [
            "kamailio",
            "-f",
            HERE / config,
            "-P",
            d / "pid",
            "-w",
            d,
            "-Y",
            d,
            "-m",
            memory,
            "-M",
            64,
            "-DD",
            *options,
        ],
        d,
    )
