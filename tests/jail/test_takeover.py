"""Workers that were taken over: tests/jail/driver.c stands in the place of one, with its edges and
keys, and says what no honest one says. Whoever is talked to counts, logs and goes on; honest calls
are served."""
import json, os, pathlib, random, re, shutil, socket, ssl, struct, subprocess, tempfile
import threading, time, unittest

from certs import Authority
from gateway import BIN, BUILD, IPC, WAIT, Gateway, Phone, wait_for
from processes import GROWTH_MAX, SANITIZED, fds_of, limit, memory

ZEROMQ = IPC == "zeromq"

TRANSPORT, SIP, TLS = 1, 2, 3  # enum peer_role
MESSAGE, FLOW_CLOSED, SEND_FAILED, SEND, WATCH, PENALTY, RECORD_TYPES = range(1, 8)
UDP, TCP = 1, 2
MAGIC = 0x42575053
BATCH_MAX = 256 << 10
LISTENERS = {"udp": 0, "tcp": 1, "core": 2, "core-tcp": 3}  # as in the config
RAW_MAX = 65535
FLOW_AT, FLOW_END, SLOT_AT = 8, 72, 94  # in struct message
EACCES, EMFILE, ENOTCONN = 13, 24, 107
PATIENCE = 5  # seconds in which honest traffic is answered, whatever happens beside it


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
            access="rate = off  ban = off  connections-per-source = off",
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
        for user in self.users * 4:
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
                phone.response(401, seconds=0.3)
            except AssertionError:
                phone.close()
                continue
            self.addCleanup(phone.close)
            self.assertEqual(phone.register(cseq=10).status, 200)
            self.cseq = 20
            return phone
        raise AssertionError("no phone was answered:\n" + self.g.log_text())

    def assert_served(self, phone):
        start = time.monotonic()
        self.cseq += 10
        self.assertEqual(phone.register(cseq=self.cseq).status, 200)
        if not SANITIZED:
            self.assertLess(time.monotonic() - start, PATIENCE)

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


class TransportToSip(Takeover):
    def setUp(self):
        self.take("transport", transport=2, sip=2)
        self.phone = self.honest()

    def tearDown(self):
        self.assert_served(self.phone)
        self.assert_unmoved()

    def raw(self, n=0, method="OPTIONS"):
        call = f"x{n}-{random.getrandbits(40):x}"
        return (
            f"{method} sip:{self.g.ip} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.9:5999;branch=z9hG4bK{call}\r\nMax-Forwards: 70\r\n"
            f'From: "X" <sip:x@example.net>;tag=1\r\nTo: <sip:{self.g.ip}>\r\n'
            f"Call-ID: {call}\r\nCSeq: 1 {method}\r\nContact: <sip:x@127.0.0.9:5999>\r\n"
            f"Content-Length: 0\r\n\r\n"
        ).encode()

    def block(self, n=0, way=None, method="OPTIONS"):
        error, _, data = self.d.act(b"P", self.raw(n, method))
        self.assertEqual(error, 0)
        return (
            data[:FLOW_AT]
            + (way or flow(UDP, LISTENERS["udp"], "127.0.0.9", 5999))
            + data[FLOW_END:]
        )

    def send(self, data, to=0, **words):
        return self.d.act(b"M", data, peer(SIP, to), **words)

    def sync(self):
        """All that was sent to either SIP worker has been taken: a last record is counted by it."""
        for to in (0, 1):
            had = self.count("transaction_reports_stale")
            self.assertEqual(self.send(batch(record(SEND_FAILED, bytes(16))), to)[0], 0)
            self.wait_count("transaction_reports_stale", had + 1)

    def test_blocks_that_lie(self):
        """Whatever single octets of a parsed message say: offsets, sizes, counts, kinds."""
        rng, blocks, had = random.Random(4), [], self.count("mesh_records_received")
        good = self.block()
        fixed = good.index(b"OPTIONS ")
        for at in range(fixed):  # each octet before the raw bytes, once
            blocks.append(
                good[:at] + bytes([good[at] ^ rng.choice((1, 0x80, 0xFF, 0x7F))]) + good[at + 1 :]
            )
        for _ in range(600):  # and several at once, anywhere
            b = bytearray(good)
            for _ in range(rng.randint(2, 6)):
                b[rng.randrange(len(b) if rng.random() < 0.3 else fixed)] = rng.choice(
                    (0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256))
                )
            blocks.append(bytes(b))
        for n in range(0, len(blocks), 40):
            self.assertEqual(
                self.send(batch(*(record(MESSAGE, b) for b in blocks[n : n + 40])), n // 40 % 2)[0],
                0,
            )
        self.wait_count("mesh_records_received", had + len(blocks))
        self.assertGreater(self.count("message_bad_block"), len(blocks) // 2)
        self.wait_log("mesh-bad-record peer=1.0 type=1")

    def test_batches_that_lie(self):
        good = record(MESSAGE, self.block())
        lies = [
            b"\0",
            bytes(7),
            bytes(16),
            *([] if ZEROMQ else [batch()]),  # which is how a connecter says hello
            batch(good, magic=1),
            batch(good, count=0),
            batch(good, count=2),
            batch(good, good, count=1),
            batch(good, count=0xFFFFFFFF),
            batch(good) + bytes(8),
            batch(good) + b"x",
            batch(good)[:-8],
            batch(record(MESSAGE, b"", size=0xFFFFFFFF)),
            batch(record(MESSAGE, b"", size=0xFFFFFFF9)),
            batch(record(MESSAGE, b"short")),
            batch(record(FLOW_CLOSED, b"12345678")),
            batch(record(FLOW_CLOSED, bytes(16), zero=1)),
            batch(record(0)),
            batch(record(RECORD_TYPES)),
            batch(record(65535)),
            batch(record(FLOW_CLOSED, bytes(8))),
            batch(record(FLOW_CLOSED, bytes(24))),
            batch(record(SEND_FAILED, bytes(4))),
            batch(record(SEND_FAILED, bytes(16), size=13)[:-1] + b"\1"),
            batch(
                record(
                    SEND, flow(UDP, 0, "127.0.0.1", 9) + struct.pack("<QIBBH", 0, 5, 0, 0, 0) + b"x"
                )
            ),
            batch(record(MESSAGE, bytes(200000))),
        ]
        for at, lie in enumerate(lies):
            self.assertEqual(self.send(lie, at % 2)[0], 0)
        self.wait_count("mesh_bad_batch", len(lies))
        self.wait_log("mesh-bad-batch peer=1.0")
        # one that is too long for any batch
        self.assertEqual(self.send(batch(good), pad=BATCH_MAX + 8)[0], 0)
        if ZEROMQ:  # ends the connection, which may come back; what was under way is lost
            had = self.count("transaction_reports_stale")
            wait_for(
                lambda: self.send(batch(record(SEND_FAILED, bytes(16))))[0] == 0
                and self.count("transaction_reports_stale") > had,
                "its successor",
            )
        else:
            self.wait_count("mesh_bad_batch", len(lies) + 1)
        # thousands of the smallest
        had = self.count("mesh_bad_batch")
        sent = self.send(b"x", repeat=5000)[1]
        self.wait_count("mesh_bad_batch", had + sent)
        self.sync()

    def test_fds_on_an_edge(self):
        """The kernel closes them: nobody has asked for any."""
        had = {name: fds_of(pid) for name, pid in self.before.items() if name.startswith("sip")}
        for to in (0, 1):
            for _ in range(200):
                if ZEROMQ:  # on connections of its own
                    self.assertEqual(self.d.act(b"R", b"\xff", peer(SIP, to), fds=15)[0], 0)
                else:
                    self.assertEqual(
                        self.send(batch(record(SEND_FAILED, bytes(16))), to, fds=15)[0], 0
                    )
        self.d.act(b"Q")
        self.sync()
        for name, fds in had.items():
            wait_for(lambda: fds_of(self.before[name]) <= fds, f"no more fds of {name}")

    def test_an_edge_that_ends_while_its_worker_lives(self):
        """Shut down, closed, ended by an empty packet: whoever is at the other end goes on without
        it; the worker's successor has a good one again."""
        edges = {1: (b"S", 0), 2: (b"X", 1), 3: (b"M", 0)}
        for lives, (act, to) in edges.items():
            self.assertEqual(self.d.act(act, b"", peer(SIP, to))[0], 0)
            self.assert_served(self.phone)
            if act == b"X":
                self.assertEqual(self.send(b"x", to, patient=False)[0], -ENOTCONN)
            os.kill(self.g.workers("transport")[0]["pid"], 9)
            wait_for(lambda: self.g.workers("transport")[0]["starts"] == lives + 1, "its successor")
            self.sync()

    def test_what_is_not_its_to_send(self):
        others = [
            record(
                SEND, flow(UDP, 0, "127.0.0.1", 9) + struct.pack("<QIBBH", 0, 1, 0, 0, 0) + b"x"
            ),
            record(WATCH, bytes(16)),
            record(PENALTY, endpoint("127.0.0.1", 9) + bytes(8)),
        ]
        self.send(batch(*others * 50))
        self.wait_count("bad_records", 150)
        self.wait_log("mesh-bad-record peer=1.0 type=[456]")
        self.assertEqual(self.count("auth_penalties"), 0)

    def test_forged_ways_in(self):
        """A message says that it came by a listener that there is not, by another transport, over a
        connection of another worker or over none."""
        life = self.incarnation("transport-1")
        ways = [
            flow(UDP, 999, "127.0.0.9", 5999),
            flow(UDP, LISTENERS["tcp"], "127.0.0.9", 5999),
            flow(TCP, LISTENERS["udp"], "127.0.0.9", 5999, flow_id(0, 1, 1)),
            flow(TCP, LISTENERS["tcp"], "127.0.0.9", 5999),
            flow(UDP, LISTENERS["udp"], "127.0.0.9", 5999, flow_id(0, 1, 1)),
            flow(TCP, LISTENERS["tcp"], "127.0.0.9", 5999, flow_id(1, life, 1)),
            flow(TCP, LISTENERS["tcp"], "127.0.0.9", 5999, flow_id(200, life, 1)),
        ]
        self.send(batch(*(record(MESSAGE, self.block(n, way)) for n, way in enumerate(ways))))
        self.wait_count("message_bad_block", len(ways))
        # of a trusted zone's listener, but not from its sources
        self.send(
            batch(record(MESSAGE, self.block(way=flow(UDP, LISTENERS["core"], "192.0.2.1", 5999))))
        )
        self.wait_count("source_refused", 1)

    def test_ends_of_connections_of_others(self):
        """The registration over another worker's connection stays."""
        phone = self.honest("TCP")
        life, had = self.incarnation("transport-1"), self.count("bindings_flow_closed")
        ends = [
            record(FLOW_CLOSED, struct.pack("<QB7x", flow_id(1, life, number), slot))
            for number in range(1, 9)
            for slot in range(256)
        ]
        for to in (0, 1):
            for n in range(0, len(ends), 1024):
                self.assertEqual(self.send(batch(*ends[n : n + 1024]), to)[0], 0)
        self.wait_count("bad_records", 2 * len(ends))
        self.assertEqual(self.count("bindings_flow_closed"), had)
        self.assertIn(phone.user, json.dumps(self.g.ctl("registrations")))
        # its own it may end: nobody hangs on them
        self.send(
            batch(
                *(
                    record(FLOW_CLOSED, struct.pack("<QB7x", flow_id(0, life, 7), slot))
                    for slot in range(256)
                )
            )
        )
        self.sync()
        # and failures of what was never sent
        stale = self.count("transaction_reports_stale")
        self.send(
            batch(
                *(
                    record(SEND_FAILED, struct.pack("<QiI", random.getrandbits(64), -ENOTCONN, 0))
                    for _ in range(2000)
                )
            )
        )
        self.wait_count("transaction_reports_stale", stale + 2000)

    def test_wrong_slot(self):
        """To the worker that does not own it, with a slot that it has not: it goes to its owner,
        once, and is answered once."""
        had = self.count("message_forwarded"), self.count("message_misdirected")
        for n in range(8):
            block = bytearray(self.block(n))
            block[SLOT_AT] ^= 0xFF
            for to in (0, 1):
                self.send(batch(record(MESSAGE, bytes(block))), to)
        self.wait_count("message_forwarded", had[0] + 8)
        self.assertEqual(self.count("message_misdirected"), had[1])

    def test_replay(self):
        """One message a thousand times is one transaction."""
        had = self.count("transactions_server"), self.count("request_retransmissions")
        block = record(MESSAGE, self.block(method="INVITE"))
        for _ in range(10):
            self.send(batch(*[block] * 100))
        wait_for(
            lambda: self.count("request_retransmissions") + self.count("auth_challenged")
            >= had[1] + 1000,
            "a thousand answers",
        )
        self.assertLessEqual(self.count("transactions_server"), had[0] + 1)

    def test_a_flood_that_reads_nothing(self):
        """Requests as fast as they go, for a second and a half each; their answers wait in bounded
        queues."""
        blocks = [
            record(
                MESSAGE, self.block(n, method=("INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE")[n % 4])
            )
            for n in range(200)
        ]
        for to in (0, 1):
            taken = self.send(batch(*blocks), to, repeat=1000)[1]
            self.assertGreater(taken, 0)
        self.assert_served(self.phone)
        self.assert_unmoved()


@unittest.skipUnless(ZEROMQ, "over pairs there is nothing to connect to")
class Connections(Takeover):
    """libzmq ends a process that has no fd left to accept with: whoever was taken over connects
    without end, and the SIP workers go on, and can be reached by others meanwhile."""

    def crowd(self, role, victims, **words):
        self.take(role, extra="limits { connections = 256 }", **words)
        self.phone = self.honest()
        sips = {n: p for n, p in self.before.items() if n.startswith("sip")}
        pid = self.g.workers(role)[0]["pid"]
        for _ in range(3):
            for to in victims:
                error, taken, _ = self.d.act(b"R", b"", peer(SIP, to), repeat=60000)
                self.assertIn(error, (0, -EMFILE, -11))
                self.assertGreater(taken, 1000)
                self.assertEqual(self.g.workers("sip")[to]["state"], "ready")
                yield to
                self.d.act(b"Q")
        self.assert_served(self.phone)
        rows = {r["worker"]: r for r in self.g.ctl("workers")}
        for name, its in sips.items():
            self.assertEqual((rows[name]["pid"], rows[name]["deaths"]), (its, 0), name)
        self.assertEqual(self.g.workers(role)[0]["pid"], pid)

    def test_of_a_transport_worker(self):
        for to in self.crowd("transport", (0, 1), transport=2, sip=2):
            self.assert_served(self.phone)
            # as many as all transport workers can make are fewer than a SIP worker may have
            pids = [self.before[f"sip-{to}"], self.before["transport-1"]]
            sip, transport = (int(limit(pid, "Max open files")[0]) for pid in pids)
            self.assertGreater(sip, 4 * transport)
            self.assertEqual(self.count("mesh_crowded"), 0)

    def test_of_a_sibling(self):
        for to in self.crowd("sip", (1,), transport=1, sip=2):
            self.assert_served(self.phone)
            self.wait_count("mesh_crowded", 1)
            if os.geteuid() == 0:  # the kernel tells it from a transport worker
                self.assertLess(fds_of(self.before["sip-1"]), 1000)
                os.kill(self.g.workers("transport")[0]["pid"], 9)
                wait_for(
                    lambda: self.g.workers("transport")[0]["state"] == "ready",
                    "another transport worker",
                )
                self.phone = self.honest()


class SipToTransport(Takeover):
    def setUp(self):
        self.take("sip", transport=1, sip=2)
        self.phone = self.honest()

    def tearDown(self):
        self.assert_served(self.phone)
        self.assert_unmoved()

    def send(self, *records, **words):
        return self.d.act(b"M", batch(*records), peer(TRANSPORT, 0), **words)

    def order(self, to, cookie=0, data=b"OPTIONS", size=None, close=0):
        return record(
            SEND,
            to
            + struct.pack("<QIBBH", cookie, len(data) if size is None else size, close, 0, 0)
            + data,
        )

    def failures(self, *records):
        """Of orders that ask for a report, by cookie: its error; said again where a connection was
        on its way up."""
        found = {}

        def all_reported():
            if self.send(*records)[0] == 0:
                try:
                    while len(found) < len(records):
                        op, _, kind, _, data = self.d.next(1)
                        if op == b"m" and kind == SEND_FAILED:
                            found[struct.unpack("<Q", data[:8])[0]] = struct.unpack(
                                "<i", data[8:12]
                            )[0]
                except TimeoutError:
                    pass
            return len(found) == len(records)

        self.d.act(b"H", fds=1)
        wait_for(all_reported, "reports")
        self.d.act(b"H")
        return found

    def test_destinations_it_may_not_use(self):
        """Refused by the settings that the transport worker has of the master, whatever a SIP
        worker says."""
        life = self.incarnation("transport-0")
        wanted = {
            1: (
                flow(UDP, LISTENERS["core"], "192.0.2.1", 5060),
                -EACCES,
            ),  # not a source of the trusted zone
            2: (flow(TCP, LISTENERS["core-tcp"], "192.0.2.1", 5060), -EACCES),
            3: (
                flow(TCP, LISTENERS["tcp"], self.g.ip, 5999),
                -EACCES,
            ),  # no connections out to strangers
            4: (flow(TCP, LISTENERS["tcp"], self.g.ip, 5999, flow_id(0, life, 77)), -ENOTCONN),
            5: (
                flow(TCP, LISTENERS["tcp"], self.g.ip, 5999, flow_id(0, life - 1, 1)),
                -ENOTCONN,
            ),  # of an earlier life
            6: (flow(TCP, LISTENERS["tcp"], self.g.ip, 5999, flow_id(9, life, 1)), -ENOTCONN),
        }  # of another worker
        had = self.count("flow_send_failed")
        self.assertEqual(
            self.failures(*(self.order(to, cookie) for cookie, (to, _) in wanted.items())),
            {cookie: error for cookie, (_, error) in wanted.items()},
        )
        self.assertGreaterEqual(self.count("flow_send_failed"), had + len(wanted))

    def test_orders_that_make_no_sense(self):
        nowhere = [
            self.order(flow(UDP, 999, "127.0.0.1", 9)),
            self.order(flow(UDP, LISTENERS["tcp"], "127.0.0.1", 9)),
            self.order(flow(TCP, LISTENERS["udp"], "127.0.0.1", 9)),
            self.order(flow(0, 0, "127.0.0.1", 9)),
            self.order(flow(255, 0, "127.0.0.1", 9)),
            self.order(flow(UDP, 0, "127.0.0.1", 0)),
            self.order(flow(UDP, 0, "127.0.0.1", 9, family=0)),
            self.order(flow(UDP, 0, "127.0.0.1", 9, family=7)),
            record(PENALTY, endpoint("127.0.0.1", 9) + struct.pack("<H6x", 999)),
            record(PENALTY, endpoint("127.0.0.1", 9, 5) + bytes(8)),
            record(MESSAGE, bytes(1000)),
            record(FLOW_CLOSED, bytes(16)),
            record(SEND_FAILED, bytes(16)),
        ]
        self.send(*nowhere)
        self.wait_count("bad_records", len(nowhere))
        self.wait_log("mesh-bad-record peer=2.0")

    def test_batches_that_lie(self):
        good = self.order(flow(UDP, 0, self.g.ip, 9))
        lies = [
            b"\0",
            bytes(7),
            bytes(16),
            batch(),
            batch(good, magic=1),
            batch(good, count=0),
            batch(good, count=9),
            batch(good) + bytes(8),
            batch(good, good, count=1),
            batch(record(RECORD_TYPES)),
            batch(record(PENALTY, bytes(31))),
            batch(self.order(flow(UDP, 0, self.g.ip, 9), size=8)),
            batch(self.order(flow(UDP, 0, self.g.ip, 9), data=b"")),
            batch(self.order(flow(UDP, 0, self.g.ip, 9), data=b"x" * (RAW_MAX + 1))),
            batch(self.order(flow(UDP, 0, self.g.ip, 9), size=0xFFFFFFFF)),
        ]
        for lie in lies:
            self.assertEqual(self.d.act(b"M", lie, peer(TRANSPORT, 0))[0], 0)
        self.wait_count("mesh_bad_batch", len(lies))
        self.wait_log("mesh-bad-batch peer=2.0")
        # thousands of the smallest
        sent = self.d.act(b"M", b"x", peer(TRANSPORT, 0), repeat=5000)[1]
        self.assertGreater(sent, 0)
        self.wait_count("mesh_bad_batch", len(lies) + sent)
        # larger than any batch: over ZeroMQ the connection ends, and comes back
        self.assertEqual(self.d.act(b"M", batch(good), peer(TRANSPORT, 0), pad=BATCH_MAX + 8)[0], 0)
        if not ZEROMQ:
            self.wait_count("mesh_bad_batch", len(lies) + sent + 1)
        self.assertEqual(
            self.failures(self.order(flow(TCP, LISTENERS["tcp"], self.g.ip, 5999), cookie=99)),
            {99: -EACCES},
        )

    @unittest.skipIf(ZEROMQ, "a transport worker has no endpoint that others connect to")
    def test_fds_on_an_edge(self):
        """The kernel closes them: nobody has asked for any."""
        had = fds_of(self.before["transport-0"])
        for _ in range(200):
            self.assertEqual(self.send(record(WATCH, struct.pack("<QB7x", 1, 1)), fds=15)[0], 0)
        self.failures(self.order(flow(TCP, LISTENERS["tcp"], self.g.ip, 5999), cookie=7))
        self.assertLessEqual(fds_of(self.before["transport-0"]), had)

    def test_edges_that_end_while_their_worker_lives(self):
        """To the transport worker and to the other SIP worker, shut down, closed, ended by an empty
        packet; both go on, and the successor has good ones again."""
        for lives, act in ((1, b"S"), (2, b"X"), (3, b"M")):
            for to in (peer(TRANSPORT, 0), peer(SIP, 1)):
                self.assertEqual(self.d.act(act, b"", to)[0], 0)
            self.assert_served(self.phone)
            os.kill(self.g.workers("sip")[0]["pid"], 9)
            wait_for(lambda: self.g.workers("sip")[0]["starts"] == lives + 1, "its successor")
            self.assertEqual(
                self.failures(
                    self.order(flow(TCP, LISTENERS["tcp"], self.g.ip, 5999), cookie=lives)
                ),
                {lives: -EACCES},
            )
            self.assertEqual(
                self.d.act(b"M", batch(record(MESSAGE, bytes(1000))), peer(SIP, 1))[0], 0
            )
            self.wait_count("message_bad_block", lives)

    def test_a_flood_that_reads_nothing(self):
        """Every order fails and asks for a report; the reports wait in a ring of fixed size, those
        that find no room are counted."""
        records = [
            self.order(flow(TCP, LISTENERS["tcp"], self.g.ip, 5999), cookie=n + 1)
            for n in range(500)
        ] + [record(WATCH, struct.pack("<QB7x", n + 1, n % 256)) for n in range(500)]
        self.assertGreater(self.send(*records, repeat=1000)[1], 0)
        self.assert_served(self.phone)
        self.assert_unmoved()
        self.assertGreater(self.count("flow_send_failed"), 10000)


TLS_CONFIG = """
runtime-directory = "{dir}/run"
state-directory = "{dir}/state"
workers {{ transport = {transport}  sip = {sip}  tls = {tls} }}
{extra}
zone "access" {{ trust = no   auth = digest {access} }}
zone "core"   {{ trust = yes  auth = none   sources = {{ "127.0.0.0/8" }} }}
listener "udp" {{ bind = "udp:{ip}:5060"  zone = "access" }}
listener "tls" {{ bind = "tls:{ip}:5061"  zone = "access"  certificate = "main" }}
listener "core" {{ bind = "udp:{ip}:5062"  zone = "core" }}
certificate "main" {{ chain = "main.pem"  key = "main.key"  names = {{ "sip.example.net" }} }}
domain "example.net" {{ users = "users" }}
trunk "pbx" {{ zone = "core"  target = {{ {targets} }} {trunk} }}
route "users" {{ from = {{ "access" }}  to-domain = "example.net"  action = "registered" }}
{routes}
"""
ECDSA_SHA256, ED25519 = 0x0403, 0x0807
VERIFY = b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + bytes(32)


class TransportToTls(Takeover):
    def setUp(self):
        def certify(g):
            self.authority = Authority(g.dir)
            self.authority.issue("main", "DNS:sip.example.net,URI:sip:example.net", "P-256")

        self.take("transport", config=TLS_CONFIG, prepare=certify, transport=2, sip=1, tls=1)
        self.victim = self.before["tls-0"]
        self.generation = int(
            re.search(r"certificates generation=(\d+)", self.g.log_text()).group(1)
        )
        self.fds = fds_of(self.victim)

    def tearDown(self):
        self.assert_handshake()
        self.assert_unmoved()
        self.assertLessEqual(fds_of(self.victim), self.fds)

    def assert_handshake(self):
        """Through the other transport worker, which the kernel picks by the ports."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.authority.pem)
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            with socket.create_connection((self.g.ip, 5061), timeout=0.5) as s:
                try:
                    context.wrap_socket(s, server_hostname="sip.example.net").close()
                    return
                except (TimeoutError, ConnectionError):
                    continue
        raise AssertionError("no handshake:\n" + self.g.log_text())

    def packet(
        self,
        text=VERIFY,
        kind=1,
        scheme=ECDSA_SHA256,
        id=1,
        generation=None,
        certificate=0,
        size=None,
    ):
        return (
            struct.pack(
                "<HHIIHH",
                kind,
                scheme,
                id,
                self.generation if generation is None else generation,
                certificate,
                len(text) if size is None else size,
            )
            + text
        )

    def send(self, data, **words):
        return self.d.act(b"K", data, peer(TLS, 0), **words)

    def answer(self, id):
        item = self.d.hear(
            lambda i: i[0] == b"k" and i[4][:2] == b"\2\0" and i[4][4:8] == struct.pack("<I", id),
            f"the answer to {id}",
        )
        return struct.unpack("<i", item[4][8:12])[0]

    def test_packets_of_every_wrong_shape(self):
        good = self.packet()
        lies = [
            b"x",
            bytes(15),
            bytes(16),
            good[:-1],
            good + b"x",
            self.packet(kind=0),
            self.packet(kind=2),
            self.packet(kind=3),
            self.packet(kind=9),
            self.packet(size=0),
            self.packet(size=513),
            self.packet(size=0xFFFF),
            self.packet(b""),
            self.packet(b"x" * 513),
            self.packet(b"x" * 1009),
            bytes(4096),
            b"\xff" * 1024,
            b"\3\0" + bytes(270),
        ]
        for lie in lies:
            self.assertEqual(self.send(lie)[0], 0)
        self.wait_count("sign_bad_packets", len(lies))
        self.wait_log("sign-refused peer=transport-0 reason=packet")

    def test_what_may_not_be_signed(self):
        """An answer that says no, a counter, a log line; and nothing that could be used
        elsewhere."""
        wrong = [
            (b"x" * 32, {}),
            (b"x" * 130, {}),
            (VERIFY[:-1], {}),
            (VERIFY + b"x", {}),
            (VERIFY.replace(b"server", b"forged"), {}),
            (b"\0" * 64 + VERIFY[64:], {}),
            (VERIFY, {"scheme": ED25519}),
            (VERIFY, {"scheme": 0x0804}),
            (VERIFY, {"scheme": 0}),
            (b"r" * 64 + b"\3\0\x17\x41\5" + bytes(64), {}),
            (b"r" * 64 + b"\3\0\x17\x42\4" + bytes(65), {}),
            (b"r" * 64 + b"\3\xff\x17\x41\4" + bytes(64), {}),
        ]
        for id, (text, words) in enumerate(wrong, 1):
            self.assertEqual(self.send(self.packet(text, id=id, **words))[0], 0)
            self.assertEqual(self.answer(id), -EACCES, (text, words))
        self.assertEqual(self.count("sign_refused"), len(wrong))
        for id, words in enumerate(
            (
                {"generation": 0},
                {"generation": self.generation + 1},
                {"certificate": 1},
                {"certificate": 0xFFFF},
            ),
            100,
        ):
            self.send(self.packet(id=id, **words))
            self.assertEqual(self.answer(id), -2, words)
        self.assertEqual(self.count("sign_unknown"), 4)
        self.wait_log("sign-refused peer=transport-0 reason=(shape|scheme)")

    def test_fds_that_nobody_asked_for(self):
        for _ in range(200):
            self.send(self.packet(), fds=15)
        self.wait_count("sign_bad_packets", 200)

    def test_a_packet_of_no_bytes(self):
        """It looks like the end of the edge, and is taken for it: its own."""
        self.send(b"")
        wait_for(lambda: self.send(self.packet(), patient=False)[0], "the end of the edge")

    def test_a_flood_that_reads_no_answers(self):
        for data in (self.packet(), self.packet(b"x"), b"x"):
            self.assertGreater(self.send(data, repeat=10_000_000)[1], 0)
            self.assert_handshake()
        # the peer's own lines are bounded
        self.assertLess(self.g.log_text().count("sign-refused"), 50)


def packet(kind, body=b"", size=None, zero=0):
    return struct.pack("<HHI", kind, zero, len(body) if size is None else size) + body


class WorkerToMaster(Takeover):
    TYPES = {
        name: number
        for number, name in enumerate(
            re.findall(
                r"^LIFELINE\((\w+),",
                (pathlib.Path(__file__).resolve().parents[2] / "ipc/lifeline.def").read_text(),
                re.M,
            ),
            1,
        )
    }

    def setUp(self):
        self.start_worker("transport", transport=2, sip=1)

    def start_worker(self, role, **words):
        self.take(role, **words)
        self.phone = self.honest()

    def send(self, data, **words):
        return self.d.act(b"L", data, **words)

    def pid(self):
        return next(r["pid"] for r in self.g.ctl("workers") if r["worker"] == f"{self.role}-0")

    def assert_ended(self, data, reason="misbehaved", **words):
        """It is killed for that, with a log line, and a successor starts."""
        pid = wait_for(
            lambda: [
                r["pid"]
                for r in self.g.workers(self.role)
                if r["worker"] == f"{self.role}-0" and r["state"] == "ready"
            ],
            "a life",
        )[0]
        self.d.tell(*(data if isinstance(data, tuple) else (b"L", data)), **words)
        self.wait_log(rf"worker-died peer={self.role}-0 pid={pid} .*killed={reason}")
        wait_for(
            lambda: [
                r
                for r in self.g.workers(self.role)
                if r["worker"] == f"{self.role}-0" and r["state"] == "ready" and r["pid"] != pid
            ],
            "its successor",
        )

    def tearDown(self):
        self.assert_served(self.phone)
        self.assert_unmoved()

    def test_packets_that_do_not_fit(self):
        """Everything that only the master says, everything at the wrong time, and everything of a
        wrong size or with fds."""
        t = self.TYPES
        wrong = [
            packet(t["WELCOME"], bytes(100)),
            packet(t["GO"]),
            packet(t["STOP"], bytes(8)),
            packet(t["PING"]),
            packet(t["READY"]),
            packet(t["PROBE_RESULT"], bytes(8)),
            packet(t["ACK"], bytes(8)),
            packet(t["NOTIFIER"]),
            packet(t["STEP"], bytes(8)),
            packet(t["STEP"], struct.pack("<HHi", 99, 0, 0)),
            packet(t["STEP"], struct.pack("<HHi", 1, 0, 5)),
            packet(0),
            packet(len(t) + 1),
            packet(65535),
            packet(t["LOG"], bytes(8)),
            packet(t["LOG"], bytes(8 + 1025)),
            packet(t["LOG"], b"x" * 20, size=21),
            packet(t["LOG"], b"x" * 20, zero=1),
            packet(t["REPLY"], bytes(4)),
            b"\1",
            bytes(7),
            packet(t["REPLY"], bytes(60001)),
            packet(t["CERTIFICATES_RESULT"], bytes(4)),
            packet(t["LOG"], bytes(70000)),
        ]
        before = fds_of(self.g.process.pid)
        for data in wrong:
            self.assert_ended(data)
        for fds in (1, 4, 15):
            self.assert_ended(packet(t["LOG"], b"x" * 20), fds=fds)
        self.assert_ended(packet(t["NOTIFIER"]), fds=1)
        self.assertGreaterEqual(self.count("worker_misbehaved"), len(wrong) + 4)
        self.wait_log("worker-misbehaved peer=transport-0 pid=\\d+ packet=")
        self.assertEqual(fds_of(self.g.process.pid), before, "fds stay behind")

    def test_leaving_the_lifeline(self):
        """Closed by a process that stays; and a packet of no bytes, which is all that an end looks
        like."""
        self.assert_ended((b"C",), reason="did-not-leave")
        self.assert_ended(b"", reason="did-not-leave")

    def test_logs(self):
        """No line of its can pass for another's, and there are only so many."""
        pid = self.pid()
        forged = b"x\n2026-01-01T00:00:00.000Z ERROR master forged-event\r\x1b[2Jy\0z\x7f"
        self.send(packet(self.TYPES["LOG"], bytes(8) + forged))
        self.wait_log("forged-event")
        line = next(l for l in self.g.log_text().splitlines() if "forged-event" in l)
        self.assertTrue(line.startswith("x?2026"), line)
        self.assertFalse(set(line) & set("\x1b\r\0\x7f"))
        size = (self.g.dir / "log").stat().st_size
        start = time.monotonic()
        self.assertGreater(
            self.send(packet(self.TYPES["LOG"], bytes(8) + b"l" * 1024), repeat=1_000_000)[1], 3000
        )
        self.wait_count("worker_log_dropped", 1)
        seconds = time.monotonic() - start + 2
        self.assertLess((self.g.dir / "log").stat().st_size - size, seconds * 2000 * 1100)
        self.assertEqual(self.pid(), pid, "too much of a log ends nobody")

    def test_answers_that_nobody_asked_for(self):
        pid, t = self.pid(), self.TYPES
        for id in (0, 1, 2, 0xFFFFFFFF):
            self.send(packet(t["REPLY"], struct.pack("<IB3x", id, 1) + b'{"x": 1}\n'), repeat=1000)
            self.send(packet(t["REPLY"], struct.pack("<IB3x", id, 0) + b"[" * 50000), repeat=1000)
        self.send(packet(t["CERTIFICATES_RESULT"], struct.pack("<IiH6x", 77, 0, 0xFFFF)))
        self.assertEqual(len(self.g.ctl("workers")), 3)
        self.assertEqual(self.pid(), pid)

    def test_counters_of_its_page(self):
        """The master only shows them."""
        for byte in (b"\xff", b"\x7f", b"\x00"):
            self.d.act(b"G", byte)
            self.assertTrue(self.g.counters())
            for command in ("status", "workers", "metrics"):
                done = subprocess.run(
                    [self.programs / "sipwardctl", "-s", self.g.dir / "run/control.sock", command],
                    capture_output=True,
                    text=True,
                    timeout=WAIT,
                )
                self.assertEqual(done.returncode, 0, command)


class SipToMaster(WorkerToMaster):
    def setUp(self):
        self.start_worker("sip", transport=1, sip=2)

    test_packets_that_do_not_fit = (
        test_leaving_the_lifeline
    ) = test_logs = test_answers_that_nobody_asked_for = test_counters_of_its_page = None

    def asked(self):
        """Has the operator ask for calls; returns the id of the question to the worker and a
        function that waits for what he gets."""
        result = []
        thread = threading.Thread(
            target=lambda: result.append(self.g.ctl("calls", check=False)), daemon=True
        )
        thread.start()
        item = self.d.hear(lambda i: i[0] == b"l" and i[2] == self.TYPES["QUERY"], "the question")

        def wait():
            thread.join(WAIT)
            self.assertTrue(result, "the operator was not answered")
            return result[0]

        return struct.unpack("<I", item[4][:4])[0], wait

    def test_answers_that_are_none(self):
        """The operator gets what the others say, in time."""
        nested = b"[" * 59000
        for text, times in (
            (b"no json\n", 1),
            (nested, 1),
            (b'{"a": 1, "a": 2}\n', 1),
            (b"[1]\n", 1),
            (b"\xff\xfe\n", 1),
            (b'{"a": ' * 9000, 1),
            (b"{}\n" * 19000, 20),
            (b"", 0),
            (b'{"a": "' + b"x" * 59000 + b'"}\n', 700),
        ):
            with self.subTest(text[:20]):
                id, wait = self.asked()
                if times:
                    self.send(
                        packet(self.TYPES["REPLY"], struct.pack("<IB3x", id, 0) + text),
                        repeat=times,
                    )
                wait()
        self.assertEqual(self.count("worker_misbehaved"), 6)
        self.wait_log('query-reply peer=sip-0 error="no JSON objects"')
        self.wait_log('query-reply peer=sip-0 error="more than an answer may have"')

    def test_a_worker_that_does_not_read(self):
        """What it is to be told waits within a bound, then it is replaced."""
        pid = self.pid()
        self.d.act(b"D", fds=1)
        self.assertEqual(self.count("worker_misbehaved"), 0)
        self.g.ctl("calls", check=False)
        wait_for(lambda: self.pid() != pid, "it is found out", 40)
        self.assertRegex(self.g.log_text(), rf"worker-died peer=sip-0 pid={pid}")


if __name__ == "__main__":
    unittest.main()
