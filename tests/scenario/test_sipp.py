"""Load by sipp: calls to a trunk and registrations, none of which may fail. SIPWARD_LOAD_CALLS and
SIPWARD_LOAD_REGISTRATIONS change the numbers, SIPWARD_LOAD_RATE the rate."""
import os, time, unittest

from gateway import own_address
from load import Sipp, at_rest, figure
from legs import CallCase
from processes import CORE_OUT, PATIENT, SANITIZED

RATE = int(os.environ.get("SIPWARD_LOAD_RATE", 100 if SANITIZED else 200))  # a second
CALLS = int(os.environ.get("SIPWARD_LOAD_CALLS", 500 if SANITIZED else 1000))
REGISTRATIONS = int(os.environ.get("SIPWARD_LOAD_REGISTRATIONS", 300 if SANITIZED else 1000))
SECONDS = max(CALLS, REGISTRATIONS) // RATE + 40

# no limit for what comes from one source: it is all of the load
NO_LIMIT = 'rate = "off"  ban = "off"  refusals-per-source = "off"  refusals-per-prefix = "off"'


class Load(CallCase):
    def users(self, count):
        """Users and sipp's input file with their credentials, in order."""
        names = [f"user{i:05d}" for i in range(count)]
        self.gateway.write_users(names)
        path = self.gateway.dir / "users.csv"
        path.write_text(
            "SEQUENTIAL\n"
            + "".join(f"{n};[authentication username={n} password={n}-secret]\n" for n in names)
        )
        return path

    def load_gateway(self, **words):
        # sipp takes the last challenge: with one algorithm there is one
        g = self.start(
            transport=2,
            sip=2,
            access=NO_LIMIT,
            start=False,
            routes=CORE_OUT,
            trunk=PATIENT,
            **words,
        )
        g.config.write_text(g.config.read_text().replace('{ "SHA-256", "MD5" }', '{ "MD5" }'))
        return g

    def good(self, sipp, count, stats):
        wanted = {
            "SuccessfulCall": count,
            "FailedCall": 0,
            "FailedUnexpectedMessage": 0,
            "FailedMaxUDPRetrans": 0,
        }
        # what was sent again may be answered again, also after the end of its call
        late = stats.get("OutOfCallMsgs", 0) + stats.get("DeadCallMsgs", 0)
        if any(stats.get(name) != value for name, value in wanted.items()) or (
            late and not stats["Retransmissions"]
        ):
            about = {k: v for k, v in stats.items() if v}
            self.fail(
                f"{sipp.scenario} ended with {sipp.process.returncode}: "
                f"{about}\n{self.gateway.counters()}\n{self.gateway.ctl('workers')}\n"
                f"{self.gateway.log_text()[-3000:]}\n{sipp.errors_text()[:3000]}"
            )
        return stats

    def calls(self, scenario, port, *words):
        g = self.gateway
        # without a number to count to: sipp takes a stray message for a call, and would leave
        # before the last one
        carrier = Sipp(self, "uas", self.trunk_ip, 5080, calls=CALLS * 2, seconds=SECONDS)
        start = time.monotonic()
        caller = Sipp(
            self,
            scenario,
            own_address(),
            5090,
            *words,
            calls=CALLS,
            to=(g.ip, port),
            rate=RATE,
            limit=CALLS,
            seconds=SECONDS,
        )
        there = self.good(caller, CALLS, caller.wait())
        took = time.monotonic() - start
        here = carrier.end(4)
        if (
            not there["Retransmissions"] + here["Retransmissions"]
        ):  # otherwise it counts what came again as calls of their own
            self.good(carrier, CALLS, here)
        self.assertEqual(at_rest(g), [])
        counters = g.counters()
        self.assertEqual(
            (counters["calls"], counters["calls_answered"], counters["calls_ended"]),
            (CALLS, CALLS, CALLS),
        )
        self.assertEqual(g.ctl("status")["object"]["worker_deaths"], 0)
        figure(
            f"{scenario}: {CALLS} calls at {RATE}/s in {took:.1f} s, 0 failed, 0 unexpected; "
            f"retransmissions: caller {there['Retransmissions']}, carrier "
            f"{here['Retransmissions']}; "
            f"processor seconds of the gateway {processor_seconds(g):.1f}"
        )

    def test_calls_of_a_trusted_zone(self):
        self.load_gateway().start()
        self.calls("uac", 5062)

    def test_calls_of_users(self):
        g = self.load_gateway()
        path = self.users(100)
        g.start()
        self.calls("uac-digest", 5060, "-inf", path, "-auth_uri", "+4930123456@example.net")

    def test_registrations(self):
        g = self.load_gateway()
        path = self.users(REGISTRATIONS)
        g.start()
        start = time.monotonic()
        phones = Sipp(
            self,
            "register",
            own_address(),
            5090,
            "-inf",
            path,
            "-auth_uri",
            "example.net",
            calls=REGISTRATIONS,
            to=(g.ip, 5060),
            rate=RATE,
            limit=REGISTRATIONS,
            seconds=SECONDS,
        )
        stats = self.good(phones, REGISTRATIONS, phones.wait())
        took = time.monotonic() - start
        found = {r["aor"] for r in g.ctl("registrations", "--limit", "0")}
        self.assertEqual(found, {f"sip:user{i:05d}@example.net" for i in range(REGISTRATIONS)})
        self.assertEqual(g.counters()["register_ok"], REGISTRATIONS)
        figure(
            f"registrations: {REGISTRATIONS} with digest at {RATE}/s in {took:.1f} s, 0 failed, "
            f"{len(found)} found; retransmissions {stats['Retransmissions']}; "
            f"processor seconds of the gateway {processor_seconds(g):.1f}"
        )


def processor_seconds(gateway):
    ticks = 0
    for row in gateway.ctl("workers"):
        with open(f"/proc/{row['pid']}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    unittest.main()
