"""A DNS server with a zone of the test's own: nsd on loopback, and one that lies."""
import os, pathlib, shutil, signal, socket, subprocess, tempfile, threading

from gateway import own_address, wait_for

SOA = """$ORIGIN carrier.test.
@ {ttl} IN SOA ns admin 1 3600 600 86400 {negative}
@ 60 IN NS ns
ns 60 IN A 127.0.0.1
"""


class NameServer:
    """Serves carrier.test: records as in a zone file, whose names end below that."""

    def __init__(self, test, records, negative=60):
        self.ip, self.port = own_address(), 5353
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="nsd-"))
        self.process = None
        test.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        test.addCleanup(self.kill)
        self.config = self.dir / "nsd.conf"
        self.config.write_text(
            f"""server:
    ip-address: {self.ip}@{self.port}
    server-count: 1
    username: ""
    zonesdir: "{self.dir}"
    database: ""
    pidfile: "{self.dir}/pid"
    zonelistfile: "{self.dir}/zones"
    xfrdfile: "{self.dir}/xfrd"
    xfrdir: "{self.dir}"
    rrl-ratelimit: 0
    verbosity: 1
remote-control:
    control-enable: no
zone:
    name: "carrier.test"
    zonefile: "zone"
"""
        )
        self.write(records, negative)
        self.start()

    def write(self, records, negative=60):
        (self.dir / "zone.new").write_text(
            SOA.format(ttl=negative, negative=negative) + records + "\n"
        )
        (self.dir / "zone.new").rename(self.dir / "zone")

    def start(self):
        self.log = open(self.dir / "log", "ab")
        self.process = subprocess.Popen(
            ["/usr/sbin/nsd", "-d", "-c", self.config],
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        wait_for(self.answers, "nsd to answer")

    def answers(self):
        query = bytes.fromhex("00010100000100000000000002") + b"ns\x07carrier\x04test\0"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            s.connect((self.ip, self.port))
            try:
                s.send(query + bytes.fromhex("00010001"))
                return s.recv(512)[3] & 15 == 0
            except OSError:
                return False

    def change(self, records, negative=60):
        """Serves another zone from now on."""
        self.kill()
        self.write(records, negative)
        self.start()

    def kill(self):
        if not self.process:
            return
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        # its children have its sockets, too, and end in their own time
        wait_for(self.is_free, "the processes of nsd to be gone")
        self.process = None
        self.log.close()

    def is_free(self):
        """Whether the port of both transports can be bound."""
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind((self.ip, self.port))
            socket.create_server((self.ip, self.port)).close()
        except OSError:
            return False
        return True

    @property
    def text(self):
        return f"{self.ip}:{self.port}"


class Liar:
    """Answers each query with what reply makes of it: a list of datagrams."""

    def __init__(self, test, reply):
        self.ip, self.port, self.reply = own_address(), 5353, reply
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.ip, self.port))
        self.queries = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        test.addCleanup(self.close)

    def serve(self):
        while True:
            query, peer = self.socket.recvfrom(2048)
            if query == b"end":
                return
            self.queries.append((query, peer))
            for datagram in self.reply(query):
                self.socket.sendto(datagram, peer)

    def close(self):
        self.socket.sendto(b"end", (self.ip, self.port))
        self.thread.join()
        self.socket.close()

    @property
    def text(self):
        return f"{self.ip}:{self.port}"
