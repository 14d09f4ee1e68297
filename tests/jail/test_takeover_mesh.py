"""A transport worker and a SIP worker that were taken over, to each other: blocks, batches and
orders that lie, edges of others, floods."""
import json, os, random, struct, unittest

from gateway import wait_for
from processes import fds_of, limit
from takeover import (
    peer,
    record,
    batch,
    endpoint,
    flow,
    flow_id,
    Takeover,
    ZEROMQ,
    TRANSPORT,
    SIP,
    MESSAGE,
    FLOW_CLOSED,
    SEND_FAILED,
    SEND,
    WATCH,
    KEEP_ALIVE,
    PENALTY,
    TARGET,
    UNREACHABLE,
    ADDRESSES,
    LOOKED_UP,
    RECORD_TYPES,
    UDP,
    TCP,
    BATCH_MAX,
    LISTENERS,
    RAW_MAX,
    FLOW_AT,
    FLOW_END,
    SLOT_AT,
    EACCES,
    EMFILE,
    ENOTCONN,
)


class TransportToSip(Takeover):
    def setUp(self):
        self.take("transport", transport=2, sip=2)
        self.phone = self.honest()

    def tearDown(self):
        self.assert_served(self.phone)
        self.assert_unmoved()

    def raw(self, n=0, method="OPTIONS"):
        call = f"x{n}-{random.getrandbits(40):x}"
        return (
            f"{method} sip:{self.g.ip} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.9:5999;branch=z9hG4bK{call}\r\nMax-Forwards: 70\r\n"
            f'From: "X" <sip:x@example.net>;tag=1\r\nTo: <sip:{self.g.ip}>\r\n'
            f"Call-ID: {call}\r\nCSeq: 1 {method}\r\nContact: <sip:x@127.0.0.9:5999>\r\n"
            f"Content-Length: 0\r\n\r\n"
        ).encode()

    def block(self, n=0, way=None, method="OPTIONS"):
        error, _, data = self.d.act(b"P", self.raw(n, method))
        self.assertEqual(error, 0)
        return (
            data[:FLOW_AT]
            + (way or flow(UDP, LISTENERS["udp"], "127.0.0.9", 5999))
            + data[FLOW_END:]
        )

    def send(self, data, to=0, **words):
        return self.d.act(b"M", data, peer(SIP, to), **words)

    def sync(self):
        """All that was sent to either SIP worker has been taken: a last record is counted by it."""
        for to in (0, 1):
            had = self.count("transaction_reports_stale")
            self.assertEqual(self.send(batch(record(SEND_FAILED, bytes(16))), to)[0], 0)
            self.wait_count("transaction_reports_stale", had + 1)

    def test_blocks_that_lie(self):
        """Whatever single octets of a parsed message say: offsets, sizes, counts, kinds."""
        rng, blocks, had = random.Random(4), [], self.count("mesh_records_received")
        good = self.block()
        fixed = good.index(b"OPTIONS ")
        for at in range(fixed):  # each octet before the raw bytes, once
            blocks.append(
                good[:at] + bytes([good[at] ^ rng.choice((1, 0x80, 0xFF, 0x7F))]) + good[at + 1 :]
            )
        for _ in range(600):  # and several at once, anywhere
            b = bytearray(good)
            for _ in range(rng.randint(2, 6)):
                b[rng.randrange(len(b) if rng.random() < 0.3 else fixed)] = rng.choice(
                    (0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256))
                )
            blocks.append(bytes(b))
        for n in range(0, len(blocks), 40):
            self.assertEqual(
                self.send(batch(*(record(MESSAGE, b) for b in blocks[n : n + 40])), n // 40 % 2)[0],
                0,
            )
        self.wait_count("mesh_records_received", had + len(blocks))
        self.assertGreater(self.count("message_bad_block"), len(blocks) // 2)
        self.wait_log("mesh-bad-record peer=1.0 type=1")

    def test_batches_that_lie(self):
        good = record(MESSAGE, self.block())
        lies = [
            b"\0",
            bytes(7),
            bytes(16),
            *([] if ZEROMQ else [batch()]),  # which is how a connecter says hello
            batch(good, magic=1),
            batch(good, count=0),
            batch(good, count=2),
            batch(good, good, count=1),
            batch(good, count=0xFFFFFFFF),
            batch(good) + bytes(8),
            batch(good) + b"x",
            batch(good)[:-8],
            batch(record(MESSAGE, b"", size=0xFFFFFFFF)),
            batch(record(MESSAGE, b"", size=0xFFFFFFF9)),
            batch(record(MESSAGE, b"short")),
            batch(record(FLOW_CLOSED, b"12345678")),
            batch(record(FLOW_CLOSED, bytes(16), zero=1)),
            batch(record(0)),
            batch(record(RECORD_TYPES)),
            batch(record(65535)),
            batch(record(FLOW_CLOSED, bytes(8))),
            batch(record(FLOW_CLOSED, bytes(24))),
            batch(record(SEND_FAILED, bytes(4))),
            batch(record(UNREACHABLE, bytes(72))),
            batch(record(TARGET, bytes(32))),
            batch(record(SEND_FAILED, bytes(16), size=13)[:-1] + b"\1"),
            batch(
                record(
                    SEND, flow(UDP, 0, "127.0.0.1", 9) + struct.pack("<QIBBH", 0, 5, 0, 0, 0) + b"x"
                )
            ),
            batch(record(MESSAGE, bytes(200000))),
        ]
        for at, lie in enumerate(lies):
            self.assertEqual(self.send(lie, at % 2)[0], 0)
        self.wait_count("mesh_bad_batch", len(lies))
        self.wait_log("mesh-bad-batch peer=1.0")
        # one that is too long for any batch
        self.assertEqual(self.send(batch(good), pad=BATCH_MAX + 8)[0], 0)
        if ZEROMQ:  # ends the connection, which may come back; what was under way is lost
            had = self.count("transaction_reports_stale")
            wait_for(
                lambda: self.send(batch(record(SEND_FAILED, bytes(16))))[0] == 0
                and self.count("transaction_reports_stale") > had,
                "its successor",
            )
        else:
            self.wait_count("mesh_bad_batch", len(lies) + 1)
        # thousands of the smallest
        had = self.count("mesh_bad_batch")
        sent = self.send(b"x", repeat=5000)[1]
        self.wait_count("mesh_bad_batch", had + sent)
        self.sync()

    def test_what_is_said_of_targets(self):
        """Requests end by an ICMP error only where it has their branch; targets are for SIP
        workers to speak of."""
        forged, bad = self.count("response_forged"), self.count("bad_records")
        for branch in (bytes(44), b"z9hG4bKsw010" + b"0" * 32, b"z9hG4bK" + b"\xff" * 37):
            for to in (0, 1):
                self.send(
                    batch(
                        record(
                            UNREACHABLE,
                            endpoint("127.0.0.1", 5080)
                            + struct.pack("<iHH", -111, 0, 0)
                            + branch
                            + bytes(4),
                        )
                    ),
                    to,
                )
        self.wait_count("response_forged", forged + 6)
        self.send(batch(record(TARGET, struct.pack("<QQiHBB", 1, 1, -110, 0, 1, 0))), 0)
        self.send(batch(record(ADDRESSES, bytes(672))), 0)
        # an answer of the DNS with an error, and one that ends elsewhere
        self.send(batch(record(LOOKED_UP, struct.pack("<QiI", 1, 0, 0))), 0)
        self.send(batch(record(LOOKED_UP, struct.pack("<QiI", 1, 0, 9) + bytes(8))), 0)
        # one that nobody has asked for
        self.send(batch(record(LOOKED_UP, struct.pack("<QiI", 1, 0, 12) + bytes(12))), 0)
        self.wait_count("bad_records", bad + 4)
        self.assertEqual(self.count("targets_down"), 0)

    def test_fds_on_an_edge(self):
        """The kernel closes them: nobody has asked for any."""
        had = {name: fds_of(pid) for name, pid in self.before.items() if name.startswith("sip")}
        for to in (0, 1):
            for _ in range(200):
                if ZEROMQ:  # on connections of its own
                    self.assertEqual(self.d.act(b"R", b"\xff", peer(SIP, to), fds=15)[0], 0)
                else:
                    self.assertEqual(
                        self.send(batch(record(SEND_FAILED, bytes(16))), to, fds=15)[0], 0
                    )
        self.d.act(b"Q")
        self.sync()
        for name, fds in had.items():
            wait_for(lambda: fds_of(self.before[name]) <= fds, f"no more fds of {name}")

    def test_an_edge_that_ends_while_its_worker_lives(self):
        """Shut down, closed, ended by an empty packet: whoever is at the other end goes on without
        it; the worker's successor has a good one again."""
        edges = {1: (b"S", 0), 2: (b"X", 1), 3: (b"M", 0)}
        for lives, (act, to) in edges.items():
            self.assertEqual(self.d.act(act, b"", peer(SIP, to))[0], 0)
            self.assert_served(self.phone)
            if act == b"X":
                self.assertEqual(self.send(b"x", to, patient=False)[0], -ENOTCONN)
            os.kill(self.g.workers("transport")[0]["pid"], 9)
            wait_for(lambda: self.g.workers("transport")[0]["starts"] == lives + 1, "its successor")
            self.sync()

    def test_what_is_not_its_to_send(self):
        others = [
            record(
                SEND, flow(UDP, 0, "127.0.0.1", 9) + struct.pack("<QIBBH", 0, 1, 0, 0, 0) + b"x"
            ),
            record(WATCH, bytes(16)),
            record(PENALTY, endpoint("127.0.0.1", 9) + bytes(16)),
            record(KEEP_ALIVE, struct.pack("<QII", 1, 60, 0)),
        ]
        self.send(batch(*others * 50))
        self.wait_count("bad_records", 200)
        self.wait_log("mesh-bad-record peer=1.0 type=[456]")
        self.assertEqual(self.count("auth_penalties"), 0)

    def test_forged_ways_in(self):
        """A message says that it came by a listener that there is not, by another transport, over a
        connection of another worker or over none."""
        life = self.incarnation("transport-1")
        ways = [
            flow(UDP, 999, "127.0.0.9", 5999),
            flow(UDP, LISTENERS["tcp"], "127.0.0.9", 5999),
            flow(TCP, LISTENERS["udp"], "127.0.0.9", 5999, flow_id(0, 1, 1)),
            flow(TCP, LISTENERS["tcp"], "127.0.0.9", 5999),
            flow(UDP, LISTENERS["udp"], "127.0.0.9", 5999, flow_id(0, 1, 1)),
            flow(TCP, LISTENERS["tcp"], "127.0.0.9", 5999, flow_id(1, life, 1)),
            flow(TCP, LISTENERS["tcp"], "127.0.0.9", 5999, flow_id(200, life, 1)),
        ]
        self.send(batch(*(record(MESSAGE, self.block(n, way)) for n, way in enumerate(ways))))
        self.wait_count("message_bad_block", len(ways))
        # of a trusted zone's listener, but not from its sources
        self.send(
            batch(record(MESSAGE, self.block(way=flow(UDP, LISTENERS["core"], "192.0.2.1", 5999))))
        )
        self.wait_count("source_refused", 1)

    def test_ends_of_connections_of_others(self):
        """The registration over another worker's connection stays."""
        phone = self.honest("TCP")
        life, had = self.incarnation("transport-1"), self.count("bindings_flow_closed")
        ends = [
            record(FLOW_CLOSED, struct.pack("<QB7x", flow_id(1, life, number), slot))
            for number in range(1, 9)
            for slot in range(256)
        ]
        for to in (0, 1):
            for n in range(0, len(ends), 1024):
                self.assertEqual(self.send(batch(*ends[n : n + 1024]), to)[0], 0)
        self.wait_count("bad_records", 2 * len(ends))
        self.assertEqual(self.count("bindings_flow_closed"), had)
        self.assertIn(phone.user, json.dumps(self.g.ctl("registrations")))
        # its own it may end: nobody hangs on them
        self.send(
            batch(
                *(
                    record(FLOW_CLOSED, struct.pack("<QB7x", flow_id(0, life, 7), slot))
                    for slot in range(256)
                )
            )
        )
        self.sync()
        # and failures of what was never sent
        stale = self.count("transaction_reports_stale")
        self.send(
            batch(
                *(
                    record(SEND_FAILED, struct.pack("<QiI", random.getrandbits(64), -ENOTCONN, 0))
                    for _ in range(2000)
                )
            )
        )
        self.wait_count("transaction_reports_stale", stale + 2000)

    def test_wrong_slot(self):
        """To the worker that does not own it, with a slot that it has not: it goes to its owner,
        once, and is answered once."""
        had = self.count("message_forwarded"), self.count("message_misdirected")
        for n in range(8):
            block = bytearray(self.block(n))
            block[SLOT_AT] ^= 0xFF
            for to in (0, 1):
                self.send(batch(record(MESSAGE, bytes(block))), to)
        self.wait_count("message_forwarded", had[0] + 8)
        self.assertEqual(self.count("message_misdirected"), had[1])

    def test_replay(self):
        """One message a thousand times is one transaction."""
        had = self.count("transactions_server"), self.count("request_retransmissions")
        block = record(MESSAGE, self.block(method="INVITE"))
        for _ in range(10):
            self.send(batch(*[block] * 100))
        wait_for(
            lambda: self.count("request_retransmissions") + self.count("auth_challenged")
            >= had[1] + 1000,
            "a thousand answers",
        )
        self.assertLessEqual(self.count("transactions_server"), had[0] + 1)

    def test_a_flood_that_reads_nothing(self):
        """Requests as fast as they go, for a second and a half each; their answers wait in bounded
        queues."""
        blocks = [
            record(
                MESSAGE, self.block(n, method=("INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE")[n % 4])
            )
            for n in range(200)
        ]
        for to in (0, 1):
            taken = self.send(batch(*blocks), to, repeat=1000)[1]
            self.assertGreater(taken, 0)
        self.assert_served(self.phone)
        self.assert_unmoved()


@unittest.skipUnless(ZEROMQ, "over pairs there is nothing to connect to")
class Connections(Takeover):
    """libzmq ends a process that has no fd left to accept with: whoever was taken over connects
    without end, and the SIP workers go on, and can be reached by others meanwhile."""

    def crowd(self, role, victims, **words):
        self.take(role, extra="limits { connections = 256 }", **words)
        self.phone = self.honest()
        sips = {n: p for n, p in self.before.items() if n.startswith("sip")}
        pid = self.g.workers(role)[0]["pid"]
        for _ in range(3):
            for to in victims:
                error, taken, _ = self.d.act(b"R", b"", peer(SIP, to), repeat=60000)
                self.assertIn(error, (0, -EMFILE, -11))
                self.assertGreater(taken, 1000)
                self.assertEqual(self.g.workers("sip")[to]["state"], "ready")
                yield to
                self.d.act(b"Q")
        self.assert_served(self.phone)
        rows = {r["worker"]: r for r in self.g.ctl("workers")}
        for name, its in sips.items():
            self.assertEqual((rows[name]["pid"], rows[name]["deaths"]), (its, 0), name)
        self.assertEqual(self.g.workers(role)[0]["pid"], pid)

    def test_of_a_transport_worker(self):
        for to in self.crowd("transport", (0, 1), transport=2, sip=2):
            self.assert_served(self.phone)
            # as many as all transport workers can make are fewer than a SIP worker may have
            pids = [self.before[f"sip-{to}"], self.before["transport-1"]]
            sip, transport = (int(limit(pid, "Max open files")[0]) for pid in pids)
            self.assertGreater(sip, 4 * transport)
            self.assertEqual(self.count("mesh_crowded"), 0)

    def test_of_a_sibling(self):
        for to in self.crowd("sip", (1,), transport=1, sip=2):
            self.assert_served(self.phone)
            self.wait_count("mesh_crowded", 1)
            if os.geteuid() == 0:  # the kernel tells it from a transport worker
                self.assertLess(fds_of(self.before["sip-1"]), 1000)
                (transport,) = self.g.workers("transport")
                os.kill(transport["pid"], 9)
                self.g.successor(transport)
                self.phone = self.honest()


class SipToTransport(Takeover):
    def setUp(self):
        self.take("sip", transport=1, sip=2)
        self.phone = self.honest()

    def tearDown(self):
        self.assert_served(self.phone)
        self.assert_unmoved()

    def send(self, *records, **words):
        return self.d.act(b"M", batch(*records), peer(TRANSPORT, 0), **words)

    def order(self, to, cookie=0, data=b"OPTIONS", size=None, close=0):
        return record(
            SEND,
            to
            + struct.pack("<QIBBH", cookie, len(data) if size is None else size, close, 0, 0)
            + data,
        )

    def failures(self, *records):
        """Of orders that ask for a report, by cookie: its error; said again where a connection was
        on its way up."""
        found = {}

        def all_reported():
            if self.send(*records)[0] == 0:
                try:
                    while len(found) < len(records):
                        op, _, kind, _, data = self.d.next(1)
                        if op == b"m" and kind == SEND_FAILED:
                            found[struct.unpack("<Q", data[:8])[0]] = struct.unpack(
                                "<i", data[8:12]
                            )[0]
                except TimeoutError:
                    pass
            return len(found) == len(records)

        self.d.act(b"H", fds=1)
        wait_for(all_reported, "reports")
        self.d.act(b"H")
        return found

    def test_destinations_it_may_not_use(self):
        """Refused by the settings that the transport worker has of the master, whatever a SIP
        worker says."""
        life = self.incarnation("transport-0")
        wanted = {
            1: (
                flow(UDP, LISTENERS["core"], "192.0.2.1", 5060),
                -EACCES,
            ),  # not a source of the trusted zone
            2: (flow(TCP, LISTENERS["core-tcp"], "192.0.2.1", 5060), -EACCES),
            3: (
                flow(TCP, LISTENERS["tcp"], self.g.ip, 5999),
                -EACCES,
            ),  # no connections out to strangers
            4: (flow(TCP, LISTENERS["tcp"], self.g.ip, 5999, flow_id(0, life, 77)), -ENOTCONN),
            5: (
                flow(TCP, LISTENERS["tcp"], self.g.ip, 5999, flow_id(0, life - 1, 1)),
                -ENOTCONN,
            ),  # of an earlier life
            6: (flow(TCP, LISTENERS["tcp"], self.g.ip, 5999, flow_id(9, life, 1)), -ENOTCONN),
        }  # of another worker
        had = self.count("flow_send_failed")
        self.assertEqual(
            self.failures(*(self.order(to, cookie) for cookie, (to, _) in wanted.items())),
            {cookie: error for cookie, (_, error) in wanted.items()},
        )
        self.assertGreaterEqual(self.count("flow_send_failed"), had + len(wanted))

    def test_orders_that_make_no_sense(self):
        nowhere = [
            self.order(flow(UDP, 999, "127.0.0.1", 9)),
            self.order(flow(UDP, LISTENERS["tcp"], "127.0.0.1", 9)),
            self.order(flow(TCP, LISTENERS["udp"], "127.0.0.1", 9)),
            self.order(flow(0, 0, "127.0.0.1", 9)),
            self.order(flow(255, 0, "127.0.0.1", 9)),
            self.order(flow(UDP, 0, "127.0.0.1", 0)),
            self.order(flow(UDP, 0, "127.0.0.1", 9, family=0)),
            self.order(flow(UDP, 0, "127.0.0.1", 9, family=7)),
            record(PENALTY, endpoint("127.0.0.1", 9) + bytes(8) + struct.pack("<H6x", 999)),
            record(PENALTY, endpoint("127.0.0.1", 9, 5) + bytes(16)),
            record(MESSAGE, bytes(1000)),
            record(FLOW_CLOSED, bytes(16)),
            record(SEND_FAILED, bytes(16)),
        ]
        self.send(*nowhere)
        self.wait_count("bad_records", len(nowhere))
        self.wait_log("mesh-bad-record peer=2.0")

    def test_batches_that_lie(self):
        good = self.order(flow(UDP, 0, self.g.ip, 9))
        lies = [
            b"\0",
            bytes(7),
            bytes(16),
            batch(),
            batch(good, magic=1),
            batch(good, count=0),
            batch(good, count=9),
            batch(good) + bytes(8),
            batch(good, good, count=1),
            batch(record(RECORD_TYPES)),
            batch(record(PENALTY, bytes(31))),
            batch(self.order(flow(UDP, 0, self.g.ip, 9), size=8)),
            batch(self.order(flow(UDP, 0, self.g.ip, 9), data=b"")),
            batch(self.order(flow(UDP, 0, self.g.ip, 9), data=b"x" * (RAW_MAX + 1))),
            batch(self.order(flow(UDP, 0, self.g.ip, 9), size=0xFFFFFFFF)),
        ]
        for lie in lies:
            self.assertEqual(self.d.act(b"M", lie, peer(TRANSPORT, 0))[0], 0)
        self.wait_count("mesh_bad_batch", len(lies))
        self.wait_log("mesh-bad-batch peer=2.0")
        # thousands of the smallest
        sent = self.d.act(b"M", b"x", peer(TRANSPORT, 0), repeat=5000)[1]
        self.assertGreater(sent, 0)
        self.wait_count("mesh_bad_batch", len(lies) + sent)
        # larger than any batch: over ZeroMQ the connection ends, and comes back
        self.assertEqual(self.d.act(b"M", batch(good), peer(TRANSPORT, 0), pad=BATCH_MAX + 8)[0], 0)
        if not ZEROMQ:
            self.wait_count("mesh_bad_batch", len(lies) + sent + 1)
        self.assertEqual(
            self.failures(self.order(flow(TCP, LISTENERS["tcp"], self.g.ip, 5999), cookie=99)),
            {99: -EACCES},
        )

    @unittest.skipIf(ZEROMQ, "a transport worker has no endpoint that others connect to")
    def test_fds_on_an_edge(self):
        """The kernel closes them: nobody has asked for any."""
        had = fds_of(self.before["transport-0"])
        for _ in range(200):
            self.assertEqual(self.send(record(WATCH, struct.pack("<QB7x", 1, 1)), fds=15)[0], 0)
        self.failures(self.order(flow(TCP, LISTENERS["tcp"], self.g.ip, 5999), cookie=7))
        self.assertLessEqual(fds_of(self.before["transport-0"]), had)

    def test_edges_that_end_while_their_worker_lives(self):
        """To the transport worker and to the other SIP worker, shut down, closed, ended by an empty
        packet; both go on, and the successor has good ones again."""
        for lives, act in ((1, b"S"), (2, b"X"), (3, b"M")):
            for to in (peer(TRANSPORT, 0), peer(SIP, 1)):
                self.assertEqual(self.d.act(act, b"", to)[0], 0)
            self.assert_served(self.phone)
            os.kill(self.g.workers("sip")[0]["pid"], 9)
            wait_for(lambda: self.g.workers("sip")[0]["starts"] == lives + 1, "its successor")
            self.assertEqual(
                self.failures(
                    self.order(flow(TCP, LISTENERS["tcp"], self.g.ip, 5999), cookie=lives)
                ),
                {lives: -EACCES},
            )
            self.assertEqual(
                self.d.act(b"M", batch(record(MESSAGE, bytes(1000))), peer(SIP, 1))[0], 0
            )
            self.wait_count("message_bad_block", lives)

    def test_a_flood_that_reads_nothing(self):
        """Every order fails and asks for a report; the reports wait in a ring of fixed size, those
        that find no room are counted."""
        records = [
            self.order(flow(TCP, LISTENERS["tcp"], self.g.ip, 5999), cookie=n + 1)
            for n in range(500)
        ] + [record(WATCH, struct.pack("<QB7x", n + 1, n % 256)) for n in range(500)]
        taken = self.send(*records, repeat=1000)[1]
        self.assertGreater(taken, 0)
        self.assert_served(self.phone)
        self.assert_unmoved()
        self.wait_count("flow_send_failed", 500 * taken)


if __name__ == "__main__":
    unittest.main()
