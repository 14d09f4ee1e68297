"""Requests outside dialogs that are passed on: MESSAGE, INFO, unknown methods (RFC 3428, RFC
3261 section 16, RFC 4320)."""
import unittest

from legs import NUMBER, CallCase, branch_of

TEXT = "text/plain;charset=UTF-8"


class Relay(CallCase):
    def check(self, sender, receiver, to, method):
        request = self.request(
            sender,
            method,
            to,
            body="Hello, world",
            content_type=TEXT,
            headers=['X-Odd: "a, b"  ;c'],
            contact=False,
        )
        got = receiver.request(method)
        self.assertEqual(got.body, b"Hello, world")
        self.assertEqual(got.get("Content-Type"), TEXT)
        self.assertIn(b'\r\nX-Odd: "a, b"  ;c\r\n', got.raw)
        self.assertNotEqual(got.get("Call-ID"), request.get("Call-ID"))
        self.assertNotEqual(got.tag("From"), request.tag("From"))
        self.assertEqual(
            (got.get("Max-Forwards"), len(got.all("Via")), got.cseq[1]), ("69", 1, method)
        )
        self.assertEqual((got.all("Contact"), got.all("Proxy-Authorization")), ([], []))
        receiver.answer(got, 202, "Accepted", contact=False, headers=["X-Back: yes"])
        answer = sender.final(method)
        self.assertEqual(
            (answer.start, answer.get("X-Back"), answer.get("CSeq"), answer.get("Call-ID")),
            ("SIP/2.0 202 Accepted", "yes", request.get("CSeq"), request.get("Call-ID")),
        )
        self.assertNotEqual(answer.tag("To"), got.tag("To"))
        self.assertIsNotNone(answer.tag("To"))

    def test_message_phone_to_phone(self):
        self.start()
        self.check(self.phone("alice"), self.phone("bob"), "bob@example.net", "MESSAGE")

    def test_message_over_tcp(self):
        self.start()
        self.check(
            self.phone("alice", "TCP"), self.phone("bob", "TCP"), "bob@example.net", "MESSAGE"
        )

    def test_message_phone_to_trunk(self):
        self.start()
        self.check(self.phone("alice"), self.trunk(), f"{NUMBER}@example.net", "MESSAGE")

    def test_message_trunk_to_phone(self):
        self.start()
        self.check(self.trunk(), self.phone("bob"), "bob@example.net", "MESSAGE")

    def test_other_methods(self):
        self.start()
        alice, bob, trunk = self.phone("alice"), self.phone("bob"), self.trunk()
        for method in ("FOO", "INFO", "OPTIONS", "REFER"):
            with self.subTest(method=method):
                self.check(alice, bob, "bob@example.net", method)
                self.check(alice, trunk, f"{NUMBER}@example.net", method)
                self.check(trunk, bob, "bob@example.net", method)

    def test_contact_is_ours(self):
        self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        self.request(alice, "OPTIONS", f"{NUMBER}@example.net")
        got = trunk.request("OPTIONS")
        self.assertIn(f"@{self.gateway.ip}:5062", got.contact_uri())
        trunk.answer(got, 200, headers=["Allow: INVITE", "Supported: timer, gruu"])
        answer = alice.response(200, "OPTIONS")
        self.assertEqual((answer.get("Allow"), answer.get("Supported")), ("INVITE", "timer"))
        self.assertIn(f"@{self.gateway.ip}:5060", answer.contact_uri())

    def test_provisionals_stop_here(self):
        """RFC 4320 section 4.1: nothing but a final response comes back."""
        self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        request = self.request(
            alice, "MESSAGE", f"{NUMBER}@example.net", body="x", content_type=TEXT, contact=False
        )
        got = trunk.request("MESSAGE")
        trunk.answer(got, 180, "Ringing", contact=False)
        trunk.answer(got, 200, contact=False)
        alice.response(200, "MESSAGE")
        self.assertEqual([m.status for m in alice.received if m.cseq == request.cseq], [200])

    def test_best_response(self):
        for statuses, best in (
            ((486, 500), 486),
            ((404, 415), 415),
            ((600, 404), 600),
            ((503, 503), 500),
            ((200, 404), 200),
            ((404, 200), 200),
        ):
            with self.subTest(statuses=statuses):
                self.start()
                alice, phones = self.phone("alice"), [self.phone("bob"), self.phone("bob")]
                self.request(
                    alice, "MESSAGE", "bob@example.net", body="x", content_type=TEXT, contact=False
                )
                for phone, status in zip(phones, statuses):
                    phone.answer(phone.request("MESSAGE"), status, "Said", contact=False)
                self.assertEqual(alice.final("MESSAGE").status, best)

    def test_next_target_on_503(self):
        from gateway import own_address

        second = own_address()
        self.start(targets=[f"sip:{self.trunk_ip}:5080", f"sip:{second}:5080"])
        alice, one, two = self.phone("alice"), self.trunk(), self.trunk(ip=second, name="second")
        self.request(
            alice, "MESSAGE", f"{NUMBER}@example.net", body="x", content_type=TEXT, contact=False
        )
        one.answer(one.request("MESSAGE"), 503, "Service Unavailable", contact=False)
        two.answer(two.request("MESSAGE"), 200, contact=False)
        alice.response(200, "MESSAGE")

    def test_no_408(self):
        """RFC 4320 section 4.2: who waited for timer F has stopped listening; no 408, and no answer
        after it."""
        self.start(extra="timers { t1 = 100ms  t2 = 1s  t4 = 1s }")
        alice, trunk = self.phone("alice"), self.trunk()
        request = self.request(
            alice, "MESSAGE", f"{NUMBER}@example.net", body="x", content_type=TEXT, contact=False
        )
        trunk.request("MESSAGE")
        self.counted("transaction_timeouts")
        got = [m.status for m in alice.received + alice.waiting if m.cseq == request.cseq]
        self.assertNotIn(408, got)
        try:
            late = alice.receive(lambda m: m.cseq == request.cseq and m.status >= 200, 1)
        except AssertionError:
            late = None
        self.assertTrue(late is None or late.status != 408, late)

    def test_a_phone_whose_connection_ends(self):
        """RFC 3261 section 16.9: its request has failed; nobody waits for timer F to hear of it."""
        self.start()
        alice, bob = self.phone("alice"), self.phone("bob", "TCP")
        self.request(alice, "MESSAGE", "bob@example.net", body="x", contact=False)
        bob.request("MESSAGE")
        bob.close()
        self.assertEqual(alice.final("MESSAGE").status, 480)

    def test_challenge_and_redirection_of_a_phone(self):
        self.start()
        bob, trunk = self.phone("bob"), self.trunk()
        for status, seen in ((401, 403), (407, 403), (302, 480)):
            self.request(
                trunk, "MESSAGE", "bob@example.net", body="x", content_type=TEXT, contact=False
            )
            bob.answer(
                bob.request("MESSAGE"),
                status,
                "No",
                headers=[
                    'WWW-Authenticate: Digest realm="evil", nonce="x"',
                    "Contact: <sip:me@10.9.8.7>",
                ],
                contact=False,
            )
            answer = trunk.final("MESSAGE")
            self.assertEqual(
                (answer.status, answer.all("WWW-Authenticate"), answer.all("Contact")),
                (seen, [], []),
            )

    def test_large_message_goes_by_tcp(self):
        self.start()
        alice, server = self.phone("alice", "TCP"), self.listen()
        body = "0123456789" * 200
        self.request(
            alice, "MESSAGE", f"{NUMBER}@example.net", body=body, content_type=TEXT, contact=False
        )
        trunk = self.accept(server)
        got = trunk.request("MESSAGE")
        self.assertEqual(got.body.decode(), body)
        self.assertIn("SIP/2.0/TCP", got.get("Via"))
        trunk.answer(got, 200, contact=False)
        alice.response(200, "MESSAGE")
        # refused, it goes by UDP
        server.close()
        trunk.close()
        udp = self.trunk()
        self.request(
            alice, "MESSAGE", f"{NUMBER}@example.net", body=body, content_type=TEXT, contact=False
        )
        got = udp.request("MESSAGE")
        self.assertIn("SIP/2.0/UDP", got.get("Via"))
        udp.answer(got, 200, contact=False)
        alice.response(200, "MESSAGE")

    def test_retransmissions_are_absorbed(self):
        self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        request = self.request(
            alice, "MESSAGE", f"{NUMBER}@example.net", body="x", content_type=TEXT, contact=False
        )
        got = trunk.request("MESSAGE")
        alice.send_raw(request.raw)
        trunk.answer(got, 200, contact=False)
        first = alice.response(200, "MESSAGE")
        alice.send_raw(request.raw)
        self.assertEqual(alice.response(200, "MESSAGE").raw, first.raw)
        self.assertEqual(len({branch_of(m) for m in trunk.received}), 1)


if __name__ == "__main__":
    unittest.main()
