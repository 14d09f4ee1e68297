"""Strangers at the doors of workers, or without one to knock at, and clients of the control socket:
they are refused and counted, and whoever is behind the door goes on as if nothing were."""
import json, os, random, resource, socket, struct, subprocess, unittest

from gateway import IPC, WAIT, Gateway, wait_for
from peers import Phone
from processes import GROWTH_MAX, SANITIZED, fds_of, limit, memory

CONNECTIONS = 256
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"PLAIN".ljust(20, b"\0") + bytes(32)


@unittest.skipUnless(IPC == "pairs", "over ZeroMQ there are doors: see Mesh")
class Edges(unittest.TestCase):
    """Workers reach each other by fds that the master gave them: a stranger finds no door to knock
    at."""

    def setUp(self):
        self.g = Gateway(transport=2, sip=2, tls=1)
        self.addCleanup(self.g.close)
        self.pids = {r["worker"]: r["pid"] for r in self.g.ctl("workers")}
        self.pids["master"] = self.g.process.pid

    def names(self, pid):
        """The names of Unix sockets that a process holds."""
        held = set()
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                to = os.readlink(f"/proc/{pid}/fd/{fd}")
            except FileNotFoundError:
                continue
            if to.startswith("socket:["):
                held.add(to[8:-1])
        with open(f"/proc/{pid}/net/unix") as table:  # of its network namespace
            rows = [line.split() for line in table][1:]
        return {row[7] for row in rows if row[6] in held and len(row) > 7}

    @unittest.skipUnless(
        os.geteuid() == 0, "workers are not dumpable: only root may look at their fds"
    )
    def test_no_socket_has_a_name_but_the_control_socket(self):
        for worker, pid in self.pids.items():
            self.assertEqual(
                self.names(pid),
                {str(self.g.dir / "run/control.sock")} if worker == "master" else set(),
                worker,
            )

    def test_nothing_lies_where_workers_look(self):
        root = self.g.dir / "run/root"
        self.assertEqual(list(root.iterdir()), [])
        self.assertEqual(
            (root.stat().st_mode & 0o7777, root.stat().st_uid),
            (0o555, os.geteuid()),
            "the master's, so that no worker can open it up",
        )
        self.assertEqual(
            {p.name for p in (self.g.dir / "run").iterdir()}, {"control.sock", "lock", "root"}
        )
        if os.geteuid() == 0 and not SANITIZED:
            for worker, pid in self.pids.items():
                if worker != "master":
                    self.assertEqual(
                        os.stat(f"/proc/{pid}/root").st_ino, root.stat().st_ino, worker
                    )

    def test_no_thread_but_the_one(self):
        if not SANITIZED:
            for worker, pid in self.pids.items():
                self.assertEqual(len(os.listdir(f"/proc/{pid}/task")), 1, worker)


@unittest.skipUnless(IPC == "zeromq", "over pairs there is no door: see Edges")
class Mesh(unittest.TestCase):
    def setUp(self):
        """Only a transport worker's process can reach the endpoint; here the test stands in its
        place."""
        self.g = Gateway(
            transport=1, sip=1, tls=0, extra=f"limits {{ connections = {CONNECTIONS} }}"
        )
        self.addCleanup(self.g.close)
        self.worker = self.g.workers("sip")[0]
        self.path = str(self.g.dir / "run/edge/transport-0/sip-0.sock")
        self.phone = Phone(self.g, "alice")
        self.addCleanup(self.phone.close)
        self.assertEqual(self.phone.register().status, 200)
        self.before = memory(self.worker["pid"])
        self.open = []
        self.addCleanup(lambda: [s.close() for s in self.open])

    def reach(self, *pieces):
        s = socket.socket(socket.AF_UNIX)
        self.open.append(s)
        s.connect(self.path)  # blocking: there may be more of us than the backlog takes
        s.settimeout(WAIT)
        for p in pieces:
            try:
                s.sendall(p)
            except OSError:
                break
        return s

    def assert_unmoved(self):
        now = self.g.workers("sip")[0]
        self.assertEqual((now["pid"], now["deaths"], now["hangs"]), (self.worker["pid"], 0, 0))
        if not SANITIZED:
            self.assertLess(memory(now["pid"]) - self.before, GROWTH_MAX)
        self.assertEqual(self.phone.register(cseq=10).status, 200)

    def test_more_connections_than_a_transport_worker_can_have(self):
        """libzmq aborts where it finds no fd to accept with."""
        most = int(limit(self.g.workers("transport")[0]["pid"], "Max open files")[0])
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for i in range(most):
            self.reach(GREETING if i % 2 else b"")
        self.assert_unmoved()

    def test_half_a_handshake_is_ended(self):
        """By its time, whatever it stopped at."""
        for cut in (0, 1, 10, 11, 32, 64, 65):
            s = self.reach((GREETING + b"\x04\x30\x05HELLO")[:cut])
            wait_for(lambda: self.ended(s), f"end of a handshake cut at {cut}")
        self.assert_unmoved()

    def ended(self, s):
        s.settimeout(0.05)
        try:
            return s.recv(4096) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def test_what_no_peer_sends(self):
        hello = (
            lambda user, token: b"\x04"
            + bytes([8 + len(user) + len(token)])
            + b"\x05HELLO"
            + bytes([len(user)])
            + user
            + bytes([len(token)])
            + token
        )
        huge = b"\x06" + struct.pack(">Q", 1 << 62)
        for what in (
            b"\x00" * 64,
            b"GET / HTTP/1.1\r\n\r\n" * 8,
            GREETING.replace(b"PLAIN", b"NULL\0"),
            GREETING.replace(b"PLAIN", b"CURVE"),
            GREETING[:10] + b"\x01" + bytes(53),
            GREETING + huge,
            GREETING + huge + b"x" * 100000,
            GREETING + b"\x02" + struct.pack(">Q", 1 << 40),
            GREETING + b"\x04\x00",
            GREETING + b"\x04\xff" + b"\xff" * 255,
            GREETING + hello(b"", b""),
            GREETING + hello(b"256", bytes(32)),
            GREETING + hello(b"4294967296", b"x" * 32),
            GREETING + hello(b"256", b"x" * 200),
            GREETING + b"\x04\x10\x05HELLO\xff\xff",
            GREETING + b"\x04\x20\x08INITIATE" + bytes(23),
            GREETING + b"\x00\x05hello" * 1000,
        ):
            s = self.reach(what)
            wait_for(lambda: self.ended(s), f"end of {what[64:90]!r}")
        self.assertGreaterEqual(self.g.counters().get("mesh_auth_refused", 0), 3)
        self.assert_unmoved()

    def test_a_storm_of_wrong_tokens(self):
        hello = GREETING + b"\x04\x2b\x05HELLO\x03256\x20" + b"t" * 32
        for _ in range(1000):
            self.reach(hello).close()
        wait_for(lambda: self.g.counters().get("mesh_auth_refused", 0) > 0, "refusals")
        self.assert_unmoved()
        self.assertLess(
            self.g.log_text().count("mesh-auth-refused"), 50, "it does not fill the log"
        )


class Control(unittest.TestCase):
    def setUp(self):
        self.g = Gateway()
        self.addCleanup(self.g.close)
        self.path = str(self.g.dir / "run/control.sock")
        self.g.ctl("status")
        self.before = memory(self.g.process.pid)
        self.open = []
        self.addCleanup(lambda: [s.close() for s in self.open])

    def tearDown(self):
        """The operator is served, and so are phones."""
        self.assertEqual(self.g.ctl("status")["object"]["worker_deaths"], 0)
        self.assertIsNone(self.g.process.poll())
        if not SANITIZED:
            self.assertLess(memory(self.g.process.pid) - self.before, GROWTH_MAX)
        phone = Phone(self.g, "alice")
        self.addCleanup(phone.close)
        self.assertEqual(phone.register().status, 200)

    def reach(self, data=b""):
        s = socket.socket(socket.AF_UNIX)
        self.open.append(s)
        s.connect(self.path)  # blocking: there may be more of us than the backlog takes
        s.settimeout(WAIT)
        try:
            s.sendall(data)
        except OSError:
            pass
        return s

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_without_rights(self):
        """The folder of the socket lets nobody in; where somebody opened it, the master asks the
        kernel who calls."""
        ask = (
            "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
            "s.sendall(b'{}\\n' * 100); print(s.recv(4096).decode())"
        )
        run = lambda: subprocess.run(
            ["python3", "-c", ask, self.path],
            user=65534,
            group=65534,
            extra_groups=[],
            capture_output=True,
            text=True,
            timeout=WAIT,
        )
        self.assertIn("PermissionError", run().stderr)
        os.chmod(self.path, 0o666)
        for _ in range(20):
            done = run()
            self.assertTrue(
                "permission denied" in done.stdout
                or "ConnectionResetError" in done.stderr
                or "BrokenPipeError" in done.stderr,
                done,
            )
        self.assertEqual(self.g.counters()["control_refused"], 20)
        self.assertIn("control-refused uid=65534", self.g.log_text())
        self.assertEqual(self.g.counters().get("control_bad", 0), 0, "nothing of it was read")

    def test_garbage(self):
        rng = random.Random(4)
        deep = b'{"command": ' + b"[" * 30000 + b"]" * 30000 + b"}\n"
        for line in (
            b"\0" * 1000 + b"\n",
            deep,
            b'{"command": 1e999}\n',
            b'{"command": "\\ud800"}\n',
            b'{"command": "\xff"}\n',
            b'{"command": "calls", "arguments": {"": 99999999999999999999999}}\n',
            b'"' + b"x" * 65000 + b'"\n',
            b'{"command": "user add", "arguments": {"name@domain": "'
            + b"a" * 60000
            + b'@example.net", "ha1": []}}\n',
            *(bytes(b for b in rng.randbytes(5000) if b != 10) + b"\n" for _ in range(100)),
        ):
            answer = json.loads(self.reach(line).makefile().readline())
            self.assertIs(answer["ok"], False)
        self.assertGreater(self.g.counters()["control_bad"], 100)

    def test_a_thousand_idle_connections(self):
        """They do not keep the operator out: whoever asks nothing makes room for whoever comes."""
        for _ in range(1000):
            self.reach()
        for _ in range(5):
            self.assertTrue(self.g.ctl("workers"))
        self.assertGreater(self.g.counters()["control_full"], 900)
        self.assertLess(fds_of(self.g.process.pid), 300)

    def test_half_requests(self):
        for n in range(200):
            s = self.reach(b'{"command": "status", "x": "' + b"y" * (n * 300))
            if n % 2:
                s.shutdown(socket.SHUT_WR)
        self.assertTrue(self.g.ctl("workers"))

    def test_answers_that_nobody_reads(self):
        """A client has one answer under way; what it asks meanwhile waits in its own socket."""
        for _ in range(20):
            s = self.reach()
            s.setblocking(False)
            try:
                for _ in range(100000):
                    s.send(b'{"command": "counters"}\n' * 100)
            except BlockingIOError:
                pass
            self.assertTrue(self.g.ctl("workers"))


if __name__ == "__main__":
    unittest.main()
