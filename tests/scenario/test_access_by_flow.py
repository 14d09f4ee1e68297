"""Phones are reached by their flow alone, and answers go where their request came from (RFC
3581)."""
import re, unittest

from legs import NUMBER, SDP, CallCase, Dialog, failure_ack


class AccessByFlow(CallCase):
    def setUp(self):
        super().setUp()
        self.start()

    def test_contact_that_names_somebody_else(self):
        """A registered Contact is a name: the call to it goes to the flow that registered it."""
        trunk, alice = self.trunk(), self.phone("alice")
        bob = self.phone("bob", register=False)
        elsewhere = f"sip:bob@{self.trunk_ip}:5080"
        self.assertEqual(
            bob.register(contact=False, headers=[f"Contact: <{elsewhere}>"]).status, 200
        )
        self.public = {self.trunk_ip, elsewhere, ":5080"}
        request = self.call(alice, "bob@example.net")
        invite = bob.request("INVITE")
        self.assertEqual(invite.uri, elsewhere)
        tag = bob.answer(invite, 200, body=SDP, contact=False, headers=[f"Contact: <{elsewhere}>"])
        a = Dialog.of_answer(alice, request, alice.response(200, "INVITE"))
        a.ack()
        bob.request("ACK")
        self.hang_up(a, Dialog.of_request(bob, invite, tag))
        self.request(alice, "MESSAGE", "bob@example.net", body="x", content_type="text/plain")
        bob.answer(bob.request("MESSAGE"), 200, contact=False)
        alice.response(200, "MESSAGE")
        self.assertEqual(trunk.received, [])

    def test_contact_parameters(self):
        """maddr, transport and a Route of the phone's choice lead nowhere."""
        trunk, alice = self.trunk(), self.phone("alice")
        bob = self.phone("bob", register=False)
        contact = f"sip:bob@192.0.2.1:5080;maddr={self.trunk_ip};transport=tcp"
        bob.register(
            contact=False,
            headers=[
                f"Contact: <{contact}>",
                f"Path: <sip:{self.trunk_ip}:5080;lr>",
                "Supported: path",
            ],
        )
        self.public = {self.trunk_ip, ":5080"}
        request = self.call(
            alice, "bob@example.net", headers=[f"Route: <sip:{self.trunk_ip}:5080;lr>"]
        )
        invite = bob.request("INVITE")
        self.assertEqual((invite.uri, invite.all("Route")), (contact, []))
        bob.answer(invite, 486, "Busy Here", contact=False)
        bob.request("ACK")
        failure_ack(alice, request, alice.response(486))
        self.assertEqual(trunk.received, [])

    def test_caller_is_reached_by_its_flow(self):
        trunk, bob, alice = self.trunk(), self.phone("bob"), self.phone("alice")
        elsewhere = f"sip:alice@{self.trunk_ip}:5080"
        self.public = {self.trunk_ip, elsewhere, ":5080"}
        a, b = self.establish(
            alice,
            bob,
            "bob@example.net",
            contact=False,
            headers=[f"Contact: <{elsewhere}>", f"Record-Route: <sip:{self.trunk_ip}:5080;lr>"],
        )
        b.send("BYE")
        bye = alice.request("BYE")
        self.assertEqual(bye.uri, elsewhere)
        alice.answer(bye, 200, contact=False)
        bob.response(200, "BYE")
        self.assertEqual(trunk.received, [])

    def test_refresh_moves_the_flow(self):
        """A phone that comes back by another flow with a re-INVITE is reached there."""
        trunk, alice = self.trunk(), self.phone("alice")
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        moved = self.phone("alice", register=False)
        moved.name = "alice-moved"
        self.peers.remove(moved)
        d = Dialog(moved, a.call_id, a.local, a.remote, a.target, [], a.cseq)
        sent = d.send("INVITE", body=SDP)
        trunk.answer(trunk.request("INVITE"), 200, body=SDP)
        moved.response(200, "INVITE")
        d.ack(sent.cseq[0])
        trunk.request("ACK")
        b.send("BYE")
        moved.answer(moved.request("BYE"), 200, contact=False)
        trunk.response(200, "BYE")

    def test_phone_comes_back_by_another_connection(self):
        trunk, alice = self.trunk(), self.phone("alice", "TCP")
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        alice.close()
        self.counted("stream_ended")
        back = self.phone("alice", "TCP", register=False)
        back.name = "alice-back"
        self.peers.remove(back)
        d = Dialog(back, a.call_id, a.local, a.remote, a.target, [], a.cseq)
        d.send("INFO")
        trunk.answer(trunk.request("INFO"), 200, contact=False)
        back.response(200, "INFO")
        b.send("BYE")
        back.answer(back.request("BYE"), 200, contact=False)
        trunk.response(200, "BYE")
        self.no_calls()

    def test_no_contact(self):
        """RFC 3261 section 8.1.1.8: an INVITE must have one."""
        trunk = self.trunk()
        for headers in ((), ("Contact: *",)):
            trunk.send_raw(
                trunk.make(
                    "INVITE",
                    "sip:bob@example.net",
                    sender="x@carrier.example",
                    contact=False,
                    headers=headers,
                ),
                trunk.to,
            )
            self.assertEqual(trunk.final("INVITE").status, 400)

    def test_answers_go_to_the_source(self):
        """Whatever Via says, with rport and without."""
        trunk = self.trunk()
        for transport in ("UDP", "TCP"):
            alice = self.phone("alice", transport, register=False)
            for rport in (
                "",
                ";rport",
                ";rport=9",
                f";maddr={self.trunk_ip}",
                f";received={self.trunk_ip};rport=5080",
                f";received={self.trunk_ip}",
            ):
                raw = alice.make("OPTIONS", "sip:example.net", rport=False).decode()
                raw = re.sub(
                    rf"Via: SIP/2.0/{transport} [^;]*;(branch=[^\r]*)",
                    rf"Via: SIP/2.0/{transport} {self.trunk_ip}:5080;\1{rport}",
                    raw,
                )
                self.public = {self.trunk_ip, ":5080", f"{self.trunk_ip}:5080"}
                alice.send_raw(raw.encode())
                via = alice.response(401, "OPTIONS").get("Via")
                self.assertEqual(re.findall(r"received=([^;]*)", via), [alice.ip])
                self.assertEqual(
                    re.findall(r"rport=([^;]*)", via), [str(alice.port)] if "rport" in rport else []
                )
        self.assertEqual(trunk.received, [])


if __name__ == "__main__":
    unittest.main()
