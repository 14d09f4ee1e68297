"""The flows of a call, by name: normal, busy, given up, not answered, and forwarded by the config,
by sipwardctl and by a phone. doc/FLOWS.md draws them."""
import pathlib, re, unittest

from legs import NUMBER, SDP, Dialog, cancel, failure_ack
from records import IN_FILE, RecordCase

BOB = "bob@example.net"
RINGS = 3  # seconds: the shortest time of no answer


class Flows(RecordCase):
    def setUp(self):
        super().setUp()
        self.start(extra=IN_FILE, sip=2)
        self.alice, self.bob = self.phone("alice"), self.phone("bob")
        self.carol = self.phone("carol")

    def forward(self, *words):
        self.gateway.ctl("forward", "set", BOB, *words)

    def ringing(self, phone):
        """Waits for the INVITE there, and has it ring; the INVITE and the tag of its dialog."""
        invite = phone.request("INVITE")
        tag = phone.answer(invite, 180, "Ringing")
        self.alice.response(180)
        return invite, tag

    def refuse(self, phone, status, reason, **words):
        phone.answer(phone.request("INVITE"), status, reason, contact=False, **words)
        phone.request("ACK")

    def cancelled(self, phone, invite, tag):
        phone.answer(phone.request("CANCEL"), 200, contact=False)
        phone.answer(invite, 487, "Request Terminated", tag=tag, contact=False)
        phone.request("ACK")

    def answered(self, request, phone, diversion=None):
        """The call rings and is answered there, and ended by the caller; its record."""
        invite, tag = self.ringing(phone)
        if diversion:
            self.assertEqual(invite.get("Diversion"), f"<sip:{BOB}>;reason={diversion};counter=1")
        phone.answer(invite, 200, tag=tag, body=SDP)
        a = Dialog.of_answer(self.alice, request, self.alice.response(200, "INVITE"))
        a.ack()
        phone.request("ACK")
        self.hang_up(a, Dialog.of_request(phone, invite, tag))
        self.no_calls()
        (record,) = self.wait_records(1)
        return record

    def fails(self, request, status):
        answer = self.alice.final("INVITE")
        self.assertEqual(answer.status, status)
        failure_ack(self.alice, request, answer)
        self.no_calls()

    def forwarded(self, record, because):
        """The record's last target is where it was forwarded to, and the trace says so."""
        done = self.gateway.run_ctl("trace", "--call", record["call-id"])
        self.assertIn(f"forwarded by {BOB}: {because}", " ".join(done.stdout.split()))
        target = record["targets"][-1]
        self.assertEqual(
            (target["forwarded-by"], target["forwarded-because"], target["status"]),
            (BOB, because, 200),
        )

    def test_registration(self):
        for expires, there in ((0, 0), (600, 1)):
            self.assertEqual(self.bob.register(expires=expires).status, 200)
            self.assertEqual(len(self.gateway.ctl("registrations", "--user", "bob")), there)

    def test_normal_call(self):
        record = self.answered(self.call(self.alice, BOB), self.bob)
        self.assertEqual([t["forwarded-by"] for t in record["targets"]], [""])

    def test_busy(self):
        request = self.call(self.alice, BOB)
        self.refuse(self.bob, 486, "Busy Here")
        self.fails(request, 486)

    def test_no_answer_caller_gives_up(self):
        self.forward("no-answer", "carol", RINGS)
        request = self.call(self.alice, BOB)
        invite, tag = self.ringing(self.bob)
        cancel(self.alice, request)
        self.alice.response(200, "CANCEL")
        self.cancelled(self.bob, invite, tag)
        self.fails(request, 487)
        self.assertEqual([m for m in self.carol.received if m.method], [])

    def test_no_answer_ring_timeout(self):
        """The time is over, and the one who is to be called instead is not there."""
        self.assertEqual(self.carol.register(expires=0).status, 200)
        self.forward("no-answer", "carol", RINGS)
        request = self.call(self.alice, BOB)
        invite, tag = self.ringing(self.bob)
        self.cancelled(self.bob, invite, tag)
        self.fails(request, 408)
        self.counted("forwards_refused")

    def test_forward_unconditional(self):
        done = self.gateway.run_ctl("forward", "set", BOB, "always", "bob")
        self.assertEqual(done.returncode, 1)
        self.assertIn("is this user himself", done.stderr)
        self.forward("always", "carol")
        record = self.answered(self.call(self.alice, BOB), self.carol, "unconditional")
        self.forwarded(record, "always")
        self.assertEqual(len(record["targets"]), 1)

    def test_forward_on_busy(self):
        self.forward("busy", "carol")
        request = self.call(self.alice, BOB)
        self.refuse(self.bob, 486, "Busy Here")
        self.forwarded(self.answered(request, self.carol, "user-busy"), "busy")

    def test_forward_on_no_answer(self):
        self.forward("no-answer", "carol", RINGS)
        request = self.call(self.alice, BOB)
        invite, tag = self.ringing(self.bob)
        self.cancelled(self.bob, invite, tag)
        self.forwarded(self.answered(request, self.carol, "no-answer"), "no-answer")

    def test_forward_while_away(self):
        trunk = self.trunk()
        self.forward("away", NUMBER)
        self.assertEqual(self.bob.register(expires=0).status, 200)
        request = self.call(self.alice, BOB)
        self.forwarded(self.answered(request, trunk, "unavailable"), "away")

    def test_forward_by_a_phone(self):
        self.public.add("sip:carol@example.net")  # whom bob's phone names, and the INVITE to her
        request = self.call(self.alice, BOB)
        to = "Contact: <sip:carol@example.net>"
        self.refuse(self.bob, 302, "Moved Temporarily", headers=[to])
        self.forwarded(self.answered(request, self.carol, "unconditional"), "redirected")

    def dial(self, code, status, reason):
        request = self.call(self.bob, f"{code}@example.net")
        answer = self.bob.final("INVITE")
        self.assertTrue(answer.raw.startswith(f"SIP/2.0 {status} {reason}\r\n".encode()), answer)
        failure_ack(self.bob, request, answer)

    def test_codes_of_users(self):
        config = self.gateway.config.read_text()
        head = 'domain "example.net" {'
        self.assertEqual(config.count(head), 1)
        codes = ' code-always = "*21" code-no-answer = "*61"'
        self.gateway.config.write_text(config.replace(head, head + codes))
        self.gateway.ctl("reload")
        self.dial("*21*carol%23", 480, "Forward Is Set")
        (row,) = self.gateway.ctl("forward", "list")
        self.assertEqual(
            (row["user"], row["when"], row["to"], row["set-by"]),
            ("bob", "always", "sip:carol@example.net", "user"),
        )
        self.forwarded(self.answered(self.call(self.alice, BOB), self.carol), "always")
        self.dial("%2321%23", 480, "Forward Is Cleared")
        self.dial(f"*61*{NUMBER}*30%23", 480, "Forward Is Set")
        (row,) = self.gateway.ctl("forward", "list", "--user", BOB)
        self.assertEqual((row["when"], row["seconds"]), ("no-answer", 30))
        self.dial(f"*61*{NUMBER}*2%23", 484, "Address Incomplete")

    def test_forwards_are_kept_and_cleared(self):
        self.forward("always", "carol")
        self.forward("busy", f"sip:{NUMBER}@example.net")
        self.forward("no-answer", "carol@example.net", 25)

        def listed():
            return {
                r["when"]: (r["user"], r["to"], r["seconds"], r["set-by"])
                for r in self.gateway.ctl("forward", "list", "--user", "bob")
            }

        carol = "sip:carol@example.net"
        kept = {
            "always": ("bob", carol, 0, "operator"),
            "busy": ("bob", f"sip:{NUMBER}@example.net", 0, "operator"),
            "no-answer": ("bob", carol, 25, "operator"),
        }
        self.assertEqual(listed(), kept)
        self.stop_answered()
        self.gateway.log.close()
        self.gateway.start()
        self.assertEqual(listed(), kept)
        self.forwarded(self.answered(self.call(self.alice, BOB), self.carol), "always")
        self.gateway.ctl("forward", "clear", BOB, "always")
        self.assertEqual(sorted(listed()), ["busy", "no-answer"])
        self.gateway.ctl("forward", "clear", BOB)
        self.assertEqual(listed(), {})
        for words, says in (
            (("set", "bob@example.org", "busy", "carol"), "no domain"),
            (("set", "nobody@example.net", "busy", "carol"), "no such user"),
            (("set", BOB, "sometimes", "carol"), "expected always, busy, no-answer or away"),
            (("set", BOB, "busy", "a b"), "a user or a number"),
            (("set", BOB, "busy", "carol", 20), "only no-answer has seconds"),
            (("set", BOB, "no-answer", "carol", 2), "expected 3 to 180 seconds"),
            (("clear", BOB), "nothing is set"),
        ):
            with self.subTest(words):
                done = self.gateway.run_ctl("forward", *words)
                self.assertEqual(done.returncode, 1, done)
                self.assertIn(says, done.stderr)


class Document(unittest.TestCase):
    def test_every_flow_is_drawn(self):
        text = (pathlib.Path(__file__).parents[2] / "doc/FLOWS.md").read_text()
        titles = re.findall(r"^## .*`(test_\w+)`$", text, re.M)
        flows = [n for n in dir(Flows) if re.match("test_(?!codes|forwards)", n)]
        self.assertEqual(sorted(titles), sorted(flows))


if __name__ == "__main__":
    unittest.main()
