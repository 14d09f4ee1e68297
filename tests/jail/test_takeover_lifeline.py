"""Workers that were taken over, to the master."""
import pathlib, re, struct, threading, time, unittest

from gateway import WAIT, wait_for
from processes import fds_of
from takeover import Takeover


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
        # those for the last one's successor are handed over and closed in its own time
        wait_for(lambda: fds_of(self.g.process.pid) <= before, "no fd to stay behind")

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
                self.assertEqual(self.g.run_ctl(command).returncode, 0, command)


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

    def order(self, user, domain, to, when=0):
        """A forward that a user has dialled, as the worker says."""
        text = user.ljust(136, b"\0") + domain.ljust(256, b"\0") + to.ljust(264, b"\0")
        return packet(self.TYPES["FORWARD_ORDER"], struct.pack("<IBBH", 1, when, 0, 0) + text)

    def test_forwards_that_nobody_dialled(self):
        """What is no forward sets none, and what no honest worker says ends it."""
        for user, domain, to in (
            (b"nobody", b"example.net", b"sip:bob@example.net"),
            (b"u0", b"example.org", b"sip:bob@example.net"),
            (b"u0", b"example.net", b"bob"),
            (b"u0", b"example.net", b"http://example.net/"),
            (b"u0\nx=y", b"example.net", b"sip:bob@example.net"),
        ):
            self.send(self.order(user, domain, to))
        self.wait_log("forward-order-failed user=u0 domain=example.net")
        self.assertEqual(self.g.ctl("forward", "list"), [])
        self.send(self.order(b"u0", b"example.net", b"sip:bob@example.net"))
        wait_for(lambda: self.g.ctl("forward", "list"), "the forward to be set")
        for bad in (
            self.order(b"x" * 136, b"example.net", b"sip:bob@example.net"),
            self.order(b"u0", b"example.net", b"x" * 264),
            self.order(b"u0", b"example.net", b"sip:bob@example.net", when=4),
        ):
            self.assert_ended(bad)
        self.g.ctl("forward", "clear", "u0@example.net")

    def test_a_worker_that_does_not_read(self):
        """Packets for it wait within a bound, then it is replaced."""
        pid = self.pid()
        self.d.act(b"D", fds=1)
        self.assertEqual(self.count("worker_misbehaved"), 0)
        self.g.ctl("calls", check=False)
        wait_for(lambda: self.pid() != pid, "it is found out", 40)
        self.assertRegex(self.g.log_text(), rf"worker-died peer=sip-0 pid={pid}")


if __name__ == "__main__":
    unittest.main()
