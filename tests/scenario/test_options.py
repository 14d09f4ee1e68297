"""Requests that are addressed to the gateway itself (RFC 3261 sections 8.2 and 11)."""
import unittest

from legs import NUMBER, CallCase


class AddressedToUs(CallCase):
    def setUp(self):
        super().setUp()
        self.start()
        self.alice, self.core = self.phone("alice", register=False), self.trunk()

    def ask(self, peer, method, uri, **words):
        if peer is self.alice:
            answer, _ = peer.challenged(method, uri, to="example.net", **words)
            if answer is not None:
                return answer
        else:
            words.setdefault("sender", "pbx@carrier.example")
            peer.send_raw(peer.make(method, uri, to="example.net", **words), peer.to)
        return peer.final(method)

    def test_options(self):
        for peer, port in ((self.alice, 5060), (self.core, 5062)):
            for uri in (
                "sip:example.net",
                f"sip:{self.gateway.ip}:{port}",
                f"sip:{self.gateway.ip}:{port};transport=udp",
            ):
                with self.subTest(uri=uri, peer=peer.name):
                    answer = self.ask(peer, "OPTIONS", uri)
                    self.assertEqual(answer.status, 200)
                    for method in ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "MESSAGE"):
                        self.assertIn(method, answer.get("Allow").split(", "))
                    self.assertEqual(answer.get("Accept"), "application/sdp")
                    self.assertIsNotNone(answer.get("Supported"))
                    self.assertIsNotNone(answer.tag("To"))

    def test_options_at_its_last_hop(self):
        """RFC 3261 section 11: Max-Forwards 0 is answered here, not 483."""
        self.assertEqual(
            self.ask(self.alice, "OPTIONS", f"sip:{NUMBER}@example.net", max_forwards=0).status, 200
        )
        self.assertEqual(self.core.received, [])

    def test_max_forwards_reached(self):
        for method in ("INVITE", "MESSAGE", "FOO", "REGISTER"):
            self.alice.send_raw(
                self.alice.make(
                    method, f"sip:{NUMBER}@example.net", sender="alice@example.net", max_forwards=0
                )
            )
            self.assertEqual(self.alice.final(method).status, 483)
        self.assertEqual(self.core.received, [])
        self.counted("max_forwards_reached", 4)

    def test_unknown_method(self):
        for peer in (self.alice, self.core):
            self.assertEqual(self.ask(peer, "FOO", "sip:example.net").status, 501)

    def test_nobody_lives_here(self):
        for method in ("INVITE", "MESSAGE"):
            self.assertEqual(self.ask(self.core, method, f"sip:{self.gateway.ip}:5062").status, 404)

    def test_not_allowed(self):
        for method in ("INFO", "PUBLISH"):
            answer = self.ask(self.core, method, "sip:example.net")
            self.assertEqual(answer.status, 405)
            self.assertIn("INVITE", answer.get("Allow"))

    def test_requests_of_no_dialog(self):
        """RFC 3261 section 15: without a To tag they name none, wherever they are for."""
        for method in ("BYE", "PRACK", "UPDATE"):
            for peer in (self.alice, self.core):
                for uri in ("sip:example.net", "sip:bob@example.net", f"sip:{NUMBER}@example.net"):
                    with self.subTest(method=method, uri=uri, peer=peer.name):
                        sender = (
                            "alice@example.net" if peer is self.alice else "pbx@carrier.example"
                        )
                        peer.send_raw(peer.make(method, uri, sender=sender), peer.to)
                        self.assertEqual(peer.final(method).status, 481)
        self.counted("dialog_unmatched", 18)

    def test_unknown_scheme(self):
        """RFC 3261 section 8.2.2.1: 416."""
        self.core.send_raw(
            self.core.make("OPTIONS", "xyz:somebody", sender="pbx@carrier.example"), self.core.to
        )
        self.assertEqual(self.core.final("OPTIONS").status, 416)


if __name__ == "__main__":
    unittest.main()
