"""Responses of hostile callees, over each transport: the caller hears what is true, whoever has
answered is told that his call is over, and nothing waits for ever."""
import re, unittest

from gateway import wait_for
from legs import Dialog, failure_ack
from peers import Message, SDP
from torture import FOLDER, TRANSPORTS, TortureCase, document, is_documented, table

ROWS = {row.name: row for row in table("responses.table")}


def filled(text, request, callee):
    """The response with what it answers."""
    via = request.get("Via")
    words = {
        "via": f"Via: {via}",
        "via-of-nobody": "Via: " + re.sub(r"branch=[^;,\s]+", "branch=z9hG4bKnobody", via),
        "via-without-branch": "Via: " + re.sub(r";\s*branch=[^;,\s]+", "", via),
        "via-of-another": "Via: " + re.sub(r"(?<= )[^;,\s]+", "192.0.2.1", via, 1),
        "from": f"From: {request.get('From')}",
        "to": f"To: {request.get('To')}",
        "call-id": f"Call-ID: {request.get('Call-ID')}",
        "number": str(request.cseq[0]),
        "method": request.method,
        "tag": f"t{callee.id}",
        "contact": callee.contact(callee.name),
    }
    return re.sub(r"@([a-z-]+)@", lambda m: words[m.group(1)], text).encode()


def once(messages):
    """The messages without repetitions, of which a slow run has some."""
    return list({m.raw: m for m in messages}.values())


class Responses(TortureCase):
    def test_all(self):
        self.secure(
            [f"{name}-{kind.lower()}" for name in ROWS for kind in TRANSPORTS],
            routes='route "in" { from = { "core" }  to-domain = "example.com"  '
            'action = "registered" }',
        )
        self.caller = self.trunk()
        got = {name: {kind: self.outcome(name, kind) for kind in TRANSPORTS} for name in ROWS}
        for name, row in ROWS.items():
            self.assertEqual(got[name], row.expected, name)
        self.assertTrue(
            is_documented("responses", document(ROWS.values(), got)),
            "tests/torture/README.md is not of this table: SIPWARD_WRITE=1 writes it",
        )
        self.assertTrue(all(w["state"] == "ready" for w in self.gateway.ctl("workers")))
        wait_for(lambda: not self.gateway.ctl("calls"), "no call left")

    def outcome(self, name, kind):
        """What the caller hears, and what the callee is told."""
        user = f"{name}-{kind.lower()}"
        callee, caller = self.over(kind, user), self.caller
        callee.send_raw(
            callee.make(
                "REGISTER",
                "sip:example.com",
                to=f"{user}@example.com",
                sender=f"{user}@example.com",
            )
        )
        self.assertEqual(callee.final("REGISTER").status, 200)
        method = "MESSAGE" if name.startswith("message-") else "INVITE"
        uri = f"{user}@example.com"
        request = Message(
            caller.make(method, f"sip:{uri}", to=uri, sender="+4989@carrier.example", body=SDP)
        )
        caller.send_raw(request.raw)
        asked = callee.request(method)
        text = (FOLDER / "responses" / f"{name}.dat").read_bytes().decode()
        for part in text.split("----\r\n"):
            self.send(callee, filled(part, asked, callee))
        return self.told(caller, request, callee, asked)

    def told(self, caller, request, callee, asked):
        """Both sides in the words of the table, and the end of the call where one stands."""
        self.fence(callee)
        self.fence(caller, 5062)
        heard, methods = self.heard(caller, request), self.asked(callee)
        words = [str(m.status) for m in heard] or ["nothing"]
        if not heard or heard[-1].status < 200:
            callee.answer(asked, 486, "Busy Here", contact=False)
            final = caller.receive(
                lambda m: (m.status or 0) >= 200 and m.get("Call-ID") == request.get("Call-ID")
            )
            words.append(f"{final.status} of the next answer")
        else:
            final = heard[-1]
        if request.method == "INVITE" and final.status >= 300:
            failure_ack(caller, request, final)
        elif request.method == "INVITE":
            self.assertEqual(self.hang_up_from(caller, request, final, callee), ["ACK", "BYE"])
            words.append("a call")
        callee.close()
        return f"caller: {', '.join(words)}; callee: {' '.join(methods) or 'nothing'}"

    def heard(self, caller, request):
        """What the caller has heard of his request."""
        ours = [m for m in caller.waiting if m.get("Call-ID") == request.get("Call-ID")]
        for m in ours:
            caller.waiting.remove(m)
        return [m for m in once(ours) if (m.status or 0) > 100]

    def asked(self, callee):
        """The methods that the callee has been sent; it answers a BYE."""
        requests = [m for m in callee.waiting if m.method]
        for m in requests:
            callee.waiting.remove(m)
            if m.method == "BYE":
                callee.answer(m, 200, contact=False)
        return [m.method for m in once(requests)]

    def hang_up_from(self, caller, request, ok, callee):
        """The caller acknowledges and hangs up; what the callee was sent."""
        dialog = Dialog.of_answer(caller, request, ok)
        dialog.ack()
        dialog.send("BYE")
        self.fence(caller, 5062)
        self.fence(callee)
        methods = self.asked(callee)
        caller.response(200, "BYE")
        return methods


if __name__ == "__main__":
    unittest.main()
