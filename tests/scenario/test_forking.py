"""Calls to several bindings: by q, parallel within one q, losers cancelled, late answers refused,
the best failure (RFC 3261 sections 13.2.2.4 and 16.7)."""
import unittest

from legs import SDP, CallCase, Dialog, branch_of, cancel, failure_ack


class Forking(CallCase):
    def binding(self, q=None, name="bob", transport="UDP"):
        """A phone of bob's, its binding with that q."""
        phone = self.phone("bob", transport, register=False)
        phone.name = f"{name}-{len(self.peers)}"
        contact = (
            f"<sip:bob@{phone.ip}:{phone.port}"
            + (";transport=tcp" if transport == "TCP" else "")
            + ">"
            + (f";q={q}" if q is not None else "")
        )
        self.assertEqual(phone.register(contact=False, headers=[f"Contact: {contact}"]).status, 200)
        return phone

    def refuse(self, phone, status, reason="No", invite=None):
        phone.answer(invite or phone.request("INVITE"), status, reason, contact=False)
        phone.request("ACK")

    def end(self, request, status):
        answer = self.caller.final("INVITE")
        self.assertEqual(answer.status, status)
        failure_ack(self.caller, request, answer)
        self.no_calls()
        return answer

    def start_with(self, *qs, **words):
        self.start(**words)
        self.caller = self.phone("alice")
        return [self.binding(q) for q in qs]

    def test_parallel_then_next_q(self):
        one, two, low = self.start_with("0.8", "0.8", "0.3")
        request = self.call(self.caller, "bob@example.net")
        first, second = one.request("INVITE"), two.request("INVITE")
        self.assertNotEqual(first.get("Call-ID"), second.get("Call-ID"))
        self.assertEqual(low.received[2:], [])
        self.refuse(one, 486, invite=first)
        self.assertEqual([m for m in low.received if m.method], [])
        self.refuse(two, 480, invite=second)
        third = low.request("INVITE")
        tag = low.answer(third, 200, body=SDP)
        a = Dialog.of_answer(self.caller, request, self.caller.response(200, "INVITE"))
        a.ack()
        low.request("ACK")
        self.hang_up(a, Dialog.of_request(low, third, tag))

    def test_q_missing_is_the_highest(self):
        low, high = self.start_with("0.9", None)
        request = self.call(self.caller, "bob@example.net")
        self.refuse(high, 486)
        self.refuse(low, 486)
        self.end(request, 486)

    def test_losers_are_cancelled(self):
        one, two, three = self.start_with(None, None, None)
        request = self.call(self.caller, "bob@example.net")
        invites = [p.request("INVITE") for p in (one, two, three)]
        tags = [p.answer(i, 180, "Ringing") for p, i in zip((one, two, three), invites)]
        seen = {self.caller.response(180).tag("To") for _ in tags}
        self.assertEqual(len(seen), 3, "each branch is an early dialog of its own")
        tag = two.answer(invites[1], 200, tag=tags[1], body=SDP)
        ok = self.caller.response(200, "INVITE")
        self.assertIn(ok.tag("To"), seen)
        for phone, invite, its in ((one, invites[0], tags[0]), (three, invites[2], tags[2])):
            c = phone.request("CANCEL")
            self.assertEqual(branch_of(c), branch_of(invite))
            self.assertIn("cause=200", c.get("Reason"))
            phone.answer(c, 200, contact=False)
            phone.answer(invite, 487, "Request Terminated", tag=its, contact=False)
            phone.request("ACK")
        a = Dialog.of_answer(self.caller, request, ok)
        a.ack()
        two.request("ACK")
        self.assertEqual(
            [
                m
                for m in self.caller.received
                if (m.status or 0) >= 300 and m.cseq[0] == request.cseq[0] and m.cseq[1] == "INVITE"
            ],
            [],
        )
        self.hang_up(a, Dialog.of_request(two, invites[1], tag))
        self.no_calls()

    def test_second_answer_is_refused(self):
        """Two pick up: the later one gets ACK and BYE, the caller hears of one."""
        one, two = self.start_with(None, None)
        request = self.call(self.caller, "bob@example.net")
        first, second = one.request("INVITE"), two.request("INVITE")
        tag = one.answer(first, 200, body=SDP)
        late = two.answer(second, 200, body=SDP)
        ok = self.caller.response(200, "INVITE")
        ack = two.request("ACK")
        self.assertEqual((ack.cseq[0], ack.tag("To")), (second.cseq[0], late))
        bye = two.request("BYE")
        self.assertEqual(
            (bye.tag("To"), bye.tag("From"), bye.get("Call-ID")),
            (late, second.tag("From"), second.get("Call-ID")),
        )
        two.answer(bye, 200, contact=False)
        two.answer(second, 200, tag=late, body=SDP)
        two.request("ACK")
        a = Dialog.of_answer(self.caller, request, ok)
        a.ack()
        one.request("ACK")
        self.assertEqual(len([m for m in two.received if m.method == "BYE"]), 1)
        self.assertEqual(
            {
                m.tag("To")
                for m in self.caller.received
                if m.status == 200 and m.cseq[1] == "INVITE"
            },
            {ok.tag("To")},
        )
        self.assertEqual(len(self.gateway.ctl("calls")), 1)
        self.hang_up(a, Dialog.of_request(one, first, tag))

    def test_late_answer_of_another_fork_downstream(self):
        """A proxy behind one target forks too, and two of its branches answer."""
        self.start()
        self.caller, trunk = self.phone("alice"), self.trunk()
        request = self.call(self.caller, "+4930123@example.net")
        invite = trunk.request("INVITE")
        trunk.answer(invite, 200, tag="first", body=SDP)
        ok = self.caller.response(200, "INVITE")
        trunk.answer(invite, 200, tag="second", body=SDP)
        ack = trunk.request("ACK")
        self.assertEqual(ack.tag("To"), "second")
        bye = trunk.request("BYE")
        self.assertEqual(bye.tag("To"), "second")
        trunk.answer(bye, 200, contact=False)
        a = Dialog.of_answer(self.caller, request, ok)
        a.ack()
        self.assertEqual(trunk.request("ACK").tag("To"), "first")
        self.hang_up(a, Dialog.of_request(trunk, invite, "first"))

    def test_best_response(self):
        """RFC 3261 section 16.7 step 6: the lowest class, and within 4xx what tells the caller
        most."""
        for statuses, best in (
            ((500, 486), 486),
            ((404, 415), 415),
            ((486, 480), 486),
            ((503, 500), 500),
            ((408, 486), 486),
        ):
            with self.subTest(statuses=statuses):
                phones = self.start_with(None, None)
                request = self.call(self.caller, "bob@example.net")
                for phone, status in zip(phones, statuses):
                    self.refuse(phone, status)
                self.end(request, best)

    def test_6xx_ends_all(self):
        """RFC 3261 section 16.7: 6xx cancels what is pending and nobody else is tried; it is the
        best."""
        one, two, low = self.start_with("0.8", "0.8", "0.1")
        request = self.call(self.caller, "bob@example.net")
        first, second = one.request("INVITE"), two.request("INVITE")
        tag = two.answer(second, 180, "Ringing")
        self.caller.response(180)
        self.refuse(one, 603, "Decline", invite=first)
        two.answer(two.request("CANCEL"), 200, contact=False)
        self.refuse(two, 487, "Request Terminated", invite=second)
        self.end(request, 603)
        self.assertEqual([m for m in low.received if m.method], [])
        self.assertTrue(tag)

    def test_cancel_reaches_all(self):
        phones = self.start_with(None, None)
        request = self.call(self.caller, "bob@example.net")
        invites = [p.request("INVITE") for p in phones]
        for p, i in zip(phones, invites):
            p.answer(i, 180, "Ringing")
            self.caller.response(180)
        cancel(self.caller, request)
        self.caller.response(200, "CANCEL")
        for p, i in zip(phones, invites):
            p.answer(p.request("CANCEL"), 200, contact=False)
            p.answer(i, 487, "Request Terminated", contact=False)
            p.request("ACK")
        self.end(request, 487)

    def test_cancel_stops_the_next_q(self):
        high, low = self.start_with("0.9", "0.1")
        request = self.call(self.caller, "bob@example.net")
        invite = high.request("INVITE")
        high.answer(invite, 180, "Ringing")
        self.caller.response(180)
        cancel(self.caller, request)
        high.answer(high.request("CANCEL"), 200, contact=False)
        high.answer(invite, 487, "Request Terminated", contact=False)
        high.request("ACK")
        self.end(request, 487)
        self.assertEqual([m for m in low.received if m.method], [])

    def test_forks_are_bounded(self):
        phones = self.start_with("0.9", "0.8", "0.7", "0.6", extra="limits { forks = 2 }")
        request = self.call(self.caller, "bob@example.net")
        self.refuse(phones[0], 486)
        self.refuse(phones[1], 486)
        self.end(request, 486)
        for p in phones[2:]:
            self.assertEqual([m for m in p.received if m.method], [])

    def test_vanished_tcp_phone(self):
        """A binding whose connection is gone is no target: the other one rings."""
        stays, goes = self.start_with("0.5")[0], self.binding("0.9", transport="TCP")
        goes.close()
        self.counted("bindings_flow_closed")
        request = self.call(self.caller, "bob@example.net")
        self.refuse(stays, 486)
        self.end(request, 486)

    def test_tcp_phone_vanishes_while_ringing(self):
        """Its branch fails at once, the next one rings."""
        stays, goes = self.start_with("0.5")[0], self.binding("0.9", transport="TCP")
        request = self.call(self.caller, "bob@example.net")
        goes.answer(goes.request("INVITE"), 180, "Ringing")
        self.caller.response(180)
        goes.close()
        stays.answer(
            stays.receive(lambda m: m.method == "INVITE", 3, "INVITE"),
            486,
            "Busy Here",
            contact=False,
        )
        stays.request("ACK")
        self.end(request, 486)

    def test_no_binding(self):
        self.start()
        self.caller = self.phone("alice")
        request = self.call(self.caller, "bob@example.net")
        self.end(request, 480)

    def test_path_of_equal_flows(self):
        """Registering again replaces a binding: the phone rings once."""
        (phone,) = self.start_with(None)
        contact = f"<sip:bob@{phone.ip}:{phone.port}>"
        self.assertEqual(
            phone.register(contact=False, headers=[f"Contact: {contact}"], call_id="again").status,
            200,
        )
        request = self.call(self.caller, "bob@example.net")
        self.refuse(phone, 486)
        self.end(request, 486)
        self.assertEqual(len({branch_of(m) for m in phone.received if m.method == "INVITE"}), 1)


if __name__ == "__main__":
    unittest.main()
