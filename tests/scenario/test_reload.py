"""Zones, domains and listeners come and go while calls stand, and each reload can be taken back."""
import os, signal, socket, time, unittest

from gateway import own_address, wait_for
from legs import NUMBER, CallCase, failure_ack
from peers import Peer, Phone

GUESTS = """
zone "guests" {{ trust = no  auth = digest }}
listener "guests" {{ bind = "{transport}:{ip}:5070"  zone = "guests" }}
domain "guests.example" {{ users = "users"  realm = "example.net" }}
route "guests" {{ from = {{ "guests", "core" }}  to-domain = "guests.example"
    action = "registered" }}
route "guests-out" {{ from = {{ "guests" }}  number = "^\\\\+?[0-9]{{3,15}}$"  action = "trunk"
    trunk = {{ "pbx" }} }}
"""


class Reload(CallCase):
    def guests(self, transport="udp"):
        return GUESTS.format(ip=self.gateway.ip, transport=transport)

    def put(self, text, good=True):
        """Takes that config into use; gives the answer."""
        self.gateway.config.write_text(text)
        answer = self.gateway.ctl("reload", check=False)
        self.assertEqual(answer.get("ok"), good, answer)
        return answer

    def guest(self, user, transport="UDP"):
        return self.keep(Guest(self.gateway, user, transport))

    def test_comes_and_goes(self):
        self.comes_and_goes("udp")

    def test_comes_and_goes_over_tcp(self):
        self.comes_and_goes("tcp")

    def comes_and_goes(self, transport):
        """A zone with its listener, domain and routes."""
        g = self.start(sip=2)
        alice = self.phone("alice")
        before = g.config.read_text()
        # before all others: places are kept whatever the order is
        self.put(self.guests(transport) + before)
        bob = self.guest("bob", transport.upper())
        self.assertEqual(bob.register().status, 200)
        trunk = self.trunk()
        a, b = self.establish(bob, trunk, f"{NUMBER}@guests.example")
        self.hang_up(*self.establish(trunk, bob, "bob@guests.example"))
        # gone: the call goes on, and nothing new comes
        self.put(before)
        self.assertIn(
            f"{transport}:{g.ip}:5070 (removed)",
            g.ctl("status")["object"]["listeners"],
        )
        self.assertEqual([d["domain"] for d in g.ctl("domains")], ["example.net"])
        self.assertEqual(bob.register().status, 503)
        a.send("INFO")
        trunk.answer(trunk.request("INFO"), 200, contact=False)
        bob.response(200, "INFO")
        b.send("INFO")
        bob.answer(bob.request("INFO"), 200, contact=False)
        trunk.response(200, "INFO")
        self.call(trunk, "bob@guests.example")
        self.assertEqual(trunk.final("INVITE").status, 404)
        self.hang_up(b, a)
        self.put(before)
        # taken back
        self.put(before + self.guests(transport))
        self.assertEqual(bob.register().status, 200)
        self.hang_up(*self.establish(trunk, bob, "bob@guests.example"))
        self.hang_up(*self.establish(alice, trunk, f"{NUMBER}@example.net"))
        self.assertNotIn("mesh-bad-record", g.log_text())

    def test_its_sockets_are_closed_when_nobody_needs_them(self):
        g = self.start(sip=2, extra='timers { t1 = "100ms"  t2 = "1s" }')
        before = g.config.read_text()
        tcp = f'listener "guests-tcp" {{ bind = "tcp:{g.ip}:5070"  zone = "guests" }}\n'
        both = {"guests": "udp", "guests-tcp": "tcp"}
        self.put(before + self.guests() + tcp)
        trunk, calls = self.trunk(), []
        for user, transport in (("bob", "UDP"), ("carol", "TCP")):
            guest = self.guest(user, transport)
            self.assertEqual(guest.register().status, 200)
            calls.append(self.establish(trunk, guest, f"{user}@guests.example"))
        self.put(before)
        time.sleep(8)  # 64*T1, and a look
        for transport in both.values():
            self.assertFalse(self.free(transport), "the call needs it")
        for call in calls:
            self.hang_up(*call)
        for name, transport in both.items():
            wait_for(lambda: self.free(transport), "the port to be free")
            said = f'listener-closed listener="{name}"'
            wait_for(lambda: said in g.log_text(), said)
        self.assertNotIn(":5070", str(g.ctl("status")["object"]["listeners"]))
        for transport in both.values():
            self.put(before + self.guests(transport))
            alice = self.guest("alice", transport.upper())
            self.assertEqual(alice.register().status, 200)

    def free(self, transport):
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, transport == "tcp")
            try:
                s.bind((self.gateway.ip, 5070))
                if transport == "tcp":
                    s.listen()
            except OSError:
                return False
        return True

    def test_a_busy_port_is_named_and_nothing_changes(self):
        g = self.start()
        before = g.config.read_text()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((g.ip, 5070))
            answer = self.put(before + self.guests(), good=False)
            line = 1 + before.count("\n") + 2
            self.assertIn(
                f'sipward.conf:{line}: listener "guests": cannot be bound to UDP:{g.ip}:5070: '
                "another process holds this port",
                str(answer),
            )
        self.assertEqual(g.ctl("status")["object"]["generation"], 1)
        self.put(before + self.guests())
        self.assertEqual(self.guest("bob").register().status, 200)

    def test_a_worker_that_is_killed_has_its_listener_again(self):
        self.kills = True
        g = self.start()
        self.put(g.config.read_text() + self.guests())
        (worker,) = g.workers("transport")
        os.kill(worker["pid"], signal.SIGKILL)
        wait_for(lambda: g.workers("transport")[0]["starts"] == 2 and g.ready(), "the next life")
        self.assertEqual(self.guest("bob").register().status, 200)

    def test_a_binding_keeps_its_listener_over_reloads_and_restarts(self):
        g = self.start(start=False)
        before = g.config.read_text()
        g.config.write_text(self.guests() + before)  # the first listener
        g.start()
        alice, trunk = self.phone("alice"), self.trunk()
        self.put(before)
        self.hang_up(*self.establish(trunk, alice, "alice@example.net"))
        # every other listener has another place in the file then
        for text in (before, self.guests() + before):
            g.stop()
            g.config.write_text(text)
            g.start()
            self.hang_up(*self.establish(trunk, alice, "alice@example.net"))
        # and without its own she is not there
        g.stop()
        g.config.write_text(text.replace(f'"udp:{g.ip}:5060"', f'"udp:{g.ip}:5066"'))
        g.start()
        request = self.call(trunk, "alice@example.net")
        failure_ack(trunk, request, trunk.response(480))
        alice.silence()

    def test_another_order_and_the_file_that_runs(self):
        g = self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        lines = g.config.read_text().splitlines()
        zones = [i for i, line in enumerate(lines) if line.startswith('zone "')]
        lines[zones[0]], lines[zones[1]] = lines[zones[1]], lines[zones[0]]
        listeners = [i for i, line in enumerate(lines) if line.startswith("listener ")]
        lines[listeners[0] : listeners[-1] + 1] = lines[listeners[0] : listeners[-1] + 1][::-1]
        text = "\n".join(lines) + "\n"
        self.put(text)
        self.put(text)
        self.hang_up(a, b)
        self.hang_up(*self.establish(alice, trunk, f"{NUMBER}@example.net"))


class Guest(Phone):
    """A phone on the listener that comes and goes."""

    def __init__(self, gateway, user, transport):
        Peer.__init__(self, own_address(), 0, (gateway.ip, 5070), user, transport)
        self.gateway, self.user, self.password = gateway, user, user + "-secret"

    def challenged(self, method, uri, *arguments, **words):
        words.setdefault("sender", f"{self.user}@guests.example")
        return super().challenged(method, uri, *arguments, **words)

    def register(self, **words):
        answer, _ = self.challenged(
            "REGISTER",
            "sip:guests.example",
            to=f"{self.user}@guests.example",
            headers=["Expires: 600"],
        )
        return answer or self.final("REGISTER")


if __name__ == "__main__":
    unittest.main()
