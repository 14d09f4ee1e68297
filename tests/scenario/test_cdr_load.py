"""Thousands of calls with every kind of end at once: there is one record for each, and its words,
the gateway's counters and sipp's own figures agree. SIPWARD_CDR_CALLS is the number of calls of
each kind, SIPWARD_CDR_RATE how many of each begin in a second."""
import collections, os, unittest

from gateway import own_address, wait_for
from load import Sipp, at_rest, figure
from processes import PATIENT, SANITIZED
from records import IN_FILE, RecordCase

CALLS = int(os.environ.get("SIPWARD_CDR_CALLS", 100 if SANITIZED else 400))
RATE = int(os.environ.get("SIPWARD_CDR_RATE", 20 if SANITIZED else 40))
SECONDS = CALLS // RATE + 60
NONE, REFUSED = 0, 410
# what is dialled: the caller's scenario, the trunk's scenario and port, and how the record says it
KINDS = {
    "1": ("uac", "uas", 5080, (200, 200, "caller", "bye")),
    "2": ("uac-ended", "uas-ends", 5081, (200, 200, "callee", "bye")),
    "3": ("uac-refused", "uas-busy", 5082, (486, 486, "callee", "refused")),
    "4": ("uac-cancel", "uas-rings", 5083, (487, 0, "caller", "cancelled")),
    "5": ("uac-refused", None, NONE, (404, 0, "gateway", "refused")),
    "6": ("uac-refused", None, REFUSED, (410, 0, "gateway", "refused")),
}


class Load(RecordCase):
    def routes(self):
        text = ""
        for digit, (_, there, port, _) in KINDS.items():
            if there:
                text += (
                    f'trunk "t{digit}" {{ zone = "core"  target = {{ "sip:{self.trunk_ip}:{port}"'
                    f" }} {PATIENT} }}\n"
                )
                what = f'action = "trunk"  trunk = {{ "t{digit}" }}'
            elif port == REFUSED:
                what = f'action = "refuse"  status = {port}'
            else:
                continue
            text += f'route "r{digit}" {{ from = {{ "core" }}  number = "^{digit}"  {what} }}\n'
        return text

    def test_records_of_all_ends_agree_with_counters_and_sipp(self):
        g = self.start(transport=2, sip=2, extra=IN_FILE, start=False)
        g.config.write_text(g.config.read_text() + self.routes())
        g.start()
        carriers, callers = {}, {}
        for digit, (_, there, port, _) in KINDS.items():
            if there:
                carriers[digit] = Sipp(
                    self, there, self.trunk_ip, port, calls=CALLS * 2, seconds=SECONDS
                )
        for digit, (here, _, _, _) in KINDS.items():
            callers[digit] = Sipp(
                self,
                here,
                own_address(),
                5090,
                calls=CALLS,
                to=(g.ip, 5062),
                rate=RATE,
                limit=CALLS,
                seconds=SECONDS,
                service=digit + "00",
            )
        succeeded = {}
        for digit, caller in callers.items():
            stats = caller.wait()
            succeeded[digit] = stats.get("SuccessfulCall", 0)
            self.assertEqual(
                (succeeded[digit], stats.get("FailedCall", 0)),
                (CALLS, 0),
                f"{caller.scenario} {digit}: {stats}\n{caller.errors_text()}",
            )
        for carrier in carriers.values():
            carrier.end(4)
        self.assertEqual(at_rest(g), [])
        total = CALLS * len(KINDS)
        wait_for(lambda: g.counters().get("cdr_written", 0) >= total, "all records")
        records = self.records()
        found = collections.defaultdict(collections.Counter)
        for r in records:
            digit = r["request-uri"].removeprefix("sip:")[0]
            found[digit][r["status"], r["status-received"], r["ended-by"], r["why"]] += 1
        self.assertEqual(
            {digit: dict(words) for digit, words in found.items()},
            {digit: {kind[3]: succeeded[digit]} for digit, kind in KINDS.items()},
        )
        self.sums_agree(records)
        c = g.counters()
        self.assertEqual(c["calls_answered"], 2 * CALLS)
        self.assertEqual((c["calls_cancelled"], c["calls_rejected"]), (CALLS, CALLS))
        self.assertEqual((c["route_none"], c["route_refused"]), (CALLS, CALLS))
        for r in records:
            if r["targets"]:
                (target,) = r["targets"]
                self.assertEqual(r["trunk"], target["trunk"])
                self.assertEqual(r["callee-call-id"], target["call-id"])
        figure(f"{total} calls of {len(KINDS)} kinds: {len(records)} records")


if __name__ == "__main__":
    unittest.main()
