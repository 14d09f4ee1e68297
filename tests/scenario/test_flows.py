"""The flows of RFC 3665 and RFC 5359 that no other test goes through, with one and with three SIP
workers. tests/FLOWS.md says of every flow which test does."""
import pathlib, re, unittest

from legs import NUMBER, SDP, CallCase, Dialog, Message, cancel, failure_ack

ROOT = pathlib.Path(__file__).resolve().parents[2]
HELD = SDP + "a=sendonly\r\n"
ANSWER = SDP.replace("o=- 1 1", "o=- 2 2")
BOB = "bob@example.net"


class Flows(CallCase):
    def test_one_worker(self):
        self.all_flows(1)

    def test_three_workers(self):
        self.all_flows(3)

    def all_flows(self, sip):
        self.start(sip=sip)
        self.alice, self.bob = self.phone("alice"), self.phone("bob")
        self.carol, self.pbx = self.phone("carol"), self.trunk()
        for name in sorted(n for n in dir(self) if n.startswith("flow_")):
            with self.subTest(name):
                getattr(self, name)()
                self.no_calls()

    def exchange(self, side, other, offer, answer, headers=()):
        """A re-INVITE with that offer and its answer."""
        sent = side.send("INVITE", body=offer, headers=headers)
        got = other.peer.request("INVITE")
        self.assertEqual(got.body.decode(), offer)
        other.peer.answer(got, 200, body=answer)
        self.assertEqual(side.peer.response(200, "INVITE").body.decode(), answer)
        side.ack(sent.cseq[0])
        other.peer.request("ACK")
        return got

    def refused(self, caller, request, status):
        failure_ack(caller, request, caller.response(status, "INVITE"))

    def taken_over(self, taker, target, header, of):
        """An INVITE of the taker that names a dialog, which its other end gets and answers; the new
        call's dialogs."""
        uri = re.sub(r";transport=.*", "", target.removeprefix("sip:"))
        self.public |= {uri, target, target.split(":", 1)[1].split("@")[0]}
        answer, _ = taker.challenged(
            "INVITE", target, to=BOB, body=SDP, headers=[header], call_id=f"over-{taker.number}"
        )
        self.assertIsNone(answer)
        invite = of.peer.request("INVITE")
        name = header.split(":")[0]
        self.assertEqual(
            invite.get(name).split(";")[:3],
            [of.call_id, f"to-tag={of.local_tag}", f"from-tag={of.remote_tag}"],
        )
        tag = of.peer.answer(invite, 200, body=ANSWER, tag=f"{name}-{of.peer.id}")
        new = Dialog.of_answer(taker, Message(taker.last_request), taker.response(200, "INVITE"))
        new.ack()
        of.peer.request("ACK")
        return new, Dialog.of_request(of.peer, invite, tag)

    # ---- RFC 3665 section 2: registration ----

    def flow_registration(self):
        """2.1 to 2.4: a new one, a second Contact, the list, and its end."""
        phone = self.phone("alice", register=False)
        other = f"<sip:second@{phone.ip}:{phone.port}>"
        self.assertEqual(phone.register().status, 200)

        def asked(headers=(), contact=False):
            answer, _ = phone.challenged(
                "REGISTER",
                "sip:example.net",
                to="alice@example.net",
                contact=contact,
                headers=headers,
                call_id=f"r{phone.id}-{phone.number}",
            )
            ok = answer or phone.final("REGISTER")
            self.assertEqual(ok.status, 200)
            return " ".join(ok.all("Contact"))

        self.assertIn("sip:second@", asked([f"Contact: {other}", "Expires: 600"]))
        listed = asked()
        self.assertIn(f"<sip:alice@{phone.ip}:{phone.port}>", listed)
        self.assertIn("sip:second@", listed)
        self.assertNotIn(
            phone.ip, asked([f"Contact: {other}, {phone.contact('alice')}", "Expires: 0"])
        )

    def flow_registration_that_fails(self):
        """2.5: a wrong password is asked for once more."""
        phone = self.phone("alice", register=False)
        phone.password = "guessed"
        self.assertEqual(phone.register().status, 401)

    # ---- RFC 3665 section 3: sessions ----

    def flow_busy(self):
        """3.9"""
        request = self.call(self.alice, BOB)
        self.bob.answer(self.bob.request("INVITE"), 486, "Busy Here", contact=False)
        self.bob.request("ACK")
        self.refused(self.alice, request, 486)

    def flow_unavailable(self):
        """3.11: after it has rung."""
        request = self.call(self.alice, BOB)
        invite = self.bob.request("INVITE")
        self.bob.answer(invite, 180, "Ringing")
        self.alice.response(180)
        self.bob.answer(invite, 480, "Temporarily Unavailable", contact=False)
        self.bob.request("ACK")
        self.refused(self.alice, request, 480)

    def flow_address_changes(self):
        """3.7: the media and the Contact of the caller."""
        a, b = self.establish(self.alice, self.bob, BOB)
        moved = SDP.replace("127.0.0.1", "192.0.2.103")
        got = self.exchange(a, b, moved, ANSWER)
        self.assertEqual(got.get("Call-ID"), b.call_id)
        self.hang_up(b, a)

    # ---- RFC 5359 section 2: services ----

    def flow_hold(self):
        """2.1: and back."""
        a, b = self.establish(self.alice, self.bob, BOB)
        self.exchange(b, a, HELD, ANSWER + "a=recvonly\r\n")
        self.exchange(b, a, SDP, ANSWER)
        self.hang_up(a, b)

    def flow_consultation_hold(self):
        """2.2: bob holds alice, asks the PBX, and comes back."""
        a, b = self.establish(self.alice, self.bob, BOB)
        self.exchange(b, a, HELD, ANSWER)
        c, d = self.establish(self.bob, self.pbx, f"{NUMBER}@example.net")
        self.hang_up(c, d)
        self.exchange(b, a, SDP, ANSWER)
        self.hang_up(a, b)

    def flow_music_on_hold(self):
        """2.3: the offer of the music passes through him who holds."""
        a, b = self.establish(self.alice, self.bob, BOB)
        request = self.call(self.bob, f"{NUMBER}@example.net", body=b"")
        invite = self.pbx.request("INVITE")
        self.assertEqual(invite.body, b"")
        tag = self.pbx.answer(invite, 200, body=HELD)
        music = self.bob.response(200, "INVITE")
        self.exchange(b, a, music.body.decode(), ANSWER)
        c, d = Dialog.of_answer(self.bob, request, music), Dialog.of_request(self.pbx, invite, tag)
        c.ack(body=ANSWER)
        self.assertEqual(self.pbx.request("ACK").body.decode(), ANSWER)
        self.exchange(b, a, SDP, ANSWER)
        self.hang_up(c, d)
        self.hang_up(a, b)

    def flow_a_third_party_joins(self):
        """2.11: carol joins the call of bob and the PBX, whose dialog bob has told her."""
        a, b = self.establish(self.bob, self.pbx, f"{NUMBER}@example.net")
        new = self.taken_over(self.carol, a.target, f"Join: {a.replaces()}", b)
        self.hang_up(*new)
        self.hang_up(a, b)

    def flow_parked_call_is_retrieved(self):
        """2.15: what is parked at the PBX comes back to bob by Replaces."""
        a, b = self.establish(self.alice, self.pbx, f"{NUMBER}@example.net")
        # bob has been told the dialog of the PBX: its other end is alice
        new = self.taken_over(self.bob, b.target, f"Replaces: {b.replaces()}", a)
        self.hang_up(a, b)
        self.hang_up(*new)

    def flow_taken_over_at_a_number(self):
        """An INVITE with Replaces that is sent to a number and not to our Contact, some of which
        are cancelled: their Call-IDs are of any worker."""
        uri = f"sip:{NUMBER}@example.net"
        for i in range(8):
            a, b = self.establish(self.alice, self.pbx, f"{NUMBER}@example.net")
            header = f"Replaces: {a.replaces()}"
            if i % 2:
                self.hang_up(*self.taken_over(self.bob, uri, header, b))
            else:
                self.cancelled(self.bob, uri, header)
            self.hang_up(a, b)

    def cancelled(self, caller, uri, header):
        caller.challenged("INVITE", uri, to=BOB, body=SDP, headers=[header])
        request, invite = Message(caller.last_request), self.pbx.request("INVITE")
        tag = self.pbx.answer(invite, 180, "Ringing", tag="cancelled")
        caller.response(180)
        cancel(caller, request)
        caller.response(200, "CANCEL")
        self.refused(caller, request, 487)
        self.pbx.answer(self.pbx.request("CANCEL"), 200, contact=False)
        self.pbx.answer(invite, 487, "Request Terminated", contact=False, tag=tag)
        self.pbx.request("ACK")

    def flow_forwarded(self):
        """2.7: bob's phone sends all of his calls to carol."""
        request = self.call(self.alice, BOB)
        self.public.add("sip:carol@example.net")  # her name, and no address
        elsewhere = ["Contact: <sip:carol@example.net>"]
        answer = dict(contact=False, headers=elsewhere)
        self.bob.answer(self.bob.request("INVITE"), 302, "Moved Temporarily", **answer)
        self.bob.request("ACK")
        invite = self.carol.request("INVITE")
        tag = self.carol.answer(invite, 200, body=ANSWER)
        a = Dialog.of_answer(self.alice, request, self.alice.response(200, "INVITE"))
        a.ack()
        self.carol.request("ACK")
        self.hang_up(a, Dialog.of_request(self.carol, invite, tag))

    def flow_pickup(self):
        """2.16: carol picks up what rings at bob's; alice takes her, and gives bob up."""
        request = self.call(self.alice, BOB)
        invite = self.bob.request("INVITE")
        tag = self.bob.answer(invite, 180, "Ringing")
        a = Dialog.of_answer(self.alice, request, self.alice.response(180))
        b = Dialog.of_request(self.bob, invite, tag)
        new = self.taken_over(self.carol, b.target, f"Replaces: {b.replaces()};early-only", a)
        cancel(self.alice, request)
        self.alice.response(200, "CANCEL")
        self.bob.answer(self.bob.request("CANCEL"), 200, contact=False)
        self.bob.answer(invite, 487, "Request Terminated", contact=False, tag=tag)
        self.refused(self.alice, request, 487)
        self.hang_up(*new)

    # ---- the table ----

    def test_the_table_names_tests(self):
        """Each row of tests/FLOWS.md names a test that there is, and each flow here has its row."""
        text = (ROOT / "tests/FLOWS.md").read_text()
        named = re.findall(r"`(test_\w+|[a-z]+-\w+)\.(\w+)`", text)
        self.assertGreater(len(named), 40)
        for program, name in named:
            python = ROOT / f"tests/scenario/{program}.py"
            file = python if python.exists() else ROOT / f"tests/unit/{program}.c"
            pattern = rf"def {name}\(" if file == python else rf"Test\(\w+, {name}\)"
            self.assertRegex(file.read_text(), pattern, f"{program}.{name}")
        flows = {n for n in dir(self) if n.startswith("flow_")}
        self.assertEqual(flows - {name for _, name in named}, set())


if __name__ == "__main__":
    unittest.main()
