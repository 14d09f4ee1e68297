"""What `sipwardctl metrics` exports: with labels, by those who count it, and as Prometheus wants
it."""
import json, os, pathlib, re, signal, subprocess

from legs import NUMBER, CallCase, failure_ack
from gateway import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = {"T": "worker-transport", "S": "worker-sip", "K": "worker-tls", "W": "worker-web"}
TRUNKS = 64  # LABEL_TRUNKS, without the row of all others


def samples(text):
    """{name: {labels: value}}, labels as a frozenset of pairs."""
    out = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
        pairs = frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or ""))
        out.setdefault(name.removeprefix("sipward_"), {})[pairs] = float(value)
    return out


class Metrics(CallCase):
    def text(self):
        return self.gateway.ctl("metrics")["text"]

    def value(self, name, **labels):
        """The sum of the samples with these labels."""
        found = samples(self.text()).get(name, {})
        return sum(v for k, v in found.items() if set(labels.items()) <= k)

    def refused(self):
        """A call that the trunk refuses."""
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = self.carrier.request("INVITE")
        self.carrier.answer(invite, 486, "Busy Here", contact=False)
        self.carrier.request("ACK")
        failure_ack(self.alice, request, self.alice.final("INVITE"))

    def test_labels(self):
        g = self.start(sip=2)
        self.carrier, self.alice = self.trunk(), self.phone("alice")
        self.assertEqual(self.value("bindings"), 1)
        self.refused()
        busy = dict(trunk="pbx", method="INVITE")
        self.assertEqual(self.value("trunk_requests_total", **busy), 1)
        self.assertEqual(self.value("trunk_responses_total", **busy, **{"class": "4xx"}), 1)
        self.assertEqual(self.value("trunk_responses_total", **busy, **{"class": "2xx"}), 0)
        zone = dict(zone="access", method="INVITE")
        self.assertGreaterEqual(self.value("zone_requests_total", **zone), 1)
        self.assertEqual(self.value("zone_requests_total", zone="core", method="INVITE"), 0)
        self.assertGreaterEqual(self.value("zone_responses_total", **zone, **{"class": "4xx"}), 1)
        self.assertGreaterEqual(
            self.value("zone_responses_total", zone="access", method="REGISTER"), 1
        )
        self.assertEqual(self.value("trunk_state", trunk="pbx", state="up"), 1)
        self.assertEqual(self.value("trunk_state", trunk="pbx", state="down"), 0)
        # a call that stands, and its times
        a, b = self.establish(self.alice, self.carrier, f"{NUMBER}@example.net")
        self.assertEqual(self.value("calls_active"), 1)
        self.assertEqual(self.value("call_setup_seconds_count"), 1)
        self.assertEqual(self.value("post_dial_delay_seconds_count"), 1)
        self.assertEqual(self.value("call_duration_seconds_count"), 0)
        self.hang_up(a, b)
        self.no_calls()
        self.assertEqual(self.value("calls_active"), 0)
        self.assertEqual(self.value("call_duration_seconds_count"), 1)
        self.assertEqual(self.value("call_duration_seconds_bucket", le="+Inf"), 1)
        # rows are those of names: a trunk and a zone before the others change nothing
        requests = self.value("trunk_requests_total", **busy)
        text = g.config.read_text()
        first = text.index('trunk "')
        more = f'trunk first {{ zone = core target = {{ "sip:{g.ip}:5999" }} }}\n'
        g.config.write_text(text[:first] + more + text[first:])
        g.ctl("reload")
        self.assertEqual(self.value("config_generation"), 2)
        self.assertEqual(self.value("trunk_requests_total", **busy), requests)
        self.refused()
        self.assertEqual(self.value("trunk_requests_total", **busy), requests + 1)
        self.assertEqual(self.value("trunk_requests_total", trunk="first"), 0)
        wait_for(
            lambda: self.value("trunk_state", trunk="first", state="up"), "the new trunk's state"
        )
        # and those of a worker that died are its successor's
        self.kills = True
        workers = g.workers("sip")
        for worker in workers:
            os.kill(worker["pid"], signal.SIGKILL)
        for worker in workers:
            g.successor(worker)
        self.assertEqual(self.value("trunk_requests_total", **busy), requests + 1)
        self.assertEqual(self.value("calls_active"), 0)
        wait_for(lambda: self.value("bindings") == 1, "the binding counted anew")

    def test_more_trunks_than_rows(self):
        extra = "".join(
            f'trunk more-{i} {{ zone = core target = {{ "sip:127.0.0.1:{6000 + i}" }} }}\n'
            for i in range(TRUNKS)
        )
        self.start(extra=extra)
        self.carrier, self.alice = self.trunk(), self.phone("alice")
        self.refused()
        self.assertEqual(self.value("trunk_requests_total", trunk="pbx"), 0)
        self.assertEqual(self.value("trunk_requests_total", trunk="other"), 1)
        states = [dict(k)["trunk"] for k in samples(self.text())["trunk_state"]]
        self.assertEqual(len(set(states)), TRUNKS)
        self.assertNotIn("other", states)

    def test_who_counts(self):
        """Each role exports what it can count, the kernel says the rest of each process."""
        g = self.start(sip=2)
        found = samples(self.text())
        roles = {n: {dict(k).get("role") for k in s} for n, s in found.items()}
        self.assertEqual(roles["rx_messages_total"], {"transport"})
        self.assertEqual(roles["calls_total"], {"sip"})
        self.assertEqual(roles["mesh_full_total"], {"transport", "sip"})
        self.assertEqual(roles["worker_starts_total"], {"master"})
        rows = g.ctl("workers")
        for name in (
            "process_resident_memory_bytes",
            "process_cpu_seconds_total",
            "process_open_fds",
            "process_start_time_seconds",
        ):
            self.assertEqual(len(found[name]), len(rows) + 1, name)
        for row in rows:
            role, worker = row["worker"].split("-")
            stat = pathlib.Path(f"/proc/{row['pid']}/statm").read_text().split()
            told = self.value("process_resident_memory_bytes", role=role, worker=worker)
            here = int(stat[1]) * os.sysconf("SC_PAGE_SIZE")
            self.assertTrue(here / 2 < told < here * 2, (row, told, here))
        self.assertEqual(sum(found["build_info"].values()), 1)

    def test_promtool(self):
        self.start()
        self.carrier, self.alice = self.trunk(), self.phone("alice")
        self.refused()
        done = subprocess.run(
            ["promtool", "check", "metrics"], input=self.text(), capture_output=True, text=True
        )
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_board_and_alerts(self):
        """deploy/grafana.json and deploy/alerts.yml: promtool takes the rules, every metric that
        they name is exported, and every label is one of its own."""
        self.start()
        self.carrier, self.alice = self.trunk(), self.phone("alice")
        self.refused()
        text, rules = self.text(), ROOT / "deploy/alerts.yml"
        done = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        names = set(re.findall(r"^# TYPE (\w+) (?!histogram)", text, re.M))
        for name in re.findall(r"^# TYPE (\w+) histogram", text, re.M):
            names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")}
        labels = {
            name: set().union(*(dict(k) for k in of)) for name, of in samples(self.text()).items()
        }
        board = json.loads((ROOT / "deploy/grafana.json").read_text())
        wanted = [t["expr"] for p in board["panels"] for t in p["targets"]]
        wanted += re.findall(r"expr: (.*(?:\n {10}.*)*)", rules.read_text())
        self.assertGreater(len(wanted), 30)
        for expr in wanted:
            for name, given in re.findall(r"\b(sipward_\w+)(?:\{(.*?)\})?", expr):
                self.assertIn(name, names, expr)
                told = labels.get(name.removeprefix("sipward_"))
                if told is not None:
                    self.assertLessEqual(set(re.findall(r"(\w+)!?=", given)), told, expr)

    def test_the_table_says_who_counts(self):
        """Who counts what is written by hand: the sources agree."""
        used = {}
        for path in ROOT.glob("worker-*/**/*.[ch]"):
            for name in re.findall(
                r"\bcount\((\w+)\)|\bcounter_(?:add|set)\(COUNTER_(\w+)", path.read_text()
            ):
                used.setdefault(name[0] or name[1], set()).add(path.relative_to(ROOT).parts[0])
        letters = None
        for what, name, roles in re.findall(
            r"^(COUNTED_BY|COUNTER|GAUGE)\((\w+), ?([^)\n]*)",
            (ROOT / "common/counters.def").read_text(),
            re.M,
        ):
            if what == "COUNTED_BY":
                letters = set(re.findall(r"\w+", roles))
                continue
            may = {FOLDERS[x] for x in letters & set(FOLDERS)}
            if letters & {"ALL"}:
                may = set(FOLDERS.values())
            self.assertLessEqual(used.get(name, set()), may, name)


if __name__ == "__main__":
    import unittest

    unittest.main()
