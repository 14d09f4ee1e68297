"""Where private keys are, and what happens when those who hold them die or change."""
import os, pathlib, re, selectors, signal, socket, ssl, subprocess, threading, time, unittest

from gateway import wait_for
from processes import SANITIZED
from tls import TlsCase, issue_all


def private_parts(path):
    """Byte sequences of a private key, as they may lie in memory: the number in either byte order
    (halves are looked for too), and the text of the file."""
    text = subprocess.run(
        ["openssl", "pkey", "-in", path, "-noout", "-text"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    numbers = []
    for name in (
        "priv",
        "privateExponent",
        "prime1",
        "prime2",
        "exponent1",
        "exponent2",
        "coefficient",
    ):
        m = re.search(rf"^{name}:\n((?:    +[0-9a-f:]+\n?)+)", text, re.M)
        if m:
            numbers.append(bytes.fromhex(re.sub(r"[\s:]", "", m.group(1))).lstrip(b"\0"))
    assert numbers, text
    parts = set()
    for n in numbers:
        for half in (n[:16], n[-16:]):
            parts |= {half, half[::-1]}
    lines = pathlib.Path(path).read_text().split("\n")
    parts |= {line.encode() for line in lines[1:-2] if len(line) > 20}
    return parts


def memory_of(pid):
    """All that is mapped and readable of a process."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            if "r" not in rights or "[vv" in line or "[vsys" in line:
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            try:
                mem.seek(start)
                yield mem.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue


def found(pid, parts):
    """The number of parts that lie in the memory of a process."""
    left = set(parts)
    for block in memory_of(pid):
        left -= {p for p in left if p in block}
    return len(parts) - len(left)


class Storm:
    """Handshakes, many at once, from one thread without blocking."""

    def __init__(self, address, authority, name="sip.example.net"):
        self.address, self.name = address, name
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.load_verify_locations(authority.pem)
        self.done, self.failed, self.open = 0, [], {}
        self.selector = selectors.DefaultSelector()

    def dial(self):
        raw = socket.socket()
        raw.setblocking(False)
        raw.connect_ex(self.address)
        self.selector.register(raw, selectors.EVENT_WRITE)
        self.open[raw] = None

    def step(self, raw):
        try:
            if self.open[raw] is None:
                error = raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    raise OSError(error, os.strerror(error))
                self.selector.unregister(raw)
                secure = self.context.wrap_socket(
                    raw, server_hostname=self.name, do_handshake_on_connect=False
                )
                del self.open[raw]
                self.open[secure] = True
                raw = secure
                self.selector.register(raw, selectors.EVENT_READ)
            raw.do_handshake()
        except ssl.SSLWantReadError:
            self.selector.modify(raw, selectors.EVENT_READ)
            return
        except ssl.SSLWantWriteError:
            self.selector.modify(raw, selectors.EVENT_WRITE)
            return
        except OSError as e:
            self.failed.append(repr(e))
        else:
            self.done += 1
        self.selector.unregister(raw)
        del self.open[raw]
        raw.close()

    def run(self, seconds, at_once=60, meanwhile=()):
        """Keeps at_once handshakes under way for a while, calling (second, function) of meanwhile;
        then waits for the last."""
        start, meanwhile = time.monotonic(), list(meanwhile)
        while True:
            now = time.monotonic() - start
            while meanwhile and meanwhile[0][0] <= now:
                meanwhile.pop(0)[1]()
            while now < seconds and len(self.open) < at_once:
                self.dial()
            if not self.open:
                return
            if now > seconds + 20:
                raise AssertionError(f"{len(self.open)} handshakes never ended")
            for key, _ in self.selector.select(0.05):
                self.step(key.fileobj)


ONE_SOURCE = "limits { handshakes-per-source = 1000 }"  # the whole storm comes from one


class Keys(TlsCase):
    def all_alive(self, gateway):
        """Here workers are killed."""

    @unittest.skipUnless(os.geteuid() == 0, "reading another process's memory takes root")
    @unittest.skipIf(SANITIZED, "a sanitizer keeps what was freed, and maps more than can be read")
    def test_no_key_outside_the_key_worker(self):
        """A scan of the memory of all processes while TLS calls run: private keys lie in
        sipward-tls and nowhere else."""
        g = self.secure(transport=2, sip=2, tls=1)
        alice, bob = self.tls_phone("alice"), self.tls_phone("bob", name="phones.example.net")
        a, b = self.establish(alice, bob, "bob@example.net")
        storm = Storm((g.ip, 5061), self.authority)
        storm.run(0.5, 20)
        rows = {r["worker"]: r["pid"] for r in g.ctl("workers")}
        for name in ("main", "rsa", "ed"):
            parts = private_parts(g.dir / f"{name}.key")
            holders = {
                worker
                for worker, pid in list(rows.items()) + [("master", g.process.pid)]
                if found(pid, parts)
            }
            self.assertEqual(holders, {"tls-0"}, name)
        # and of the public halves the transport workers have their part: the scan sees what is
        # there
        self.assertTrue(
            any(b"phones.example.net" in block for block in memory_of(rows["transport-0"]))
        )
        self.hang_up(a, b)
        for worker, pid in rows.items():
            with open(f"/proc/{pid}/maps") as maps:
                libraries = maps.read()
            self.assertEqual("libssl" in libraries, worker.startswith("transport"), worker)
            # libzmq, and the C++ that comes with it, where messages are exchanged
            for name in ("libzmq", "libstdc++"):
                self.assertEqual(name in libraries, not worker.startswith("tls"), worker)

    def kill(self, g, index=0):
        os.kill(g.workers("tls")[index]["pid"], signal.SIGKILL)

    def test_kill_during_a_storm(self):
        """The key worker is killed again and again during a storm of new handshakes: none fails,
        and an established connection goes on."""
        g = self.secure(extra=ONE_SOURCE)
        alice = self.tls_phone("alice")
        storm = Storm((g.ip, 5061), self.authority)
        # held up for a moment before, so that it dies with requests in hand
        storm.run(
            4,
            50,
            [
                (s + d, lambda n=n: os.kill(g.workers("tls")[0]["pid"], n))
                for s in (0.5, 1.5, 2.5, 3.2)
                for d, n in ((0, signal.SIGSTOP), (0.15, signal.SIGKILL))
            ],
        )
        self.assertEqual(storm.failed, [])
        self.assertGreater(storm.done, 100)
        self.assertEqual(alice.register().status, 200)
        counters = g.counters()
        self.assertEqual(counters.get("tls_failed_key", 0), 0)
        self.assertGreater(counters.get("sign_retries", 0), 0)
        self.assertEqual(counters["tls_handshakes"], storm.done + 1)

    def test_several_key_workers(self):
        """Either of two may die."""
        g = self.secure(tls=2, transport=2, extra=ONE_SOURCE)
        storm = Storm((g.ip, 5061), self.authority, "phones.example.net")
        storm.run(
            3,
            40,
            [
                (0.5, lambda: self.kill(g, 0)),
                (1.2, lambda: self.kill(g, 1)),
                (2.0, lambda: self.kill(g, 0)),
            ],
        )
        self.assertEqual(storm.failed, [])
        self.assertGreater(storm.done, 50)

    def test_established_connections_and_udp_need_no_key_worker(self):
        g = self.secure()
        alice, bob = self.tls_phone("alice"), self.phone("bob")
        stopped = g.workers("tls")[0]["pid"]
        os.kill(stopped, signal.SIGSTOP)
        try:
            a, b = self.establish(alice, bob, "bob@example.net")
            # a new one waits, and fails after a bound, and the log says why
            storm = Storm((g.ip, 5061), self.authority)
            storm.run(0.1, 3)
            self.assertEqual((storm.done, len(storm.failed)), (0, 3))
            wait_for(
                lambda: re.search(r"signature-missing reason=\S+ waited_ms=", g.log_text()),
                "signature-missing",
            )
            wait_for(
                lambda: re.search(
                    r'tls-handshake-failed .*reason="no signature: no key worker answered"',
                    g.log_text(),
                ),
                "tls-handshake-failed",
            )
            self.hang_up(a, b)
        finally:
            os.kill(stopped, signal.SIGCONT)


class Certificates(TlsCase):
    def test_reload_under_traffic(self):
        """Twenty reloads with new certificates: no connection is dropped, no handshake fails, and
        new ones show the new certificates."""
        g = self.secure()
        phones = [self.tls_phone("alice") for _ in range(3)]
        storm = Storm((g.ip, 5061), self.authority)
        stop = []

        def traffic():
            while not stop:
                for p in phones:
                    assert p.register().status == 200
                    p.sent.clear()
                    p.received.clear()

        thread = threading.Thread(target=traffic)
        serials = set()

        def reload():
            issue_all(self.authority)
            g.ctl("reload")

            def new():
                serial = self.serial()
                return serial not in serials and [serial]

            serials.add(wait_for(new, "the new certificate")[0])

        thread.start()
        try:
            # the storm goes on in the meantime: reloads are made beside it
            background = threading.Thread(target=storm.run, args=(12, 10))
            background.start()
            for _ in range(20):
                reload()
            background.join(60)
        finally:
            stop.append(1)
            thread.join()
        self.assertEqual(len(serials), 20)
        self.assertEqual(storm.failed, [])
        self.assertGreater(storm.done, 50)
        counters = g.counters()
        self.assertEqual(counters.get("stream_errors", 0), 0)
        self.assertEqual(counters.get("tls_failed_key", 0), 0)
        for p in phones:
            self.assertEqual(p.register().status, 200)

    def serial(self):
        pem = ssl.get_server_certificate((self.gateway.ip, 5061))
        return subprocess.run(
            ["openssl", "x509", "-noout", "-serial"],
            input=pem,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def test_a_bad_certificate_changes_nothing(self):
        g = self.secure()
        before = self.serial()
        for what, spoil in (
            ("name", lambda: self.authority.issue("main", "DNS:elsewhere.example.net")),
            (
                "expired",
                lambda: self.authority.issue("main", "DNS:sip.example.net", end="20210101000000Z"),
            ),
            (
                "chain",
                lambda: (g.dir / "main.pem").write_text(
                    "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"
                ),
            ),
            (
                "pair",
                lambda: (
                    issue_all(self.authority),
                    subprocess.run(
                        [
                            "openssl",
                            "genpkey",
                            "-algorithm",
                            "EC",
                            "-pkeyopt",
                            "ec_paramgen_curve:P-256",
                            "-out",
                            g.dir / "main.key",
                        ]
                    ),
                ),
            ),
        ):
            with self.subTest(what=what):
                spoil()
                done = g.run_ctl("cert", "stage")
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("main", done.stdout + done.stderr)
                self.assertEqual(self.serial(), before)
        issue_all(self.authority)
        g.ctl("cert", "stage")
        self.assertEqual(self.serial(), before)
        g.ctl("cert", "commit")
        wait_for(lambda: self.serial() != before, "the new certificate")


if __name__ == "__main__":
    unittest.main()
