"""Messages that end a worker: what it had in hand is kept, and refused from then on. With programs
whose workers a message can end (build/hook, worker/crash_hook.h)."""
import base64, os, re, signal, stat, unittest

from gateway import BIN, BUILD, CONFIG, Gateway, own_address, wait_for
from peers import Peer, Phone
from processes import SANITIZED, events
from websocket import WebSocket

HOOK = BUILD / "hook/bin"
MARKER = b"X-Sipward-Crash"
PEERS = 6  # sources, so that each transport worker is met
# A sanitizer makes its own report of a fault.
FAULT, FAULTS = ("abort", "ABRT") if SANITIZED else ("fault", "SEGV")
LOGGED_ONLY = "jail = log" in os.environ.get("SIPWARD_EXTRA", "")


class Release(unittest.TestCase):
    def test_has_no_crash_hook(self):
        for program in BIN.iterdir():
            self.assertNotIn(MARKER, program.read_bytes(), program)
        for name in ("sipward-transport", "sipward-sip"):
            self.assertIn(
                MARKER,
                (HOOK / name).read_bytes(),
                "what is not found there would not be found here",
            )


class Quarantine(unittest.TestCase):
    def setUp(self):
        self.g = Gateway(
            transport=2,
            sip=2,
            bin=HOOK,
            config=CONFIG + 'listener "ws" {{ bind = "ws:{ip}:8080"  zone = "access" }}\n',
        )
        self.addCleanup(self.g.close)
        self.phone = Phone(self.g, "alice")
        self.addCleanup(self.phone.close)
        self.assertEqual(self.phone.register().status, 200)
        self.cseq = 10

    def peer(self, transport="UDP"):
        p = Peer(own_address(), 0, (self.g.ip, 5060), "attacker", transport)
        self.addCleanup(p.close)
        return p

    def poison(self, where, act, transport="UDP", more=()):
        return self.peer(transport).make(
            "OPTIONS", "sip:bob@example.net", headers=[f"X-Sipward-Crash: {where} {act}", *more]
        )

    def deaths(self):
        return sum(r["deaths"] for r in self.g.ctl("workers"))

    def all_ready(self):
        return all(r["state"] == "ready" for r in self.g.ctl("workers"))

    def died(self, n):
        wait_for(
            lambda: self.deaths() >= n and self.all_ready(),
            f"{n} workers dead and back\n" + self.g.log_text(),
        )
        self.assertEqual(self.deaths(), n)

    def dropped(self):
        return self.g.counters().get("drop_quarantined", 0)

    def one(self, kind, reason, role):
        """The one that is kept."""
        (row,) = self.g.ctl("quarantine", "list")
        self.assertEqual(
            (row["kind"], row["reason"], row["worker"].rsplit("-", 1)[0]), (kind, reason, role)
        )
        self.assertRegex(row["fingerprint"], "^[0-9a-f]{32}$")
        return row

    def others_are_served(self):
        self.cseq += 10
        self.assertEqual(self.phone.register(cseq=self.cseq).status, 200)

    def refused(self, raw, times=PEERS):
        """Sends raw from several sources: it is dropped each time, and nobody dies."""
        before, deaths = self.dropped(), self.deaths()
        for _ in range(times):
            self.peer().send_raw(raw)
        wait_for(lambda: self.dropped() == before + times, "all are counted")
        self.others_are_served()
        self.assertEqual(self.deaths(), deaths)

    def shown(self, row):
        """The bytes that `quarantine show` gives to programs; to people it gives them as text."""
        done = self.g.run_ctl("quarantine", "show", row["fingerprint"][:8])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(row["fingerprint"], done.stdout)
        self.assertIn("\n\nOPTIONS sip:bob@example.net SIP/2.0\n", done.stdout)
        self.assertIn("\nCSeq: 1 OPTIONS\n", done.stdout)
        self.assertNotRegex(done.stdout, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")
        return base64.b64decode(self.g.ctl("quarantine", "show", row["fingerprint"])["base64"])

    # ---- transport workers ----

    def test_transport(self):
        raw = self.poison("transport", FAULT, more=["Subject: \x1b]0;title\x07"])
        self.peer().send_raw(raw)
        self.died(1)
        row = self.one("message", FAULTS, "transport")
        self.assertEqual((row["deaths"], row["size"], row["refused"]), (1, len(raw), "yes"))
        self.assertEqual(self.g.ctl("status")["object"]["quarantined"], 1)
        self.assertEqual(self.shown(row), raw)
        ((_, alert),) = events(self.g.log_text(), "message-quarantined")
        self.assertEqual(alert["fingerprint"], row["fingerprint"])
        self.refused(raw)
        self.assertTrue(events(self.g.log_text(), "message-refused"))
        # another one is another one
        self.peer().send_raw(self.poison("transport", FAULT))
        self.died(2)
        self.assertEqual(len(self.g.ctl("quarantine", "list")), 2)
        self.refused(raw)

    def test_files_are_the_masters_alone(self):
        raw = self.poison("transport", "abort")
        self.peer().send_raw(raw)
        self.died(1)
        folder = self.g.dir / "state/quarantine"
        self.assertEqual(stat.S_IMODE(folder.stat().st_mode), 0o700)
        (file,) = folder.iterdir()
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        self.assertEqual(file.stat().st_uid, os.geteuid())
        self.assertEqual(file.read_bytes(), raw)

    def test_clear(self):
        first, second = self.poison("transport", "abort"), self.poison("transport", "exit")
        self.peer().send_raw(first)
        self.died(1)
        self.peer().send_raw(second)
        self.died(2)
        rows = {r["reason"]: r for r in self.g.ctl("quarantine", "list")}
        self.assertEqual(set(rows), {"ABRT", "exit-3"})
        self.g.ctl("quarantine", "clear", rows["exit-3"]["fingerprint"][:12])
        self.one("message", "ABRT", "transport")
        self.refused(first)
        self.peer().send_raw(second)
        self.died(3)
        self.assertEqual(len(self.g.ctl("quarantine", "list")), 2)
        self.g.ctl("quarantine", "clear")
        self.assertEqual(self.g.ctl("quarantine", "list"), [])
        self.assertEqual(list((self.g.dir / "state/quarantine").iterdir()), [])
        self.peer().send_raw(first)
        self.died(4)

    def test_what_cannot_be_shown(self):
        for words, text in (
            (("show", "abcd"), "nothing with this fingerprint"),
            (("show", "xyz"), "hexadecimal"),
            (("clear", "../x"), "hexadecimal"),
        ):
            done = self.g.run_ctl("quarantine", *words)
            self.assertEqual(done.returncode, 1)
            self.assertIn(text, done.stderr)

    def test_restart(self):
        raw = self.poison("transport", "abort")
        self.peer().send_raw(raw)
        self.died(1)
        row = self.one("message", "ABRT", "transport")
        self.phone.close()
        self.g.stop()
        self.g.start()
        self.phone = Phone(self.g, "alice")
        self.addCleanup(self.phone.close)
        self.assertEqual(self.g.ctl("quarantine", "list"), [{**row, "deaths": 0}])
        self.refused(raw)
        self.assertEqual(self.deaths(), 0)

    # ---- streams ----

    def test_a_message_on_a_stream(self):
        """The stream goes on without it."""
        victim = self.peer("TCP")
        raw = victim.make(
            "OPTIONS", "sip:bob@example.net", headers=["X-Sipward-Crash: transport abort"]
        )
        victim.send_raw(raw)
        self.died(1)
        self.one("message", "ABRT", "transport")
        # framed together with others, so that the bytes of the reads are not those of the first
        # time
        again = self.peer("TCP")
        again.send_raw(raw + again.make("OPTIONS", "sip:bob@example.net", call_id="after"))
        again.receive(lambda m: m.status and m.get("Call-ID") == "after")
        self.assertEqual(self.dropped(), 1)
        self.assertEqual(self.deaths(), 1)

    def test_bytes_that_are_no_message_yet(self):
        raw = self.poison("stream", "abort", "TCP")
        self.peer("TCP").send_raw(raw)
        self.died(1)
        self.one("stream", "ABRT", "transport")
        again = self.peer("TCP")
        again.send_raw(raw)
        self.assertEqual(again.sock.recv(1), b"", "closed")
        wait_for(lambda: self.dropped() == 1, "it is counted")
        other = self.peer("TCP")
        other.send_raw(other.make("OPTIONS", "sip:bob@example.net"))
        other.final("OPTIONS")
        self.assertEqual(self.deaths(), 1)

    def test_a_message_on_a_websocket(self):
        """The mask makes other bytes of it each time; the message is the same."""
        raw = self.poison("transport", "abort")
        for _ in range(2):
            ws = WebSocket((self.g.ip, 8080))
            self.addCleanup(ws.close)
            ws.send(raw)
            wait_for(lambda: self.deaths() == 1 and self.all_ready(), "one worker dead and back")
        wait_for(lambda: self.dropped() == 1, "the second one is refused")
        self.one("message", "ABRT", "transport")

    # ---- SIP workers ----

    def test_sip(self):
        """Copies are under way when it dies: they are refused by its successor or, later, by the
        transport workers."""
        raw = self.poison("sip", FAULT)
        peers = [self.peer() for _ in range(20)]
        for p in peers:
            p.send_raw(raw)
        self.died(1)
        self.assertEqual(self.one("message", FAULTS, "sip")["size"], len(raw))
        self.assertEqual(self.shown(self.one("message", FAULTS, "sip")), raw)
        before = (
            next(r for r in self.g.ctl("counters") if r["counter"] == "drop_quarantined")[
                "transport"
            ]
            if self.dropped()
            else 0
        )
        self.refused(raw)
        row = next(r for r in self.g.ctl("counters") if r["counter"] == "drop_quarantined")
        self.assertEqual(row["transport"], before + PEERS, "who sees it first")

    # ---- ends of other kinds ----

    def test_hang(self):
        raw = self.poison("transport", "hang")
        self.peer().send_raw(raw)
        self.died(1)
        self.one("message", "hangs", "transport")
        self.refused(raw)

    @unittest.skipIf(SANITIZED or LOGGED_ONLY, "no filter ends it")
    def test_violation(self):
        self.g.violations = True
        raw = self.poison("sip", "violation")
        self.peer().send_raw(raw)
        self.died(1)
        self.one("message", "jail-violation", "sip")
        self.refused(raw)

    def test_a_kill_from_outside_blames_nobody(self):
        """While a message is in hand; out of memory looks the same."""

        def received():
            return {
                int(w): int(n)
                for w, n in re.findall(
                    r'sipward_rx_bytes_total\{role="transport",worker="(\d+)"\} (\d+)',
                    self.g.ctl("metrics")["text"],
                )
            }

        before = received()
        self.peer().send_raw(self.poison("transport", "hang"))
        held = wait_for(
            lambda: [w for w, n in received().items() if n > before[w]], "the message is in hand"
        )
        os.kill(self.g.workers("transport")[held[0]]["pid"], signal.SIGKILL)
        self.died(1)
        self.assertEqual(self.g.ctl("quarantine", "list"), [])
        self.others_are_served()


if __name__ == "__main__":
    unittest.main()
