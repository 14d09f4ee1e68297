"""No header tells one side the addresses of the other, whatever header it is."""
import re, unittest

from headers import LINES, SOURCE
from legs import NUMBER, CallCase, failure_ack


class Sweep(CallCase):
    """An address of the sender's own in every header there is and in some that nobody knows; it is
    not in the bytes that the other side gets."""

    NAMES = re.findall(
        r'^HEADER\(\w+, "([^"]+)"', (SOURCE.parents[1] / "ipc" / "headers.def").read_text(), re.M
    ) + [
        "X-Real-IP",
        "X-Trace",
        "x-asterisk-contact",
        "Remote-Address",
        "P-Nobody",
        "Carrier-Hop",
        "Old-Via",
        "Sent-By",
        "Received-From",
        "Origin",
        "X-Call-Leg",
        "Z-Last",
    ]
    # what has another grammar than a list of addresses
    VALUES = {
        "Content-Disposition": "render;at={ip}",
        "Allow": "INVITE, {ip}",
        "Allow-Events": "refer, {ip}",
        "Subscription-State": "active;at={ip}",
        "Min-Expires": "60;at={ip}",
        "RSeq": "1;at={ip}",
        "Session-Expires": "1800;at={ip}",
        "Min-SE": "90;at={ip}",
    }
    # written anew, or a form that has no room for an address
    SKIPPED = (
        "Via From To Call-ID CSeq Contact Max-Forwards Content-Length Content-Type Route "
        "Record-Route Require Proxy-Require Expires Replaces Date RAck"
    ).split()

    def lines(self, ip):
        known = {x.split(":")[0].strip().lower(): x for x in LINES.values()}
        known.update({"refer-to": LINES["REFER_TO"], "referred-by": LINES["REFERRED_BY"]})
        known.update({"event": LINES["EVENT"], "supported": LINES["SUPPORTED"]})
        lines = []
        for name in self.NAMES:
            if name in self.SKIPPED:
                continue
            if name in self.VALUES:
                lines.append(f"{name}: " + self.VALUES[name].format(ip=ip))
            elif name.lower() in known:
                lines.append(re.sub(r"carrier\.example|10\.9\.9\.\d+", ip, known[name.lower()]))
            else:
                lines.append(f'{name}: <sip:{ip}@{ip}:5099;x={ip}>;at="{ip}:5099"')
        return [lines[i : i + 12] for i in range(0, len(lines), 12)]

    def look(self, sender, got):
        self.assertNotIn(sender.ip.encode(), got.raw)
        self.assertNotIn(b":5099", got.raw)

    def test_both_ways(self):
        self.start()
        alice, bob, far = self.phone("alice"), self.phone("bob"), self.trunk()
        for sender, receiver, to in (
            (alice, far, f"{NUMBER}@example.net"),
            (far, bob, "bob@example.net"),
            (alice, bob, "bob@example.net"),
        ):
            for headers in self.lines(sender.ip):
                self.request(sender, "MESSAGE", to, headers=headers)
                got = receiver.request("MESSAGE")
                self.look(sender, got)
                receiver.answer(got, 200, headers=self.lines(receiver.ip)[0], contact=False)
                self.look(receiver, sender.response(200, "MESSAGE"))
            a, b = self.establish(sender, receiver, to, headers=self.lines(sender.ip)[0])
            self.look(sender, self.invite_received)
            for side, other in ((a, b), (b, a)):
                for headers, back in zip(self.lines(side.peer.ip), self.lines(other.peer.ip)):
                    side.send("INFO", headers=headers)
                    got = other.peer.request("INFO")
                    self.look(side.peer, got)
                    other.peer.answer(got, 200, headers=back, contact=False)
                    self.look(other.peer, side.peer.response(200, "INFO"))
            self.hang_up(a, b)

    def test_responses_with_every_header(self):
        self.start()
        alice, bob, far = self.phone("alice"), self.phone("bob"), self.trunk()
        for sender, receiver, to in (
            (alice, far, f"{NUMBER}@example.net"),
            (far, bob, "bob@example.net"),
        ):
            for headers in self.lines(receiver.ip):
                request = self.call(sender, to)
                invite = receiver.request("INVITE")
                receiver.answer(invite, 183, "Session Progress", headers=headers)
                self.look(receiver, sender.response(183))
                receiver.answer(
                    invite, 486, f"Busy at {receiver.ip}", headers=headers, contact=False
                )
                receiver.request("ACK")
                failed = sender.response(486)
                self.look(receiver, failed)
                failure_ack(sender, request, failed)


if __name__ == "__main__":
    unittest.main()
