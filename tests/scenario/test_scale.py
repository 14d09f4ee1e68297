"""Workers come and go with a reload while calls stand and new ones begin."""
import os, pathlib, re, resource, signal, unittest

from gateway import own_address, wait_for
from legs import NUMBER, CallCase
from load import Sipp
from processes import CORE_OUT, SANITIZED

USERS = tuple(f"user{i:02}" for i in range(8))
TIMERS = 'timers { t1 = "100ms"  t2 = "1s" }'  # what is over is forgotten after 64*T1
CONNECTIONS = 4096  # of a transport worker, by default
RATE = 20 if SANITIZED else 80  # calls a second
SECONDS = 14


class Scale(CallCase):
    def scale(self, **counts):
        g = self.gateway
        text = g.config.read_text()
        for role, n in counts.items():
            text = re.sub(rf"\b{role} = \d+", f"{role} = {n}", text, count=1)
        g.config.write_text(text)
        answer = g.ctl("reload", check=False)
        self.assertTrue(answer.get("ok"), answer)

    def workers(self, role):
        return {
            int(w["worker"].split("-")[1]): w
            for w in self.gateway.ctl("workers")
            if w["worker"].startswith(role)
        }

    def settled(self, role, count):
        """Until so many workers are there, and have their slots."""

        def there():
            found = self.workers(role)
            return (
                sorted(found) == list(range(count))
                and all(w["state"] == "ready" for w in found.values())
                and (role != "sip" or all(w["slots"] >= 256 // count for w in found.values()))
            )

        wait_for(there, f"{count} {role} workers", seconds=60)

    def calls(self, phones, trunk, name):
        """A call of each phone to the next, and to and from the trunk."""
        standing = []
        for i, phone in enumerate(phones):
            callee = phones[(i + 1) % len(phones)]
            for kind, (a, b, to) in enumerate(
                (
                    (phone, callee, f"{callee.user}@example.net"),
                    (phone, trunk, f"{NUMBER}@example.net"),
                    (trunk, phone, f"{phone.user}@example.net"),
                )
            ):
                standing.append(self.establish(a, b, to, call_id=f"{name}-{i}-{kind}-{phone.id}"))
        return standing

    def info(self, standing):
        for a, b in standing:
            for side, other in ((a, b), (b, a)):
                side.send("INFO")
                other.peer.answer(other.peer.request("INFO"), 200, contact=False)
                side.peer.response(200, "INFO")

    def end(self, standing):
        for n, (a, b) in enumerate(standing):
            self.hang_up(*((a, b) if n % 2 else (b, a)))

    def begin(self, **words):
        self.start(users=USERS, extra=TIMERS, **words)
        phones = [self.phone(u, "TCP" if i % 3 == 0 else "UDP") for i, u in enumerate(USERS[:5])]
        return phones, self.trunk()

    def test_sip_workers_come(self):
        phones, trunk = self.begin(sip=1, transport=2)
        old = self.calls(phones, trunk, "old")
        self.scale(sip=4)
        wait_for(lambda: len(self.workers("sip")) == 4, "the workers")
        self.info(old)
        new = self.calls(phones, trunk, "new")
        wait_for(
            lambda: self.new_calls_go_everywhere(phones, trunk, new, 4), "calls of all workers"
        )
        self.info(old + new)
        self.end(old + new)
        self.no_calls()
        self.settled("sip", 4)
        for phone in phones:
            self.assertEqual(phone.register().status, 200)
        again = self.calls(phones, trunk, "again")
        self.info(again)
        self.end(again)
        self.no_calls()
        self.nothing_lost()

    def new_calls_go_everywhere(self, phones, trunk, standing, count):
        standing += self.calls(phones[:2], trunk, f"more{len(standing)}")
        return len({c["worker"] for c in self.gateway.ctl("calls")}) == count

    def test_sip_workers_go(self):
        phones, trunk = self.begin(sip=3, transport=2)
        old = self.calls(phones, trunk, "old")
        self.assertEqual(len({c["worker"] for c in self.gateway.ctl("calls")}), 3)
        before = self.gateway.counters()["calls_answered"]
        self.scale(sip=1)
        self.info(old)
        new = self.calls(phones, trunk, "new")
        self.assertEqual({w["state"] for w in self.workers("sip").values()}, {"ready", "leaving"})
        for phone in phones:
            self.assertEqual(phone.register().status, 200)
        self.info(old + new)
        self.end(old + new)
        self.no_calls()
        self.settled("sip", 1)
        self.assertEqual(len(self.gateway.ctl("registrations")), len(phones))
        again = self.calls(phones, trunk, "again")
        self.end(again)
        self.no_calls()
        after = self.gateway.counters()["calls_answered"]
        self.assertEqual(after - before, len(new) + len(again), "counters of who left stay")
        self.nothing_lost()

    def test_what_leaves_can_be_taken_back_and_may_die(self):
        phones, trunk = self.begin(sip=2, transport=1)
        old = self.calls(phones, trunk, "old")
        self.scale(sip=1)
        wait_for(lambda: self.workers("sip")[1]["state"] == "leaving", "it to leave")
        self.scale(sip=2)
        self.assertEqual(self.workers("sip")[1]["state"], "ready")
        self.info(old)
        self.scale(sip=1)
        self.kills = True
        os.kill(self.workers("sip")[1]["pid"], signal.SIGKILL)
        wait_for(lambda: sorted(self.workers("sip")) == [0], "it to be gone")
        self.settled("sip", 1)
        self.end(self.calls(phones, trunk, "new"))

    def test_transport_workers_come_and_go(self):
        phones, trunk = self.begin(sip=2, transport=1)
        old = self.calls(phones, trunk, "old")
        self.scale(transport=3)
        self.settled("transport", 3)
        self.assert_fds_for(3)
        self.info(old)
        more = [self.phone(u, "TCP") for u in USERS[5:]]
        new = self.calls(more, trunk, "new")
        self.info(old + new)
        self.scale(transport=1)
        self.info(old + new)
        self.end(old + new)
        self.no_calls()
        for peer in more:
            peer.close()
        self.settled("transport", 1)
        self.end(self.calls([p for p in phones if p.transport == "UDP"], trunk, "again"))
        self.no_calls()

    def assert_fds_for(self, transports):
        """A SIP worker can accept all that so many transport workers could connect with."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        for worker in self.workers("sip").values():
            limits = pathlib.Path(f"/proc/{worker['pid']}/limits").read_text()
            may = int(re.search(r"Max open files +(\d+)", limits)[1])
            if self.gateway.carrier() == "zeromq":
                self.assertGreaterEqual(may, min(most, transports * 2 * CONNECTIONS))

    def test_under_load(self):
        ip = own_address()
        g = self.start(
            sip=1,
            transport=1,
            routes=CORE_OUT,
            targets=[f"sip:{ip}:5080"],
            users=USERS[:1],
            extra=TIMERS,
        )
        carrier = Sipp(self, "uas", ip, 5080, calls=100000, seconds=120)
        caller = Sipp(
            self,
            "uac",
            own_address(),
            5090,
            calls=RATE * SECONDS,
            to=(g.ip, 5062),
            rate=RATE,
            pause=300,
            seconds=90,
        )
        self.counted("calls", RATE)
        for sip, transport in ((3, 2), (1, 1)):
            self.scale(sip=sip, transport=transport)
            self.settled("sip", sip)
            self.settled("transport", transport)
        stats = caller.wait()
        self.assertEqual(stats.get("FailedCall", 0), 0, caller.errors_text())
        self.assertEqual(stats["SuccessfulCall"], RATE * SECONDS)
        carrier.end(4)

    def nothing_lost(self):
        c = self.gateway.counters()
        self.assertEqual(c.get("message_misdirected", 0), 0)
        self.assertEqual(c.get("worker_deaths", 0), 0)
        self.assertNotIn("mesh-bad-record", self.gateway.log_text())


if __name__ == "__main__":
    unittest.main()
