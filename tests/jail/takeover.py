"""Workers that were taken over: tests/jail/driver.c stands in the place of one, with its edges and
keys, and says what no honest one says. Whoever is talked to counts, logs and goes on; honest calls
are served."""
import os, pathlib, re, shutil, socket, struct, tempfile, time, unittest

from gateway import BIN, BUILD, IPC, WAIT, Gateway, wait_for
from peers import Phone
from processes import GROWTH_MAX, SANITIZED, memory

ZEROMQ = IPC == "zeromq"

TRANSPORT, SIP, TLS = 1, 2, 3  # enum peer_role
(
    MESSAGE,
    FLOW_CLOSED,
    SEND_FAILED,
    SEND,
    WATCH,
    PENALTY,
    TARGET,
    UNREACHABLE,
    LOOKUP,
    LOOKED_UP,
    ADDRESSES,
    BINDING,
    KEEP_ALIVE,
    RECORD_TYPES,
) = range(1, 15)
UDP, TCP = 1, 2
MAGIC = 0x42575053
BATCH_MAX = 256 << 10
LISTENERS = {"udp": 0, "tcp": 1, "core": 2, "core-tcp": 3}  # as in the config
RAW_MAX = 65535
FLOW_AT, FLOW_END, SLOT_AT = 8, 72, 94  # in struct message
EACCES, EMFILE, ENOTCONN = 13, 24, 107


def peer(role, index):
    return role << 8 | index


def record(kind, data=b"", size=None, zero=0):
    return (
        struct.pack("<IHH", len(data) if size is None else size, kind, zero)
        + data
        + bytes(-len(data) % 8)
    )


def batch(*records, count=None, magic=MAGIC):
    return struct.pack("<II", magic, len(records) if count is None else count) + b"".join(records)


def endpoint(ip, port, family=4):
    return struct.pack("<BBHI16s", family, 0, port, 0, socket.inet_aton(ip))


def flow(transport, listener, ip, port, id=0, profile=0, family=4):
    return (
        struct.pack("<QB3sHH", id, transport, b"", profile, listener)
        + endpoint(ip, port, family)
        + endpoint(ip, port)
    )


def flow_id(worker, incarnation, number):
    return worker << 56 | (incarnation & 0xFFFFFF) << 32 | number


class Driver:
    """The worker with index 0 of a role, which is in our hands."""

    def __init__(self, programs, role):
        self.path = programs / f"sipward-{role}.act"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.bind(str(programs / f"{role}.test"))
        os.chmod(programs / f"{role}.test", 0o666)  # it has the worker's own uid
        self.heard = []

    def close(self):
        self.sock.close()

    def next(self, seconds):
        """The next thing it tells: (op, peer, number, done, bytes)."""
        self.sock.settimeout(seconds)
        data = self.sock.recv(1 << 20)
        return *struct.unpack("<cxHiI", data[:12]), data[12:]

    def act(self, op, data=b"", to=0, fds=0, repeat=1, pad=0, patient=True):
        """Has it do something; returns (error, how many were taken, bytes). patient: an edge may be
        on its way up."""
        while True:
            try:
                item = self.next(0.0001)
            except (TimeoutError, BlockingIOError):
                break
            if item[0].islower():
                self.heard.append(item)
        end = time.monotonic() + WAIT
        while True:
            try:
                self.sock.sendto(
                    struct.pack("<cBHII", op, fds, to, repeat, pad) + data, str(self.path)
                )
                while True:
                    item = self.next(WAIT)
                    if item[0] == op:
                        break
                    self.heard.append(item)
            except (FileNotFoundError, ConnectionRefusedError):  # between two lives
                item = None
            if item and not (patient and item[2] == -ENOTCONN) or time.monotonic() > end:
                return item[2:]
            time.sleep(0.01)

    def tell(self, op, data=b"", fds=0):
        """Has it do something that it may not live to tell of."""
        self.sock.sendto(struct.pack("<cBHII", op, fds, 0, 1, 0) + data, str(self.path))

    def hear(self, want, what):
        """The first thing told, heard before or coming, for which want((op, peer, number, done,
        bytes)) is true."""
        end = time.monotonic() + WAIT
        while True:
            for i, item in enumerate(self.heard):
                if want(item):
                    return self.heard.pop(i)
            if time.monotonic() > end:
                raise AssertionError(f"not heard: {what}")
            try:
                self.heard.append(self.next(0.2))
            except TimeoutError:
                pass


class Takeover(unittest.TestCase):
    def take(self, role, config=None, prepare=None, **words):
        """A gateway whose first worker of that role is ours."""
        self.programs = pathlib.Path(tempfile.mkdtemp(prefix="sipward-over-"))
        self.addCleanup(shutil.rmtree, self.programs, True)
        os.chmod(self.programs, 0o755)
        (self.programs / "honest").mkdir()
        for path in BIN.glob("sipward*"):
            if path.name in (
                "sipward",
                "sipwardctl",
            ):  # the master looks for workers where it lies itself
                shutil.copy(path, self.programs)
            else:
                (self.programs / path.name).symlink_to(
                    BUILD.resolve() / "jail/driver"
                    if path.name == f"sipward-{role}"
                    else path.resolve()
                )
                (self.programs / "honest" / path.name).symlink_to(path.resolve())
        self.users = [f"u{i}" for i in range(24)]
        self.g = Gateway(
            bin=self.programs,
            users=self.users,
            access="rate = off  ban = off  connections-per-source = off  "
            "refusals-per-source = off  refusals-per-prefix = off",
            config=config,
            start=False,
            **words,
        )
        self.addCleanup(self.g.close)
        if prepare:
            prepare(self.g)
        self.d = Driver(self.programs, role)
        self.addCleanup(self.d.close)
        self.g.start()
        self.d.act(b"D")  # so that it knows whom to tell
        self.role = role
        for to in range(words["sip"] if role == "transport" else 0):
            # from when a SIP worker knows it, answers to some peers go through it: not only when a
            # test is under way
            self.d.act(b"M", batch(record(SEND_FAILED, bytes(16))), peer(SIP, to))
            self.wait_count("transaction_reports_stale", to + 1)
        self.before = {
            r["worker"]: r["pid"] for r in self.g.ctl("workers") if r["worker"] != f"{role}-0"
        }
        self.before["master"] = self.g.process.pid
        self.memory = {name: memory(pid) for name, pid in self.before.items()}

    def honest(self, transport="UDP"):
        """A phone whose messages, both ways, go through workers that are not ours; registered."""
        for user, seconds in ((u, s) for s in (0.3, 1, 3, 9) for u in self.users):
            phone = Phone(self.g, user, transport)
            phone.send_raw(
                phone.make(
                    "REGISTER",
                    "sip:example.net",
                    sender=f"{user}@example.net",
                    to=f"{user}@example.net",
                )
            )
            try:
                phone.response(401, seconds=seconds)
            except AssertionError:
                phone.close()
                continue
            self.addCleanup(phone.close)
            self.assertEqual(phone.register(cseq=10).status, 200)
            self.cseq = 20
            return phone
        raise AssertionError("no phone was answered:\n" + self.g.log_text())

    def assert_served(self, phone):
        self.cseq += 10
        self.assertEqual(phone.register(cseq=self.cseq, repeat=True).status, 200)

    def assert_unmoved(self):
        """Nobody died but, perhaps, who was taken over; nobody hung, and nobody grew."""
        rows = {r["worker"]: r for r in self.g.ctl("workers")}
        for name, pid in self.before.items():
            if name == "master":
                self.assertIsNone(self.g.process.poll())
            else:
                self.assertEqual(
                    (rows[name]["pid"], rows[name]["deaths"], rows[name]["hangs"]),
                    (pid, 0, 0),
                    name,
                )
            if not SANITIZED:
                self.assertLess(memory(pid) - self.memory[name], GROWTH_MAX, name)

    def count(self, name):
        return self.g.counters().get(name, 0)

    def wait_count(self, name, least):
        return wait_for(
            lambda: self.count(name) >= least and self.count(name), f"{name} >= {least}"
        )

    def wait_log(self, pattern):
        return wait_for(lambda: re.search(pattern, self.g.log_text()), f"log line {pattern}")

    def incarnation(self, worker):
        return int(
            re.findall(rf"worker-ready peer={worker} .*incarnation=(\d+)", self.g.log_text())[-1]
        )
