"""The records of calls as a gateway has written them, for tests of what they say."""
import json

from gateway import wait_for
from legs import CallCase

IN_FILE = 'cdr { file = "cdr.json" }'


class RecordCase(CallCase):
    """A test of calls whose gateway writes records (extra=IN_FILE)."""

    def records(self, name="cdr.json"):
        try:
            text = (self.gateway.dir / name).read_text()
        except FileNotFoundError:
            return []
        self.assertTrue(not text or text.endswith("\n"))
        return [json.loads(line) for line in text.splitlines()]

    def wait_records(self, count, name="cdr.json"):
        wait_for(lambda: len(self.records(name)) >= count, f"{count} records in {name}")
        found = self.records(name)
        self.assertEqual(len(found), count, found)
        return found

    def sums_agree(self, records):
        """Each call has one record, and the counters say the same of all of them."""
        c = {
            "calls": 0,
            "calls_refused": 0,
            "calls_failed": 0,
            "calls_ended": 0,
            **self.gateway.counters(),
        }
        answered = [r for r in records if r["answer-ms"] is not None]
        refused = [r for r in records if r["answer-ms"] is None and not r["targets"]]
        self.assertEqual(len(records), c["calls"] + c["calls_refused"])
        self.assertEqual(len(answered), c["calls_ended"])
        self.assertEqual(len(refused), c["calls_refused"])
        self.assertEqual(len(records) - len(answered) - len(refused), c["calls_failed"])
        self.assertEqual(len(records), c["cdr_written"])
        self.assertEqual(len({r["call-id"] for r in records}), len(records))
        log = self.gateway.log_text()
        self.assertEqual(log.count(" call-ended "), len(records))
        for name in ("cdr_dropped", "cdr_failed", "call_records_lost"):
            self.assertEqual(c.get(name, 0), 0, name)
