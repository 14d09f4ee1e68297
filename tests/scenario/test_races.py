"""Messages that cross on the wire: CANCEL against answers, glare, lost ACKs and BYEs, dialogs and
tokens that do not exist (RFC 3261 sections 9, 12.2, 13.3.1.4, 14, 15; RFC 6026)."""
import re, unittest

from gateway import wait_for
from legs import NUMBER, SDP, CallCase, Dialog, Message, branch_of, cancel, failure_ack

FAST = "timers { t1 = 100ms  t2 = 1s  t4 = 1s }"  # 64*T1 is 6.4 s


class Cancels(CallCase):
    def setUp(self):
        super().setUp()
        self.start()
        self.alice, self.trunk_peer = self.phone("alice"), self.trunk()

    def test_before_any_provisional(self):
        """RFC 3261 section 9.1: CANCEL waits for the first provisional response."""
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = self.trunk_peer.request("INVITE")
        cancel(self.alice, request)
        self.alice.response(200, "CANCEL")
        over = self.alice.response(487)
        failure_ack(self.alice, request, over)
        self.assertEqual([m for m in self.trunk_peer.received if m.method == "CANCEL"], [])
        self.trunk_peer.answer(invite, 180, "Ringing")
        c = self.trunk_peer.request("CANCEL")
        self.assertEqual(branch_of(c), branch_of(invite))
        self.assertEqual(c.uri, invite.uri)
        self.assertEqual(
            (c.get("Call-ID"), c.get("From"), c.get("To")),
            (invite.get("Call-ID"), invite.get("From"), invite.get("To")),
        )
        self.trunk_peer.answer(c, 200, contact=False)
        self.trunk_peer.answer(invite, 487, "Request Terminated", contact=False)
        self.assertEqual(branch_of(self.trunk_peer.request("ACK")), branch_of(invite))
        self.no_calls()

    def test_after_ringing(self):
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = self.trunk_peer.request("INVITE")
        tag = self.trunk_peer.answer(invite, 180, "Ringing")
        ringing = self.alice.response(180)
        cancel(self.alice, request, headers=['Reason: SIP;cause=600;text="Busy Everywhere"'])
        ok = self.alice.response(200, "CANCEL")
        over = self.alice.response(487, "INVITE")
        self.assertIsNotNone(ok.tag("To"))
        self.assertIsNotNone(over.tag("To"))
        c = self.trunk_peer.request("CANCEL")
        self.assertEqual(c.get("Reason"), 'SIP;cause=600;text="Busy Everywhere"')
        self.trunk_peer.answer(c, 200, contact=False)
        self.trunk_peer.answer(invite, 487, "Request Terminated", tag=tag, contact=False)
        self.trunk_peer.request("ACK")
        failure_ack(self.alice, request, over)
        self.assertIsNotNone(ringing)
        self.no_calls()

    def test_crosses_the_answer(self):
        """The 200 of the callee meets the CANCEL on its way: the callee gets ACK and BYE, the
        caller 487."""
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = self.trunk_peer.request("INVITE")
        tag = self.trunk_peer.answer(invite, 180, "Ringing")
        self.alice.response(180)
        cancel(self.alice, request)
        over = self.alice.response(487, "INVITE")
        failure_ack(self.alice, request, over)
        c = self.trunk_peer.request("CANCEL")
        self.trunk_peer.answer(invite, 200, tag=tag, body=SDP)
        self.trunk_peer.answer(c, 481, "Call/Transaction Does Not Exist", contact=False)
        ack = self.trunk_peer.request("ACK")
        self.assertEqual(ack.cseq[0], invite.cseq[0])
        self.assertEqual(ack.uri, f"sip:trunk@{self.trunk_ip}:5080")
        bye = self.trunk_peer.request("BYE")
        self.assertEqual(
            (bye.tag("To"), bye.tag("From"), bye.get("Call-ID")),
            (tag, invite.tag("From"), invite.get("Call-ID")),
        )
        self.assertGreater(bye.cseq[0], invite.cseq[0])
        self.trunk_peer.answer(bye, 200, contact=False)
        # a retransmission of the 200 is acknowledged again, and not hung up twice
        self.trunk_peer.answer(invite, 200, tag=tag, body=SDP)
        self.trunk_peer.request("ACK")
        self.assertEqual(
            [m for m in self.alice.received if m.status == 200 and m.cseq[1] == "INVITE"], []
        )
        self.assertEqual(len([m for m in self.trunk_peer.received if m.method == "BYE"]), 1)
        self.no_calls()

    def test_after_the_answer_does_nothing(self):
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = self.trunk_peer.request("INVITE")
        tag = self.trunk_peer.answer(invite, 200, body=SDP)
        ok = self.alice.response(200, "INVITE")
        a, b = Dialog.of_answer(self.alice, request, ok), Dialog.of_request(
            self.trunk_peer, invite, tag
        )
        cancel(self.alice, request)
        self.alice.response(200, "CANCEL")
        a.ack()
        self.trunk_peer.request("ACK")
        self.hang_up(a, b)
        self.assertEqual([m for m in self.trunk_peer.received if m.method == "CANCEL"], [])
        self.assertEqual([m for m in self.alice.received if m.status == 487], [])

    def test_of_an_unknown_transaction(self):
        request = Message(
            self.alice.make("INVITE", f"sip:{NUMBER}@example.net", call_id="never-seen")
        )
        cancel(self.alice, request)
        self.alice.response(481, "CANCEL")

    def test_from_another_host(self):
        """RFC 3261 section 22.1: CANCEL cannot be challenged, so it must come from the hop of its
        INVITE."""
        mallory = self.phone("carol", register=False)
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = self.trunk_peer.request("INVITE")
        self.trunk_peer.answer(invite, 180, "Ringing")
        self.alice.response(180)
        self.peers.remove(mallory)  # it knows what it should not: that is the point
        cancel(mallory, request)
        mallory.response(481, "CANCEL")
        self.trunk_peer.answer(invite, 200, body=SDP)
        ok = self.alice.response(200, "INVITE")
        Dialog.of_answer(self.alice, request, ok).ack()
        self.trunk_peer.request("ACK")
        self.assertEqual([m for m in self.trunk_peer.received if m.method == "CANCEL"], [])

    def test_whose_sent_by_a_nat_has_changed(self):
        """Flow, branch, Call-ID, From tag and CSeq agree: it is that INVITE's, and so is the
        ACK."""
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = self.trunk_peer.request("INVITE")
        self.trunk_peer.answer(invite, 180, "Ringing")
        self.alice.response(180)
        moved = Message(
            request.raw.replace(
                f" {self.alice.ip}:{self.alice.port};".encode(), b" 203.0.113.9:61000;", 1
            )
        )
        self.assertNotEqual(moved.get("Via"), request.get("Via"))
        cancel(self.alice, moved)
        self.alice.response(200, "CANCEL")
        self.trunk_peer.request("CANCEL")
        answer = self.alice.response(487, "INVITE")
        failure_ack(self.alice, moved, answer)
        self.counted("requests_matched_by_flow", 2)

    def test_bye_of_an_early_dialog(self):
        """RFC 3261 section 15: the caller may give up an early dialog with BYE."""
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = self.trunk_peer.request("INVITE")
        tag = self.trunk_peer.answer(invite, 180, "Ringing")
        early = Dialog.of_answer(self.alice, request, self.alice.response(180))
        early.send("BYE")
        self.alice.response(200, "BYE")
        failure_ack(self.alice, request, self.alice.response(487, "INVITE"))
        self.trunk_peer.answer(self.trunk_peer.request("CANCEL"), 200, contact=False)
        self.trunk_peer.answer(invite, 487, "Request Terminated", tag=tag, contact=False)
        self.trunk_peer.request("ACK")
        self.no_calls()

    def test_caller_whose_connection_ends(self):
        """Nobody rings for a caller who is gone."""
        bob = self.phone("bob", "TCP", register=False)
        self.call(bob, f"{NUMBER}@example.net")
        invite = self.trunk_peer.request("INVITE")
        tag = self.trunk_peer.answer(invite, 180, "Ringing")
        bob.response(180)
        bob.close()
        c = self.trunk_peer.receive(lambda m: m.method == "CANCEL", 3, "CANCEL")
        self.trunk_peer.answer(c, 200, contact=False)
        self.trunk_peer.answer(invite, 487, "Request Terminated", tag=tag, contact=False)
        self.trunk_peer.request("ACK")
        self.no_calls()

    def test_of_a_reinvite(self):
        a, b = self.establish(self.alice, self.trunk_peer, f"{NUMBER}@example.net")
        for side, other in ((a, b), (b, a)):
            sent = side.send("INVITE", body=SDP)
            invite = other.peer.request("INVITE")
            other.peer.answer(invite, 180, "Ringing")
            side.peer.response(180)
            cancel(side.peer, sent, to=side.to)
            side.peer.response(200, "CANCEL")
            c = other.peer.request("CANCEL")
            self.assertEqual(branch_of(c), branch_of(invite))
            other.peer.answer(c, 200, contact=False)
            other.peer.answer(invite, 487, "Request Terminated", contact=False)
            other.peer.request("ACK")
            failure_ack(side.peer, sent, side.peer.response(487, "INVITE"), side.to)
        self.hang_up(a, b)


class Glare(CallCase):
    def setUp(self):
        super().setUp()
        self.start()
        self.a, self.b = self.establish(self.phone("alice"), self.trunk(), f"{NUMBER}@example.net")

    def test_reinvite_meets_one_of_the_other_side(self):
        """RFC 3261 section 14.2: 491, both ways round."""
        for side, other in ((self.a, self.b), (self.b, self.a)):
            first = side.send("INVITE", body=SDP)
            invite = other.peer.request("INVITE")
            second = other.send("INVITE", body=SDP)
            failure_ack(other.peer, second, other.peer.response(491), other.to)
            other.peer.answer(invite, 200, body=SDP)
            side.peer.response(200, "INVITE")
            # still without ACK
            third = other.send("INVITE", body=SDP)
            failure_ack(other.peer, third, other.peer.response(491), other.to)
            side.ack(first.cseq[0])
            other.peer.request("ACK")
            fourth = other.send("INVITE", body=SDP)
            side.peer.answer(side.peer.request("INVITE"), 200, body=SDP)
            other.peer.response(200, "INVITE")
            other.ack(fourth.cseq[0])
            side.peer.request("ACK")
            self.assertEqual([m.start for m in side.peer.waiting if m.method], [])

    def test_second_reinvite_while_the_first_is_pending(self):
        """RFC 3261 section 14.2: 500 with Retry-After of 0 to 10 seconds."""
        for side, other in ((self.a, self.b), (self.b, self.a)):
            first = side.send("INVITE", body=SDP)
            invite = other.peer.request("INVITE")
            second = side.send("INVITE", body=SDP)
            refused = side.peer.response(500)
            self.assertEqual(refused.cseq[0], second.cseq[0])
            self.assertLessEqual(int(refused.get("Retry-After")), 10)
            failure_ack(side.peer, second, refused, side.to)
            other.peer.answer(invite, 200, body=SDP)
            side.peer.response(200, "INVITE")
            side.ack(first.cseq[0])
            other.peer.request("ACK")

    def test_out_of_order(self):
        """RFC 3261 section 12.2.2: a CSeq below the last is 500, and changes nothing."""
        for side in (self.a, self.b):
            side.cseq += 10
            side.send("INFO", cseq=side.cseq)
            other = self.b if side is self.a else self.a
            other.peer.answer(other.peer.request("INFO"), 200, contact=False)
            side.peer.response(200, "INFO")
            side.send("BYE", cseq=side.cseq - 5)
            side.peer.response(500, "BYE")
        self.assertEqual(len(self.gateway.ctl("calls")), 1)
        self.hang_up(self.a, self.b)

    def test_byes_cross(self):
        self.a.send("BYE")
        there = self.b.peer.request("BYE")
        self.b.send("BYE")
        self.b.peer.response(200, "BYE")
        self.b.peer.answer(there, 200, contact=False)
        self.a.peer.response(200, "BYE")
        self.assertEqual([m for m in self.a.peer.received if m.method == "BYE"], [])
        self.no_calls()

    def test_request_after_bye(self):
        self.hang_up(self.a, self.b)
        for side in (self.a, self.b):
            side.send("INFO")
            side.peer.response(481, "INFO")

    def test_bye_refused_with_481(self):
        """A callee that knows nothing of the call any more: over is over."""
        self.a.send("BYE")
        self.b.peer.answer(
            self.b.peer.request("BYE"), 481, "Call/Transaction Does Not Exist", contact=False
        )
        self.a.peer.response(lambda s: s in (200, 481), "BYE")
        self.no_calls()

    def test_leg_that_answers_481_ends_the_call(self):
        """RFC 3261 section 12.2.1.2."""
        self.a.send("INFO")
        self.b.peer.answer(
            self.b.peer.request("INFO"), 481, "Call/Transaction Does Not Exist", contact=False
        )
        self.a.peer.response(481, "INFO")
        bye = self.a.peer.request("BYE")
        self.assertIn("cause=481", bye.get("Reason"))
        self.a.peer.answer(bye, 200, contact=False)
        self.no_calls()

    def test_481_to_a_notify_ends_no_call(self):
        """RFC 5057: it is the subscription that is unknown; nor does one to PRACK or REFER."""
        for method in ("NOTIFY", "REFER"):
            self.a.send(
                method,
                headers=[
                    "Event: refer",
                    "Subscription-State: active",
                    "Refer-To: <sip:x@example.net>",
                ],
            )
            self.b.peer.answer(
                self.b.peer.request(method), 481, "Subscription does not exist", contact=False
            )
            self.a.peer.response(481, method)
        self.hang_up(self.a, self.b)

    def test_too_much_at_once(self):
        """Requests in progress are bounded: 500 with Retry-After, and the call goes on."""
        for n in range(20):  # one after the other: no limit
            self.a.send("INFO")
            self.b.peer.answer(self.b.peer.request("INFO"), 200, contact=False)
            self.a.peer.response(200, "INFO")
        for n in range(20):
            self.a.send("INFO")
        refused = self.a.peer.response(500, "INFO")
        self.assertIsNotNone(refused.get("Retry-After"))
        self.counted("rx_messages", 20)
        answered = set()
        while len(answered) < 15:  # and the INVITE
            info = self.b.peer.request("INFO")
            if info.cseq not in answered:
                answered.add(info.cseq)
                self.b.peer.answer(info, 200, contact=False)
                self.a.peer.response(200, "INFO")
        self.b.peer.waiting.clear()
        self.hang_up(self.a, self.b)

    def test_unknown_dialogs(self):
        a = self.a
        for change in (
            {"call_id": "somebody-elses"},
            {"local": a.local.replace("tag=", "tag=x")},
            {"remote": re.sub(r"tag=.*", "tag=unknown", a.remote)},
        ):
            d = Dialog(
                a.peer, a.call_id, a.local, a.remote, f"sip:{self.gateway.ip}:5060", [], a.cseq
            )
            for name, value in change.items():
                setattr(d, name, value)
            for method in ("BYE", "INVITE", "INFO", "FOO"):
                sent = d.send(method)
                refused = a.peer.response(481, method)
                if method == "INVITE":
                    failure_ack(a.peer, sent, refused)
            d.ack(7)
        self.counted("dialog_unmatched", 12)
        self.counted("ack_unmatched", 3)
        self.assertEqual(len(self.gateway.ctl("calls")), 1)
        self.hang_up(self.a, self.b)

    def test_dialog_from_the_other_zone(self):
        """Requests that a trunk may send in a dialog of the trusted zone are taken from nobody on
        a listener of another."""
        stranger = self.phone("carol", register=False)
        self.peers.remove(stranger)
        d = Dialog(
            stranger, self.b.call_id, self.b.local, self.b.remote, self.b.target, [], self.b.cseq
        )
        d.send("BYE")
        stranger.response(481, "BYE")
        self.hang_up(self.a, self.b)

    def test_forged_tokens(self):
        """A tag or a branch of our form with another MAC proves nothing."""
        forged = self.a.remote_tag[:-4] + (
            "0000" if not self.a.remote_tag.endswith("0000") else "1111"
        )
        d = Dialog(
            self.a.peer,
            self.a.call_id,
            self.a.local,
            self.a.remote.replace(self.a.remote_tag, forged),
            self.a.target,
            [],
            self.a.cseq,
        )
        d.send("BYE")
        self.a.peer.response(481, "BYE")
        # a response with a forged branch reaches nobody
        self.a.send("INFO")
        info = self.b.peer.request("INFO")
        true = branch_of(info)
        before = self.gateway.counters().get("response_forged", 0)
        for branch in (true[:-4] + ("0000" if not true.endswith("0000") else "1111"), "z9hG4bKxyz"):
            raw = info.raw.replace(true.encode(), branch.encode())
            self.b.peer.answer(Message(raw), 200, contact=False)
        self.counted("response_forged", before + 2)
        self.assertEqual(
            [m for m in self.a.peer.received if m.status == 200 and m.cseq[1] == "INFO"], []
        )
        self.b.peer.answer(info, 200, contact=False)
        self.a.peer.response(200, "INFO")
        # one with a second Via and our branch ends what it answers, and is passed on to nobody
        self.a.send("INFO")
        info = self.b.peer.request("INFO")
        second_via = info.raw.replace(
            b"\r\nFrom:", b"\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKother\r\nFrom:"
        )
        self.b.peer.answer(Message(second_via), 200, contact=False)
        self.a.peer.response(502, "INFO")
        self.hang_up(self.a, self.b)


class Retransmissions(CallCase):
    def test_request_again(self):
        """Retransmissions meet their transaction: they are neither passed on nor challenged
        again."""
        self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        request = self.call(alice, f"{NUMBER}@example.net")
        invite = trunk.request("INVITE")
        alice.response(100)
        alice.send_raw(request.raw)
        alice.response(100)
        tag = trunk.answer(invite, 180, "Ringing")
        alice.response(180)
        alice.send_raw(request.raw)
        self.assertEqual(alice.response(180).tag("To"), alice.received[-1].tag("To"))
        trunk.answer(invite, 486, "Busy Here", tag=tag, contact=False)
        trunk.request("ACK")
        busy = alice.response(486)
        alice.send_raw(request.raw)
        self.assertEqual(alice.response(486).raw, busy.raw)
        failure_ack(alice, request, busy)
        self.assertEqual(
            [m for m in alice.received if m.status == 407 and m.cseq[0] == request.cseq[0]], []
        )
        self.assertEqual(len({branch_of(m) for m in trunk.received if m.method == "INVITE"}), 1)

    def test_answer_again_is_acknowledged_again(self):
        """RFC 3261 section 13.2.2.4: the ACK is repeated for each retransmission of the 2xx."""
        self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        request = self.call(alice, f"{NUMBER}@example.net")
        invite = trunk.request("INVITE")
        tag = trunk.answer(invite, 200, body=SDP)
        a = Dialog.of_answer(alice, request, alice.response(200, "INVITE"))
        a.ack(headers=["X-Mark: one"])
        first = trunk.request("ACK")
        trunk.answer(invite, 200, tag=tag, body=SDP)
        self.assertEqual(trunk.request("ACK").raw, first.raw)
        # and the caller's own repetition of its ACK passes once more
        a.ack(headers=["X-Mark: one"])
        self.assertEqual(trunk.request("ACK").get("X-Mark"), "one")
        self.hang_up(a, Dialog.of_request(trunk, invite, tag))

    def test_answer_is_repeated_until_the_ack(self):
        """RFC 3261 section 13.3.1.4, towards the caller."""
        self.start(extra=FAST)
        alice, trunk = self.phone("alice"), self.trunk()
        request = self.call(alice, f"{NUMBER}@example.net")
        invite = trunk.request("INVITE")
        trunk.answer(invite, 200, body=SDP)
        ok = alice.response(200, "INVITE")
        self.assertEqual(alice.response(200, "INVITE").raw, ok.raw)
        self.assertEqual(alice.response(200, "INVITE").raw, ok.raw)
        Dialog.of_answer(alice, request, ok).ack()
        trunk.request("ACK")
        alice.waiting.clear()
        alice.silence(1.5)

    def test_answer_repeated_after_its_transaction(self):
        """A 200 that wanders in when its client transaction is gone does not end the call."""
        self.start(extra=FAST)
        a, b = self.establish(self.phone("alice"), self.trunk(), f"{NUMBER}@example.net")
        wait_for(
            lambda: self.gateway.counters().get("transactions", 0) == 0, "all transactions gone"
        )
        b.peer.answer(self.invite_received, 200, tag=b.local_tag, body=SDP)
        self.assertEqual(b.peer.request("ACK").cseq, (self.invite_received.cseq[0], "ACK"))
        # of another fork, it does
        b.peer.answer(self.invite_received, 200, tag="fork-of-old", body=SDP)
        self.assertEqual(b.peer.request("ACK").tag("To"), "fork-of-old")
        bye = b.peer.request("BYE")
        self.assertEqual(bye.tag("To"), "fork-of-old")
        b.peer.answer(bye, 200, contact=False)
        self.hang_up(a, b)

    def test_answer_without_a_tag(self):
        """RFC 3261 section 12.1.2: a dialog with a null tag, as RFC 2543 had them."""
        self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        request = self.call(alice, f"{NUMBER}@example.net")
        invite = trunk.request("INVITE")
        trunk.send_raw(
            b"SIP/2.0 200 OK\r\n"
            + b"".join(
                f"{n}: {invite.get(n)}\r\n".encode()
                for n in ("Via", "From", "To", "Call-ID", "CSeq")
            )
            + f"Contact: <sip:{trunk.ip}:{trunk.port}>\r\nContent-Length: 0\r\n\r\n".encode(),
            trunk.last_from,
        )
        ok = alice.response(200, "INVITE")
        a = Dialog.of_answer(alice, request, ok)
        a.ack()
        self.assertNotIn("tag=", trunk.request("ACK").get("To"))
        a.send("BYE")
        bye = trunk.request("BYE")
        self.assertNotIn("tag=", bye.get("To"))
        trunk.answer(bye, 200)
        alice.response(200, "BYE")
        self.no_calls()

    def test_ack_never_comes(self):
        """RFC 3261 section 13.3.1.4: after 64*T1 without ACK the session is ended, on both legs;
        the callee is acknowledged first."""
        self.start(extra=FAST)
        alice, trunk = self.phone("alice"), self.trunk()
        self.call(alice, f"{NUMBER}@example.net")
        invite = trunk.request("INVITE")
        tag = trunk.answer(invite, 200, body=SDP)
        ok = alice.response(200, "INVITE")
        ack = trunk.request("ACK")
        self.assertEqual(ack.cseq[0], invite.cseq[0])
        for peer in (alice, trunk):
            bye = peer.request("BYE")
            self.assertIn("cause=408", bye.get("Reason"))
            peer.answer(bye, 200, contact=False)
        self.assertEqual(trunk.received[-1].tag("To"), tag)
        self.assertEqual(
            [m.tag("From") for m in alice.received if m.method == "BYE"][0], ok.tag("To")
        )
        self.no_calls()

    def test_bye_without_an_answer(self):
        """The callee is silent: whoever hangs up has hung up."""
        self.start(extra=FAST)
        a, b = self.establish(self.phone("alice"), self.trunk(), f"{NUMBER}@example.net")
        a.send("BYE")
        b.peer.request("BYE")
        a.peer.response(200, "BYE")
        self.no_calls()

    def test_reinvite_without_an_answer_ends_the_call(self):
        """RFC 3261 section 12.2.1.2: a request within a dialog that times out ends it."""
        self.start(extra=FAST)
        a, b = self.establish(self.phone("alice"), self.trunk(), f"{NUMBER}@example.net")
        sent = a.send("INVITE", body=SDP)
        failure_ack(a.peer, sent, a.peer.response(408, "INVITE"))
        bye = a.peer.request("BYE")
        self.assertIn("cause=408", bye.get("Reason"))
        a.peer.answer(bye, 200, contact=False)
        b.peer.answer(b.peer.request("BYE"), 200, contact=False)
        self.no_calls()

    def test_invite_without_an_answer(self):
        """No provisional and no final response: the trunk's only target has its time, then 408."""
        self.start(extra=FAST, trunk="answer-timeout = 500ms")
        alice, trunk = self.phone("alice"), self.trunk()
        request = self.call(alice, f"{NUMBER}@example.net")
        trunk.request("INVITE")
        failure_ack(alice, request, alice.response(408, "INVITE"))
        self.no_calls()

    def test_merged_request(self):
        """RFC 3261 section 8.2.2.2: the same request by another path is 482."""
        self.start()
        b, trunk = self.phone("bob"), self.trunk()
        request = self.call(trunk, "bob@example.net")
        b.request("INVITE")
        trunk.send_raw(request.raw.replace(branch_of(request).encode(), b"z9hG4bKanotherpath"))
        self.assertEqual(trunk.response(482).get("Call-ID"), request.get("Call-ID"))
        self.assertEqual(len({branch_of(m) for m in b.received if m.method == "INVITE"}), 1)


if __name__ == "__main__":
    unittest.main()
