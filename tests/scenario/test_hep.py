"""Section hep: a collector gets a copy of each message that comes or goes, by HEP version 3."""
import os, re, signal, socket, struct, unittest

from gateway import WAIT, own_address, wait_for
from legs import NUMBER
from tls import TlsCase

PORT = 9060
CHUNKS = {1: 1, 2: 1, 3: 4, 4: 4, 5: 16, 6: 16, 7: 2, 8: 2, 9: 4, 10: 4, 11: 1, 12: 4}
NEEDED = {1, 2, 7, 8, 9, 10, 11, 12, 15}


class Copy:
    """A packet, taken apart to its exact end."""

    def __init__(self, raw):
        assert raw[:4] == b"HEP3" and struct.unpack("!H", raw[4:6])[0] == len(raw), raw
        rest, chunks = raw[6:], {}
        while rest:
            vendor, kind, size = struct.unpack("!HHH", rest[:6])
            assert vendor == 0 and kind not in chunks and 6 <= size <= len(rest), rest
            assert size - 6 == CHUNKS.get(kind, size - 6), kind
            chunks[kind], rest = rest[6:size], rest[size:]
        assert not NEEDED - set(chunks) and set(chunks) <= {*CHUNKS, 14, 15, 17}, chunks
        family = chunks[1][0]
        assert family in (socket.AF_INET, socket.AF_INET6)
        ends = (3, 4) if family == socket.AF_INET else (5, 6)
        ports = [struct.unpack("!H", chunks[k])[0] for k in (7, 8)]
        self.source, self.to = (
            (socket.inet_ntop(family, chunks[k]), p) for k, p in zip(ends, ports)
        )
        self.protocol, self.kind = chunks[2][0], chunks[11][0]
        seconds, micro, self.agent = (struct.unpack("!I", chunks[k])[0] for k in (9, 10, 12))
        self.at = seconds + micro / 1e6
        self.password, self.call_id = chunks.get(14), chunks[17].decode()
        self.text = chunks[15].decode()
        self.first = self.text.split("\r\n", 1)[0]


class Collector:
    def __init__(self, ip):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((ip, PORT))
        self.sock.settimeout(WAIT)
        self.copies = []

    def until(self, condition, what):
        """Receives until a copy meets the condition; returns that."""
        while True:
            try:
                copy = Copy(self.sock.recv(65536))
            except TimeoutError:
                raise AssertionError(f"{what}: {[c.first for c in self.copies]}")
            self.copies.append(copy)
            if condition(copy):
                return copy

    def close(self):
        self.sock.close()


class Hep(TlsCase):
    kills = True

    def begin(self, **words):
        self.collector_ip = own_address()
        self.collector = Collector(self.collector_ip)
        self.addCleanup(self.collector.close)
        self.section = f'hep {{ collector = "udp:{self.collector_ip}:{PORT}"  capture-id = 77\n'
        self.section += '    password-file = "hep-password" }'
        g = self.secure(
            start=False,
            targets=[f"sip:{self.trunk_ip}:5080"],
            trunk="",
            extra=self.section,
            **words,
        )
        path = g.dir / "hep-password"
        path.write_text("open sesame\n")
        path.chmod(0o640)
        g.start()
        return g

    def change(self, old, new):
        text = self.gateway.config.read_text()
        self.assertIn(old, text)
        self.gateway.config.write_text(text.replace(old, new))
        done = self.gateway.run_ctl("reload")
        self.assertEqual(done.returncode, 0, done.stdout)

    def copies(self, first, **words):
        return [
            c
            for c in self.collector.copies
            if c.first.startswith(first) and all(getattr(c, k) == v for k, v in words.items())
        ]

    def test_both_legs_over_tls_and_udp(self):
        g = self.begin()
        alice, trunk = self.tls_phone("alice"), self.trunk()
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        self.hang_up(a, b)
        self.no_calls()
        mine, core = alice.sock.getsockname(), (g.ip, 5062)
        self.collector.until(
            lambda c: c.first == "SIP/2.0 200 OK" and c.to == mine and "BYE" in c.text, "the end"
        )
        tls = dict(source=mine, to=(g.ip, 5061), protocol=socket.IPPROTO_TCP)
        self.assertEqual(len(self.copies("INVITE", **tls)), 2, "with and without credentials")
        out = dict(source=core, to=(self.trunk_ip, 5080), protocol=socket.IPPROTO_UDP)
        for method in ("INVITE", "ACK", "BYE"):
            (copy,) = self.copies(method, **out)
            self.assertEqual(copy.call_id, b.call_id)
        back = dict(source=out["to"], to=core, protocol=socket.IPPROTO_UDP)
        self.assertEqual(len(self.copies("SIP/2.0 200", **back)), 2)
        at = [c.at for c in self.collector.copies]
        self.assertEqual(at, sorted(at))
        for c in self.collector.copies:
            self.assertEqual((c.kind, c.agent, c.password), (1, 77, b"open sesame"))
            self.assertEqual(c.call_id, re.search(r"\r\nCall-ID: *(\S+)", c.text)[1])
            for value in re.findall(r'\bresponse="([^"]*)"', c.text):
                self.assertEqual(set(value), {"x"})
        self.assertTrue(any("response=" in c.text for c in self.collector.copies))
        self.assertNotIn("open sesame", g.log_text())
        wait_for(
            lambda: g.counters()["hep_sent"] == len(self.collector.copies), "each is counted once"
        )

    def test_it_follows_successors_and_reloads(self):
        g = self.begin()
        phone = self.phone("alice")
        registered = lambda c: c.first == "SIP/2.0 200 OK"
        self.collector.until(registered, "a registration")
        (worker,) = g.workers("transport")
        os.kill(worker["pid"], signal.SIGKILL)
        g.successor(worker)
        self.assertEqual(phone.register().status, 200)
        self.collector.until(registered, "one by the successor")
        self.change('zone "access" {', 'zone "access" { hep = no ')
        before = g.counters()["hep_sent"]
        self.assertEqual(phone.register().status, 200)
        self.assertEqual(g.counters()["hep_sent"], before, "a zone that is left out")
        self.change("hep = no ", "")
        self.change("capture-id = 77", "capture-id = 78")
        self.assertEqual(phone.register().status, 200)
        self.assertEqual(self.collector.until(registered, "after a reload").agent, 78)
        self.collector.close()
        for _ in range(2):  # the first one brings the ICMP error
            self.assertEqual(phone.register().status, 200)
        self.counted("hep_dropped")
        self.assertIn("hep-dropped", g.log_text())
        status = g.ctl("status")["object"]
        self.assertEqual(status["state"], "running")
        self.assertIn("copies are being lost", status["collector"])
        self.change(self.section.replace("capture-id = 77", "capture-id = 78"), "")
        before = g.counters()
        self.assertEqual(phone.register().status, 200)
        after = g.counters()
        for name in ("hep_sent", "hep_dropped"):
            self.assertEqual(after[name], before[name], "without a collector")


if __name__ == "__main__":
    unittest.main()
