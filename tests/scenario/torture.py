"""What tests/torture holds: messages as raw bytes, one table of what is expected of each over each
transport, and the document that is made of the table and of what a gateway did."""
import os, pathlib

from certs import Authority
from gateway import Gateway, own_address
from legs import CallCase
from peers import Phone
from tls import TlsPhone
from websocket import BINARY, WebSocketPhone

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "torture"
TRANSPORTS = ("UDP", "TCP", "TLS", "WS")
CONFIG = """
runtime-directory = "{dir}/run"
state-directory = "{dir}/state"
workers {{ transport = {transport}  sip = {sip}  tls = {tls} }}
zone "open" {{ trust = no  auth = none  rate = off  ban = off  connections-per-source = off
    {access} }}
zone "core" {{ trust = yes  auth = none  sources = {{ "127.0.0.0/8" }} }}
listener "udp"  {{ bind = "udp:{ip}:5060"  zone = "open" }}
listener "tcp"  {{ bind = "tcp:{ip}:5060"  zone = "open" }}
listener "tls"  {{ bind = "tls:{ip}:5061"  zone = "open"  certificate = "main" }}
listener "ws"   {{ bind = "ws:{ip}:8080"   zone = "open" }}
listener "core" {{ bind = "udp:{ip}:5062"  zone = "core" }}
certificate "main" {{ chain = "main.pem"  key = "main.key"  names = {{ "sip.example.com" }} }}
domain "example.com" {{ users = "users" }}
trunk "pbx" {{ zone = "core"  target = {{ {targets} }} {trunk} }}
{routes}
{extra}
"""


class Row:
    """A row of the table: name, RFC and section, what is expected over each transport, why."""

    def __init__(self, line):
        self.name, self.section, *expected, self.why = (cell.strip() for cell in line.split("|"))
        expected = [cell if cell != "=" else expected[0] for cell in expected]
        self.expected = dict(zip(TRANSPORTS, expected, strict=True))


def table(name):
    """The rows of a table of the folder."""
    lines = (FOLDER / name).read_text().splitlines()
    return [Row(line) for line in lines if line and not line.startswith("#")]


def cell(text):
    return text.replace("|", "\\|")


def document(rows, got):
    """The table as a document has it. got: by name and transport."""
    lines = [
        "| message | RFC | expected | " + " | ".join(f"got, {kind}" for kind in TRANSPORTS) + " |",
        "|---" * (3 + len(TRANSPORTS)) + "|",
    ]
    for row in rows:
        expected = dict.fromkeys(row.expected.values())
        if len(expected) > 1:
            for kind, text in row.expected.items():
                expected[text] = [*(expected[text] or ()), kind]
        words = [
            text + (f" ({', '.join(kinds)})" if kinds else "") for text, kinds in expected.items()
        ]
        cells = [row.name, row.section, "; ".join(words) + f". {row.why}"]
        cells += [got[row.name][kind] for kind in TRANSPORTS]
        lines.append("| " + " | ".join(map(cell, cells)) + " |")
    return "\n".join(lines) + "\n"


def is_documented(name, text):
    """Whether the README of the folder has that table. SIPWARD_WRITE=1 in the environment has it
    written there."""
    path = FOLDER / "README.md"
    before, begin, rest = path.read_text().partition(f"<!-- {name} -->\n")
    old, end, after = rest.partition(f"<!-- end of {name} -->\n")
    if old != text and os.environ.get("SIPWARD_WRITE"):
        path.write_text(before + begin + text + end + after)
    return old == text


class TortureCase(CallCase):
    def secure(self, users, **words):
        """A gateway that asks nobody, over all transports."""
        gateway = self.gateway = Gateway(
            start=False,
            config=CONFIG,
            tls=1,
            targets=[f"sip:{self.trunk_ip}:5080"],
            users=(),
            **words,
        )
        self.addCleanup(gateway.close)
        self.addCleanup(self.all_alive, gateway)
        self.authority = Authority(gateway.dir)
        self.authority.issue("main", "DNS:sip.example.com", "P-256")
        gateway.write_users(users, "example.com")
        gateway.start()

    def over(self, kind, user):
        """A peer on an address of its own, over that transport."""
        if kind == "TLS":
            peer = TlsPhone(self.gateway, user, self.authority, name="sip.example.com")
        elif kind == "WS":
            peer = WebSocketPhone(self.gateway, user, own_address())
        else:
            peer = Phone(self.gateway, user, kind, own_address())
        self.addCleanup(peer.close)
        return peer

    def send(self, peer, raw):
        """Sends these bytes as they are, in one datagram or WebSocket message."""
        if peer.transport == "WS":
            peer.ws.send(raw, BINARY)
        elif peer.transport == "UDP":
            peer.sock.sendto(raw, peer.to)
        else:
            peer.sock.sendall(raw)

    def fence(self, peer, port=5060):
        """All that was to come to this peer has come: there is one SIP worker, which has answered
        what was sent after it."""
        call_id = f"fence-{peer.id}-{peer.number}"
        peer.send_raw(peer.make("OPTIONS", f"sip:{self.gateway.ip}:{port}", call_id=call_id))
        self.assertEqual(peer.receive(lambda m: m.get("Call-ID") == call_id).status, 200)
