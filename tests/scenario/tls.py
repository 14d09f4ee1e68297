"""The ground of tests of TLS: a gateway with certificates of three kinds, TLS phones, a TLS peer
behind."""
import select, socket, ssl, subprocess, threading

from certs import Authority
from gateway import WAIT, Gateway, own_address
from peers import Peer, Phone
from legs import Accepted, CallCase

CONFIG = """
runtime-directory = "{dir}/run"
state-directory = "{dir}/state"
workers {{ transport = {transport}  sip = {sip}  tls = {tls} }}
tls {{ trust = "ca.pem" }}
{extra}
zone "access" {{ trust = no   auth = digest  rate = off  ban = off  connections-per-source = off
    {access} }}
zone "core"   {{ trust = yes  auth = none     sources = {{ "127.0.0.0/8" }} }}
listener "udp"  {{ bind = "udp:{ip}:5060"  zone = "access" }}
listener "tcp"  {{ bind = "tcp:{ip}:5060"  zone = "access" }}
listener "tls"  {{ bind = "tls:{ip}:5061"  zone = "access"
    certificate = {{ "main", "rsa", "ed" }} }}
listener "asks" {{ bind = "tls:{ip}:5063"  zone = "access"  certificate = "main"
    client-auth = optional  client-ca = "clients.pem" }}
listener "wants" {{ bind = "tls:{ip}:5065"  zone = "access"  certificate = {{ "main", "rsa" }}
    client-auth = required  client-ca = "clients.pem" }}
listener "core" {{ bind = "udp:{ip}:5062"  zone = "core" }}
listener "core-tls" {{ bind = "tls:{ip}:5064"  zone = "core"  certificate = "main" }}
certificate "main" {{ chain = "main.pem"  key = "main.key"  names = {{ "sip.example.net" }} }}
certificate "rsa"  {{ chain = "rsa.pem"   key = "rsa.key"   names = {{ "phones.example.net" }} }}
certificate "ed"   {{ chain = "ed.pem"    key = "ed.key"    names = {{ "*.example.org" }} }}
domain "example.net" {{ users = "users"  algorithms = {{ "SHA-256", "MD5" }}
    expires = "60s..3600s" }}
trunk "pbx" {{ zone = "core"  target = {{ {targets} }} {trunk} }}
route "users" {{ from = {{ "access", "core" }}  to-domain = "example.net"  action = "registered" }}
route "out"   {{ from = {{ "access" }}  number = "^\\\\+?[0-9]{{3,15}}$"  action = "trunk"
    trunk = {{ "pbx" }} }}
{routes}
"""


def issue_all(authority):
    authority.issue("main", "DNS:sip.example.net,URI:sip:example.net", "P-256")
    authority.issue("rsa", "DNS:phones.example.net", "RSA-2048")
    authority.issue("ed", "DNS:*.example.org", "Ed25519")


class TlsPhone(Phone):
    """A phone on a TLS listener."""

    def __init__(
        self, gateway, user, authority, port=5061, name="sip.example.net", ip=None, adjust=None
    ):
        Peer.__init__(self, ip or own_address(), 0, (gateway.ip, port), user, "TLS")
        self.gateway, self.user, self.password = gateway, user, user + "-secret"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(authority.pem)
        if adjust:
            adjust(context)
        self.sock = context.wrap_socket(self.sock, server_hostname=name)


class TlsServer:
    """A TLS peer that the gateway connects to; accept() gives the next connection as a Peer."""

    def __init__(self, ip, port, pem, key, adjust=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem, key)
        if adjust:
            adjust(self.context)
        self.sock = socket.create_server((ip, port))
        self.sock.settimeout(WAIT)
        self.seen = []

    def accept(self, name="tls-trunk"):
        raw, _ = self.sock.accept()
        raw.settimeout(WAIT)
        secure = self.context.wrap_socket(raw, server_side=True)
        peer = Accepted(secure, name)
        peer.transport = "TLS"
        return peer

    def refuse(self):
        """Accepts one connection whose handshake must fail; returns why."""
        raw, _ = self.sock.accept()
        raw.settimeout(WAIT)
        try:
            secure = self.context.wrap_socket(raw, server_side=True)
            data = secure.recv(1)
        except (ssl.SSLError, ConnectionError) as e:
            return str(e)
        finally:
            raw.close()
        raise AssertionError(f"the gateway took the certificate: {data!r}")

    def close(self):
        self.sock.close()


class TlsCase(CallCase):
    def secure(self, start=True, **words):
        """A gateway with TLS; its authority is self.authority."""
        words.setdefault("config", CONFIG)
        words.setdefault("tls", 1)
        words.setdefault("targets", [f"sip:{self.trunk_ip}:5081;transport=tls"])
        words.setdefault("trunk", 'tls-name = "pbx.example.net"')
        g = self.gateway = Gateway(start=False, **words)
        self.addCleanup(g.close)
        self.addCleanup(self.all_alive, g)
        self.authority = Authority(g.dir)
        self.clients = Authority(g.dir, "clients")
        issue_all(self.authority)
        if start:
            g.start()
        return g

    def tls_phone(self, user, register=True, **words):
        phone = self.keep(TlsPhone(self.gateway, user, self.authority, **words))
        if register:
            self.assertEqual(phone.register().status, 200)
        return phone

    def s_client(self, *words, port=5061, ca=True, text=""):
        """openssl s_client against the gateway: (exit status, all it printed)."""
        command = ["openssl", "s_client", "-connect", f"{self.gateway.ip}:{port}", "-brief", *words]
        if ca:
            command += ["-CAfile", str(self.authority.pem), "-verify_return_error"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=WAIT)
        return done.returncode, done.stdout + done.stderr


def in_background(function, *words):
    """Runs function in a thread; the result is awaited by calling what is returned."""
    result = []
    thread = threading.Thread(target=lambda: result.append(function(*words)), daemon=True)
    thread.start()

    def wait():
        thread.join(WAIT)
        if not result:
            raise AssertionError("not done in time")
        return result[0]

    return wait


class Relay:
    """TCP on one side, TLS to the gateway on the other: for load programs that speak no TLS."""

    def __init__(self, ip, port, gateway, authority, name="sip.example.net"):
        self.listener = socket.create_server((ip, port))
        self.address, self.name = (gateway.ip, 5061), name
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.load_verify_locations(authority.pem)
        self.ended = 0  # by the gateway
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            secure = self.context.wrap_socket(
                socket.create_connection(self.address), server_hostname=self.name
            )
            threading.Thread(target=self.carry, args=(plain, secure), daemon=True).start()

    def carry(self, plain, secure):
        """One thread for both ways: an SSL object is not for two."""
        for s in (plain, secure):
            s.setblocking(False)
        waiting = {plain: b"", secure: b""}  # to be written there
        with plain, secure:
            while True:
                read = [
                    s
                    for s in (plain, secure)
                    if len(waiting[secure if s is plain else plain]) < 1 << 20
                ]
                select.select(
                    [] if secure.pending() else read, [s for s in waiting if waiting[s]], [], 1
                )
                for s, other in ((plain, secure), (secure, plain)):
                    try:
                        data = s.recv(65536) if s in read else None
                        if data == b"":
                            self.ended += s is secure
                            return
                        waiting[other] += data or b""
                    except (BlockingIOError, ssl.SSLWantReadError):
                        pass
                    except OSError:
                        self.ended += s is secure
                        return
                for s in waiting:
                    try:
                        while waiting[s]:
                            waiting[s] = waiting[s][s.send(waiting[s][:16384]) :]
                    except (BlockingIOError, ssl.SSLWantWriteError):
                        pass
                    except OSError:
                        self.ended += s is secure
                        return

    def close(self):
        self.listener.close()
