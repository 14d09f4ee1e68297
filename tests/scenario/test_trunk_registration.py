"""We register at a trunk that is a Kamailio with users of its own (RFC 3261 section 10.2), with
outbound too (RFC 5626), and call over it."""
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

    def __init__(self, case, ip, **defines):
        super().__init__(case, "registrar.cfg", BIND=f"udp:{ip}:5080", **defines)

    def proved(self, what):
        return self.text().count(f"proved {what}")


class Registered(CallCase):
    """A gateway that is to be registered at self.registrar."""

    kills = True

    def begin(self, trunk="", **words):
        self.start(trunk=WORDS + trunk, start=False, sip=1, **words)
        path = self.gateway.dir / "trunk.users"
        ha1 = hashlib.md5(f"acme:{REALM}:one".encode()).hexdigest()
        path.write_text(f"acme:{REALM}:MD5:{ha1}\n")
        os.chmod(path, 0o640)
        self.gateway.start()

    def row(self):
        return self.gateway.ctl("trunks", "list")[0]

    def is_(self, state):
        def asked():
            now = self.row()["registration"]
            # Kamailio may come up after the first try: it is asked again by command then
            if now == "failed":
                self.gateway.ctl("trunks", "register", "pbx")
            return now == state

        wait_for(asked, f"the trunk to be {state}\n{self.registrar.text()}")


@unittest.skipUnless(shutil.which("kamailio"), "kamailio is not there")
class Registration(Registered):
    def setUp(self):
        super().setUp()
        self.registrar = Registrar(self, self.trunk_ip)
        self.begin()
        self.is_("registered")

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


@unittest.skipUnless(shutil.which("kamailio"), "kamailio is not there")
class Outbound(Registered):
    """A flow over UDP and one over TCP."""

    def test_flows(self):
        ip = self.trunk_ip
        self.registrar = Registrar(self, ip, BIND_TCP=f"tcp:{ip}:5080")
        self.begin(
            trunk="  outbound = yes",
            targets=[f"sip:{ip}:5080", f"sip:{ip}:5080;transport=tcp"],
        )
        self.are_registered()
        text = self.registrar.text()
        for flow in ("reg-id=1", "reg-id=2"):
            self.assertRegex(text, r'contact=<sip:4930123@.*>;\+sip.instance="<urn.*;' + flow)
        self.assertEqual([t["keep_alive_s"] for t in self.targets()], [5, 5])
        wait_for(lambda: self.count("stream_pongs"), "a pong over TCP")
        wait_for(lambda: self.count("trunk_keep_alives_sent"), "an OPTIONS over UDP")
        self.assertEqual(self.count("trunk_registration_flows_lost"), 0)
        # the connection ends with its worker: that flow is made anew
        before = text.count("reg-id=2")
        [worker] = self.gateway.workers("transport")
        os.kill(worker["pid"], signal.SIGKILL)
        wait_for(lambda: self.registrar.text().count("reg-id=2") > before, "a new connection")
        self.are_registered()
        self.assertEqual(self.count("trunk_registration_flows_lost"), 1)

    def targets(self):
        return self.gateway.ctl("trunks", "show", "pbx")

    def are_registered(self):
        def asked():
            now = [t["registration"] for t in self.targets()]
            if "failed" in now:
                self.gateway.ctl("trunks", "register", "pbx")
            return now == ["registered", "registered"]

        wait_for(asked, f"both flows\n{self.registrar.text()}")

    def count(self, name):
        return self.gateway.counters().get(name, 0)


if __name__ == "__main__":
    unittest.main()
