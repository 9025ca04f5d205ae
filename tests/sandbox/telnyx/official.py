"""Telnyx's own client, told another address and nothing else: official.py <url> <key>."""

import json
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import telnyx
from telnyx import Telnyx
from telnyx._models import BaseModel

url, key = sys.argv[1:]
client = Telnyx(api_key=key, base_url=f"{url}/v2", max_retries=0)


def checked(answer):
    """The answer, if it is what its type says: the client itself would take anything."""
    seen = set()

    def walk(value):
        if isinstance(value, BaseModel):
            extra = set(value.model_extra or {})
            assert not extra, f"{type(value).__name__} has no {extra}"
            seen.add(type(value).__name__)
            for name in type(value).model_fields:
                walk(getattr(value, name, None))
        elif isinstance(value, list):
            for item in value:
                walk(item)

    type(answer).model_validate(json.loads(answer.model_dump_json(by_alias=True, exclude_unset=True)))
    walk(answer)
    assert seen
    return answer


def listed(page):
    return [checked(row) for row in page]


def admin(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/admin/{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def refusal(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except telnyx.APIStatusError as refused:
        return refused.status_code, refused.body["errors"][0]["code"]
    raise AssertionError("it was not refused")


# Search, reserve, order, and wait for the end.
wanted = {"country_code": "US", "national_destination_code": "415", "features": ["sms", "voice"], "limit": 5}
found = checked(client.available_phone_numbers.list(filter=wanted))
assert len(found.data) == 5 and all(n.phone_number.startswith("+1415") and not n.best_effort for n in found.data)
assert found.data[0].cost_information.monthly_cost == "1.15" and found.meta.total_results == 5
wide = {"locality": "Oakland", "limit": 120, "best_effort": True, "phone_number": {"starts_with": "510"}}
assert checked(client.available_phone_numbers.list(filter=wide)).meta.best_effort_results == 20
number = found.data[0].phone_number
held = checked(client.number_reservations.create(phone_numbers=[{"phone_number": number}], customer_reference="dp1:x"))
assert held.data.phone_numbers[0].expired_at.timestamp() > time.time() + 29 * 60
assert refusal(client.number_reservations.create, phone_numbers=[{"phone_number": number}]) == (422, "85006")
longer = checked(client.number_reservations.actions.extend(held.data.id))
assert longer.data.phone_numbers[0].expired_at > held.data.phone_numbers[0].expired_at
assert checked(client.number_reservations.retrieve(held.data.id)).data.id == held.data.id
assert [r.id for r in listed(client.number_reservations.list(filter={"customer_reference": "dp1:x"}))] == [held.data.id]

application = checked(client.texml_applications.create(friendly_name="dialplane a", voice_url="https://e.example/v"))
profile = checked(client.messaging_profiles.create(name="dialplane a", whitelisted_destinations=["US"]))
before = float(checked(client.balance.retrieve()).data.balance)
order = checked(
    client.number_orders.create(
        phone_numbers=[{"phone_number": number}],
        connection_id=application.data.id,
        messaging_profile_id=profile.data.id,
        customer_reference="dp1:x",
    )
)
assert order.data.status == "pending", order.data.status
while client.number_orders.retrieve(order.data.id).data.status == "pending":
    time.sleep(0.01)
done = checked(client.number_orders.retrieve(order.data.id))
assert done.data.status == "success" and done.data.phone_numbers[0].status == "success"
assert [o.id for o in listed(client.number_orders.list(filter={"customer_reference": "dp1:x"}))] == [order.data.id]
parts = {"order_request_id": order.data.id, "include_phone_numbers": True}
assert checked(client.sub_number_orders.list(filter=parts)).data[0].status == "success"
assert refusal(client.sub_number_orders.cancel, done.data.sub_number_orders_ids[0])[0] == 422
assert checked(client.number_orders.update(order.data.id, customer_reference="dp1:z")).data.customer_reference == "dp1:z"
assert round(before - float(client.balance.retrieve().data.balance), 2) == 2.15
assert refusal(client.number_orders.create, phone_numbers=[{"phone_number": number}]) == (422, "85001")
assert refusal(client.number_orders.create, phone_numbers=[{"phone_number": "+14155550999"}])[1] == "85000"

# The number, found by its digits, and never with a plus.
assert list(client.phone_numbers.list(filter={"phone_number": number})) == []
[bought] = client.phone_numbers.list(filter={"phone_number": number.lstrip("+")})
checked(bought)
assert (bought.connection_id, bought.connection_name) == (application.data.id, "dialplane a")
assert (bought.messaging_profile_id, bought.customer_reference) == (profile.data.id, "dp1:x")
assert len(listed(client.phone_numbers.list(page_size=3))) == 8, "several pages"
assert len(list(client.phone_numbers.list(filter={"country_iso_alpha2": ["US", "CA"]}))) == 8
named = {"voice_connection_name": {"contains": "dialplane"}}
assert [n.id for n in client.phone_numbers.list(filter=named)] == [bought.id]
changed = checked(client.phone_numbers.update(bought.id, tags=["dp1"], customer_reference="dp1:y"))
assert (changed.data.tags, changed.data.customer_reference) == (["dp1"], "dp1:y")
assert checked(client.phone_numbers.retrieve(bought.id)).data.tags == ["dp1"]
assert [n.id for n in client.phone_numbers.list(filter={"tag": "dp1"})] == [bought.id]
messaging = checked(client.phone_numbers.messaging.update(bought.id, messaging_profile_id=""))
assert messaging.data.messaging_profile_id is None
checked(client.phone_numbers.messaging.update(bought.id, messaging_profile_id=profile.data.id))
assert checked(client.phone_numbers.messaging.retrieve(bought.id)).data.messaging_profile_id == profile.data.id
[member] = client.messaging_profiles.list_phone_numbers(profile.data.id)
assert checked(member).phone_number == number

# Call forwarding, which a person sets.
assert checked(client.phone_numbers.voice.retrieve(bought.id)).data.call_forwarding.forwards_to == ""
away = {"call_forwarding_enabled": True, "forwards_to": "+14155559999", "forwarding_type": "always"}
assert checked(client.phone_numbers.voice.update(bought.id, call_forwarding=away)).data.call_forwarding.forwarding_type == "always"
assert [v.id for v in listed(client.phone_numbers.voice.list()) if v.call_forwarding.forwards_to] == [bought.id]
assert admin("call", {"to": number})["outcome"] == "forwarded"
checked(client.phone_numbers.voice.update(bought.id, call_forwarding={"forwards_to": ""}))

# A text, whose webhook the client itself checks.
got = []


class Agent(BaseHTTPRequestHandler):
    def do_POST(self):
        got.append((self.rfile.read(int(self.headers["content-length"])).decode(), dict(self.headers)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Agent)
threading.Thread(target=server.serve_forever, daemon=True).start()
hook = f"http://127.0.0.1:{server.server_port}/texts"
assert checked(client.messaging_profiles.update(profile.data.id, webhook_url=hook)).data.webhook_url == hook
assert admin("text", {"to": number, "body": "hello"})["outcome"] == "answered"
[account] = admin("accounts")
event = client.webhooks.unwrap(got[0][0], headers=got[0][1], key=account["webhookKey"])
assert event.data.event_type == "message.received" and event.data.payload.text == "hello"
telnyx.types.InboundMessageWebhookEvent.model_validate(json.loads(got[0][0]))

# What numbers share.
read = checked(client.texml_applications.retrieve(application.data.id))
assert (read.data.voice_method, read.data.voice_url) == ("post", "https://e.example/v")
moved = checked(client.texml_applications.update(application.data.id, friendly_name="dialplane b", voice_url=hook))
assert moved.data.voice_url == hook
assert [a.id for a in listed(client.texml_applications.list(filter={"friendly_name": "PLANE"}))] == [application.data.id]
assert refusal(client.texml_applications.delete, application.data.id) == (422, "10021")
assert checked(client.messaging_profiles.retrieve(profile.data.id)).data.name == "dialplane a"
assert [p.id for p in listed(client.messaging_profiles.list(filter_name_eq="dialplane a"))] == [profile.data.id]

# Giving back, and what is not there.
assert checked(client.phone_numbers.delete(bought.id)).data.phone_number == number
assert refusal(client.phone_numbers.retrieve, bought.id) == (404, "10005")
assert client.number_orders.retrieve(order.data.id).data.status == "deleted"
assert checked(client.texml_applications.delete(application.data.id)).data.id == application.data.id
assert checked(client.messaging_profiles.delete(profile.data.id)).data.id == profile.data.id
assert refusal(Telnyx(api_key="KEYwrong", base_url=f"{url}/v2", max_retries=0).balance.retrieve) == (401, "10009")

print("done")
