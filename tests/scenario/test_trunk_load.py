"""A target of a trunk killed and started again under load: how long it takes to notice, and which
calls fail."""
import signal, time, unittest

from gateway import own_address, wait_for
from legs import CallCase
from load import Sipp, figure
from processes import CORE_OUT, SANITIZED, events

RATE = 100 if SANITIZED else 300  # calls a second
SECONDS = 3
PAUSE = 100  # ms that a call lasts


class TrunkLoad(CallCase):
    def caller(self, seconds=SECONDS):
        return Sipp(
            self,
            "uac",
            own_address(),
            5090,
            calls=RATE * seconds,
            to=(self.gateway.ip, 5062),
            rate=RATE,
            pause=PAUSE,
            seconds=10,
        )

    def carrier(self, ip):
        return Sipp(self, "uas", ip, 5080, calls=100000, seconds=120)

    def when(self, event):
        """When it was logged last, by any worker."""
        return [at for at, _ in events(self.gateway.log_text(), event)]

    def begin(self, trunk):
        """A trunk with two targets, and load on the first of them."""
        self.ips = [own_address(), own_address()]
        self.start(
            transport=2,
            sip=2,
            routes=CORE_OUT,
            trunk=trunk,
            targets=[f"sip:{ip}:5080" for ip in self.ips],
        )
        first, _ = [self.carrier(ip) for ip in self.ips]
        caller = self.caller()
        self.counted("calls", RATE)
        return first, caller

    def lost(self, first, caller, stop, again):
        """Has the first target stop, and start again."""
        up = self.gateway.ctl("calls", "--count")["object"]["calls"]
        stop()
        when = time.time()
        up = max(up, self.gateway.ctl("calls", "--count")["object"]["calls"])
        wait_for(lambda: self.when("trunk-target-down"), "it to be found down")
        down_ms = (min(self.when("trunk-target-down")) - when) * 1000
        failed = RATE * SECONDS - caller.wait()["SuccessfulCall"]
        later = RATE * 2 - self.caller(2).wait()["SuccessfulCall"]  # begun when it is known
        first = again()
        when = time.time()
        wait_for(lambda: self.when("trunk-target-up"), "it to be found up", 40)
        up_s = max(self.when("trunk-target-up")) - when
        wait_for(
            lambda: all(r["state"] == "up" for r in self.gateway.ctl("trunks", "show", "pbx")),
            "all to know",
        )
        back = RATE * 2 - self.caller(2).wait()["SuccessfulCall"]
        figure(
            f"a target lost at {RATE} calls/s: found down after {down_ms:.0f} ms; {failed} of "
            f"{RATE * SECONDS} calls failed, {up} were up; of {RATE * 2} that began later "
            f"{later}; found up {up_s:.1f} s after its return; of {RATE * 2} calls then {back} "
            f"failed, {first.end().get('IncomingCall')} had come there"
        )
        self.assertEqual([later, back], [0, 0])
        # only those that were up there, those that came up between our look and its end, and where
        # the processors are busy some of those that began before it was found down
        self.assertLessEqual(failed, up * 1.5 + 20 + RATE * down_ms / 1000)
        return down_ms

    def test_killed(self):
        """ICMP says so."""
        first, caller = self.begin("")
        down_ms = self.lost(first, caller, first.process.kill, lambda: self.carrier(self.ips[0]))
        self.assertLess(down_ms, 1000)

    def test_silent(self):
        """Nothing says so but its silence: what waits on it goes on with the first time-out."""
        first, caller = self.begin("answer-timeout = 1s")

        def again():
            first.process.send_signal(signal.SIGCONT)
            return first

        self.addCleanup(again)
        down_ms = self.lost(first, caller, lambda: first.process.send_signal(signal.SIGSTOP), again)
        self.assertLess(down_ms, 1000 + 500)


if __name__ == "__main__":
    unittest.main()
