"""Transfers through the gateway: REFER, Replaces, Referred-By and Target-Dialog, each mapped to the
other leg (RFC 3515, 3891, 3892, 4538)."""
import re, unittest

from legs import NUMBER, SDP, CallCase, Dialog, Message, failure_ack

ANSWER = SDP.replace("6000", "7000")


class Transfers(CallCase):
    def test_blind_transfer(self):
        """RFC 3515: REFER and the NOTIFY of its subscription pass; the id of the Event is the
        REFER's number of the leg."""
        self.start()
        a, b = self.establish(self.phone("alice"), self.trunk(), f"{NUMBER}@example.net")
        for side, other in ((a, b), (b, a)):
            sent = side.send(
                "REFER",
                headers=[
                    "Refer-To: <sip:+4940999@example.net>",
                    "Referred-By: <sip:somebody@example.net>",
                ],
            )
            refer = other.peer.request("REFER")
            self.assertEqual(refer.get("Refer-To"), "<sip:+4940999@example.net>")
            self.assertEqual(refer.get("Referred-By"), "<sip:somebody@example.net>")
            other.peer.answer(refer, 202, "Accepted")
            side.peer.response(202, "REFER")
            other.send(
                "NOTIFY",
                headers=[
                    f"Event: refer;id={refer.cseq[0]}",
                    "Subscription-State: active;expires=60",
                ],
                body="SIP/2.0 100 Trying\r\n",
                content_type="message/sipfrag",
            )
            notify = side.peer.request("NOTIFY")
            self.assertEqual(notify.get("Event"), f"refer;id={sent.cseq[0]}")
            self.assertEqual(notify.get("Subscription-State"), "active;expires=60")
            self.assertEqual(notify.body, b"SIP/2.0 100 Trying\r\n")
            side.peer.answer(notify, 200)
            other.peer.response(200, "NOTIFY")

    def test_attended_transfer(self):
        """RFC 3891: alice has talked to bob and to the trunk, and refers bob to her dialog with the
        trunk."""
        self.start()
        alice, bob, trunk = self.phone("alice"), self.phone("bob"), self.trunk()
        first, bobs = self.establish(alice, bob, "bob@example.net")
        second, trunks = self.establish(alice, trunk, f"{NUMBER}@example.net")
        escaped = second.replaces().replace(";", "%3B").replace("=", "%3D")
        first.send(
            "REFER",
            headers=[
                f"Refer-To: <{second.target}?Replaces={escaped}>",
                "Referred-By: <sip:alice@example.net>",
            ],
        )
        refer = bob.request("REFER")
        bob.answer(refer, 202, "Accepted")
        alice.response(202, "REFER")
        m = re.fullmatch(r"<(sip:[^?>]*)\?Replaces=([^>]*)>", refer.get("Refer-To"))
        self.assertIsNotNone(m, refer)
        target, replaces = m.group(1), m.group(2).replace("%3B", ";").replace("%3D", "=")
        self.public = {second.target, second.remote_tag}  # our own names for it
        self.assertEqual(replaces.count(second.remote_tag), 2)
        # bob does as he is told
        answer, parts = bob.challenged(
            "INVITE",
            target,
            to="alice@example.net",
            body=SDP,
            headers=[f"Replaces: {replaces}", "Referred-By: <sip:alice@example.net>"],
        )
        self.assertIsNone(answer)
        invite = trunk.request("INVITE")
        self.assertEqual(
            set(invite.get("Replaces").split(";")),
            {trunks.call_id, f"to-tag={trunks.local_tag}", f"from-tag={trunks.remote_tag}"},
        )
        self.assertEqual(invite.get("Replaces").split(";")[0], trunks.call_id)
        self.assertEqual(invite.get("Referred-By"), "<sip:alice@example.net>")
        tag = trunk.answer(invite, 200, body=ANSWER)
        ok = bob.response(200, "INVITE")
        new = Dialog.of_answer(bob, Message(bob.last_request), ok)
        new.ack()
        trunk.request("ACK")
        # the replaced one hangs up
        trunks.send("BYE")
        bye = alice.request("BYE")
        self.assertEqual(bye.get("Call-ID"), second.call_id)
        alice.answer(bye, 200, contact=False)
        trunk.response(200, "BYE")
        self.hang_up(first, bobs)
        self.hang_up(new, Dialog.of_request(trunk, invite, tag))
        self.no_calls()

    def test_referred_by_of_an_invite(self):
        """RFC 3892: who referred is named by our Contact of the caller's leg, which passes with our
        address on the other leg."""
        self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        first, trunks = self.establish(alice, trunk, f"{NUMBER}@example.net")
        self.public = {re.match("sip:([^@]*)@", first.target).group(1)}
        request = self.call(
            alice, f"{NUMBER}@example.net", headers=[f"Referred-By: <{first.target}>;x=y"]
        )
        invite = trunk.request("INVITE")
        host = re.search("@([^>;]*)", trunks.target).group(1)
        user, own = re.match("sip:([^@]*)@([^>;]*)", first.target).groups()
        self.assertNotEqual(host, own, "the legs have two addresses")
        self.assertEqual(invite.get("Referred-By"), f"<sip:{user}@{host}>;x=y")
        trunk.answer(invite, 486, "Busy Here", contact=False)
        trunk.request("ACK")
        failure_ack(alice, request, alice.response(486))
        self.hang_up(first, trunks)
        self.no_calls()

    def test_blind_transfer_to_our_contact(self):
        """A Refer-To that is our Contact in another call leads to that call's other side, and once
        that call is over nowhere."""
        self.start()
        alice, bob, trunk = self.phone("alice"), self.phone("bob"), self.trunk()
        first, bobs = self.establish(alice, bob, "bob@example.net")
        second, trunks = self.establish(alice, trunk, f"{NUMBER}@example.net")
        first.send("REFER", headers=[f"Refer-To: {second.target}"])
        refer = bob.request("REFER")
        bob.answer(refer, 202, "Accepted")
        alice.response(202, "REFER")
        self.assertEqual(refer.get("Refer-To"), second.target)
        self.public = {second.target}
        bob.challenged("INVITE", second.target, to="alice@example.net", body=SDP)
        invite = trunk.request("INVITE")
        self.assertEqual(invite.uri, f"sip:trunk@{self.trunk_ip}:5080")
        tag = trunk.answer(invite, 200, body=ANSWER)
        new = Dialog.of_answer(bob, Message(bob.last_request), bob.response(200, "INVITE"))
        new.ack()
        trunk.request("ACK")
        self.hang_up(second, trunks)
        self.hang_up(new, Dialog.of_request(trunk, invite, tag))
        bob.challenged(
            "INVITE", second.target, to="alice@example.net", body=SDP, call_id="too-late"
        )
        failure_ack(bob, Message(bob.last_request), bob.response(403, "INVITE"))

    def test_replaces_of_no_dialog(self):
        self.start()
        alice, bob = self.phone("alice"), self.phone("bob")
        request = self.call(
            alice, "bob@example.net", headers=["Replaces: nobody@nowhere;to-tag=1;from-tag=2"]
        )
        failure_ack(alice, request, alice.response(481, "INVITE"))
        self.assertEqual([m for m in bob.received if m.method == "INVITE"], [])

    def test_target_dialog_is_mapped(self):
        self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        a.send(
            "REFER",
            headers=[
                "Refer-To: <sip:+4940999@example.net>",
                f"Target-Dialog: {a.call_id};local-tag={a.local_tag};remote-tag={a.remote_tag}",
            ],
        )
        refer = trunk.request("REFER")
        # from the receiver's side local and remote are as RFC 4538 section 4 says: the sender's
        self.assertEqual(
            refer.get("Target-Dialog"),
            f"{b.call_id};local-tag={b.remote_tag};remote-tag={b.local_tag}",
        )
        trunk.answer(refer, 202, "Accepted")
        alice.response(202, "REFER")


if __name__ == "__main__":
    unittest.main()
