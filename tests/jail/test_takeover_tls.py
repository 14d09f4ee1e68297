"""A transport worker that was taken over, to the worker that holds the keys."""
import re, socket, ssl, struct, time, unittest

from certs import Authority
from gateway import CONFIG, WAIT, wait_for
from processes import fds_of
from takeover import peer, Takeover, TLS, EACCES

SECURE = """
certificate "main" {{ chain = "main.pem"  key = "main.key"  names = {{ "sip.example.net" }} }}
listener "tls" {{ bind = "tls:{ip}:5061"  zone = "access"  certificate = "main" }}
"""
ECDSA_SHA256, ED25519 = 0x0403, 0x0807
VERIFY = b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + bytes(32)


class TransportToTls(Takeover):
    def setUp(self):
        def certify(g):
            self.authority = Authority(g.dir)
            self.authority.issue("main", "DNS:sip.example.net,URI:sip:example.net", "P-256")

        self.take("transport", config=CONFIG + SECURE, prepare=certify, transport=2, sip=1, tls=1)
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


if __name__ == "__main__":
    unittest.main()
