"""TLS: listeners, certificates by name, client certificates, phones and trunks over TLS."""
import re, shutil, ssl, subprocess, unittest

from gateway import BIN, WAIT, wait_for
from peers import SDP
from legs import NUMBER
from name_server import NameServer
from test_phones import ENDED, Baresip
from tls import CONFIG, TlsCase, TlsServer, in_background


class Listeners(TlsCase):
    def test_versions_and_keys(self):
        """openssl s_client with TLS 1.2 and 1.3; ECDSA, RSA and Ed25519, chosen by server name
        among three."""
        self.secure()
        for version in ("TLSv1.2", "TLSv1.3"):
            for name, common, kind in (
                ("sip.example.net", "main", "ECDSA"),
                ("phones.example.net", "rsa", "RSA-PSS"),
                ("a.example.org", "ed", "ed25519"),
            ):
                with self.subTest(version=version, name=name):
                    code, out = self.s_client(
                        "-servername",
                        name,
                        "-" + version.lower().replace("v", "").replace(".", "_"),
                        "-verify_hostname",
                        name,
                    )
                    self.assertEqual(code, 0, out)
                    self.assertIn(f"Protocol version: {version}", out)
                    self.assertIn(f"Peer certificate: CN = {common}", out)
                    self.assertIn(f"Signature type: {kind}", out)
        self.assertEqual(self.gateway.counters()["tls_handshakes"], 6)

    def test_default_certificate(self):
        self.secure()
        for words in (
            ["-noservername"],
            ["-servername", "unknown.example.com"],
            ["-servername", "a.b.example.org"],
        ):
            code, out = self.s_client(*words)
            self.assertEqual(code, 0, out)
            self.assertIn("Peer certificate: CN = main", out)

    def test_old_versions_are_refused(self):
        self.secure()
        code, out = self.s_client("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        self.assertNotEqual(code, 0)
        self.assertIn("alert protocol version", out)
        # a key exchange that needs the private key to decrypt
        code, out = self.s_client(
            "-tls1_2", "-cipher", "AES128-GCM-SHA256", "-servername", "phones.example.net"
        )
        self.assertNotEqual(code, 0)
        self.assertIn("handshake failure", out)
        wait_for(
            lambda: self.gateway.counters().get("tls_failed_protocol") == 2, "two failures counted"
        )

    def test_application_protocol(self):
        self.secure()
        for offered, chosen in (
            ("sip", "ALPN protocol: sip"),
            ("h2,sip/2", "ALPN protocol: sip/2"),
            ("h2", "No ALPN negotiated"),
        ):
            code, out = self.s_client("-alpn", offered)
            self.assertEqual(code, 0, out)
            if chosen.startswith("ALPN"):
                full = self.full_s_client("-alpn", offered)
                self.assertIn(chosen, full)

    def full_s_client(self, *words, port=5061):
        return subprocess.run(
            ["openssl", "s_client", "-connect", f"{self.gateway.ip}:{port}", *words],
            input="",
            capture_output=True,
            text=True,
            timeout=WAIT,
        ).stdout

    def test_client_certificates(self):
        """none, optional, required; accepted and refused."""
        self.secure()
        good_pem, good_key = self.clients.issue("phone", "URI:sip:alice@example.net")
        bad_pem, bad_key = self.authority.issue("stranger", "DNS:stranger.example.com")
        old_pem, old_key = self.clients.issue("old", "DNS:old.example.com", end="20210101000000Z")
        good, bad, old = (
            ["-cert", str(p), "-key", str(k)]
            for p, k in ((good_pem, good_key), (bad_pem, bad_key), (old_pem, old_key))
        )
        for version in ("-tls1_2", "-tls1_3"):
            for port, words, taken in (
                (5063, [], True),
                (5063, good, True),
                (5063, bad, False),
                (5065, [], False),
                (5065, good, True),
                (5065, bad, False),
                (5065, old, False),
                (5065, good + ["-servername", "phones.example.net"], True),
                (5065, bad + ["-servername", "phones.example.net"], False),
            ):
                with self.subTest(version=version, port=port, words=words):
                    before = self.gateway.counters()
                    # what TLS 1.3 refuses is heard only after the client's own side is done
                    self.s_client(version, *words, port=port, text="\r\n\r\n")
                    name = "tls_handshakes" if taken else "tls_failed_peer"
                    wait_for(
                        lambda: self.gateway.counters().get(name, 0) == before.get(name, 0) + 1,
                        f"{name} to rise",
                    )
        text = self.gateway.log_text()
        self.assertRegex(
            text,
            r'tls-peer-refused peer=127\S+ listener=wants direction=in reason="it shows no '
            r'certificate"',
        )
        self.assertRegex(
            text,
            r'tls-peer-refused peer=127\S+ listener=wants direction=in reason="certificate 1 of '
            r'its chain: certificate has expired"',
        )

    def test_an_ocsp_response_is_shown(self):
        """Made by openssl for the authority, read again by a reload, and refused with its line
        where it is another's or says that the certificate is revoked."""
        g = self.secure(start=False)
        self.authority.answer("main", g.dir / "main.ocsp")
        chain = g.dir / "main.pem"
        chain.write_text(chain.read_text() + self.authority.pem.read_text())
        text = g.config.read_text()
        text = text.replace('key = "main.key"', 'key = "main.key"\nocsp = "main.ocsp"')
        g.config.write_text(text)
        g.start()
        for version in ("-tls1_2", "-tls1_3"):
            out = self.full_s_client(version, "-status")
            self.assertIn("OCSP Response Status: successful (0x0)", out)
            self.assertIn("Cert Status: good", out)
        out = self.full_s_client("-status", "-servername", "phones.example.net")
        self.assertIn("OCSP response: no response sent", out)
        self.assertEqual(g.counters()["tls_stapled"], 2)
        line = 1 + text[: text.index("main.ocsp")].count("\n")
        self.authority.answer("rsa", g.dir / "main.ocsp")
        check = [BIN / "sipward", "-n", "-c", g.config]
        for command in (
            g.run_ctl("reload"),
            subprocess.run(check, capture_output=True, text=True, timeout=WAIT),
        ):
            self.assertNotEqual(command.returncode, 0)
            said = command.stdout + command.stderr
            self.assertIn(f":{line}: ", said)
            self.assertIn("its OCSP response is about another certificate", said)
        self.assertIn("Cert Status: good", self.full_s_client("-status"))
        self.authority.revoke("main")
        self.authority.answer("main", g.dir / "main.ocsp")
        self.assertIn("says that the certificate is revoked", g.run_ctl("reload").stderr)
        (g.dir / "main.ocsp").write_bytes(chain.read_bytes())
        self.assertIn("holds no OCSP response in DER form", g.run_ctl("reload").stderr)

    def test_no_session_is_resumed_where_tickets_are_off(self):
        self.secure()
        for version in ("-tls1_2", "-tls1_3"):
            out = (
                self.full_s_client(version, "-reconnect")
                if version == "-tls1_2"
                else self.full_s_client(version)
            )
            self.assertNotIn("Reused", out)
            self.assertNotIn("TLS session ticket:", out)


class Calls(TlsCase):
    def test_phone_to_phone(self):
        """A TLS phone registers, calls a UDP phone and is called by it."""
        self.secure()
        alice, bob = self.tls_phone("alice"), self.phone("bob")
        a, b = self.establish(alice, bob, "bob@example.net")
        self.assertIn(";transport=tls", self.invite_answer_contact(alice))
        self.hang_up(a, b)
        b, a = self.establish(bob, alice, "alice@example.net")
        self.assertIn("SIP/2.0/TLS", self.invite_received.get("Via"))
        self.hang_up(b, a)
        self.no_calls()

    def invite_answer_contact(self, peer):
        return [m for m in peer.received if m.status == 200 and m.cseq[1] == "INVITE"][-1].get(
            "Contact"
        )

    def server(self, names="URI:sip:pbx.example.net", adjust=None, authority=None, **words):
        pem, key = (authority or self.authority).issue("pbx", names, **words)
        server = TlsServer(self.trunk_ip, 5081, pem, key, adjust)
        self.addCleanup(server.close)
        return server

    def test_trunk(self):
        """A call to a trunk over TLS: verified by its SIP domain, with the server's name sent; the
        next call takes the same connection, and so do requests in dialogs, both ways."""
        self.secure()
        seen = []
        server = self.server(
            adjust=lambda c: setattr(c, "sni_callback", lambda s, name, c2: seen.append(name))
        )
        alice = self.tls_phone("alice")
        accepted = in_background(server.accept)
        self.call(alice, NUMBER + "@example.net")
        trunk = self.keep(accepted())
        invite = trunk.request("INVITE")
        self.assertRegex(invite.uri, r"^sip:\+4930123456@[^;]+:5081;transport=tls$")
        self.assertIn("SIP/2.0/TLS", invite.get("Via"))
        self.assertIn(";transport=tls", invite.get("Contact"))
        self.assertEqual(seen, ["pbx.example.net"])
        trunk.answer(invite, 486, contact=False)
        alice.final("INVITE")
        a, b = self.establish(alice, trunk, NUMBER + "@example.net")
        b.send("INFO")
        alice.answer(alice.request("INFO"), 200, contact=False)
        trunk.response(200, "INFO")
        self.hang_up(a, b)
        self.assertEqual(len(seen), 1)

    def refused(self, reason, **words):
        """The call is refused, nothing of it is sent, and the log says why."""
        server = self.server(**words)
        alice = self.phone("alice")
        why = in_background(server.refuse)
        self.call(alice, NUMBER + "@example.net")
        self.assertIn(alice.final("INVITE").status, (408, 480, 500, 502, 503))
        why()
        said = re.compile(
            r'tls-peer-refused peer=127\S+:5081 listener=core-tls direction=out name=\S+ reason=".*'
            + reason
        )
        wait_for(lambda: said.search(self.gateway.log_text()), said.pattern)
        self.assertEqual(self.gateway.counters().get("tls_failed_peer"), 1)
        return server

    def test_trunk_with_another_name(self):
        self.secure()
        self.refused(
            r"not that of pbx\.example\.net", names="URI:sip:other.example.net,DNS:pbx.example.net"
        )

    def test_trunk_that_is_a_name(self):
        """RFC 5922 section 4: the certificate must be that of the name in the config; what the DNS
        says of it proves nothing."""
        names = NameServer(
            self,
            f"_sips._tcp 60 IN SRV 0 0 5081 host\nhost 60 IN A {self.trunk_ip}",
        )
        self.secure(
            targets=["sips:carrier.test"],
            trunk="",
            extra=f'dns {{ servers = {{ "{names.text}" }} }}',
        )
        wait_for(
            lambda: self.gateway.ctl("trunks", "show", "pbx")[0]["address"]
            == f"{self.trunk_ip}:5081",
            "the name to be found",
        )
        self.refused(r"not that of carrier\.test", names="DNS:host.carrier.test").close()
        seen = []
        server = self.server(
            names="URI:sip:carrier.test",
            adjust=lambda c: setattr(c, "sni_callback", lambda s, name, c2: seen.append(name)),
        )
        accepted = in_background(server.accept)
        alice = self.phone("alice")
        self.call(alice, NUMBER + "@example.net")
        trunk = self.keep(accepted())
        trunk.answer(trunk.request("INVITE"), 486, contact=False)
        self.assertEqual(alice.final("INVITE").status, 486)
        self.assertEqual(seen, ["carrier.test"])
        self.assertEqual(self.gateway.counters().get("tls_failed_peer"), 1)

    def test_trunk_with_a_wildcard(self):
        self.secure()
        self.refused(r"not that of pbx\.example\.net", names="DNS:*.example.net")

    def test_trunk_that_has_expired(self):
        self.secure()
        self.refused("certificate has expired", end="20210101000000Z")

    def test_trunk_of_another_authority(self):
        self.secure()
        self.refused("unable to get local issuer certificate", authority=self.clients)

    def test_trunk_by_address(self):
        self.secure(trunk="")
        server = self.server(names=f"IP:{self.trunk_ip}")
        alice = self.phone("alice")
        accepted = in_background(server.accept)
        self.call(alice, NUMBER + "@example.net")
        trunk = self.keep(accepted())
        trunk.answer(trunk.request("INVITE"), 486, contact=False)
        self.assertEqual(alice.final("INVITE").status, 486)

    def test_trunk_unverified(self):
        self.secure(trunk="verify = no")
        server = self.server(names="DNS:whoever.example.com", authority=self.clients)
        alice = self.phone("alice")
        accepted = in_background(server.accept)
        self.call(alice, NUMBER + "@example.net")
        trunk = self.keep(accepted())
        trunk.answer(trunk.request("INVITE"), 486, contact=False)
        self.assertEqual(alice.final("INVITE").status, 486)
        self.assertRegex(self.gateway.log_text(), r"verify = no")

    def test_trunk_that_asks_for_our_certificate(self):
        """Shown over TLS 1.3, its signature made by the key worker."""
        self.secure(trunk='tls-name = "pbx.example.net"  certificate = "rsa"')

        def adjust(context):
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.authority.pem)

        server = self.server(adjust=adjust)
        alice = self.phone("alice")
        accepted = in_background(server.accept)
        self.call(alice, NUMBER + "@example.net")
        trunk = self.keep(accepted())
        trunk.answer(trunk.request("INVITE"), 486, contact=False)
        self.assertEqual(alice.final("INVITE").status, 486)
        self.assertIn(("DNS", "phones.example.net"), trunk.sock.getpeercert()["subjectAltName"])

    def test_sips(self):
        """sips: is kept only where every hop is TLS: 416 where it came over another, 480 where
        nothing else leads on."""
        self.secure()
        server = self.server()
        alice, bob, carol = self.tls_phone("alice"), self.phone("bob"), self.tls_phone("carol")
        accepted = in_background(server.accept)
        for caller, uri, status in (
            (bob, "sips:alice@example.net", 416),
            (alice, "sips:bob@example.net", 480),
        ):
            answer, _ = caller.challenged("INVITE", uri, to="bob@example.net", body=SDP)
            self.assertEqual((answer or caller.final("INVITE")).status, status, uri)
        alice.challenged("INVITE", "sips:carol@example.net", to="carol@example.net", body=SDP)
        carol.answer(carol.request("INVITE"), 200, body=SDP)
        ok = alice.response(200, "INVITE")
        self.assertRegex(ok.get("Contact"), r"^<sips:[^;]+>$")
        alice.challenged(
            "INVITE", f"sips:{NUMBER}@example.net", to=f"{NUMBER}@example.net", body=SDP
        )
        trunk = self.keep(accepted())
        invite = trunk.request("INVITE")
        self.assertRegex(invite.uri, r"^sips:\+4930123456@[^;]+:5081$")
        self.assertRegex(invite.get("Contact"), r"^<sips:[^;]+>$")
        trunk.answer(invite, 486, contact=False)
        self.assertEqual(alice.final("INVITE").status, 486)


@unittest.skipUnless(shutil.which("baresip"), "baresip is not there")
class RealPhones(TlsCase):
    def test_tls_calls_udp_and_back(self):
        """A baresip registers over TLS, calls another on UDP and is called by it."""
        g = self.secure(
            config=CONFIG.replace('{{ "SHA-256", "MD5" }}', '{{ "MD5" }}')
        )  # baresip 1.0 gives up where SHA-256 is offered beside MD5
        alice, bob = Baresip(self, g, "alice", "tls"), Baresip(self, g, "bob", "udp")
        for phone in (alice, bob):
            phone.says(r"registered successfully")
        self.assertEqual(
            {r["aor"]: r["transport"] for r in g.ctl("registrations")},
            {"sip:alice@example.net": "TLS", "sip:bob@example.net": "UDP"},
        )
        for caller, name, callee in ((alice, "bob", bob), (bob, "alice", alice)):
            other = "alice" if name == "bob" else "bob"
            caller.key(f"/dial sip:{name}@example.net\n")
            caller.says(rf"Call established: sip:{name}@example.net")
            callee.says(rf"Call established: sip:{other}@example.net")
            caller.key("b")
            callee.says(ENDED.format(other))
            self.no_calls()
        alice.quit()
        bob.quit()


if __name__ == "__main__":
    unittest.main()
