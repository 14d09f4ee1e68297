"""Each kind of worker killed once while calls run: what is lost, and that new calls go on at
once."""
import os, signal, time, unittest

from gateway import WAIT, own_address, wait_for
from peers import SDP, Message, Peer
from legs import CallCase, Dialog
from load import Sipp, figure
from processes import CORE_OUT, PATIENT, SANITIZED, events

RATE = 100 if SANITIZED else 200  # calls a second
CALLS = 4 * RATE
CALLERS = 5
T1 = 0.5


class Probe:
    """Calls begun all at once, each from a port of its own, with the retransmissions of a client
    transaction over UDP."""

    def __init__(self, case, gateway, count):
        self.peers = []
        for _ in range(count):
            peer = Peer(own_address(), 0, (gateway.ip, 5062), "probe")
            case.addCleanup(peer.close)
            self.peers.append(peer)

    def call(self):
        """Milliseconds from now until each call is answered, sorted, and how many needed a
        retransmission."""
        start, took, again = time.monotonic(), [], 0
        invites = [
            Message(
                p.make(
                    "INVITE",
                    f"sip:+4930@{p.to[0]}:5062",
                    sender="+4940@carrier.example",
                    to="+4930@carrier.example",
                    body=SDP,
                )
            )
            for p in self.peers
        ]
        for peer, invite in zip(self.peers, invites):
            peer.send_raw(invite.raw)
        open_calls = dict(zip(self.peers, invites))
        due, pause = start + T1, T1
        while open_calls:
            for peer, invite in list(open_calls.items()):
                try:
                    answer = peer.receive(lambda m: m.status and m.status >= 200, 0.002)
                except AssertionError:
                    continue
                if answer.status != 200:
                    raise AssertionError(f"a new call was refused: {answer!r}")
                took.append((time.monotonic() - start) * 1000)
                peer.dialog = Dialog.of_answer(peer, invite, answer)
                peer.dialog.ack()
                del open_calls[peer]
            now = time.monotonic()
            if now > due:
                for peer, invite in open_calls.items():
                    if not any(m.status and m.status < 200 for m in peer.received):
                        peer.send_raw(invite.raw)
                        again += 1
                pause *= 2
                due = now + pause
            if now - start > WAIT:
                raise AssertionError(f"{len(open_calls)} new calls were not answered")
        for peer in self.peers:
            peer.dialog.send("BYE")
        for peer in self.peers:
            peer.response(200, "BYE")
        return sorted(took), again


def total(callers, seconds):
    """The statistics of all callers added up; those that are not done after so many seconds are
    ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(c.process.poll() is None for c in callers):
        time.sleep(0.05)
    added = {}
    for caller in callers:
        for name, value in caller.end(1).items():
            added[name] = added.get(name, 0) + value
    return added


class UnderLoad(CallCase):
    kills = True

    def one(self, worker):
        g = self.start(
            transport=2,
            sip=2,
            tls=1,
            routes=CORE_OUT,
            trunk=PATIENT,
            targets=[f"sip:{self.trunk_ip}:5080"],
        )
        for user in ("alice", "bob", "carol"):
            self.phone(user)
        bindings = g.ctl("registrations", "--limit", "0")
        probe, second = Probe(self, g, 20), Probe(self, g, 20)
        carrier = Sipp(self, "uas", self.trunk_ip, 5080, calls=CALLS * 2)
        # several sources, so that each transport worker has its share
        callers = [
            Sipp(
                self,
                "uac",
                own_address(),
                5090,
                calls=CALLS // CALLERS,
                to=(g.ip, 5062),
                rate=RATE // CALLERS,
                pause=500,
                seconds=30,
            )
            for _ in range(CALLERS)
        ]
        wait_for(lambda: g.ctl("calls", "--count")["object"]["calls"] > RATE / 4, "calls up")
        self.counted("calls", RATE)  # a second's worth has begun: all callers are under way
        rows = {r["worker"]: r for r in g.ctl("workers")}
        role, index = worker.split("-")
        mine = (
            sum(r["worker"] == int(index) for r in g.ctl("calls", "--limit", "0"))
            if role == "sip"
            else 0
        )
        pid, when = rows[worker]["pid"], time.time()
        os.kill(pid, signal.SIGKILL)
        took, again = probe.call()
        ((at, _),) = wait_for(
            lambda: [
                e
                for e in events(g.log_text(), "worker-ready", peer=worker)
                if int(e[1]["pid"]) != pid
            ],
            f"{worker} to be back",
        )
        later, later_again = second.call()
        # an INVITE that the killed worker had answered with 100 has no time-out of its own (RFC
        # 3261 section 17.1.1.2)
        stats = total(callers, CALLS // RATE + 5)
        other = carrier.end()
        figure(
            f"{worker} killed at {RATE} calls/s: back after {(at - when) * 1000:.0f} ms; 20 calls "
            f"begun in the same millisecond all answered, {again} of them only when sent again, "
            f"last after {took[-1]:.0f} ms; 20 more as soon as it was back: {later_again} sent "
            f"again, median {later[10]:.0f} ms; of {CALLS} calls "
            f"{CALLS - stats['SuccessfulCall']} failed ({mine} were up in the killed worker); "
            f"retransmissions: caller {stats['Retransmissions']}, carrier "
            f"{other['Retransmissions']}"
        )
        now = {r["worker"]: r for r in g.ctl("workers")}
        self.assertEqual(
            {w: r["pid"] for w, r in now.items() if w != worker},
            {w: r["pid"] for w, r in rows.items() if w != worker},
            "nothing else dies",
        )
        self.assertEqual(now[worker]["deaths"], 1)
        self.assertEqual(later_again, 0, "a call that begins once it is back waits for nothing")
        self.assertEqual(
            sorted((b["aor"], b["contact"]) for b in g.ctl("registrations", "--limit", "0")),
            sorted((b["aor"], b["contact"]) for b in bindings),
            "no binding is lost",
        )
        for phone in self.peers:
            if hasattr(phone, "user"):
                self.assertEqual(phone.register().status, 200)
        return stats, mine

    def test_transport(self):
        stats, _ = self.one("transport-0")
        # what was in its hands is sent again by the peers; no call is lost
        self.assertEqual(stats["SuccessfulCall"], CALLS)

    def test_sip(self):
        stats, mine = self.one("sip-0")
        # its calls are gone until there is a journal: those that were up, and those that came up
        # between our look and the kill
        self.assertLessEqual(CALLS - stats["SuccessfulCall"], mine * 1.5 + 20)

    def test_tls(self):
        stats, _ = self.one("tls-0")
        self.assertEqual(stats["SuccessfulCall"], CALLS)


if __name__ == "__main__":
    unittest.main()
