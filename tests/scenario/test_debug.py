"""sipwardctl debug: messages of one user are logged at the level debug, in all lives of it."""
import os, signal, unittest

from gateway import wait_for
from legs import CallCase, failure_ack


class Debug(CallCase):
    kills = True

    def refused_call(self, phone):
        request = self.call(phone, "carol@example.net")
        failure_ack(phone, request, phone.response(480))
        return request.get("Call-ID")

    def routed(self, call_id):
        return f"request-routed call-id={call_id} " in self.gateway.log_text()

    def test_of_one_user(self):
        g = self.start()
        alice, bob = self.phone("alice"), self.phone("bob")
        (row,) = g.ctl("debug", "--user", "sip:alice@example.net", "--for", "5m")
        self.assertEqual((row["by"], row["value"]), ("user", "alice@example.net"))
        self.assertTrue(290 < row["left_s"] <= 300)
        first, other = self.refused_call(alice), self.refused_call(bob)
        wait_for(lambda: self.routed(first), "her call in the log")
        self.assertFalse(self.routed(other))
        self.assertIn("message-taken peer=", g.log_text())
        # a successor knows it, too
        (worker,) = g.workers("sip")
        os.kill(worker["pid"], signal.SIGKILL)
        g.successor(worker)
        again = self.refused_call(alice)
        wait_for(lambda: self.routed(again), "her call in the log of the successor")
        self.assertEqual(g.ctl("debug", "off", "--user", "bob"), [row | g.ctl("debug")[0]])
        self.assertEqual(g.ctl("debug", "off"), [])
        last = self.refused_call(alice)
        self.assertFalse(self.routed(last))
        for words, error in (
            (("on",), "log level debug"),
            (("sideways",), "expected on, off or list"),
            (("--source", "host"), "an address or a network"),
            (("--user", "a", "--call", "b"), "one of"),
            (("--user", "a", "--for", "3d"), "up to 24h"),
            (("list", "--call", "a"), "list takes nothing else"),
            (("list", "--for", "5m"), "list takes nothing else"),
        ):
            done = g.run_ctl("debug", *words)
            self.assertEqual((done.returncode, error in done.stderr), (1, True), done.stderr)
        self.assertEqual(g.ctl("debug", "list"), [])

    def test_what_becomes_of_a_source_before_a_sip_worker(self):
        """Each fault and each message that is dropped, where others have a line in a while."""
        g = self.start(transport=2)
        alice, bob = self.phone("alice"), self.phone("bob")
        bad = b"ACK sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n\r\n"
        said = lambda p, r: g.log_text().count(f"peer={p.ip}:{p.port} transport=UDP{r}")
        g.ctl("log", "level", "warn")
        (row,) = g.ctl("debug", "--source", alice.ip)
        self.assertEqual((row["by"], row["value"]), ("source", alice.ip))
        for _ in range(3):
            alice.send_raw(bad)
            bob.send_raw(bad)
        wait_for(lambda: said(alice, " status=") == 3, "each of hers")
        g.ctl("bans", "add", alice.ip)
        for _ in range(2):
            alice.send_raw(alice.make("OPTIONS", "sip:example.net"))
        banned = ' reason="its source is banned"'
        wait_for(lambda: said(alice, banned) == 2, "what is dropped")
        # a successor knows it, too
        for worker in g.workers("transport"):
            os.kill(worker["pid"], signal.SIGKILL)
            g.successor(worker)
        alice.send_raw(alice.make("OPTIONS", "sip:example.net"))
        wait_for(lambda: said(alice, banned) == 3, "what its successor drops")
        self.assertEqual(g.ctl("debug", "off"), [])
        alice.send_raw(alice.make("OPTIONS", "sip:example.net"))
        wait_for(lambda: g.counters()["drop_banned"] >= 2, "by it and one more")
        self.assertEqual(said(alice, ""), 6)
        self.assertEqual(said(bob, ""), 0)


if __name__ == "__main__":
    unittest.main()
