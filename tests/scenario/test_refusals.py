"""Whoever is refused or dropped is counted, and named in the log: what the sources say of it. No
gateway is needed."""
import pathlib, re, unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("worker-sip", "worker-transport", "worker-tls", "worker-web")
# Words of a counter's help by which it counts something that was not served.
REFUSED = re.compile(
    r"\b(refused|dropped|left out|withheld|answered [45]\d\d|closed because|"
    r"malformed|not admitted|no room)\b"
)
# How a function sees to a line: it writes one, or it answers, which does (message/refusal_log.h).
SAYS = re.compile(
    r"\blog_(warn|info|error)\(|\w+_log_\w+\(|\w+_log\(|\bto_sip_(say|count|refuse)_?\w*\(|"
    r"\b(incoming_answer|answer|answer_stateless|attempt_refuse|registrar_answer|fork_conclude)\("
)
CALLER = "whoever called it writes the line"
PART = "the request is served, but for that part"
OURS = "a failure of ours or of the environment, not a refusal"
# Counted where no line is written, and why.
EXEMPT = {
    ("worker-sip/auth/authorize.c", "AUTH_MALFORMED"): CALLER,
    ("worker-sip/call/call_record.c", "CALLS_REFUSED"): "its line is that of the call",
    ("worker-sip/call/call_record.c", "CALLS_REJECTED"): "its line is that of the call",
    ("worker-sip/call/exchange.c", "REINVITES_GIVEN_UP"): CALLER,
    ("worker-sip/message/multipart.c", "BODY_PARTS_TOO_DEEP"): PART,
    ("worker-sip/message/policy.c", "HEADERS_KEPT_BACK"): PART,
    ("worker-sip/message/policy.c", "HEADERS_WITH_NUL"): PART,
    ("worker-sip/registrar/contact.c", "REGISTER_CONTACTS_IGNORED"): PART,
    ("worker-sip/registrar/pending_put.c", "LOCATION_BUSY"): CALLER,
    ("worker-sip/routing/name_lookup.c", "ADDRESSES_REFUSED"): CALLER,
    ("worker-sip/routing/names.c", "DNS_ANSWERS_BAD"): CALLER,
    ("worker-sip/routing/route.c", "ROUTE_REFUSED"): CALLER,
    ("worker-sip/routing/target_ping.c", "PINGS_FAILED"): "no request of a peer",
    ("worker-sip/subscription/reg_watch.c", "SUBSCRIPTIONS_LIMIT"): CALLER,
    ("worker-sip/subscription/subscribe.c", "SUBSCRIPTIONS_LIMIT"): CALLER,
    ("worker-sip/subscription/subscription_limits.c", "LIMIT_USER_SUBSCRIPTIONS"): CALLER,
    ("worker-sip/subscription/subscription_limits.c", "SUBSCRIPTIONS_LIMIT"): CALLER,
    ("worker-transport/admit.c", "STREAM_REFUSED_SOURCE"): CALLER,
    ("worker-transport/stream.c", "STREAM_IDLE"): "nobody is refused",
    ("worker-transport/streams.c", "STREAM_BANNED"): "the ban has its line",
    ("worker-transport/tcp.c", "STREAM_REFUSED_FULL"): CALLER,
    ("worker-transport/tls/sign_client.c", "SIGN_MISSED"): CALLER,
    ("worker-transport/to_sip.c", "REFUSED_UNANSWERED"): CALLER,
    ("worker-transport/udp.c", "UDP_QUEUE_FULL"): OURS,
}


def counters():
    """Names of counters and what they are of."""
    text = (ROOT / "common/counters.def").read_text()
    rows = re.findall(r'^COUNTER\((\w+),\s*"\w+",\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)', text, re.M)
    return {name: "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', help)) for name, help in rows}


def functions(text):
    """The bodies of a file's functions."""
    return re.findall(r"^\{\n(.*?)^\}\n", text, re.S | re.M)


def counted(body):
    found = re.findall(r"\bcount\((\w+)\)|\bcounter_add\(COUNTER_(\w+)", body)
    return {a or b for a, b in found}


class Refusals(unittest.TestCase):
    maxDiff = None

    def sources(self):
        for folder in FOLDERS:
            for path in sorted((ROOT / folder).rglob("*.c")):
                yield str(path.relative_to(ROOT)), path.read_text()

    def test_each_has_a_line(self):
        refusals = {name for name, help in counters().items() if REFUSED.search(help)}
        self.assertGreater(len(refusals), 50)
        silent = set()
        for name, text in self.sources():
            for body in functions(text):
                if not SAYS.search(body):
                    silent |= {(name, c) for c in counted(body) & refusals}
        self.assertEqual(sorted(silent - set(EXEMPT)), [], "no line: write one, or say why not")
        self.assertEqual(sorted(set(EXEMPT) - silent), [], "no longer needed")

    def test_each_status_has_a_counter(self):
        """An answer of our own is counted by its status, none as another one."""
        rows = set(
            re.findall(r"COUNTER\(ANSWERED_(\d+)", (ROOT / "common/counters.def").read_text())
        )
        used = set()
        for name, text in self.sources():
            if name.startswith("worker-sip/"):
                calls = r"\b(?:incoming_answer|answer|answer_stateless|attempt_refuse)\(([^;]*?);"
                # not what stands in a header, as of Warning
                plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
                for arguments in re.findall(calls, plain, re.S):
                    used |= set(re.findall(r"(?<![\w.])([3-6]\d\d)(?![\w.])", arguments))
        self.assertGreater(len(used), 10)
        # challenges, and the end of what was cancelled, refuse nothing
        self.assertEqual(sorted(used - rows - {"401", "407", "487"}), [])


if __name__ == "__main__":
    unittest.main()
