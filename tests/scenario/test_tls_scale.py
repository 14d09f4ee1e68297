"""The number of TLS workers follows a reload while handshakes are under way: none is lost."""
import re, socket, ssl, threading, unittest

from certs import Authority
from gateway import WAIT, wait_for
from tls import TlsCase, TlsPhone, issue_all

THREADS = 4


class Handshakes:
    """Clients that do one handshake after the other until they are told to end."""

    def __init__(self, address, pem):
        self.address, self.done, self.failed = address, 0, []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.load_verify_locations(pem)
        self.lock, self.over = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(THREADS)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.over.is_set():
            try:
                raw = socket.create_connection(self.address, timeout=WAIT)
                with self.context.wrap_socket(raw, server_hostname="sip.example.net"):
                    pass
            except OSError as error:
                with self.lock:
                    self.failed.append(error)
                return
            with self.lock:
                self.done += 1

    def more(self, count=50):
        """Until so many more have been done."""
        before = self.done
        wait_for(lambda: self.failed or self.done >= before + count, "handshakes")

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(WAIT)
        return self.failed


class TlsScale(TlsCase):
    def change(self, *pairs):
        text = self.gateway.config.read_text()
        for old, new in pairs:
            self.assertRegex(text, old)
            text = re.sub(old, lambda _: new, text, count=1)
        self.gateway.config.write_text(text)
        return self.gateway.run_ctl("reload")

    def settled(self, count):
        def there():
            found = self.gateway.workers("tls")
            return len(found) == count and all(w["state"] == "ready" for w in found)

        wait_for(there, f"{count} TLS workers")

    def test_no_handshake_is_lost(self):
        g = self.secure(tls=1)
        clients = Handshakes((g.ip, 5061), self.authority.pem)
        self.addCleanup(clients.end)
        for count in (3, 1, 2, 1):
            done = self.change((r"tls = \d", f"tls = {count}"))
            self.assertEqual(done.returncode, 0, done.stdout)
            self.settled(count)
            clients.more()
        self.assertEqual(clients.end(), [])
        counters = self.gateway.counters()
        for name in ("sign_failed", "tls_failed_key", "tls_failed_late"):
            self.assertEqual(counters.get(name, 0), 0, name)

    def test_the_first_one_comes_with_its_certificate(self):
        g = self.start(tls=0)
        self.authority = Authority(g.dir)
        issue_all(self.authority)
        listener = f'listener "tls" {{ bind = "tls:{g.ip}:5061"  zone = "access"\n'
        listener += '    certificate = "main" }\n'
        certificate = 'certificate "main" { chain = "main.pem"  key = "KEY" }\n'
        self.gateway.config.write_text(
            g.config.read_text().replace("tls = 0", "tls = 2") + listener + certificate
        )
        # refused with the certificate, it comes to nothing
        done = g.run_ctl("reload")
        self.assertEqual(done.returncode, 1)
        self.change(("KEY", "rsa.key"))
        wait_for(lambda: not g.workers("tls"), "no TLS worker")
        done = self.change((r"rsa\.key", "main.key"))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.settled(2)
        phone = self.keep(TlsPhone(g, "alice", self.authority))
        self.assertEqual(phone.register().status, 200)
        # the last one stays as long as a handshake may need it
        done = self.change(
            ("tls = 2", "tls = 0"),
            (re.escape(listener), ""),
            (re.escape(certificate.replace("KEY", "main.key")), ""),
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual({w["state"] for w in g.workers("tls")}, {"leaving"})


if __name__ == "__main__":
    unittest.main()
