"""Calls over TLS while certificates change, and while others only begin to shake hands.
SIPWARD_LOAD_TLS_CALLS changes the number, SIPWARD_LOAD_TLS_RATE the rate."""
import os, socket, time, unittest

from gateway import own_address, wait_for
from load import Sipp, at_rest, figure
from processes import CORE_OUT, SANITIZED
from tls import CONFIG, Relay, TlsCase, issue_all

RATE = int(os.environ.get("SIPWARD_LOAD_TLS_RATE", 40 if SANITIZED else 200))
CALLS = int(os.environ.get("SIPWARD_LOAD_TLS_CALLS", RATE * 15))
SECONDS = CALLS // RATE + 60
RELOADS = 20
FLOOD_S = 6


class Load(TlsCase):
    def load_gateway(self, **words):
        g = self.secure(
            transport=2,
            sip=2,
            tls=1,
            targets=[f"sip:{self.trunk_ip}:5080"],
            trunk="",
            routes=CORE_OUT,
            # as fast as answers come, from one address
            access='refusals-per-source = "off"  refusals-per-prefix = "off"',
            config=CONFIG.replace('{{ "SHA-256", "MD5" }}', '{{ "MD5" }}'),
            **words,
        )
        g.write_users([f"user{i:05d}" for i in range(100)] + ["alice"])
        path = g.dir / "users.csv"
        path.write_text(
            "SEQUENTIAL\n"
            + "".join(
                f"user{i:05d};[authentication username=user{i:05d} password=user{i:05d}-secret]\n"
                for i in range(100)
            )
        )
        g.start()
        self.ip = own_address()
        self.relay = Relay(self.ip, 5070, g, self.authority)
        self.addCleanup(self.relay.close)
        return path

    def begin(self, path, calls=CALLS):
        self.calls = calls
        self.carrier = Sipp(self, "uas", self.trunk_ip, 5080, calls=calls, seconds=SECONDS)
        self.caller = Sipp(
            self,
            "uac-digest",
            own_address(),
            5090,
            "-inf",
            path,
            "-auth_uri",
            "+4930123456@example.net",
            calls=calls,
            to=(self.ip, 5070),
            rate=RATE,
            limit=calls,
            seconds=SECONDS,
            transport="t1",
        )

    def end(self):
        for sipp in (self.caller, self.carrier):
            stats = sipp.wait()
            about = {k: v for k, v in stats.items() if v}
            self.assertEqual(
                (stats["SuccessfulCall"], stats["FailedCall"], stats["OutOfCallMsgs"]),
                (self.calls, 0, 0),
                f"{about}\n{sipp.errors_text()}",
            )
        self.assertEqual(self.relay.ended, 0)
        self.assertEqual(at_rest(self.gateway), [])

    def issued(self):
        """New certificates and keys, as files and their content: making them takes longer than
        what is done with them while calls run."""
        issue_all(self.authority)
        names = [f"{name}.{end}" for name in ("main", "rsa", "ed") for end in ("pem", "key")]
        return {
            self.authority.dir / name: (self.authority.dir / name).read_bytes() for name in names
        }

    def test_reloads_under_calls(self):
        path = self.load_gateway(start=False)
        g = self.gateway
        phones = [self.tls_phone("alice") for _ in range(10)]
        sets = [self.issued() for _ in range(RELOADS)]
        self.begin(path)
        made = 0
        while self.caller.process.poll() is None and made < RELOADS:
            for path, content in sets[made].items():
                path.write_bytes(content)
            g.ctl("reload")
            made += 1
        running = self.caller.process.poll() is None
        self.end()
        self.assertTrue(running, f"{made} reloads took longer than the calls")
        self.assertEqual(g.counters()["certificates_committed"], RELOADS)
        for phone in phones:  # on the connection that it has had from the start
            self.assertEqual(phone.register().status, 200)
        self.assertEqual(g.counters().get("stream_errors", 0), 0)
        figure(
            f"{RELOADS} reloads of certificates during {CALLS} calls at {RATE}/s over TLS: 0 "
            f"calls failed, 0 connections dropped"
        )

    def test_a_flood_of_half_open_handshakes(self):
        """Thousands of connections that say nothing, or half of a ClientHello: established ones and
        UDP go on, and what is kept of them is bounded."""
        path = self.load_gateway(
            start=False,
            extra="limits { handshake-timeout "
            "= 2s  handshakes = 300  handshakes-per-source = 200 }",
        )
        g = self.gateway
        self.begin(path, min(CALLS, RATE * (FLOOD_S + 2)))
        silent, tried, peak, slowest = [], 0, 0, 0
        udp = self.phone("alice", register=False)
        end = time.monotonic() + FLOOD_S
        while time.monotonic() < end:
            for i in range(100):
                s = socket.socket()
                s.setblocking(False)
                s.bind((f"127.250.0.{1 + tried % 8}", 0))
                s.connect_ex((g.ip, 5061))
                silent.append(s)
                tried += 1
            for s in silent[-100::2]:
                try:
                    s.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
                except OSError:
                    pass
            peak = max(peak, g.counters().get("tls_handshaking", 0))
            begun = time.monotonic()
            udp.challenged("OPTIONS", "sip:example.net")
            self.assertEqual(udp.final("OPTIONS").status, 200)
            slowest = max(slowest, time.monotonic() - begun)
            while len(silent) > 1500:
                silent.pop(0).close()
        for s in silent:
            s.close()
        self.end()
        counters = g.counters()
        self.assertGreater(
            counters.get("tls_refused_full", 0) + counters.get("tls_refused_source", 0), 0
        )
        self.assertLessEqual(peak, 600)
        wait_for(lambda: g.counters().get("tls_handshaking", 0) == 0, "no handshake in progress")
        alice = self.tls_phone("alice")
        self.assertEqual(alice.register().status, 200)
        figure(
            f"{tried} half-open handshakes during {self.calls} calls at {RATE}/s over TLS: 0 calls "
            f"failed; at most {peak} handshakes in progress; slowest OPTIONS over UDP, two "
            f"transactions, {slowest * 1000:.0f} ms"
        )


if __name__ == "__main__":
    unittest.main()
