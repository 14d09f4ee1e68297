"""A carrier at which we register calls, and answers, from addresses that it did not name: the
Contact that we registered shows that it is he (match = registration)."""
import hashlib, os, re, shutil, unittest

from carrier import Kamailio
from gateway import CONFIG, own_address, wait_for
from legs import NUMBER, SDP, CallCase, Dialog, Message, cancel, failure_ack, leaks
from peers import Peer
from records import IN_FILE, RecordCase

WORDS = (
    'username = "acme"  credentials = "trunk.users"  register = 60s  contact-user = "alice"  '
    "match = registration"
)


def started(case, words, **others):
    """The gateway with such a trunk, of which the zone names one address."""
    gateway = case.start(
        trunk=words,
        config=CONFIG.replace("127.0.0.0/8", case.trunk_ip),
        start=False,
        **others,
    )
    path = gateway.dir / "trunk.users"
    ha1 = hashlib.md5(b"acme:carrier.example:one").hexdigest()
    path.write_text(f"acme:carrier.example:MD5:{ha1}\n")
    os.chmod(path, 0o640)
    return gateway


class TrunkMatch(RecordCase):
    def setUp(self):
        super().setUp()
        started(self, WORDS, sip=2, extra=IN_FILE)
        self.pbx = self.trunk()
        self.gateway.start()
        self.uri = self.registers()
        self.line = self.uri.partition(";line=")[2]
        self.assertRegex(self.line, "^[0-9a-f]{32}$")
        self.alice = self.phone("alice")

    def registers(self):
        """Answers the next REGISTER; returns its Contact."""
        request = self.pbx.request("REGISTER")
        self.pbx.answer(request, 200, contact=False, headers=[f"Contact: {request.get('Contact')}"])
        return request.contact_uri()

    def elsewhere(self, transport="UDP"):
        """Another machine of the carrier's, which may see what the first one does."""
        peer = Peer(own_address(), 0, (self.gateway.ip, 5062), "elsewhere", transport)
        self.addCleanup(peer.close)
        return peer

    def calls(self, peer, uri):
        raw = peer.make("INVITE", uri, sender="+491@carrier.example", body=SDP)
        peer.send_raw(raw)
        return Message(raw)

    def answered(self, peer):
        """A call of that peer's to alice; both ends' dialogs."""
        request = self.calls(peer, self.uri)
        invite = self.alice.request("INVITE")
        self.alice.answer(invite, 180, "Ringing", tag="r")
        peer.response(180)
        self.alice.answer(invite, 200, tag="r", body=SDP)
        a = Dialog.of_answer(peer, request, peer.response(200, "INVITE"))
        a.ack()
        self.alice.request("ACK")
        return a, Dialog.of_request(self.alice, invite, "r")

    def test_calls_from_elsewhere(self):
        one, two = self.elsewhere(), self.elsewhere()
        a, b = self.answered(one)
        a.peer = two  # it goes on from a third address
        self.hang_up(a, b)
        a, b = self.answered(one)
        self.hang_up(b, a)
        stream = self.elsewhere("TCP")
        request = self.calls(stream, self.uri)
        invite = self.alice.request("INVITE")
        self.alice.answer(invite, 180, "Ringing", tag="r")
        stream.response(180)
        cancel(stream, request)
        stream.response(200, "CANCEL")
        failure_ack(stream, request, stream.response(487))
        self.alice.answer(self.alice.request("CANCEL"), 200, contact=False)
        self.alice.answer(invite, 487, "Request Terminated", tag="r", contact=False)
        self.alice.request("ACK")
        for record in self.wait_records(3):
            self.assertEqual(record["caller-trunk"], "pbx")
            self.assertIn("alice@", record["request-uri"])
        for peer in (one, two, stream):
            self.assertEqual(leaks([self.alice, peer]), [])
        for m in self.alice.received:
            self.assertNotIn(self.line, str(m.raw))
        self.assertNotIn(self.line, (self.gateway.dir / "cdr.json").read_text())
        trace = self.gateway.run_ctl("trace", "--source", one.ip, "--raw").stdout
        self.assertIn("alice@", trace)
        self.assertNotIn(self.line, trace)

    def test_who_has_no_token_is_not_heard(self):
        peer = self.elsewhere()
        wrong = self.uri.replace(self.line, f"{int(self.line, 16) ^ 1:032x}")
        self.calls(peer, wrong)
        self.counted("trunk_lines_wrong")
        self.calls(peer, self.uri.partition(";")[0])
        self.counted("drop_not_a_source")
        # it goes with the trunk's registration
        config = self.gateway.config
        config.write_text(config.read_text().replace("match = registration", ""))
        self.gateway.ctl("reload")
        gone = self.pbx.request("REGISTER")
        self.assertEqual(gone.get("Expires"), "0")
        self.assertEqual(gone.contact_uri(), self.uri)
        self.pbx.answer(gone, 200, contact=False)
        self.assertNotIn("line", self.registers())
        before = self.gateway.counters()["drop_not_a_source"]
        self.calls(peer, self.uri)
        self.counted("drop_not_a_source", before + 1)
        self.assertEqual([m for m in peer.received], [])
        self.assertIsNone(next((m for m in self.alice.received if m.method == "INVITE"), None))

    def test_answers_from_elsewhere(self):
        peer = self.elsewhere()
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = self.pbx.request("INVITE")
        to = (self.gateway.ip, 5062)
        tag = peer.answer(invite, 200, body=SDP, to=to)
        a = Dialog.of_answer(self.alice, request, self.alice.response(200, "INVITE"))
        a.ack()
        peer.request("ACK")
        Dialog.of_request(peer, invite, tag, to).send("BYE")
        self.alice.answer(self.alice.request("BYE"), 200, contact=False)
        peer.response(200, "BYE")
        self.no_calls()
        # the branch of another request is not its own
        branch = re.search("z9hG4bK[0-9a-z]*", invite.get("Via")).group(0)
        changed = invite.raw.replace(
            branch.encode(), (branch[:-1] + ("1" if branch[-1] == "0" else "0")).encode()
        )
        peer.answer(Message(changed), 200, to=to)
        self.counted("source_refused")


@unittest.skipUnless(shutil.which("kamailio"), "kamailio is not there")
class Registrar(CallCase):
    """A real registrar keeps the parameter, and calls by it from another address of its own."""

    def test_a_call_by_the_registrar(self):
        ip = own_address()
        kamailio = Kamailio(
            self,
            "registrar.cfg",
            BIND=f"udp:{self.trunk_ip}:5080",
            ELSEWHERE=f"udp:{ip}:5080",
        )
        words = WORDS.replace("60s", "120s") + '  from-domain = "carrier.example"'
        gateway = started(self, words, sip=1)
        gateway.start()

        def registered():
            now = gateway.ctl("trunks", "list")[0]["registration"]
            if now == "failed":  # Kamailio came up later
                gateway.ctl("trunks", "register", "pbx")
            return now == "registered"

        wait_for(registered, "the trunk to be registered")
        alice = self.phone("alice")
        caller = Peer(own_address(), 0, (self.trunk_ip, 5080), "customer")
        self.addCleanup(caller.close)
        raw = caller.make("INVITE", "sip:acme@carrier.example", sender="+491@a.example", body=SDP)
        caller.send_raw(raw)
        invite = alice.request("INVITE")
        tag = alice.answer(invite, 200, body=SDP)
        ok = caller.response(200, "INVITE")
        self.assertIn(f"calls sip:alice@{gateway.ip}:5062;line=", kamailio.text())
        a = Dialog.of_answer(caller, Message(raw), ok)
        a.to = (gateway.ip, 5062)
        a.ack()
        alice.request("ACK")
        self.hang_up(a, Dialog.of_request(alice, invite, tag))
        self.no_calls()
        self.counted("trunk_lines_shown")


if __name__ == "__main__":
    unittest.main()
