"""Targets of trunks that are down: the second call does not wait for what the first has learnt,
whichever SIP worker has it."""
import os, signal, time

from legs import NUMBER, CallCase, cancel, failure_ack
from gateway import own_address, wait_for
from load import figure

CALLS = 6  # after the first: over two SIP workers, each of which gets some


class TargetState(CallCase):
    def setUp(self):
        super().setUp()
        self.dead = [own_address(), own_address()]
        self.alive_ip = own_address()

    def targets(self, transport=""):
        return [f"sip:{ip}:5080{transport}" for ip in (*self.dead, self.alive_ip)]

    def start_silent(self):
        self.start(targets=self.targets(), trunk="answer-timeout = 500ms", sip=2)
        silent = [self.trunk(ip=ip, name="silent") for ip in self.dead]
        self.alive = self.trunk(ip=self.alive_ip, name="alive")
        self.alice = self.phone("alice")
        return silent

    def served(self):
        """A call that the third target refuses; how long it was on its way there."""
        began = time.monotonic()
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = self.alive.request("INVITE")
        took = time.monotonic() - began
        self.alive.answer(invite, 486, "Busy Here", contact=False)
        self.alive.request("ACK")
        failure_ack(self.alice, request, self.alice.final("INVITE"))
        return took

    def tell(self, what, first, later):
        figure(
            f"two targets that {what}, and a third: the first call reaches it after "
            f"{first * 1000:.0f} ms, {CALLS} later ones after {max(later) * 1000:.0f} ms at most"
        )

    def down(self):
        return [
            line for line in self.gateway.log_text().splitlines() if "trunk-target-down" in line
        ]

    def test_two_that_say_nothing(self):
        silent = self.start_silent()
        first = self.served()
        later = [self.served() for _ in range(CALLS)]
        self.tell("say nothing (answer-timeout 500ms)", first, later)
        self.assertGreaterEqual(first, 1.0)  # two time-outs
        self.assertLess(max(later), 0.5)
        for peer in silent:
            with self.assertRaises(AssertionError):  # reads all that has come
                peer.request("BYE", 0.1)
            ids = {m.get("Call-ID") for m in peer.received if m.method == "INVITE"}
            self.assertEqual(len(ids), 1, "only the first call went there")
        self.assertEqual(len(self.down()), 2, self.down())
        self.assertIn('reason="no answer"', self.down()[0])

    def test_two_that_nobody_listens_at(self):
        """RFC 3261 section 18.4: what ICMP says counts at once."""
        self.start(targets=self.targets(), sip=2, transport=2)
        self.alive = self.trunk(ip=self.alive_ip, name="alive")
        self.alice = self.phone("alice")
        first = self.served()
        later = [self.served() for _ in range(CALLS)]
        self.tell("have nobody at their port", first, later)
        self.assertLess(first, 1)
        self.assertLess(max(later), 0.5)
        self.assertEqual(len(self.down()), 2, self.down())
        self.assertIn('reason="Connection refused"', self.down()[0])
        self.assertEqual(self.gateway.counters()["udp_unreachable"], 2)

    def test_commands(self):
        self.start(targets=self.targets(), sip=2)
        self.alive = self.trunk(ip=self.alive_ip, name="alive")
        self.alice = self.phone("alice")
        ctl, uris = self.gateway.ctl, [t for t in self.targets()]
        self.served()
        wait_for(
            lambda: [r["state"] for r in ctl("trunks", "show", "pbx")] == ["down", "down", "up"],
            "all workers to know",
        )
        rows = ctl("trunks", "show", "pbx")
        self.assertEqual([r["target"] for r in rows], uris)
        self.assertEqual(rows[0]["reason"], "Connection refused")
        self.assertEqual([r["requests"] for r in rows], [1, 1, 1])
        self.assertEqual([r["failures"] for r in rows], [1, 1, 1])
        (row,) = ctl("trunks", "list")
        self.assertEqual(
            [row[k] for k in ("trunk", "state", "zone", "targets_up", "targets", "requests")],
            ["pbx", "up", "core", 1, 3, 3],
        )
        status = ctl("status")["object"]
        self.assertEqual([status["trunks_up"], status["trunks_down"]], [1, 0])
        # disabled, for workers of later lives, too
        self.assertEqual(ctl("trunks", "disable", "pbx")["object"]["state"], "disabled")
        self.kills = True
        (worker,) = [w for w in self.gateway.workers("sip") if w["worker"] == "sip-0"]
        os.kill(worker["pid"], signal.SIGKILL)
        self.gateway.successor(worker)
        self.assertEqual(ctl("trunks", "list")[0]["state"], "disabled")
        for _ in range(CALLS):
            request = self.call(self.alice, f"{NUMBER}@example.net")
            answer = self.alice.final("INVITE")
            self.assertEqual(answer.status, 480)
            failure_ack(self.alice, request, answer)
        ctl("trunks", "enable", "pbx")
        self.served()
        # pings: the third target answers, and one of the others lives again
        second = self.trunk(ip=self.dead[1], name="second")
        self.assertEqual(ctl("trunks", "ping", "pbx")["object"]["pinged"], 3)
        for peer in (self.alive, second):
            peer.answer(peer.request("OPTIONS"), 200, contact=False)
        wait_for(
            lambda: [r["state"] for r in ctl("trunks", "show", "pbx")] == ["down", "up", "up"],
            "the second to be up",
        )
        self.assertGreaterEqual(ctl("trunks", "show", "pbx")[2]["rtt_ms"], 0)
        self.assertIn("trunk-target-up", self.gateway.log_text())
        for words in (("show", "nobody"), ("disable", "nobody"), ("ping", "nobody")):
            self.assertIn('no trunk "nobody"', ctl("trunks", *words, check=False)["error"])

    def test_a_phone_that_has_gone(self):
        """What ICMP says of those who are nobody's peers is counted, and that is all."""
        self.start()
        alice, bob = self.phone("alice"), self.phone("bob")
        bob.close()
        request = self.call(alice, "bob@example.net")
        self.counted("udp_unreachable_ignored")
        with self.assertRaises(AssertionError):
            alice.final("INVITE", 0.5)
        cancel(alice, request)
        failure_ack(alice, request, alice.final("INVITE"))

    def test_two_that_refuse_connections(self):
        self.start(targets=self.targets(";transport=tcp"), sip=2)
        server = self.listen(ip=self.alive_ip)
        self.alice = self.phone("alice")
        began = time.monotonic()
        request = self.call(self.alice, f"{NUMBER}@example.net")
        self.alive = self.accept(server)
        first = time.monotonic() - began
        self.alive.answer(self.alive.request("INVITE"), 486, "Busy Here", contact=False)
        self.alive.request("ACK")
        failure_ack(self.alice, request, self.alice.final("INVITE"))
        self.assertEqual(len(self.down()), 2, self.down())
        had = self.gateway.counters().get("stream_open_failed", 0)
        later = [self.served() for _ in range(CALLS)]
        self.tell("refuse connections", first, later)
        self.assertEqual(self.gateway.counters().get("stream_open_failed", 0), had)

    def test_a_new_worker_is_told(self):
        """One that takes another's place knows from the others what is down."""
        self.kills = True
        self.start_silent()
        self.served()
        for worker in self.gateway.workers("sip"):
            os.kill(worker["pid"], signal.SIGKILL)
            self.gateway.successor(worker)
            later = [self.served() for _ in range(CALLS)]
            self.assertLess(max(later), 0.5)
        self.assertEqual(len(self.down()), 2, self.down())
