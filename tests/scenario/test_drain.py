"""A stop and a drain: what is new is refused, calls are ended on both legs, and nobody waits for
longer than has to be."""
import os, signal, time, unittest

from gateway import WAIT, wait_for
from legs import NUMBER, CallCase, failure_ack
from tls import TlsCase


class Drain(CallCase):
    def begin_stop(self, g):
        g.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "stopping" in g.log_text(), "the signal")

    def ended(self, g, within=WAIT):
        """The master leaves with 0, and all workers left by themselves; returns how long it
        took."""
        start = time.monotonic()
        self.assertEqual(g.process.wait(within), 0, g.log_text())
        self.assertNotIn("grace-passed", g.log_text())
        return time.monotonic() - start

    def take_bye(self, peer):
        bye = peer.request("BYE")
        self.assertRegex(bye.get("Reason"), r"^SIP;cause=503;text=")
        peer.answer(bye, 200, contact=False)

    def refused(self, answer):
        self.assertEqual(answer.status, 503, answer)
        self.assertEqual(answer.get("Retry-After"), "30")

    # ---- a stop ----

    def test_nothing_stands(self):
        g = self.start(sip=2)
        self.phone("alice")
        start = time.monotonic()
        self.begin_stop(g)
        self.ended(g)
        took = time.monotonic() - start
        print(f"figure: stopped within {took * 1000:.0f} ms")
        self.assertIn("drained", g.log_text())
        self.assertNotIn("drain-late", g.log_text())

    def test_call_stands(self):
        g = self.start(sip=2)
        alice, trunk = self.phone("alice"), self.trunk()
        self.establish(alice, trunk, f"{NUMBER}@example.net")
        self.begin_stop(g)
        self.take_bye(alice)
        self.take_bye(trunk)
        self.ended(g, 10)
        self.assertNotIn("drain-unanswered", g.log_text())

    def test_call_stands_over_tcp(self):
        g = self.start()
        alice, bob = self.phone("alice", "TCP"), self.phone("bob", "TCP")
        self.establish(alice, bob, "bob@example.net")
        self.begin_stop(g)
        self.take_bye(alice)
        self.take_bye(bob)
        self.ended(g, 10)
        self.assertNotIn("drain-unanswered", g.log_text())

    def test_call_rings(self):
        g = self.start(sip=2)
        alice, trunk = self.phone("alice"), self.trunk()
        request = self.call(alice, f"{NUMBER}@example.net")
        invite = trunk.request("INVITE")
        tag = trunk.answer(invite, 180)
        alice.response(180)
        self.begin_stop(g)
        answer = alice.response(503)
        self.refused(answer)
        failure_ack(alice, request, answer)
        given_up = trunk.request("CANCEL")
        self.assertRegex(given_up.get("Reason"), r"^SIP;cause=503;text=")
        trunk.answer(given_up, 200, contact=False)
        trunk.answer(invite, 487, "Request Terminated", tag=tag, contact=False)
        trunk.request("ACK")
        self.ended(g, 10)
        self.assertNotIn("drain-unanswered", g.log_text())

    def test_nobody_answers(self):
        """It is waited for the BYEs, but not for ever."""
        g = self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        self.establish(alice, trunk, f"{NUMBER}@example.net")
        self.begin_stop(g)
        self.ended(g, 20)
        self.assertIn("drain-unanswered", g.log_text())
        for peer in alice, trunk:
            self.assertRegex(peer.request("BYE").get("Reason"), r"^SIP;cause=503;text=")

    def test_many_calls(self):
        """Each leg of each call gets its BYE."""
        g, calls = self.start(sip=2, access="rate = off"), 200
        bob, trunk = self.phone("bob"), self.trunk()
        for _ in range(calls):
            self.establish(trunk, bob, "bob@example.net")
        self.begin_stop(g)
        for peer in bob, trunk:
            ended = set()
            while len(ended) < calls:
                bye = peer.request("BYE")
                ended.add(bye.get("Call-ID"))
                peer.answer(bye, 200, contact=False)
        self.ended(g, 10)
        self.assertNotIn("drain-unanswered", g.log_text())

    def test_second_signal(self):
        g = self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        self.establish(alice, trunk, f"{NUMBER}@example.net")
        self.kills = True
        self.begin_stop(g)
        g.process.send_signal(signal.SIGTERM)
        self.assertEqual(g.process.wait(WAIT), 0, g.log_text())
        self.assertIn("killed=stop-now", g.log_text())

    def test_grace(self):
        """Calls go on, and when the last has ended the stop waits no longer."""
        g = self.start(sip=2, extra='stop-grace = "1h"')
        alice, bob, trunk = self.phone("alice"), self.phone("bob", "TCP"), self.trunk()
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        self.begin_stop(g)
        self.assertEqual(g.ctl("status")["object"]["state"], "stopping")
        self.refused(bob.register())
        a.send("INFO")
        trunk.answer(trunk.request("INFO"), 200, contact=False)
        alice.response(200, "INFO")
        refused = g.ctl("undrain", check=False)
        self.assertEqual(refused["error"], "sipward is stopping")
        self.hang_up(a, b)
        self.ended(g, 10)

    def test_grace_is_over(self):
        g = self.start(extra='stop-grace = "1s"')
        alice, trunk = self.phone("alice"), self.trunk()
        self.establish(alice, trunk, f"{NUMBER}@example.net")
        self.begin_stop(g)
        self.take_bye(alice)
        self.take_bye(trunk)
        self.ended(g, 10)
        self.assertIn("stop-grace-over calls=1", g.log_text())

    # ---- drain and undrain ----

    def test_drain_and_undrain(self):
        g = self.start(sip=2)
        alice, bob, trunk = self.phone("alice"), self.phone("bob"), self.trunk()
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        g.ctl("drain")
        wait_for(lambda: g.ctl("status")["object"].get("calls_left") == 1, "one call left")
        self.assertEqual(g.ctl("status")["object"]["state"], "draining")
        self.refused(bob.register())
        self.call(trunk, "bob@example.net")
        self.refused(trunk.response(503))
        bob.silence()
        a.send("INFO")
        trunk.answer(trunk.request("INFO"), 200, contact=False)
        alice.response(200, "INFO")
        self.hang_up(a, b)
        wait_for(lambda: g.ctl("status")["object"]["calls_left"] == 0, "no call left")
        wait_for(lambda: "drained" in g.log_text(), "drained")
        self.assertGreaterEqual(g.counters()["drain_refused"], 2)
        g.ctl("undrain")
        status = g.ctl("status")["object"]
        self.assertEqual(status["state"], "running")
        self.assertNotIn("calls_left", status)
        self.assertEqual(bob.register().status, 200)
        self.hang_up(*self.establish(trunk, bob, "bob@example.net"))

    def test_a_killed_worker_goes_on_draining(self):
        g = self.start(sip=1)
        self.kills = True
        g.ctl("drain")
        bob = self.phone("bob", register=False)
        self.refused(bob.register())
        (sip,) = g.workers("sip")
        os.kill(sip["pid"], signal.SIGKILL)
        wait_for(lambda: g.workers("sip")[0]["starts"] == 2 and g.ready(), "the next life")
        self.refused(bob.register())

    def test_ignored(self):
        g = self.start()
        g.config.write_text(
            g.config.read_text().replace(
                'listener "udp"  {', 'listener "udp"  { when-draining = ignore'
            )
        )
        g.ctl("reload")
        g.ctl("drain")
        bob = self.phone("bob", register=False)
        bob.send_raw(bob.make("REGISTER", "sip:example.net", to="bob@example.net"))
        bob.silence()
        self.counted("drain_ignored")


class DrainTls(TlsCase):
    take_bye, begin_stop, ended, refused = (
        Drain.take_bye,
        Drain.begin_stop,
        Drain.ended,
        Drain.refused,
    )

    def test_call_stands(self):
        g = self.secure(sip=2)
        alice, bob = self.tls_phone("alice"), self.tls_phone("bob")
        self.establish(alice, bob, "bob@example.net")
        self.begin_stop(g)
        self.take_bye(alice)
        self.take_bye(bob)
        self.ended(g, 10)
        self.assertNotIn("drain-unanswered", g.log_text())

    def test_call_rings(self):
        g = self.secure(sip=2)
        alice, bob = self.tls_phone("alice"), self.tls_phone("bob")
        request = self.call(alice, "bob@example.net")
        invite = bob.request("INVITE")
        tag = bob.answer(invite, 180)
        alice.response(180)
        self.begin_stop(g)
        answer = alice.response(503)
        self.refused(answer)
        failure_ack(alice, request, answer)
        bob.answer(bob.request("CANCEL"), 200, contact=False)
        bob.answer(invite, 487, "Request Terminated", tag=tag, contact=False)
        bob.request("ACK")
        self.ended(g, 10)
        self.assertNotIn("drain-unanswered", g.log_text())


if __name__ == "__main__":
    unittest.main()
