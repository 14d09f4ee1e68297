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


if __name__ == "__main__":
    unittest.main()
