"""Limits of calls over all SIP workers, and the longest duration of a call."""
import os, signal

from legs import NUMBER, SDP, CallCase, failure_ack
from processes import events


class Limits(CallCase):
    def calls(self, n):
        """So many calls that ring at the trunk's."""
        for _ in range(n):
            self.call(self.alice, f"{NUMBER}@example.net")
            self.trunk_peer.answer(self.trunk_peer.request("INVITE"), 180, contact=False)
            self.alice.response(180)

    def refused(self, status, warning):
        request = self.call(self.alice, f"{NUMBER}@example.net")
        answer = self.alice.final("INVITE")
        failure_ack(self.alice, request, answer)
        self.assertEqual(answer.status, status, answer)
        self.assertIn(warning, answer.all("Warning")[0])
        self.assertEqual(answer.all("Retry-After"), ["2"])

    def begin(self, **words):
        self.start(**words)
        self.alice = self.phone("alice")
        self.trunk_peer = self.trunk()

    def test_over_two_workers(self):
        """Calls of one user lie with both SIP workers, and count as one number."""
        self.begin(sip=2, access="max-calls = 4")
        self.calls(4)
        self.refused(503, "limit of the zone")
        self.assertEqual(self.gateway.counters()["limit_zone_calls"], 1)

    def test_a_worker_that_died_holds_nothing(self):
        self.kills = True
        self.begin(access="max-calls-per-source = 2")
        self.calls(2)
        self.refused(503, "limit of the source")
        (worker,) = self.gateway.workers("sip")
        os.kill(worker["pid"], signal.SIGKILL)
        self.gateway.successor(worker)
        self.calls(2)
        self.refused(503, "limit of the source")

    def test_of_a_trunk(self):
        self.begin(trunk="max-calls = 1")
        self.calls(1)
        self.refused(503, "limit of the trunk")

    def test_longest_duration(self):
        self.begin(trunk="max-duration = 1s")
        a, b = self.establish(self.alice, self.trunk_peer, f"{NUMBER}@example.net")
        for peer in (self.alice, self.trunk_peer):
            bye = peer.request("BYE")
            self.assertIn("Q.850;cause=31", bye.all("Reason")[0])
            peer.answer(bye, 200, contact=False)
        self.no_calls()
        self.assertEqual(self.gateway.counters()["limit_duration"], 1)

    def test_numbers_of_a_group(self):
        """Alice, who is in a group, may not call what others may."""
        self.begin()
        bob = self.phone("bob")
        g = self.gateway
        lines = (g.dir / "users").read_text().splitlines()
        new = g.dir / "users.new"
        new.write_text("".join(l + (":guests\n" if l[0] == "a" else "\n") for l in lines))
        new.rename(g.dir / "users")
        g.config.write_text(
            g.config.read_text().replace('users = "users"', 'users = "users" groups = "guests"')
            + 'numbers "home" { from = "access"  groups = "guests"  block = "^\\\\+" }\n'
        )
        self.assertTrue(g.ctl("reload"))
        request = self.call(self.alice, f"{NUMBER}@example.net")
        answer = self.alice.final("INVITE")
        failure_ack(self.alice, request, answer)
        self.assertEqual(answer.status, 403, answer)
        self.assertIn("number is blocked", answer.all("Warning")[0])
        self.assertEqual(g.counters()["numbers_blocked"], 1)
        said = events(g.log_text(), "number-blocked", list="home", group="guests")
        self.assertEqual(len(said), 1)
        self.call(bob, f"{NUMBER}@example.net")
        self.trunk_peer.request("INVITE")

    def test_emergency(self):
        """A call for help passes the limit, in the name of nobody, and by a service's URN."""
        self.begin(
            access="max-calls = 1  emergency-without-credentials = yes",
            extra='limits { emergency = { "112", "110=sos.police" } }',
        )
        self.calls(1)
        self.refused(503, "limit of the zone")
        stranger = self.phone("bob", register=False)
        for uri, number in (("sip:112@example.net", 112), ("urn:service:sos.police", 110)):
            stranger.send_raw(stranger.make("INVITE", uri, to="112@example.net", body=SDP))
            invite = self.trunk_peer.request("INVITE")
            self.assertEqual(invite.uri.split("@")[0], f"sip:{number}")
        self.assertEqual(self.gateway.counters()["emergency_unauthenticated"], 2)

    def test_minutes_are_told_and_taken_back(self):
        """They are those of the list's numbers, and outlive the worker that has counted them."""
        self.kills = True
        self.begin()
        g = self.gateway
        g.config.write_text(
            g.config.read_text()
            + 'numbers "abroad" { from = "access"  permit = "^\\\\+"\n'
            + "minutes-per-day-per-user = 1 }\n"
        )
        self.assertTrue(g.ctl("reload"))
        self.assertEqual(g.ctl("minutes", "list"), [])
        a, b = self.establish(self.alice, self.trunk_peer, f"{NUMBER}@example.net")
        self.hang_up(a, b)
        row = {"list": "abroad", "user": "alice@example.net", "minutes": 0, "of": 1}
        self.assertEqual(g.ctl("minutes", "list"), [row])
        (worker,) = g.workers("sip")
        os.kill(worker["pid"], signal.SIGKILL)
        g.successor(worker)
        self.assertEqual(g.ctl("minutes", "list", "--user", "alice@example.net"), [row])
        answer = g.ctl("minutes", "reset", "bob@example.net", check=False)
        self.assertIn("nothing has been counted", answer["error"])
        self.assertEqual(g.ctl("minutes", "reset", "alice@example.net")["object"]["reset"], 1)
        self.assertEqual(g.ctl("minutes", "list"), [])
