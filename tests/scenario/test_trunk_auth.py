"""A trunk's server asks for credentials (RFC 3261 section 22): the file that holds them, what it
means when that changes, and that nothing of it is seen elsewhere."""
import hashlib, os, unittest

from legs import NUMBER, SDP, CallCase, Dialog, Message, failure_ack
from gateway import Gateway, wait_for
from peers import digest

WORDS = 'username = "acme"  credentials = "trunk.users"'
REALM = "carrier.example"


def ha1(password):
    return hashlib.sha256(f"acme:{REALM}:{password}".encode()).hexdigest()


class TrunkAuth(CallCase):
    def credentials(self, password):
        path = self.gateway.dir / "trunk.new"
        path.write_text(f"acme:{REALM}:SHA-256:{ha1(password)}\n")
        os.chmod(path, 0o640)
        path.rename(self.gateway.dir / "trunk.users")

    def setUp(self):
        super().setUp()
        self.start(trunk=WORDS, start=False, sip=1)
        self.credentials("one")
        self.gateway.start()
        self.public |= {REALM, "acme"}
        self.alice, self.pbx = self.phone("alice"), self.trunk()

    def challenge(self, invite, nonce):
        self.pbx.answer(
            invite,
            401,
            "Unauthorized",
            headers=[
                f'WWW-Authenticate: Digest realm="{REALM}", nonce="{nonce}", qop="auth", '
                "algorithm=SHA-256"
            ],
            contact=False,
        )
        self.pbx.request("ACK")

    def right(self, request, password, nonce):
        """Whether the request's credentials are right."""
        value = request.get("Authorization")
        self.assertIsNotNone(value, request)
        said = dict(p.strip().partition("=")[::2] for p in value[len("Digest ") :].split(","))
        expected = digest(
            f'Digest realm="{REALM}", nonce="{nonce}", algorithm=SHA-256',
            request.method,
            request.uri,
            "acme",
            password,
            int(said["nc"], 16),
            said["cnonce"].strip('"'),
        )
        self.assertEqual(said["uri"].strip('"'), request.uri)
        self.assertIn(f"response={said['response']}", expected)

    def call_is_proved(self, password, nonce, challenged=True):
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = self.pbx.request("INVITE")
        if challenged:
            self.challenge(invite, nonce)
            invite = self.pbx.request("INVITE")
        self.right(invite, password, nonce)
        tag = self.pbx.answer(invite, 200, body=SDP)
        a = Dialog.of_answer(self.alice, request, self.alice.response(200, "INVITE"))
        a.ack()
        self.pbx.request("ACK")
        b = Dialog.of_request(self.pbx, invite, tag)
        a.send("BYE")
        bye = self.pbx.request("BYE")
        self.right(bye, password, nonce)
        self.pbx.answer(bye, 200, contact=False)
        self.alice.response(200, "BYE")
        self.no_calls()

    def test_its_credentials_are_no_users(self):
        self.assertEqual(self.gateway.ctl("status")["object"]["users"], 3)  # alice, bob and carol

    def test_calls(self):
        self.call_is_proved("one", "n1")
        self.call_is_proved("one", "n1", challenged=False)
        self.credentials("two")
        wait_for(lambda: "users-reloaded" in self.gateway.log_text(), "the file is read again")
        self.call_is_proved("two", "n1", challenged=False)
        log = self.gateway.log_text()
        for password in ("one", "two"):
            self.assertNotIn(ha1(password), log)

    def test_what_is_refused_is_said(self):
        request = self.call(self.alice, f"{NUMBER}@example.net")
        self.challenge(self.pbx.request("INVITE"), "n1")
        self.challenge(self.pbx.request("INVITE"), "n2")
        answer = self.alice.final("INVITE")
        failure_ack(self.alice, request, answer)
        self.assertIn(answer.status, (401, 403))
        self.no_calls()
        wait_for(
            lambda: 'trunk-credentials trunk=pbx status=401 error="the server refuses'
            in self.gateway.log_text(),
            "the log says it",
        )


class Registering(CallCase):
    def test_nothing_is_known_before_the_first_answer(self):
        self.start(
            trunk=f'{WORDS}  register = 10m  from-domain = "{REALM}"  contact-user = "alice"',
            start=False,
            sip=1,
        )
        TrunkAuth.credentials(self, "one")
        self.public |= {REALM, "acme"}
        pbx = self.trunk()
        self.gateway.start()
        register = pbx.request("REGISTER")
        row = self.gateway.ctl("trunks", "list")[0]
        self.assertEqual((row["state"], row["registration"]), ("unknown", "registering"))
        pbx.answer(register, 403, "Forbidden", contact=False)
        wait_for(
            lambda: self.gateway.ctl("trunks", "list")[0]["registration"] == "failed", "it failed"
        )
        self.assertEqual(self.gateway.ctl("trunks", "list")[0]["state"], "down")


if __name__ == "__main__":
    unittest.main()
