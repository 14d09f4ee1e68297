"""The same service with any number of workers: calls and registrations of many slots, requests that
meet a worker that does not own them."""
import unittest

from legs import NUMBER, SDP, CallCase, Dialog, Message, cancel, failure_ack

USERS = tuple(f"user{i:02}" for i in range(6))


class Slots(CallCase):
    def everything(self, sip, transport):
        self.start(sip=sip, transport=transport, users=USERS)
        phones = [self.phone(u, "TCP" if i % 3 == 0 else "UDP") for i, u in enumerate(USERS)]
        trunk = self.trunk()
        self.assertEqual(
            {r["aor"] for r in self.gateway.ctl("registrations")},
            {f"sip:{u}@example.net" for u in USERS},
        )
        standing = []
        # every phone calls the next, and the trunk: many Call-IDs, so many slots
        for i, phone in enumerate(phones):
            callee = phones[(i + 1) % len(phones)]
            standing.append(
                self.establish(
                    phone, callee, f"{callee.user}@example.net", call_id=f"one-{i}-{phone.id}"
                )
            )
            standing.append(
                self.establish(phone, trunk, f"{NUMBER}@example.net", call_id=f"two-{i}-{phone.id}")
            )
            standing.append(
                self.establish(
                    trunk, phone, f"{phone.user}@example.net", call_id=f"three-{i}-{phone.id}"
                )
            )
        self.assertEqual(len(self.gateway.ctl("calls")), len(standing))
        while (
            len({c["worker"] for c in self.gateway.ctl("calls")}) < sip
        ):  # until every worker has a call
            self.assertLess(len(standing), 200, "calls stay with some of the workers")
            standing.append(
                self.establish(
                    phones[0],
                    trunk,
                    f"{NUMBER}@example.net",
                    call_id=f"more-{len(standing)}-{trunk.id}",
                )
            )
        for a, b in standing:
            for side, other in ((a, b), (b, a)):
                sent = side.send("INVITE", body=SDP)
                other.peer.answer(other.peer.request("INVITE"), 200, body=SDP)
                side.peer.response(200, "INVITE")
                side.ack(sent.cseq[0])
                other.peer.request("ACK")
                side.send("INFO")
                other.peer.answer(other.peer.request("INFO"), 200, contact=False)
                side.peer.response(200, "INFO")
        for n, (a, b) in enumerate(standing):
            self.hang_up(*((a, b) if n % 2 else (b, a)))
        self.no_calls()
        # a failure and a CANCEL find their INVITE
        for i, phone in enumerate(phones):
            request = self.call(phone, f"{NUMBER}@example.net", call_id=f"four-{i}-{phone.id}")
            trunk.answer(trunk.request("INVITE"), 486, "Busy Here", contact=False)
            trunk.request("ACK")
            failure_ack(phone, request, phone.response(486))
            request = self.call(phone, f"{NUMBER}@example.net", call_id=f"five-{i}-{phone.id}")
            invite = trunk.request("INVITE")
            tag = trunk.answer(invite, 180, "Ringing")
            phone.response(180)
            cancel(phone, request)
            trunk.answer(trunk.request("CANCEL"), 200, contact=False)
            trunk.answer(invite, 487, "Request Terminated", tag=tag, contact=False)
            trunk.request("ACK")
            failure_ack(phone, request, phone.response(487))
            self.request(
                phone,
                "MESSAGE",
                f"{phones[i - 1].user}@example.net",
                call_id=f"six-{i}-{phone.id}",
                body="x",
                content_type="text/plain",
            )
            phones[i - 1].answer(phones[i - 1].request("MESSAGE"), 200, contact=False)
            phone.response(200, "MESSAGE")
        self.no_calls()
        for phone in phones:
            self.assertEqual(phone.register(expires=0, call_id=f"last-{phone.id}").status, 200)
        self.assertEqual(self.gateway.ctl("registrations"), [])
        counters = self.gateway.counters()
        for name in (
            "message_misdirected",
            "message_bad_block",
            "mesh_bad_batch",
            "send_failed",
            "mesh_full",
            "dialog_unmatched",
            "responses_unmatched",
        ):
            self.assertEqual(counters.get(name, 0), 0, name)

    def test_sip_1_transport_1(self):
        self.everything(1, 1)

    def test_sip_2_transport_1(self):
        self.everything(2, 1)

    def test_sip_5_transport_1(self):
        self.everything(5, 1)

    def test_sip_1_transport_2(self):
        self.everything(1, 2)

    def test_sip_2_transport_2(self):
        self.everything(2, 2)

    def test_sip_5_transport_2(self):
        self.everything(5, 2)

    def test_transfer_between_slots(self):
        """RFC 3891: an INVITE with Replaces goes to the worker that has the dialog, by the Contact
        it is sent to."""
        self.start(sip=5, transport=2)
        alice, bob, trunk = self.phone("alice"), self.phone("bob"), self.trunk()
        workers = set()
        for n in range(60):
            first, bobs = self.establish(
                alice, bob, "bob@example.net", call_id=f"first-{n}-{alice.id}"
            )
            second, trunks = self.establish(
                alice, trunk, f"{NUMBER}@example.net", call_id=f"second-{n}-{alice.id}"
            )
            workers |= {c["worker"] for c in self.gateway.ctl("calls")}
            escaped = second.replaces().replace(";", "%3B").replace("=", "%3D")
            # by our Contact (RFC 5589) or, as many phones do, by the address of record
            target = second.target if n % 2 else f"sip:{NUMBER}@example.net"
            first.send("REFER", headers=[f"Refer-To: <{target}?Replaces={escaped}>"])
            refer = bob.request("REFER")
            bob.answer(refer, 202, "Accepted")
            alice.response(202, "REFER")
            target, _, replaces = refer.get("Refer-To")[1:-1].partition("?Replaces=")
            self.public |= {second.target, second.remote_tag}
            bob.challenged(
                "INVITE",
                target,
                to="alice@example.net",
                body=SDP,
                headers=["Replaces: " + replaces.replace("%3B", ";").replace("%3D", "=")],
                call_id=f"third-{n}-{bob.id}",
            )
            invite = trunk.request("INVITE")
            self.assertTrue(invite.get("Replaces").startswith(trunks.call_id + ";"))
            tag = trunk.answer(invite, 200, body=SDP)
            new = Dialog.of_answer(bob, Message(bob.last_request), bob.response(200, "INVITE"))
            new.ack()
            trunk.request("ACK")
            self.hang_up(trunks, second)
            self.hang_up(first, bobs)
            self.hang_up(new, Dialog.of_request(trunk, invite, tag))
            self.no_calls()
            if n > 6 and len(workers) > 2:
                break
        self.assertGreater(len(workers), 2)


if __name__ == "__main__":
    unittest.main()
