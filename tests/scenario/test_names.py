"""Targets of trunks that are names (RFC 3263), with a real DNS server: failover along SRV, the
transport by NAPTR, TTLs, stale answers, names that do not exist, and answers that lie."""
import socket, unittest

from gateway import own_address, wait_for
from legs import NUMBER, CallCase, failure_ack
from name_server import Liar, NameServer

QUICK = "ttl-min = 1s  timeout = 300ms  attempts = 1  negative-ttl = 1s"


class Names(CallCase):
    def serve(self, records, uri="sip:carrier.test", dns=QUICK, server=None, sip=2):
        """A gateway whose trunk has that one target, and a server with these records."""
        self.server = server or NameServer(self, records)
        self.start(
            targets=[uri],
            sip=sip,
            extra=f'dns {{ servers = {{ "{self.server.text}" }} {dns} }}',
            trunk="answer-timeout = 1s",
        )
        self.alice = self.phone("alice")

    def rows(self):
        return self.gateway.ctl("trunks", "show", "pbx")

    def addresses(self):
        return [r["address"] for r in self.rows()]

    def found(self, *addresses):
        wait_for(lambda: self.addresses() == list(addresses), f"{addresses} to be found")

    def arrives(self, peer):
        """A call that gets to this peer; its INVITE there."""
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = peer.request("INVITE")
        peer.answer(invite, 486, "Busy Here", contact=False)
        peer.request("ACK")
        failure_ack(self.alice, request, self.alice.final("INVITE"))
        return invite

    def fails(self):
        request = self.call(self.alice, f"{NUMBER}@example.net")
        final = self.alice.final("INVITE")
        failure_ack(self.alice, request, final)
        return final.status

    def test_services_fail_over(self):
        dead, alive_ip = own_address(), own_address()
        self.serve(
            f"""_sip._udp 60 IN SRV 20 0 5080 alive
_sip._udp 60 IN SRV 10 0 5080 dead
dead 60 IN A {dead}
alive 60 IN A {alive_ip}"""
        )
        self.found(f"{dead}:5080", f"{alive_ip}:5080")
        alive = self.trunk(ip=alive_ip, name="alive")
        invite = self.arrives(alive)
        # what is looked up does not change the URI
        self.assertTrue(invite.uri.startswith(f"sip:{NUMBER}@carrier.test"), invite.uri)
        wait_for(lambda: [r["state"] for r in self.rows()] == ["down", "up"], "one to be down")
        self.arrives(alive)

    def test_pointer_chooses_the_transport(self):
        tcp, udp = own_address(), own_address()
        self.serve(
            f"""@ 60 IN NAPTR 20 50 "s" "SIP+D2U" "" _sip._udp
@ 60 IN NAPTR 10 50 "s" "SIP+D2T" "" _sip._tcp
@ 60 IN NAPTR 5 50 "u" "E2U+sip" "!^.*$!sip:info@carrier.test!" .
_sip._tcp 60 IN SRV 0 0 5071 tcp
_sip._udp 60 IN SRV 0 0 5072 udp
tcp 60 IN A {tcp}
udp 60 IN A {udp}"""
        )
        self.found(f"{tcp}:5071")
        self.assertEqual([r["transport"] for r in self.rows()], ["TCP"])

    def test_ttl(self):
        """A server that has moved gets the calls once the TTL is over."""
        first, second = own_address(), own_address()
        self.serve(f"@ 1 IN A {first}", uri="sip:carrier.test:5080")
        self.found(f"{first}:5080")
        self.arrives(self.trunk(ip=first, name="first"))
        self.server.change(f"@ 1 IN A {second}")
        self.found(f"{second}:5080")
        self.arrives(self.trunk(ip=second, name="second"))

    def test_stale(self):
        """While no server answers, what is known stays in use."""
        ip = own_address()
        self.serve(f"@ 1 IN A {ip}", uri="sip:carrier.test:5080")
        self.found(f"{ip}:5080")
        self.server.kill()
        wait_for(lambda: self.gateway.counters().get("names_stale"), "the TTL to be over")
        self.arrives(self.trunk(ip=ip, name="carrier"))
        row = self.rows()[0]
        self.assertEqual([row["address"], row["ttl_s"]], [f"{ip}:5080", 0])
        self.assertTrue(row["error"])
        self.server.start()
        wait_for(lambda: not self.rows()[0]["error"], "the server to be back")

    def test_stale_is_bounded(self):
        ip = own_address()
        self.serve(f"@ 1 IN A {ip}", uri="sip:carrier.test:5080", dns=QUICK + " stale = 1s")
        self.found(f"{ip}:5080")
        self.server.kill()
        self.found(None)
        self.assertEqual(self.fails(), 503)

    def test_no_such_name(self):
        """It is believed for the negative TTL; calls are refused at once."""
        ip = own_address()
        self.serve(f"there 1 IN A {ip}", uri="sip:missing.carrier.test:5080")
        wait_for(lambda: self.rows()[0]["reason"] == "no such name", "it to be known")
        self.assertEqual(self.rows()[0]["state"], "unresolved")
        self.assertEqual(self.fails(), 503)
        self.server.change(f"missing 1 IN A {ip}")
        self.found(f"{ip}:5080")
        self.arrives(self.trunk(ip=ip, name="carrier"))

    def test_asked_for_by_command(self):
        first, second = own_address(), own_address()
        self.serve(f"@ 3600 IN A {first}", uri="sip:carrier.test:5080", dns="")
        self.found(f"{first}:5080")
        self.server.change(f"@ 3600 IN A {second}")
        self.assertEqual(self.gateway.ctl("trunks", "resolve", "pbx")["object"]["asked"], 1)
        self.found(f"{second}:5080")

    def test_truncated(self):
        """What does not fit into a datagram comes over TCP; so many addresses are kept."""
        records = "\n".join(f"@ 60 IN A 127.9.{i}.1" for i in range(1, 101))
        self.serve(records, uri="sip:carrier.test:5080")
        wait_for(lambda: len(self.rows()) == 16, "16 addresses")
        self.assertTrue(self.gateway.counters().get("dns_over_tcp"))

    def test_lies(self):
        """Answers with another id, another spelling or another question count for nothing."""
        ip, wrong = own_address(), own_address()

        def answer(query, address):
            question = query[12:-11]
            return (
                query[:2]
                + bytes.fromhex("81800001000100000000")
                + question
                + bytes.fromhex("c00c000100010000000a0004")
                + socket.inet_aton(address)
            )

        def reply(query):
            lie = answer(query, wrong)
            return [
                bytes([lie[0] ^ 1]) + lie[1:],
                lie[:12] + lie[12:].swapcase(),
                lie[:14] + b"x" + lie[15:],
                lie[:9],
                answer(query, ip),
            ]

        liar = Liar(self, reply)
        self.serve("", uri="sip:carrier.test:5080", server=liar, dns="")
        self.found(f"{ip}:5080")
        self.assertEqual(self.gateway.counters()["dns_mismatched"], 4)
        self.assertIn("dns-answer-mismatched", self.gateway.log_text())
        for _ in range(4):
            asked = len(liar.queries)
            self.gateway.ctl("trunks", "resolve", "pbx")
            wait_for(lambda: len(liar.queries) > asked, "another query")
        self.assertEqual(len({query[:2] for query, _ in liar.queries}), 5, "ids differ")
        self.assertGreater(len({peer for _, peer in liar.queries}), 1, "ports differ")
        self.assertGreater(len({query[12:28] for query, _ in liar.queries}), 1, "spellings, too")


if __name__ == "__main__":
    unittest.main()
