"""SIP peers in Python for what sipp and phones cannot say: driven step by step, spelling and order
kept.

Everything waits for conditions and is bounded in time.
"""
import hashlib, os, random, re, socket, time

from gateway import WAIT


class Message:
    """A SIP message taken apart, spelling and order kept."""

    def __init__(self, raw):
        self.raw = raw
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = re.sub(rb"\r\n[ \t]+", b" ", head).decode("utf-8", "surrogateescape").split("\r\n")
        self.start = lines[0]
        self.headers = [tuple(x.strip() for x in line.split(":", 1)) for line in lines[1:]]
        self.status = int(self.start.split()[1]) if self.start.startswith("SIP/2.0 ") else None
        self.method = None if self.status else self.start.split()[0]
        self.uri = None if self.status else self.start.split()[1]

    COMPACT = {
        "v": "via",
        "f": "from",
        "t": "to",
        "i": "call-id",
        "m": "contact",
        "l": "content-length",
        "c": "content-type",
        "k": "supported",
        "s": "subject",
        "r": "refer-to",
        "b": "referred-by",
        "o": "event",
        "u": "allow-events",
        "x": "session-expires",
        "e": "content-encoding",
    }

    def all(self, name):
        return [
            v for n, v in self.headers if self.COMPACT.get(n.lower(), n.lower()) == name.lower()
        ]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None

    def tag(self, name):
        m = re.search(r";\s*tag\s*=\s*([^;>\s]+)", (self.get(name) or "").rsplit(">", 1)[-1])
        return m.group(1) if m else None

    @property
    def cseq(self):
        number, method = self.get("CSeq").split()
        return int(number), method

    def contact_uri(self):
        value = self.get("Contact") or ""
        m = re.search(r"<([^>]*)>", value)
        return m.group(1) if m else value.split(";")[0]

    def __repr__(self):
        return self.raw.decode("utf-8", "replace")


def with_body(lines, body, content_type):
    """The bytes of a message of these lines, with what its body needs."""
    if isinstance(body, str):
        body = body.encode()
    if body:
        lines = lines + [f"Content-Type: {content_type}"]
    lines = lines + [f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Peer:
    """A SIP endpoint on a UDP or TCP socket, driven step by step."""

    def __init__(self, ip, port=0, to=None, name="peer", transport="UDP"):
        self.ip, self.name, self.transport, self.to = ip, name, transport, to
        self.buffer, self.waiting, self.number = b"", [], 0
        self.sent, self.received = [], []  # all messages, for checks over a whole test
        if transport == "UDP":
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sock.bind((ip, port))
        else:
            self.sock = socket.create_connection(to, timeout=WAIT, source_address=(ip, port))
        self.port = self.sock.getsockname()[1]
        self.id = f"{os.getpid()}-{random.getrandbits(48):012x}"

    def close(self):
        self.sock.close()

    def send_raw(self, data, to=None):
        if re.match(rb"SIP/2.0 \d{3} |[^ \r\n]+ [^ \r\n]+ SIP/2.0\r\n", data):
            self.sent.append(Message(data))
        if self.transport == "UDP":
            self.sock.sendto(data, to or self.to)
        else:
            self.sock.sendall(data)

    def _read(self, seconds):
        self.sock.settimeout(max(seconds, 0.001))
        if self.transport == "UDP":
            data, self.last_from = self.sock.recvfrom(65535)
            return data
        while True:
            while self.buffer.startswith(b"\r\n"):
                self.buffer = self.buffer[2:]
            head, sep, rest = self.buffer.partition(b"\r\n\r\n")
            if sep:
                m = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head)
                n = int(m.group(1)) if m else 0
                if len(rest) >= n:
                    self.buffer = rest[n:]
                    return head + sep + rest[:n]
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionError("closed by the gateway")
            self.buffer += more

    def receive(self, want, seconds=WAIT, what="", repeat=None):
        """The next message for which want(message) is true; others stay for later calls, in
        order. repeat: a request sent over UDP, to be sent again as timer E of RFC 3261 section
        17.1.2.2 has it."""
        pause = 0.5
        while repeat and seconds > pause:
            try:
                return self.receive(want, pause, what)
            except AssertionError:
                self.send_raw(repeat)
            seconds -= pause
            pause = min(2 * pause, 4)
        for i, m in enumerate(self.waiting):
            if want(m):
                return self.waiting.pop(i)
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(
                    f"{self.name}: no {what or 'message'} within {seconds} s; had "
                    f"{[m.start for m in self.waiting]}"
                )
            try:
                m = Message(self._read(left))
            except (TimeoutError, socket.timeout):
                continue
            self.received.append(m)
            if want(m):
                return m
            self.waiting.append(m)

    def request(self, method, seconds=WAIT):
        return self.receive(lambda m: m.method == method, seconds, method)

    def response(self, status, method=None, seconds=WAIT, repeat=None):
        """The next response with that status (or a predicate of it)."""
        fits = status if callable(status) else lambda s: s == status
        return self.receive(
            lambda m: m.status is not None
            and fits(m.status)
            and (method is None or m.cseq[1] == method),
            seconds,
            f"{status} {method or ''}",
            repeat,
        )

    def final(self, method=None, seconds=WAIT, repeat=None):
        return self.response(lambda s: s >= 200, method, seconds, repeat)

    def silence(self, seconds=0.5):
        """Asserts that nothing comes for a while."""
        try:
            m = self.receive(lambda m: True, seconds)
        except AssertionError:
            return
        raise AssertionError(f"{self.name}: unexpected {m!r}")

    def contact(self, user):
        """The URI, in angle brackets, by which that user is reached here."""
        stream = self.transport in ("TCP", "TLS")
        parameter = f";transport={self.transport.lower()}" if stream else ""
        return f"<sip:{user}@{self.ip}:{self.port}{parameter}>"

    def make(
        self,
        method,
        uri,
        *,
        sender="alice@example.net",
        to="bob@example.net",
        call_id=None,
        cseq=1,
        from_tag=None,
        to_tag=None,
        branch=None,
        contact=True,
        headers=(),
        body=b"",
        content_type="application/sdp",
        max_forwards=70,
        rport=True,
    ):
        """The bytes of a request."""
        self.number += 1
        branch = branch or f"z9hG4bK-{self.id}-{self.number}"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{self.transport} {self.ip}:{self.port};branch={branch}"
            + (";rport" if rport else ""),
            f"Max-Forwards: {max_forwards}",
            f"From: <sip:{sender}>;tag={from_tag or 'f' + self.id}",
            f"To: <sip:{to}>" + (f";tag={to_tag}" if to_tag else ""),
            f"Call-ID: {call_id or 'c' + self.id + str(self.number)}",
            f"CSeq: {cseq} {method}",
        ]
        if contact:
            lines.append(f"Contact: {self.contact(sender.split('@')[0])}")
        return with_body(lines + list(headers), body, content_type)

    def answer(
        self,
        request,
        status,
        reason="OK",
        *,
        tag=None,
        headers=(),
        body=b"",
        contact=True,
        to=None,
        content_type="application/sdp",
    ):
        """Answers a received request; returns the tag used."""
        tag = tag or request.tag("To") or f"t{self.id}"
        lines = [f"SIP/2.0 {status} {reason}"]
        for name, value in request.headers:
            n = Message.COMPACT.get(name.lower(), name.lower())
            if n in ("via", "from", "call-id", "cseq", "record-route"):
                lines.append(f"{name}: {value}")
            elif n == "to":
                lines.append(
                    f"{name}: {value}"
                    + ("" if request.tag("To") or status == 100 else f";tag={tag}")
                )
        if contact:
            lines.append(f"Contact: {self.contact(self.name)}")
        self.send_raw(
            with_body(lines + list(headers), body, content_type),
            to or getattr(self, "last_from", None),
        )
        return tag


def digest(challenge, method, uri, user, password, nc=1, cnonce="abcdef01"):
    """The credentials for a WWW-Authenticate or Proxy-Authenticate value."""
    p = {k.lower(): a or b for k, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', challenge)}
    algorithm = p.get("algorithm", "MD5")
    name = {"SHA-256": "sha256", "SHA-512-256": "sha512_256"}.get(algorithm, "md5")
    h = lambda s: hashlib.new(name, s.encode()).hexdigest()
    ha1, ha2 = h(f"{user}:{p['realm']}:{password}"), h(f"{method}:{uri}")
    response = h(f"{ha1}:{p['nonce']}:{nc:08x}:{cnonce}:auth:{ha2}")
    return (
        f'Digest username="{user}", realm="{p["realm"]}", nonce="{p["nonce"]}", uri="{uri}", '
        f'response="{response}", algorithm={algorithm}, '
        f'cnonce="{cnonce}", qop=auth, nc={nc:08x}'
        + (f', opaque="{p["opaque"]}"' if "opaque" in p else "")
    )


SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


class Phone(Peer):
    """A peer that registers and authenticates as a user of example.net."""

    def __init__(self, gateway, user, transport="UDP", ip=None):
        super().__init__(ip or gateway.ip, 0, (gateway.ip, 5060), user, transport)
        self.gateway, self.user, self.password = gateway, user, user + "-secret"

    def challenged(self, method, uri, challenge_index=0, **words):
        """Sends a request, answers its challenge; returns (the final answer or what answer_wanted
        gave, the parts used)."""
        words.setdefault("sender", f"{self.user}@example.net")
        words.setdefault("call_id", f"c{self.id}-{self.number}")
        cseq = words.pop("cseq", 1)
        headers = list(words.pop("headers", ()))
        repeat = words.pop("repeat", False)
        request = self.make(method, uri, cseq=cseq, headers=headers, **words)
        self.send_raw(request)
        first = self.receive(
            lambda m: (m.status or 0) >= 200
            and m.get("Call-ID") == words["call_id"]
            and m.cseq == (cseq, method),
            what="challenge",
            repeat=request if repeat else None,
        )
        if first.status not in (401, 407):
            return first, words
        if method == "INVITE":
            self.ack_failure(uri, first, words, cseq)
        name, reply = (
            ("WWW-Authenticate", "Authorization")
            if first.status == 401
            else ("Proxy-Authenticate", "Proxy-Authorization")
        )
        credentials = digest(
            first.all(name)[challenge_index], method, uri, self.user, self.password
        )
        words["cseq"] = cseq + 1
        self.last_request = self.make(
            method, uri, headers=headers + [f"{reply}: {credentials}"], **words
        )
        self.send_raw(self.last_request)
        return None, words

    def ack_failure(self, uri, response, words, cseq):
        via = response.all("Via")[0]
        branch = re.search(r"branch=([^;\s]+)", via).group(1)
        self.send_raw(
            self.make(
                "ACK",
                uri,
                sender=words["sender"],
                to=words.get("to", "bob@example.net"),
                call_id=words["call_id"],
                cseq=cseq,
                to_tag=response.tag("To"),
                branch=branch,
                contact=False,
                from_tag=words.get("from_tag"),
            )
        )

    def register(self, expires=600, **words):
        uri = "sip:example.net"
        repeat = words.get("repeat", False)
        answer, _ = self.challenged(
            "REGISTER",
            uri,
            to=f"{self.user}@example.net",
            headers=[f"Expires: {expires}"] + list(words.pop("headers", ())),
            **words,
        )
        return answer or self.final("REGISTER", repeat=self.last_request if repeat else None)

    def invite(self, to, body=SDP, **words):
        """Starts a call; returns the parts for later requests. The answers are the caller's to
        read."""
        answer, parts = self.challenged("INVITE", f"sip:{to}", to=to, body=body, **words)
        if answer is not None:
            raise AssertionError(f"INVITE was not challenged: {answer!r}")
        parts["uri"] = f"sip:{to}"
        return parts

    def in_dialog(self, method, answer, parts, cseq, **words):
        """A request in the dialog that `answer` (a response to our INVITE) made."""
        routes = [
            f"Route: {r.strip()}"
            for v in reversed(answer.all("Record-Route"))
            for r in reversed(v.split(","))
        ]
        self.send_raw(
            self.make(
                method,
                answer.contact_uri(),
                sender=parts["sender"],
                to=parts.get("to", "bob@example.net"),
                call_id=parts["call_id"],
                cseq=cseq,
                to_tag=answer.tag("To"),
                from_tag=parts.get("from_tag"),
                headers=routes + list(words.pop("headers", ())),
                **words,
            )
        )
