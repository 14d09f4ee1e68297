"""sipwardctl calls: which calls it lists, what it shows of one, and an operator's end of one."""
import json, os, unittest

from gateway import wait_for
from legs import NUMBER, SDP, cancel, failure_ack
from records import IN_FILE, RecordCase

REASON = 'SIP;cause=487;text="Ended by the operator"'


def tag(value):
    """Of a From or To value."""
    return value.rpartition(";tag=")[2]


class Calls(RecordCase):
    def listed(self, *words):
        return sorted(r["call-id"] for r in self.gateway.ctl("calls", *words))

    def test_which_are_listed(self):
        g = self.start(sip=2)
        alice, bob, trunk = self.phone("alice"), self.phone("bob"), self.trunk()
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        out = self.request_sent.get("Call-ID")
        ringing = self.call(bob, "alice@example.net")
        at_alice = alice.request("INVITE")
        alice.answer(at_alice, 180)
        bob.response(180)
        inside = ringing.get("Call-ID")
        both = sorted((out, inside))
        self.assertEqual(self.listed(), both)
        for words, expected in (
            (("--user", "alice"), both),  # her own, and the one to her phone
            (("--user", "alice@example.net"), both),
            (("--user", "bob"), [inside]),
            (("--user=bob@example.org",), []),
            (("--user", "ali"), []),
            (("--trunk", "pbx"), [out]),
            (("--trunk", "other"), []),
            (("--zone", "core"), [out]),
            (("--zone", "access"), both),
            (("--zone", "access", "--trunk", "pbx", "--user", "alice"), [out]),
            (("--older", "0"), both),
            (("--older", "3600"), []),
        ):
            with self.subTest(words):
                self.assertEqual(self.listed(*words), expected)
                count = g.ctl("calls", *words, "--count")["object"]
                self.assertEqual(count, {"calls": len(expected)})
        rows = {r["call-id"]: r for r in g.ctl("calls")}
        self.assertEqual(
            {k: rows[out][k] for k in ("state", "user", "trunk", "zone", "callee-zone", "callee")},
            {
                "state": "established",
                "user": "alice",
                "trunk": "pbx",
                "zone": "access",
                "callee-zone": "core",
                "callee": f"{trunk.ip}:5080",
            },
        )
        self.assertEqual((rows[inside]["state"], rows[inside]["trunk"]), ("early", ""))
        done = self.gateway.run_ctl("calls", "--limit", "1")
        self.assertEqual(len(done.stdout.splitlines()), 2)
        self.assertEqual(done.stderr, "sipwardctl: 1 of 2; --limit 0 shows all\n")
        self.assertEqual(len(g.ctl("calls", "--limit", "0")), 2)
        for words, code, says in (
            (("calls", "--older", "soon"), 1, '--older: expected a number, found "soon"'),
            (("calls", "--limit", "many"), 1, '--limit: expected a number, found "many"'),
            (("calls", "--older"), 2, "--older lacks its value: SECONDS"),
            (("calls", "--count=1"), 2, "--count has no value"),
            (("calls", "--usr", "x"), 2, "--usr"),
            (("workers", "--user", "x"), 2, "--user"),
        ):
            with self.subTest(words):
                done = self.gateway.run_ctl(*words)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(says, done.stderr)
        cancel(bob, ringing)
        alice.answer(alice.request("CANCEL"), 200, contact=False)
        failure_ack(bob, ringing, bob.response(487))
        self.hang_up(a, b)
        self.no_calls()

    def test_a_list_fits_the_terminal(self):
        self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        call_id = self.request_sent.get("Call-ID")
        whole = self.gateway.run_ctl("calls").stdout
        self.assertIn(call_id, whole)
        self.assertGreater(max(map(len, whole.splitlines())), 150)
        for columns in (60, 80, 132):
            done = self.gateway.run_ctl("calls", env={**os.environ, "COLUMNS": str(columns)})
            lines = done.stdout.splitlines()
            self.assertLessEqual(max(map(len, lines)), columns)
            self.assertEqual(lines[0].split()[:3], ["call-id", "state", "seconds"])
            self.assertIn("established", lines[1])
            self.assertIn("no room for", done.stderr)
        self.assertEqual(
            self.gateway.run_ctl("calls", env={**os.environ, "COLUMNS": "500"}).stdout, whole
        )
        self.hang_up(a, b)

    def test_one_shown(self):
        g = self.start(sip=2)
        alice, trunk = self.phone("alice"), self.trunk()
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        sent, got = self.request_sent, self.invite_received
        ids = (sent.get("Call-ID"), got.get("Call-ID"), sent.get("Call-ID")[:-1])
        answer, *others = [
            json.loads(self.gateway.run_ctl("--json", "calls", "show", id).stdout) for id in ids
        ]
        for other in others:
            self.assertEqual(other["object"]["callee-call-id"], got.get("Call-ID"))
        call = answer["object"]
        expected = {
            "call-id": sent.get("Call-ID"),
            "state": "established",
            "user": "alice",
            "domain": "example.net",
            "route": "out",
            "caller-call-id": sent.get("Call-ID"),
            "caller-address": f"{alice.ip}:{alice.port}",
            "caller-zone": "access",
            "caller-tag": tag(a.local),
            "caller-local-tag": tag(a.remote),
            "caller-cseq": int(sent.get("CSeq").split()[0]),
            "callee-call-id": got.get("Call-ID"),
            "callee-address": f"{trunk.ip}:5080",
            "callee-zone": "core",
            "callee-tag": tag(b.local),
            "callee-local-tag": tag(b.remote),
            "callee-local-cseq": int(got.get("CSeq").split()[0]),
        }
        self.assertEqual({k: call.get(k) for k in expected}, expected)
        self.assertTrue(call["caller-target"].startswith("sip:alice@"), call)
        self.assertIn(f"{trunk.ip}:5080", call["callee-target"])
        self.assertIn("callee-route-set", call)
        (target,) = answer["rows"]
        self.assertEqual(
            (target["trunk"], target["outcome"], target["status"], target["call-id"]),
            ("pbx", "answered", 200, got.get("Call-ID")),
        )
        text = self.gateway.run_ctl("calls", "show", sent.get("Call-ID")).stdout
        self.assertRegex(text, r"(?m)^callee-tag +" + tag(b.local))
        self.assertRegex(text, r"(?m)^trunk +address ")
        self.hang_up(a, b)
        self.no_calls()
        done = self.gateway.run_ctl("calls", "show", sent.get("Call-ID"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("no call has a leg", done.stderr)

    def test_one_that_rings_is_shown_with_its_timer(self):
        g = self.start()
        alice, bob = self.phone("alice"), self.phone("bob")
        request = self.call(alice, "bob@example.net")
        invite = bob.request("INVITE")
        bob.answer(invite, 180)
        alice.response(180)
        done = self.gateway.run_ctl("--json", "calls", "show", request.get("Call-ID"))
        answer = json.loads(done.stdout)
        call = answer["object"]
        self.assertEqual((call["state"], call["callee-call-id"]), ("early", invite.get("Call-ID")))
        self.assertTrue(0 < call["ring-left-ms"] <= 181000, call)
        self.assertIn("rang-after-ms", call)
        self.assertEqual([t["outcome"] for t in answer["rows"]], ["pending"])
        bob.answer(invite, 486, "Busy Here", contact=False)
        bob.request("ACK")
        failure_ack(alice, request, alice.response(486))
        self.no_calls()

    def test_an_answered_call_is_ended(self):
        g = self.start(extra=IN_FILE, sip=2)
        alice, trunk = self.phone("alice"), self.trunk()
        for leg in range(2):
            with self.subTest(leg):
                a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
                id = (self.request_sent, self.invite_received)[leg].get("Call-ID")
                self.assertEqual(self.gateway.run_ctl("calls", "end", id[:-1]).returncode, 1)
                done = g.ctl("calls", "end", id)
                self.assertEqual(done["object"], {"ended": 1})
                for dialog in (a, b):
                    bye = dialog.peer.request("BYE")
                    self.assertEqual(bye.get("Reason"), REASON)
                    dialog.peer.answer(bye, 200, contact=False)
                self.no_calls()
                record = self.wait_records(leg + 1)[leg]
                self.assertEqual(
                    (record["ended-by"], record["why"], record["reason"]),
                    ("operator", "ended", REASON),
                )
                self.assertEqual(self.gateway.run_ctl("calls", "end", id).returncode, 1)
        self.assertEqual(g.counters()["calls_ended_by_operator"], 2)
        self.assertIn('control-command command="calls end"', g.log_text())
        self.sums_agree(self.records())

    def test_a_call_that_rings_is_ended(self):
        g = self.start(extra=IN_FILE, sip=2)
        alice, bob = self.phone("alice"), self.phone("bob")
        for ringing in (True, False):
            with self.subTest(ringing=ringing):
                request = self.call(alice, "bob@example.net")
                invite = bob.request("INVITE")
                bob.answer(invite, 180 if ringing else 100)
                if ringing:
                    alice.response(180)
                else:
                    wait_for(
                        lambda: g.ctl("calls", "--user", "bob"), "the call that does not ring yet"
                    )
                g.ctl("calls", "end", request.get("Call-ID"))
                response = alice.response(487)
                self.assertEqual(response.get("Reason"), REASON)
                failure_ack(alice, request, response)
                got = bob.request("CANCEL")
                self.assertEqual(got.get("Reason"), REASON)
                bob.answer(got, 200, contact=False)
                bob.answer(invite, 487, contact=False)
                bob.request("ACK")
                self.no_calls()
        for record in self.wait_records(2):
            self.assertEqual(
                (record["status"], record["ended-by"], record["why"], record["reason"]),
                (487, "operator", "ended", REASON),
            )
        self.sums_agree(self.records())


if __name__ == "__main__":
    unittest.main()
