"""Subscriptions through the gateway (RFC 6665), with real sockets: busy lamps between phones, a
mailbox at the trunk, presence published to it, REFER outside of calls."""
import unittest

from legs import NUMBER, CallCase, Dialog, wait_for

MAILBOX = f"{NUMBER}@example.net"
SUMMARY = "application/simple-message-summary"


class Subscriptions(CallCase):
    def notify(self, notifier, state, subscriber, event, body="x"):
        """A NOTIFY of the notifier's dialog; returns it as the subscriber got it."""
        notifier.send(
            "NOTIFY",
            headers=[f"Event: {event}", f"Subscription-State: {state}"],
            body=body,
            content_type=SUMMARY,
        )
        got = subscriber.request("NOTIFY")
        self.assertEqual(
            (got.get("Event"), got.get("Subscription-State"), got.body),
            (event, state, body.encode()),
        )
        subscriber.answer(got, 200, contact=False)
        notifier.peer.response(200, "NOTIFY")
        return got

    def subscribe(self, subscriber, notifier, to, event, early=False):
        """A subscription; the first NOTIFY comes before the 2xx (early) or after it. Returns the
        dialogs of both."""
        headers = [f"Event: {event}", "Expires: 600"]
        request = self.request(subscriber, "SUBSCRIBE", to, headers=headers)
        got = notifier.request("SUBSCRIBE")
        self.assertEqual((got.get("Event"), got.get("Expires")), (event, "600"))
        theirs = Dialog.of_request(notifier, got, "notifier")
        if early:
            first = self.notify(theirs, "active;expires=600", subscriber, event)
        notifier.answer(got, 202, "Accepted", tag="notifier", headers=["Expires: 600"])
        answer = subscriber.response(202, "SUBSCRIBE")
        if not early:
            first = self.notify(theirs, "active;expires=600", subscriber, event)
        self.assertEqual(answer.tag("To"), first.tag("From"))
        self.assertEqual(answer.get("Expires"), "600")
        return Dialog.of_answer(subscriber, request, answer), theirs

    def refresh(self, ours, theirs, event, expires):
        ours.send("SUBSCRIBE", headers=[f"Event: {event}", f"Expires: {expires}"])
        got = theirs.peer.request("SUBSCRIBE")
        self.assertEqual(got.get("Expires"), expires)
        theirs.peer.answer(got, 200, headers=[f"Expires: {expires}"])
        ours.peer.response(200, "SUBSCRIBE")

    def whole_life(self, subscriber, notifier, to, event, early=False):
        ours, theirs = self.subscribe(subscriber, notifier, to, event, early)
        self.counted("subscriptions_active")
        self.notify(theirs, "active;expires=590", subscriber, event)
        self.refresh(ours, theirs, event, "600")
        self.refresh(ours, theirs, event, "0")
        self.notify(theirs, "terminated;reason=timeout", subscriber, event)
        theirs.send("NOTIFY", headers=[f"Event: {event}", "Subscription-State: active"])
        theirs.peer.response(481, "NOTIFY")
        ours.send("SUBSCRIBE", headers=[f"Event: {event}"])
        ours.peer.response(481, "SUBSCRIBE")
        self.none_left()

    def none_left(self):
        wait_for(
            lambda: not self.gateway.counters().get("subscriptions_active"), "no subscriptions"
        )

    def everything(self, **words):
        self.start(**words)
        alice, bob, trunk = self.phone("alice"), self.phone("bob", "TCP"), self.trunk()
        self.whole_life(alice, bob, "bob@example.net", "dialog")
        self.whole_life(bob, alice, "alice@example.net", "presence", early=True)
        self.whole_life(alice, trunk, MAILBOX, "message-summary")
        self.whole_life(bob, trunk, MAILBOX, "message-summary", early=True)
        self.whole_life(trunk, bob, "bob@example.net", "dialog;sla")
        self.whole_life(trunk, alice, "alice@example.net", "any-other-package", early=True)
        self.unsolicited(alice, bob, trunk)
        self.published(alice, trunk)
        self.watched(alice, bob, trunk)
        self.referred(alice, bob)
        self.listed(alice, bob)
        # one that stands when the gateway stops is ended in order (tearDown answers)
        self.subscribe(alice, bob, "bob@example.net", "dialog")

    def unsolicited(self, alice, bob, trunk):
        """From a trusted zone to a phone they pass; nobody else may say anything unasked."""
        for event in ("check-sync;reboot=false", "message-summary"):
            headers = [f"Event: {event}", "Subscription-State: terminated"]
            self.request(trunk, "NOTIFY", "bob@example.net", headers=headers)
            got = bob.request("NOTIFY")
            self.assertEqual(got.get("Event"), event)
            bob.answer(got, 200, contact=False)
            trunk.response(200, "NOTIFY")
        self.request(alice, "NOTIFY", "bob@example.net", headers=headers)
        alice.response(481, "NOTIFY")

    def listed(self, alice, bob):
        ours, theirs = self.subscribe(alice, bob, "bob@example.net", "dialog;x=y")
        (row,) = self.gateway.ctl("subscriptions", "--user", "alice", "--event", "dialog")
        self.assertEqual(
            (row["call-id"], row["event"], row["state"], row["user"], row["notifier-zone"]),
            (ours.call_id, "dialog;x=y", "active", "alice@example.net", "access"),
        )
        self.assertIn(row["expires"], range(590, 601))
        self.assertTrue(
            self.gateway.ctl("subscriptions", "--user", "bob@example.net", "--zone", "access")
        )
        for other in (("--user", "carol"), ("--event", "presence"), ("--zone", "core")):
            self.assertEqual(self.gateway.ctl("subscriptions", *other), [])

    def watched(self, alice, bob, trunk):
        """The registrar tells a user of his bindings, a trusted zone of everybody's."""
        headers = ["Event: reg", "Expires: 600", "Accept: application/reginfo+xml"]
        self.request(bob, "SUBSCRIBE", "alice@example.net", headers=headers)
        bob.response(403, "SUBSCRIBE")
        for watcher in (alice, trunk):
            request = self.request(watcher, "SUBSCRIBE", "alice@example.net", headers=headers)
            answer = watcher.response(200, "SUBSCRIBE")
            got = watcher.request("NOTIFY")
            self.assertEqual(answer.tag("To"), got.tag("From"))
            self.assertIn(b'<registration aor="sip:alice@example.net"', got.body)
            self.assertIn(b'state="active" event="registered"', got.body)
            watcher.answer(got, 200, contact=False)
            row = self.gateway.ctl("subscriptions", "--event", "reg", "--user", "alice")[0]
            self.assertEqual((row["state"], row["notifier"]), ("active", ""))
            ours = Dialog.of_answer(watcher, request, answer)
            ours.send("SUBSCRIBE", headers=["Event: reg", "Expires: 0"])
            watcher.response(200, "SUBSCRIBE")
            got = watcher.request("NOTIFY")
            self.assertEqual(got.get("Subscription-State"), "terminated;reason=timeout")
            watcher.answer(got, 200, contact=False)
        self.none_left()

    def published(self, alice, trunk):
        """PUBLISH goes to a server, where a route says so, and never to a phone."""
        headers = ["Event: presence", "Expires: 60", "SIP-If-Match: old"]
        self.request(alice, "PUBLISH", MAILBOX, headers=headers)
        got = trunk.request("PUBLISH")
        self.assertEqual((got.get("SIP-If-Match"), got.get("Expires")), ("old", "60"))
        trunk.answer(got, 412, "Conditional Request Failed", contact=False)
        alice.response(412, "PUBLISH")
        self.request(alice, "PUBLISH", MAILBOX, headers=headers[:2])
        trunk.answer(
            trunk.request("PUBLISH"), 200, headers=["SIP-ETag: new", "Expires: 60"], contact=False
        )
        answer = alice.response(200, "PUBLISH")
        self.assertEqual((answer.get("SIP-ETag"), answer.get("Expires")), ("new", "60"))
        self.request(alice, "PUBLISH", "alice@example.net", headers=headers[:2])
        self.assertIn("presence", alice.response(489, "PUBLISH").get("Allow-Events"))

    def referred(self, alice, bob):
        """REFER outside of a call (RFC 3515): its NOTIFYs come back to whoever sent it."""
        headers = ["Refer-To: <sip:carol@example.net>"]
        request = self.request(alice, "REFER", "bob@example.net", headers=headers)
        got = bob.request("REFER")
        bob.answer(got, 202, "Accepted", tag="referee")
        alice.response(202, "REFER")
        theirs = Dialog.of_request(bob, got, "referee")
        theirs.send(
            "NOTIFY",
            headers=[f"Event: refer;id={got.cseq[0]}", "Subscription-State: active;expires=60"],
            body="SIP/2.0 100 Trying\r\n",
            content_type="message/sipfrag",
        )
        notify = alice.request("NOTIFY")
        self.assertEqual(notify.get("Event"), f"refer;id={request.cseq[0]}")
        alice.answer(notify, 200, contact=False)
        bob.response(200, "NOTIFY")
        self.notify(theirs, "terminated;reason=noresource", alice, "refer", "SIP/2.0 200 OK")
        self.none_left()

    def test_one_worker(self):
        self.everything(sip=1)

    def test_three_workers(self):
        self.everything(sip=3)


if __name__ == "__main__":
    unittest.main()
