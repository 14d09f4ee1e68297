"""The ground of tests of calls: peers with an address each, their dialogs, and the check that
nothing of one side shows on the other."""
import random, re, signal, socket, time, unittest

from gateway import WAIT, Gateway, own_address, wait_for  # noqa: F401
from peers import SDP, Message, Peer, Phone, digest, with_body  # noqa: F401

NUMBER = "+4930123456"


def address_of(value):
    """A From, To or Contact value without its parameters."""
    return value[: value.index(">") + 1] if ">" in value else value.split(";")[0]


def lines_of(message):
    """The header lines as they are, folding kept."""
    return re.split(rb"\r\n(?![ \t])", message.raw.partition(b"\r\n\r\n")[0])[1:]


def branch_of(message):
    return re.search(r"branch=([^;,\s]+)", message.get("Via")).group(1)


class Dialog:
    """A dialog (RFC 3261 section 12) as one of the peers has it."""

    def __init__(self, peer, call_id, local, remote, target, routes, cseq, to=None):
        (
            self.peer,
            self.call_id,
            self.local,
            self.remote,
            self.target,
            self.routes,
            self.cseq,
            self.to,
        ) = (peer, call_id, local, remote, target, routes, cseq, to)

    @staticmethod
    def of_answer(peer, request, response):
        """Of the one who called."""
        routes = [
            r.strip()
            for v in reversed(response.all("Record-Route"))
            for r in reversed(v.split(","))
        ]
        return Dialog(
            peer,
            request.get("Call-ID"),
            request.get("From"),
            response.get("To"),
            response.contact_uri(),
            routes,
            request.cseq[0],
        )

    @staticmethod
    def of_request(peer, request, tag, to=None):
        """Of the one who is called."""
        routes = [r.strip() for v in request.all("Record-Route") for r in v.split(",")]
        local = request.get("To") if request.tag("To") else f"{request.get('To')};tag={tag}"
        return Dialog(
            peer,
            request.get("Call-ID"),
            local,
            request.get("From"),
            request.contact_uri(),
            routes,
            100,
            to or getattr(peer, "last_from", None),
        )

    @property
    def local_tag(self):
        return re.search(r";tag=([^;]+)", self.local).group(1)

    @property
    def remote_tag(self):
        return re.search(r";tag=([^;]+)", self.remote).group(1)

    def send(
        self,
        method,
        *,
        cseq=None,
        headers=(),
        body=b"",
        content_type="application/sdp",
        branch=None,
        contact=None,
        max_forwards=70,
    ):
        """Sends a request in the dialog; returns it as sent. cseq None: the next."""
        p = self.peer
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        p.number += 1
        lines = [
            f"{method} {self.target} SIP/2.0",
            f"Via: SIP/2.0/{p.transport} "
            f"{p.ip}:{p.port};branch={branch or f'z9hG4bK-{p.id}-{p.number}'};rport",
            f"Max-Forwards: {max_forwards}",
            *[f"Route: {r}" for r in self.routes],
            f"From: {self.local}",
            f"To: {self.remote}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq} {method}",
        ]
        if contact or (
            contact is None and method in ("INVITE", "UPDATE", "REFER", "SUBSCRIBE", "NOTIFY")
        ):
            lines.append(f"Contact: {contact or contact_of(p)}")
        raw = with_body(lines + list(headers), body, content_type)
        p.send_raw(raw, self.to)
        return Message(raw)

    def ack(self, cseq=None, **words):
        """The ACK of a 2xx, for the last INVITE unless cseq says which."""
        return self.send("ACK", cseq=cseq or self.cseq, **words)

    def replaces(self):
        """The Replaces value that names this dialog to its other end (RFC 3891)."""
        return f"{self.call_id};to-tag={self.remote_tag};from-tag={self.local_tag}"


def contact_of(peer):
    return (
        f"<sip:{peer.name}@{peer.ip}:{peer.port}"
        + (";transport=tcp" if peer.transport == "TCP" else "")
        + ">"
    )


class Accepted(Peer):
    """The end of a connection that the gateway opened."""

    def __init__(self, sock, name):
        self.ip, self.port = sock.getsockname()
        (
            self.sock,
            self.name,
            self.transport,
            self.to,
            self.buffer,
            self.waiting,
            self.number,
            self.sent,
            self.received,
        ) = (sock, name, "TCP", None, b"", [], 0, [], [])
        self.id = f"a{random.getrandbits(48):012x}"


def failure_ack(peer, invite, response, to=None):
    """The ACK of a failure (RFC 3261 section 17.1.1.3): its INVITE's branch, the response's To."""
    lines = [
        f"ACK {invite.uri} SIP/2.0",
        f"Via: {invite.get('Via')}",
        "Max-Forwards: 70",
        f"From: {invite.get('From')}",
        f"To: {response.get('To')}",
        f"Call-ID: {invite.get('Call-ID')}",
        f"CSeq: {invite.cseq[0]} ACK",
        "Content-Length: 0",
    ]
    peer.send_raw("\r\n".join(lines).encode() + b"\r\n\r\n", to)


def cancel(peer, invite, headers=(), to=None):
    """Cancels an INVITE that peer has sent (RFC 3261 section 9.1)."""
    lines = [
        f"CANCEL {invite.uri} SIP/2.0",
        f"Via: {invite.get('Via')}",
        "Max-Forwards: 70",
        f"From: {invite.get('From')}",
        f"To: {invite.get('To')}",
        f"Call-ID: {invite.get('Call-ID')}",
        f"CSeq: {invite.cseq[0]} CANCEL",
        *headers,
        "Content-Length: 0",
    ]
    peer.send_raw("\r\n".join(lines).encode() + b"\r\n\r\n", to)


def finish(peer):
    """Takes the next message, if one comes at once, and answers what is open as who wants nothing
    more."""
    over = {(m.get("Call-ID"), m.cseq) for m in peer.sent if m.status and m.status >= 200}
    for m in peer.received:
        if m.method == "INVITE" and (m.get("Call-ID"), m.cseq) not in over:
            peer.answer(m, 487, "Request Terminated", contact=False)
    try:
        m = peer.receive(lambda m: True, 0.002)
    except AssertionError:  # nothing came
        return
    if m.method and m.method not in ("ACK", "INVITE"):
        peer.answer(m, 200, contact=False)
    elif m.status and m.status >= 300 and m.cseq[1] == "INVITE":
        for invite in peer.sent:
            if (invite.method, invite.get("Call-ID"), invite.cseq) == (
                "INVITE",
                m.get("Call-ID"),
                m.cseq,
            ):
                failure_ack(peer, invite, m)


def hop_words(peer):
    """All that tells of one peer: its address and port, and every Via, Call-ID, tag, Contact and
    route of what it sent or got."""
    words = {peer.ip, f":{peer.port}", f"={peer.port}"}
    for m in peer.sent + peer.received:
        words.add(m.get("Call-ID"))
        words.update(t for t in (m.tag("From"), m.tag("To")) if t)
        for v in m.all("Via"):
            words.update(re.findall(r"branch=([^;,\s]+)", v))
        if m.contact_uri() and (m.method or m.cseq[1] != "REGISTER"):
            words.add(m.contact_uri())
        for name in ("Record-Route", "Route", "Path", "Service-Route"):
            words.update(re.findall(r"<([^>]*)>", " ".join(m.all(name))))
    for m in peer.sent:
        for v in m.all("Via") if m.method else ():
            words.add(v.split()[1].split(";")[0])
    return {w for w in words if w and len(w) > 3}


def leaks(peers, public=()):
    """(who saw it, whose it is, the word, the message) for everything of one peer that stands in
    the start line or the headers of what another received."""
    found = []
    words = {p: hop_words(p) for p in peers}
    for p in peers:
        for q in peers:
            if p is q or p.ip == q.ip:
                continue
            for w in words[q] - words_sent(p) - {f":{p.port}", f"={p.port}"} - set(public):
                pattern = re.compile(re.escape(w) + (r"(?!\d)" if w[-1].isdigit() else ""))
                for m in p.received:
                    if m.cseq[1] == "REGISTER":
                        continue  # a user may know all bindings of his
                    head = m.raw.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
                    if pattern.search(head):
                        found.append((p.name, q.name, w, head))
    return found


def words_sent(peer):
    """Names that a peer gave first itself: it learns nothing from seeing it again."""
    words = set()
    for m in peer.sent:
        words.update((m.get("Call-ID"), m.tag("From")) if m.method else ())
    return words


class CallCase(unittest.TestCase):
    """A gateway with phones in its untrusted zone and a trunk in its trusted one, each on an
    address of its own; after each test nothing may have leaked from one side to another."""

    public = ()  # words that may pass in this test
    kills = False  # True where the test itself ends workers

    def setUp(self):
        self.peers = []
        self.public = set()
        self.trunk_ip = own_address()

    def tearDown(self):
        found = leaks(self.peers, self.public)
        if found:
            who, whose, word, head = found[0]
            self.fail(f"{len(found)} leaks; {who} saw {word!r} of {whose} in:\n{head}")
        self.stop_answered()

    def stop_answered(self):
        """Stops the gateway while its peers still answer: nobody waits for what a test left
        open."""
        process = getattr(self, "gateway", None) and self.gateway.process
        if not process or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        peers = set(self.peers)
        end = time.monotonic() + WAIT
        while process.poll() is None and time.monotonic() < end:
            for peer in list(peers):
                try:
                    finish(peer)
                except (OSError, ValueError):  # its connection has ended
                    peers.discard(peer)
            if not peers:
                time.sleep(0.002)

    def start(self, **words):
        words.setdefault("targets", [f"sip:{self.trunk_ip}:5080"])
        self.gateway = Gateway(**words)
        self.addCleanup(self.gateway.close)
        self.addCleanup(self.all_alive, self.gateway)
        return self.gateway

    def all_alive(self, gateway):
        if self.kills:
            return
        self.assertNotIn("worker-died", gateway.log_text())

    def keep(self, peer):
        self.peers.append(peer)
        self.addCleanup(peer.close)
        return peer

    def phone(self, user, transport="UDP", register=True, **words):
        phone = self.keep(Phone(self.gateway, user, transport, own_address()))
        if register:
            answer = phone.register(**words)
            self.assertEqual(answer.status, 200, answer)
        return phone

    def trunk(self, port=5080, ip=None, name="trunk"):
        return self.keep(Peer(ip or self.trunk_ip, port, (self.gateway.ip, 5062), name))

    def listen(self, port=5080, ip=None):
        """A TCP listener of the trunk's."""
        s = socket.create_server((ip or self.trunk_ip, port))
        s.settimeout(WAIT)
        self.addCleanup(s.close)
        return s

    def accept(self, server, name="trunk-tcp"):
        return self.keep(Accepted(server.accept()[0], name))

    def call(self, caller, to, *, body=SDP, **words):
        """Sends an INVITE, with credentials where the caller is a phone; returns it as sent."""
        if isinstance(caller, Phone):
            caller.invite(to, body=body, **words)
            return Message(caller.last_request)
        words.setdefault("sender", "+49891234@carrier.example")
        raw = caller.make("INVITE", f"sip:{to}", to=to, body=body, **words)
        caller.send_raw(raw, caller.to)
        return Message(raw)

    def request(self, sender, method, to, **words):
        """The same for any other request outside a dialog."""
        if isinstance(sender, Phone):
            answer, _ = sender.challenged(method, f"sip:{to}", to=to, **words)
            self.assertIsNone(answer, "not challenged")
            return Message(sender.last_request)
        words.setdefault("sender", "+49891234@carrier.example")
        raw = sender.make(method, f"sip:{to}", to=to, **words)
        sender.send_raw(raw, sender.to)
        return Message(raw)

    def establish(self, caller, callee, to, **words):
        """A call from INVITE to ACK; returns both ends' dialogs."""
        request = self.call(caller, to, **words)
        invite = callee.request("INVITE")
        tag = callee.answer(invite, 200, body=SDP)
        ok = caller.response(200, "INVITE")
        a, b = Dialog.of_answer(caller, request, ok), Dialog.of_request(callee, invite, tag)
        a.ack()
        callee.request("ACK")
        self.request_sent, self.invite_received = request, invite
        return a, b

    def hang_up(self, a, b):
        """BYE from a, answered by b."""
        a.send("BYE")
        b.peer.answer(b.peer.request("BYE"), 200, contact=False)
        a.peer.response(200, "BYE")

    def no_calls(self):
        wait_for(lambda: not self.gateway.ctl("calls"), "all calls gone")

    def counted(self, name, least=1):
        wait_for(lambda: self.gateway.counters().get(name, 0) >= least, f"{name} to reach {least}")
