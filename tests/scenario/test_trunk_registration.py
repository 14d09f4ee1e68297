"""We register at a trunk that is a Kamailio with users of its own (RFC 3261 section 10.2), and call
over it."""
import hashlib, os, shutil, signal, unittest

from carrier import Kamailio
from gateway import wait_for
from legs import NUMBER, CallCase, Dialog

REALM = "carrier.example"
WORDS = (
    'username = "acme"  credentials = "trunk.users"  register = 120s  '
    f'from-domain = "{REALM}"  contact-user = "4930123"'
)


class Registrar(Kamailio):
    """A carrier on ip:5080 whose users register."""

    def __init__(self, case, ip):
        super().__init__(case, "registrar.cfg", BIND=f"udp:{ip}:5080")

    def proved(self, what):
        return self.text().count(f"proved {what}")


@unittest.skipUnless(shutil.which("kamailio"), "kamailio is not there")
class Registration(CallCase):
    kills = True

    def setUp(self):
        super().setUp()
        self.registrar = Registrar(self, self.trunk_ip)
        self.start(trunk=WORDS, start=False, sip=1)
        path = self.gateway.dir / "trunk.users"
        ha1 = hashlib.md5(f"acme:{REALM}:one".encode()).hexdigest()
        path.write_text(f"acme:{REALM}:MD5:{ha1}\n")
        os.chmod(path, 0o640)
        self.gateway.start()
        # Kamailio may come up after the first try: it is asked again by command then
        self.is_("registered")

    def row(self):
        return self.gateway.ctl("trunks", "list")[0]

    def is_(self, state):
        def asked():
            now = self.row()["registration"]
            if now == "failed":
                self.gateway.ctl("trunks", "register", "pbx")
            return now == state

        wait_for(asked, f"the trunk to be {state}\n{self.registrar.text()}")

    def test_calls_commands_deaths_and_the_end(self):
        row = self.row()
        self.assertGreater(row["registered_s"], 60)
        self.assertGreater(row["next_s"], 30)
        self.assertEqual(row["registration_status"], 200)
        self.assertIn(f"contact=<sip:4930123@{self.gateway.ip}:5062>", self.registrar.text())
        alice = self.phone("alice")
        request = self.call(alice, f"{NUMBER}@example.net")
        a = Dialog.of_answer(alice, request, alice.response(200, "INVITE"))
        a.ack()
        a.send("BYE")
        alice.response(200, "BYE")
        self.no_calls()
        self.assertEqual(self.registrar.proved("INVITE"), 1)
        self.assertEqual(self.registrar.proved("BYE"), 1)
        [target] = self.gateway.ctl("trunks", "show", "pbx")
        self.assertEqual(target["registration"], "registered")
        self.assertEqual(row["state"], "up")
        self.gateway.ctl("trunks", "unregister", "pbx")
        wait_for(lambda: self.registrar.proved("REGISTER of acme expires=0"), "it is taken back")
        self.assertEqual(self.row()["registration"], "unregistered")
        self.assertEqual(self.row()["state"], "down")
        metrics = self.gateway.run_ctl("metrics").stdout
        self.assertIn('sipward_trunk_registered{trunk="pbx"} 0', metrics)
        self.gateway.ctl("trunks", "register", "pbx")
        self.is_("registered")
        before = self.registrar.proved("REGISTER of acme expires=120")
        [worker] = self.gateway.workers("sip")
        os.kill(worker["pid"], signal.SIGKILL)
        wait_for(
            lambda: self.registrar.proved("REGISTER of acme expires=120") > before,
            "its successor registers",
        )
        wait_for(self.gateway.ready, "the successor")
        self.is_("registered")
        gone = self.registrar.proved("REGISTER of acme expires=0")
        self.gateway.process.send_signal(signal.SIGTERM)
        wait_for(
            lambda: self.registrar.proved("REGISTER of acme expires=0") > gone,
            "it is taken back at a stop",
        )


if __name__ == "__main__":
    unittest.main()
