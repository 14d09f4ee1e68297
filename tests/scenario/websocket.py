"""A WebSocket client for SIP (RFC 6455, RFC 7118), and a phone that uses it as browsers do: no
address of its own in Via and Contact."""
import base64, hashlib, os, random, re, socket, struct

from gateway import WAIT
from peers import Message, Phone

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def upgrade_request(
    key, host="edge.example.net", path="/sip", origin=None, protocol="sip", version=13, extra=()
):
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        f"Sec-WebSocket-Key: {key}",
        f"Sec-WebSocket-Version: {version}",
    ]
    lines += [f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []
    lines += [f"Origin: {origin}"] if origin else []
    lines += extra
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


class WebSocket:
    """One connection. tls: an ssl.SSLContext for wss."""

    def __init__(self, to, source="", tls=None, name="edge.example.net", upgrade=True, **words):
        self.sock = socket.create_connection(
            to, timeout=WAIT, source_address=(source, 0) if source else None
        )
        self.local = self.sock.getsockname()
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname=name)
        self.buffer, self.fragments = b"", b""
        if upgrade:
            status, headers = self.upgrade(**words)
            if status != 101:
                raise ConnectionError(f"upgrade refused: {status}")

    def upgrade(self, **words):
        """Asks for it; returns the status and the answer's headers."""
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(upgrade_request(key, **words))
        status, headers = self.http()
        if status == 101:
            assert (
                headers["sec-websocket-accept"]
                == base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
            ), headers
            assert headers.get("sec-websocket-protocol") == words.get("protocol", "sip"), headers
        return status, headers

    def http(self):
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        return int(lines[0].split()[1]), {
            n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])
        }

    def _more(self):
        more = self.sock.recv(65536)
        if not more:
            raise ConnectionError("closed by the gateway")
        self.buffer += more

    def _take(self, n):
        while len(self.buffer) < n:
            self._more()
        taken, self.buffer = self.buffer[:n], self.buffer[n:]
        return taken

    def send(self, payload, opcode=TEXT, fin=True, mask=True):
        n = len(payload)
        head = bytes([(0x80 if fin else 0) | opcode])
        bit = 0x80 if mask else 0
        head += (
            bytes([bit | n])
            if n < 126
            else bytes([bit | 126]) + struct.pack(">H", n)
            if n < 65536
            else bytes([bit | 127]) + struct.pack(">Q", n)
        )
        if mask:
            key = os.urandom(4)
            head += key
            payload = bytes(b ^ key[i % 4] for i, b in enumerate(payload))
        self.sock.sendall(head + payload)

    def frame(self):
        """(opcode, payload) of the next frame; the server's are whole and not masked."""
        while (
            True
        ):  # nothing is taken before all is there, so that a time-out in between loses nothing
            b = self.buffer
            if len(b) >= 2:
                assert b[0] & 0x80 and not b[0] & 0x70 and not b[1] & 0x80, b[:2]
                at, n = 2, b[1]
                if n == 126 and len(b) >= 4:
                    at, n = 4, struct.unpack(">H", b[2:4])[0]
                elif n == 127 and len(b) >= 10:
                    at, n = 10, struct.unpack(">Q", b[2:10])[0]
                elif n >= 126:
                    n = len(b)
                if len(b) >= at + n:
                    self.buffer = b[at + n :]
                    return b[0] & 15, b[at : at + n]
            self._more()

    def message(self):
        """The next message; pings are answered."""
        while True:
            opcode, payload = self.frame()
            if opcode == PING:
                self.send(payload, PONG)
            elif opcode == CLOSE:
                raise ConnectionError(
                    f"closed by the gateway: "
                    f"{struct.unpack('>H', payload[:2])[0] if payload else 'no code'}"
                )
            elif opcode in (TEXT, BINARY):
                return payload

    def close(self):
        self.sock.close()


class WebSocketPhone(Phone):
    """A phone on a WebSocket: its names in Via and Contact are made up (RFC 7118 section 5)."""

    def __init__(self, gateway, user, ip="", port=8080, transport="WS", **words):
        self.ws = WebSocket((gateway.ip, port), ip, **words)
        self.gateway, self.user, self.password, self.name, self.transport, self.to = (
            gateway,
            user,
            user + "-secret",
            user,
            transport,
            None,
        )
        self.ip, self.port = self.ws.local
        self.host = f"{random.getrandbits(48):012x}.invalid"
        self.waiting, self.number, self.sent, self.received = [], 0, [], []
        self.id = f"w{random.getrandbits(48):012x}"

    def close(self):
        self.ws.close()

    def send_raw(self, data, to=None):
        data = data.replace(f"{self.ip}:{self.port}".encode(), self.host.encode())
        data = re.sub(rb"(\r\nContact: <sip:[^>]*\.invalid)>", rb"\1;transport=ws>", data)
        self.sent.append(Message(data))
        self.ws.send(data)

    def _read(self, seconds):
        self.ws.sock.settimeout(max(seconds, 0.001))
        return self.ws.message()
