"""Calls through the gateway from INVITE to BYE: the offer in each of its places, early dialogs,
what passes within a dialog (RFC 3261, 3262, 3311, 4028, 6086)."""
import socket, unittest

from legs import NUMBER, SDP, CallCase, Dialog, branch_of, failure_ack

ANSWER = SDP.replace("6000", "7000")


class Calls(CallCase):
    def basic(self, caller, callee, to):
        request = self.call(caller, to)
        invite = callee.request("INVITE")
        self.assertEqual(invite.body.decode(), SDP)
        self.assertNotEqual(invite.get("Call-ID"), request.get("Call-ID"))
        self.assertNotEqual(invite.tag("From"), request.tag("From"))
        self.assertEqual(invite.get("Max-Forwards"), "69")
        self.assertEqual(len(invite.all("Via")), 1)
        tag = callee.answer(invite, 180, "Ringing")
        ringing = caller.response(180)
        self.assertIsNotNone(ringing.tag("To"))
        self.assertEqual(ringing.get("Call-ID"), request.get("Call-ID"))
        self.assertEqual(ringing.get("CSeq"), request.get("CSeq"))
        callee.answer(invite, 200, tag=tag, body=ANSWER)
        ok = caller.response(200, "INVITE")
        self.assertEqual(ok.body.decode(), ANSWER)
        self.assertEqual(ok.tag("To"), ringing.tag("To"))
        a, b = Dialog.of_answer(caller, request, ok), Dialog.of_request(callee, invite, tag)
        a.ack()
        ack = callee.request("ACK")
        self.assertEqual(ack.cseq[0], invite.cseq[0])
        self.assertNotEqual(branch_of(ack), branch_of(invite))
        self.assertEqual(ack.tag("To"), tag)
        self.assertEqual(len(self.gateway.ctl("calls")), 1)
        self.hang_up(b, a)
        self.no_calls()
        self.assertEqual([m.start for m in callee.waiting if m.method], [], "nothing is sent twice")

    def test_phone_to_phone(self):
        self.start()
        a, b = self.phone("alice"), self.phone("bob")
        self.basic(a, b, "bob@example.net")

    def test_tcp_phone_to_udp_phone(self):
        self.start()
        a, b = self.phone("alice", "TCP"), self.phone("bob")
        self.basic(a, b, "bob@example.net")

    def test_udp_phone_to_tcp_phone(self):
        self.start()
        a, b = self.phone("alice"), self.phone("bob", "TCP")
        self.basic(a, b, "bob@example.net")

    def test_phone_to_trunk(self):
        self.start()
        a, t = self.phone("alice"), self.trunk()
        self.basic(a, t, f"{NUMBER}@example.net")

    def test_trunk_to_phone(self):
        self.start()
        b, t = self.phone("bob"), self.trunk()
        self.basic(t, b, "bob@example.net")

    def test_pbx_that_writes_its_address(self):
        """A numeric host in From is the far side's own: the phone sees ours, the PBX its own again
        in what comes back."""
        self.start()
        b, t = self.phone("bob"), self.trunk()
        request = self.call(t, "bob@example.net", sender=f"100@{self.trunk_ip}:5080")
        invite = b.request("INVITE")
        self.assertIn(f"<sip:100@{self.gateway.ip}>", invite.get("From"))
        tag = b.answer(invite, 200, body=ANSWER)
        ok = t.response(200, "INVITE")
        self.assertEqual(ok.get("From"), request.get("From"))
        a, callee = Dialog.of_answer(t, request, ok), Dialog.of_request(b, invite, tag)
        a.ack()
        b.request("ACK")
        callee.send("BYE")
        bye = t.request("BYE")
        self.assertIn(f"<sip:100@{self.trunk_ip}:5080>", bye.get("To"))
        t.answer(bye, 200)
        b.response(200, "BYE")
        t.send_raw(
            t.make(
                "MESSAGE",
                "sip:bob@example.net",
                sender=f"100@{self.trunk_ip}",
                body="hello",
                content_type="text/plain",
                contact=False,
            ),
            t.to,
        )
        relayed = b.request("MESSAGE")
        self.assertIn(f"<sip:100@{self.gateway.ip}>", relayed.get("From"))
        b.answer(relayed, 200, contact=False)
        self.assertIn(f"<sip:100@{self.trunk_ip}>", t.response(200, "MESSAGE").get("From"))

    def test_unregistered_phone_calls(self):
        self.start()
        a, b = self.phone("alice", register=False), self.phone("bob")
        self.basic(a, b, "bob@example.net")

    def test_addressed_to_our_address(self):
        """Our own address stands for the first domain, escaped letters for themselves."""
        self.start()
        b, t = self.phone("bob"), self.trunk()
        for to in (f"bob@{self.gateway.ip}:5062", "b%6Fb@example.net", "bob@EXAMPLE.net"):
            request = self.call(t, to)
            invite = b.request("INVITE")
            self.assertEqual(invite.uri, f"sip:bob@{b.ip}:{b.port}")
            b.answer(invite, 486, "Busy Here", contact=False)
            b.request("ACK")
            failure_ack(t, request, t.response(486))

    def test_trying_comes_at_once(self):
        self.start()
        a, b = self.phone("alice"), self.phone("bob")
        request = self.call(a, "bob@example.net")
        trying = a.response(100)
        self.assertIsNone(trying.tag("To"))
        self.assertEqual(branch_of(trying), branch_of(request))
        invite = b.request("INVITE")
        b.answer(invite, 486, "Busy Here", contact=False)
        b.request("ACK")
        busy = a.response(486)
        failure_ack(a, request, busy)
        self.no_calls()

    def test_caller_hangs_up(self):
        self.start()
        a, b = self.establish(self.phone("alice"), self.phone("bob"), "bob@example.net")
        a.send("BYE")
        bye = b.peer.request("BYE")
        self.assertEqual(bye.get("Call-ID"), b.call_id)
        self.assertEqual(bye.tag("To"), b.local_tag)
        self.assertEqual(bye.tag("From"), b.remote_tag)
        b.peer.answer(bye, 200, contact=False)
        a.peer.response(200, "BYE")
        self.no_calls()

    def test_offer_in_the_answer(self):
        self.start()
        caller, callee = self.phone("alice"), self.trunk()
        request = self.call(caller, f"{NUMBER}@example.net", body=b"")
        invite = callee.request("INVITE")
        self.assertEqual(invite.body, b"")
        self.assertIsNone(invite.get("Content-Type"))
        tag = callee.answer(invite, 200, body=SDP)
        ok = caller.response(200, "INVITE")
        self.assertEqual(ok.body.decode(), SDP)
        Dialog.of_answer(caller, request, ok).ack(body=ANSWER)
        ack = callee.request("ACK")
        self.assertEqual(ack.body.decode(), ANSWER)
        self.assertEqual(ack.get("Content-Type"), "application/sdp")
        self.hang_up(Dialog.of_request(callee, invite, tag), Dialog.of_answer(caller, request, ok))

    def test_provisional_responses_pass(self):
        self.start()
        caller, callee = self.phone("alice"), self.trunk()
        request = self.call(caller, f"{NUMBER}@example.net")
        invite = callee.request("INVITE")
        callee.answer(invite, 100, "Trying", contact=False)
        tag = callee.answer(invite, 180, "Ringing")
        first = caller.response(180)
        callee.answer(invite, 183, "Session Progress", tag=tag, body=ANSWER)
        progress = caller.response(183)
        self.assertEqual(progress.start, "SIP/2.0 183 Session Progress")
        self.assertEqual(progress.body.decode(), ANSWER)
        self.assertEqual(progress.tag("To"), first.tag("To"))
        callee.answer(invite, 181, "Call Is Being Forwarded", tag=tag)
        self.assertEqual(caller.response(181).tag("To"), first.tag("To"))
        callee.answer(invite, 200, tag=tag, body=ANSWER)
        ok = caller.response(200, "INVITE")
        self.assertEqual(ok.tag("To"), first.tag("To"))
        self.assertEqual(
            len([m for m in caller.received if m.status == 100]), 1, "100 is ours alone"
        )
        Dialog.of_answer(caller, request, ok).ack()
        callee.request("ACK")

    def test_early_dialogs_of_a_fork_stay_several(self):
        self.start()
        caller, callee = self.phone("alice"), self.trunk()
        request = self.call(caller, f"{NUMBER}@example.net")
        invite = callee.request("INVITE")
        callee.answer(invite, 180, "Ringing", tag="fork-one")
        one = caller.response(180)
        callee.answer(invite, 180, "Ringing", tag="fork-two")
        two = caller.response(180)
        self.assertNotEqual(one.tag("To"), two.tag("To"))
        self.assertNotEqual(one.contact_uri(), two.contact_uri())
        callee.answer(invite, 183, "Session Progress", tag="fork-one")
        self.assertEqual(caller.response(183).tag("To"), one.tag("To"))
        callee.answer(invite, 200, tag="fork-two", body=ANSWER)
        ok = caller.response(200, "INVITE")
        self.assertEqual(ok.tag("To"), two.tag("To"))
        a, b = Dialog.of_answer(caller, request, ok), Dialog.of_request(callee, invite, "fork-two")
        a.ack()
        self.assertEqual(callee.request("ACK").tag("To"), "fork-two")
        # the early dialog that did not win is over
        Dialog.of_answer(caller, request, one).send("BYE")
        caller.response(481, "BYE")
        self.hang_up(a, b)

    def test_prack(self):
        """RFC 3262: RAck names the INVITE's number of the leg."""
        self.start()
        caller, callee = self.phone("alice"), self.trunk()
        request = self.call(
            caller, f"{NUMBER}@example.net", headers=["Supported: 100rel"], cseq=700
        )
        invite = callee.request("INVITE")
        self.assertEqual(invite.get("Supported"), "100rel")
        tag = callee.answer(
            invite, 183, "Session Progress", headers=["Require: 100rel", "RSeq: 4711"], body=ANSWER
        )
        progress = caller.response(183)
        self.assertEqual(progress.get("Require"), "100rel")
        self.assertEqual(progress.get("RSeq"), "4711")
        early = Dialog.of_answer(caller, request, progress)
        early.send(
            "PRACK", headers=[f"RAck: 4711 {invite.cseq[0]} INVITE"]
        )  # no such INVITE on this leg
        caller.response(481, "PRACK")
        early.send("PRACK", headers=[f"RAck: 4711 {request.cseq[0]} INVITE"])
        prack = callee.request("PRACK")
        self.assertEqual(prack.get("RAck"), f"4711 {invite.cseq[0]} INVITE")
        self.assertNotEqual(invite.cseq[0], request.cseq[0])
        self.assertEqual(prack.tag("To"), tag)
        callee.answer(prack, 200, contact=False)
        caller.response(200, "PRACK")
        callee.answer(invite, 200, tag=tag, body=ANSWER)
        ok = caller.response(200, "INVITE")
        early.ack(request.cseq[0])
        ack = callee.request("ACK")
        self.assertEqual(ack.cseq[0], invite.cseq[0])
        self.assertGreater(prack.cseq[0], invite.cseq[0])
        self.assertEqual(ok.tag("To"), progress.tag("To"))

    def test_reliable_provisional_of_a_reinvite_from_the_callee(self):
        self.start()
        a, b = self.establish(self.phone("alice"), self.trunk(), f"{NUMBER}@example.net")
        sent = b.send("INVITE", headers=["Supported: 100rel"], body=SDP)
        invite = a.peer.request("INVITE")
        a.peer.answer(invite, 183, "Session Progress", headers=["Require: 100rel", "RSeq: 9"])
        b.peer.response(183)
        b.send("PRACK", headers=[f"RAck: 9 {sent.cseq[0]} INVITE"])
        prack = a.peer.request("PRACK")
        self.assertEqual(prack.get("RAck"), f"9 {invite.cseq[0]} INVITE")
        a.peer.answer(prack, 200, contact=False)
        b.peer.response(200, "PRACK")
        a.peer.answer(invite, 200, body=ANSWER)
        b.peer.response(200, "INVITE")
        b.ack(sent.cseq[0])
        self.assertEqual(a.peer.request("ACK").cseq[0], invite.cseq[0])

    def test_update_before_and_after_the_answer(self):
        self.start()
        caller, callee = self.phone("alice"), self.trunk()
        request = self.call(caller, f"{NUMBER}@example.net")
        invite = callee.request("INVITE")
        tag = callee.answer(invite, 183, "Session Progress", body=ANSWER)
        a = Dialog.of_answer(caller, request, caller.response(183))
        b = Dialog.of_request(callee, invite, tag)
        for side, other in ((a, b), (b, a)):
            side.send("UPDATE", body=SDP)
            update = other.peer.request("UPDATE")
            self.assertEqual(update.body.decode(), SDP)
            self.assertTrue(update.contact_uri())
            other.peer.answer(update, 200, body=ANSWER)
            self.assertEqual(side.peer.response(200, "UPDATE").body.decode(), ANSWER)
        callee.answer(invite, 200, tag=tag)
        caller.response(200, "INVITE")
        a.ack(request.cseq[0])
        callee.request("ACK")
        for side, other in ((a, b), (b, a)):
            side.send("UPDATE", body=SDP)
            other.peer.answer(other.peer.request("UPDATE"), 200, body=ANSWER)
            side.peer.response(200, "UPDATE")

    def test_reinvite_from_both_sides(self):
        self.start()
        a, b = self.establish(self.phone("alice"), self.phone("bob"), "bob@example.net")
        for side, other in ((a, b), (b, a), (a, b)):
            sent = side.send("INVITE", body=SDP)
            invite = other.peer.request("INVITE")
            self.assertEqual(invite.get("Call-ID"), other.call_id)
            self.assertEqual(invite.tag("To"), other.local_tag)
            other.peer.answer(invite, 200, body=ANSWER)
            ok = side.peer.response(200, "INVITE")
            self.assertEqual(ok.body.decode(), ANSWER)
            side.ack(sent.cseq[0], body=b"")
            self.assertEqual(other.peer.request("ACK").cseq[0], invite.cseq[0])
        # one that is refused leaves the call as it was
        sent = a.send("INVITE", body=SDP)
        b.peer.answer(b.peer.request("INVITE"), 488, "Not Acceptable Here", contact=False)
        b.peer.request("ACK")
        failure_ack(a.peer, sent, a.peer.response(488))
        self.hang_up(a, b)
        self.no_calls()

    def test_target_refresh_from_the_trunk(self):
        """RFC 3261 section 12.2: the Contact of a re-INVITE is where the next requests go, in a
        zone that is trusted."""
        self.start()
        a, b = self.establish(self.phone("alice"), self.trunk(), f"{NUMBER}@example.net")
        elsewhere = self.trunk(5099)
        sent = b.send("INVITE", body=SDP, contact=f"<sip:moved@{self.trunk_ip}:5099>")
        a.peer.answer(a.peer.request("INVITE"), 200, body=ANSWER)
        b.peer.response(200, "INVITE")
        b.ack(sent.cseq[0])
        a.peer.request("ACK")
        a.send("BYE")
        bye = elsewhere.request("BYE")
        self.assertEqual(bye.uri, f"sip:moved@{self.trunk_ip}:5099")
        elsewhere.answer(bye, 200, contact=False)
        a.peer.response(200, "BYE")

    def test_info_message_and_unknown_method_within_a_call(self):
        self.start()
        a, b = self.establish(self.phone("alice"), self.trunk(), f"{NUMBER}@example.net")
        for method in ("INFO", "MESSAGE", "OPTIONS", "FOO"):
            for side, other in ((a, b), (b, a)):
                side.send(
                    method,
                    body="Signal=5\r\n",
                    content_type="application/dtmf-relay",
                    headers=["Info-Package: dtmf"],
                )
                got = other.peer.request(method)
                self.assertEqual(got.body, b"Signal=5\r\n")
                self.assertEqual(got.get("Info-Package"), "dtmf")
                other.peer.answer(got, 200, contact=False)
                self.assertEqual(side.peer.response(200, method).cseq, (side.cseq, method))

    def test_session_timer_headers_pass(self):
        self.start()
        caller, callee = self.phone("alice"), self.trunk()
        request = self.call(
            caller,
            f"{NUMBER}@example.net",
            headers=["Supported: timer", "Session-Expires: 1800;refresher=uac", "Min-SE: 90"],
        )
        invite = callee.request("INVITE")
        self.assertEqual(
            (invite.get("Supported"), invite.get("Session-Expires"), invite.get("Min-SE")),
            ("timer", "1800;refresher=uac", "90"),
        )
        callee.answer(
            invite,
            200,
            body=ANSWER,
            headers=["Require: timer", "Session-Expires: 1800;refresher=uac"],
        )
        ok = caller.response(200, "INVITE")
        self.assertEqual(
            (ok.get("Require"), ok.get("Session-Expires")), ("timer", "1800;refresher=uac")
        )
        Dialog.of_answer(caller, request, ok).ack()
        callee.request("ACK")
        second = self.phone("bob")
        request = self.call(
            second, f"{NUMBER}@example.net", headers=["Supported: timer", "Session-Expires: 100"]
        )
        callee.answer(
            callee.request("INVITE"),
            422,
            "Session Interval Too Small",
            headers=["Min-SE: 600"],
            contact=False,
        )
        refused = second.response(422)
        self.assertEqual(refused.get("Min-SE"), "600")
        failure_ack(second, request, refused)


class LargeRequests(CallCase):
    BIG = SDP + "a=x-long:" + "0123456789" * 130 + "\r\n"

    def test_goes_by_tcp(self):
        """RFC 3261 section 18.1.1: over 1300 bytes a congestion controlled transport is used."""
        self.start()
        server = self.listen()
        udp = self.trunk()
        alice = self.phone("alice")
        request = self.call(alice, f"{NUMBER}@example.net", body=self.BIG)
        trunk = self.accept(server)
        invite = trunk.request("INVITE")
        self.assertIn("SIP/2.0/TCP", invite.get("Via"))
        self.assertIn("transport=tcp", invite.contact_uri())
        self.assertEqual(invite.body.decode(), self.BIG)
        tag = trunk.answer(invite, 200, body=ANSWER)
        ok = alice.response(200, "INVITE")
        a = Dialog.of_answer(alice, request, ok)
        a.ack()
        trunk.request("ACK")
        self.hang_up(a, Dialog.of_request(trunk, invite, tag))
        self.assertEqual(udp.received, [])

    def test_falls_back_to_udp(self):
        """The same section: when the connection is refused the request goes by UDP."""
        self.start()
        trunk, alice = self.trunk(), self.phone("alice")
        request = self.call(alice, f"{NUMBER}@example.net", body=self.BIG)
        invite = trunk.request("INVITE")
        self.assertIn("SIP/2.0/UDP", invite.get("Via"))
        self.assertEqual(invite.body.decode(), self.BIG)
        trunk.answer(invite, 200, body=ANSWER)
        ok = alice.response(200, "INVITE")
        Dialog.of_answer(alice, request, ok).ack()
        trunk.request("ACK")

    def test_phone_is_reached_by_its_flow_however_large(self):
        self.start()
        bob, trunk = self.phone("bob"), self.trunk()
        request = self.call(trunk, "bob@example.net", body=self.BIG)
        invite = bob.request("INVITE")
        self.assertEqual(invite.body.decode(), self.BIG)
        bob.answer(invite, 486, "Busy Here", contact=False)
        bob.request("ACK")
        failure_ack(trunk, request, trunk.response(486))

    def test_small_one_stays_on_udp(self):
        self.start()
        server = self.listen()
        trunk, alice = self.trunk(), self.phone("alice")
        self.establish(alice, trunk, f"{NUMBER}@example.net")
        server.settimeout(0.1)
        self.assertRaises(socket.timeout, server.accept)


if __name__ == "__main__":
    unittest.main()
