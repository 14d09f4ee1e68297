"""Outgoing TLS to Kamailio: a UDP phone calls a carrier that knows nothing of this project; its
certificate verified, or the call refused."""
import pathlib, re, shutil, unittest

from carrier import Kamailio
from gateway import wait_for
from legs import NUMBER, Dialog
from tls import TlsCase


class TlsCarrier(Kamailio):
    """A carrier on ip:5081."""

    def __init__(self, case, ip, pem, key, authorities, clients=False):
        super().__init__(
            case,
            "trunk.cfg",
            BIND=f"tls:{ip}:5081",
            CHAIN=f'"{pem}"',
            KEY=f'"{key}"',
            AUTHORITIES=f'"{authorities}"',
            CLIENTS=int(clients),
        )
        wait_for(
            lambda: self.process.poll() is not None or self.listens(ip),
            "Kamailio to listen\n" + self.text(),
        )
        if self.process.poll() is not None:
            raise AssertionError("Kamailio ended at once:\n" + self.text())

    @staticmethod
    def listens(ip):
        address = "".join(f"{int(b):02X}" for b in reversed(ip.split("."))) + f":{5081:04X}"
        return any(
            line.split()[1] == address and line.split()[3] == "0A"
            for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
        )


@unittest.skipUnless(shutil.which("kamailio"), "kamailio is not there")
class Trunk(TlsCase):
    def kamailio(self, names="DNS:pbx.example.net,URI:sip:pbx.example.net", clients=False, **words):
        pem, key = self.authority.issue("pbx", names, **words)
        return TlsCarrier(self, self.trunk_ip, pem, key, self.authority.pem, clients)

    def call_through(self, carrier):
        alice = self.phone("alice")
        request = self.call(alice, NUMBER + "@example.net")
        ok = alice.final("INVITE")
        self.assertEqual(ok.status, 200, self.gateway.log_text() + carrier.text())
        a = Dialog.of_answer(alice, request, ok)
        a.ack()
        wait_for(lambda: "got ACK" in carrier.text(), "the ACK at Kamailio")
        a.send("BYE")
        alice.response(200, "BYE")
        self.assertRegex(carrier.text(), r"got INVITE sip:\S*4930123456@\S+ over tls")
        self.assertRegex(carrier.text(), r"got BYE sip:carrier@\S+ over tls")
        self.no_calls()

    def test_call(self):
        """INVITE, ACK and BYE over one verified connection."""
        self.secure()
        carrier = self.kamailio()
        self.call_through(carrier)
        self.assertEqual(self.gateway.counters()["tls_handshakes"], 1)

    def test_call_with_our_certificate(self):
        """Kamailio demands one: signed by the key worker."""
        self.secure(trunk='tls-name = "pbx.example.net"  certificate = "rsa"')
        self.call_through(self.kamailio(clients=True))
        self.assertEqual(self.gateway.counters()["sign_done"], 1)

    def refused(self, reason, **words):
        """The call is refused, Kamailio hears nothing of it, and the log says why."""
        self.secure()
        carrier = self.kamailio(**words)
        alice = self.phone("alice")
        self.call(alice, NUMBER + "@example.net")
        self.assertIn(alice.final("INVITE").status, (408, 480, 500, 502, 503))
        said = re.compile(
            r"tls-peer-refused peer=127\S+:5081 listener=core-tls direction=out "
            r'name=pbx\.example\.net reason=".*' + reason
        )
        wait_for(lambda: said.search(self.gateway.log_text()), said.pattern)
        self.assertNotIn("got INVITE", carrier.text())
        self.assertEqual(self.gateway.counters()["tls_failed_peer"], 1)

    def test_wrong_name(self):
        self.refused(
            r"not that of pbx\.example\.net",
            names="DNS:other.example.net,URI:sip:other.example.net",
        )

    def test_expired(self):
        self.refused("certificate has expired", end="20210101000000Z")


if __name__ == "__main__":
    unittest.main()
