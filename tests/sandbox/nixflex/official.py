"""Nixflex's own client, told another address and nothing else: official.py <url> <key> <sid> <token> <number>."""

import json
import sys
import urllib.request

import nixflex
from nixflex import Nixflex

url, key, sid, token, number = sys.argv[1:]
client = Nixflex(api_key=key, base_url=f"{url}/nixflex", max_retries=0)


def admin(path, body):
    request = urllib.request.Request(
        f"{url}/admin/{path}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"null")


def refusal(kind, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except nixflex.NixflexError as refused:
        assert type(refused) is kind, type(refused)
        assert refused.doc_url and refused.request_id
        return refused.status, refused.code
    raise AssertionError("it was not refused")


# Agents.
agent = client.agents.create(name="Front desk", system_prompt="You answer calls.")["agent_id"]
assert client.agents.update(agent, welcome_message="Hello")["welcome_message"] == "Hello"
assert client.agents.update(agent, no_such_field=1)["welcome_message"] == "Hello"
assert client.agents.get(agent)["name"] == "Front desk"
assert [a["agent_id"] for a in client.agents.list(limit=10)] == [agent]
other = client.agents.create(name="Other", system_prompt="You answer calls.")["agent_id"]

# Import, and the names that its comment has wrong.
twilio = {"twilio_sid": sid, "twilio_token": token}
wrong = {"twilio_account_sid": sid, "twilio_auth_token": token}
assert refusal(nixflex.NixflexInvalidRequestError, client.phone_numbers.import_, number, agent, **wrong) == (
    400,
    "missing_field",
)
bad = {"twilio_sid": sid, "twilio_token": "wrong"}
assert refusal(nixflex.NixflexAuthenticationError, client.phone_numbers.import_, number, agent, **bad) == (
    401,
    "twilio_auth_failed",
)
row = client.phone_numbers.import_(number, agent, custom_prompt="Say hello.", **twilio)["phone_number"]
assert (row["agent_id"], row["provider"], row["custom_prompt"]) == (agent, "twilio", "Say hello.")
assert refusal(nixflex.NixflexError, client.phone_numbers.import_, number, other, **twilio) == (
    409,
    "number_already_imported",
)
placed = admin("call", {"to": number})
assert placed["hosted"] == {"agent": agent, "version": None}, placed

# The list, and changes.
listed = client.phone_numbers.list()
assert listed["count"] == 1 and listed["phone_numbers"][0]["phone_number"] == number
assert client.phone_numbers.list(agent_id=other) == {"phone_numbers": [], "count": 0}
changed = client.phone_numbers.update(number, custom_prompt=None, sms_prompt="Short.", record_call=True)
assert changed["phone_number"]["sms_prompt"] == "Short." and changed["phone_number"]["custom_prompt"] is None
assert refusal(nixflex.NixflexInvalidRequestError, client.phone_numbers.update, number) == (400, "missing_field")
assert client.phone_numbers.set_monitor(number, True)["monitor_enabled"] is True
assert client.phone_numbers.get_monitor(number)["monitor_enabled"] is True
assert client.phone_numbers.set_web_calls(number, False)["web_calls_enabled"] is False
assert client.phone_numbers.get_web_calls(number)["web_calls_enabled"] is False
assert client.webhooks.set(number, "https://e.example/hook", slot=2)["is_set"] is True
assert client.webhooks.get(number)["is_set"] is False
assert client.webhooks.delete(number, slot=2)["is_set"] is False

# The key and its limits.
usage = client.usage.get()
assert usage["max_concurrent"] == 10 and usage["rate_limit_per_minute"] == 600 and usage["total_calls"] == 1
admin("faults", {"fault": {"tooMany": {"retryAfter": 3}}})
try:
    client.usage.get()
    raise AssertionError("it was not refused")
except nixflex.NixflexRateLimitError as refused:
    assert (refused.retry_after_seconds, refused.details) == (3, {"retry_after": 3})
admin("faults", {"fault": {"serverErrorBefore": {"status": 502}}})
assert refusal(nixflex.NixflexServerError, client.usage.get) == (502, "provider_error")
rotated = client.keys.rotate()
assert refusal(nixflex.NixflexAuthenticationError, client.usage.get) == (401, "invalid_api_key")
client = Nixflex(api_key=f"{rotated['key_id']}:{rotated['key_secret']}", base_url=f"{url}/nixflex/", max_retries=0)

# The end.
assert client.phone_numbers.delete(number) == {"phone_number": {"phone_number": number, "deleted": True}}
assert refusal(nixflex.NixflexNotFoundError, client.phone_numbers.delete, number) == (404, "number_not_found")
assert client.agents.delete(agent) == {"agent_id": agent, "deleted": True}
assert refusal(nixflex.NixflexNotFoundError, client.agents.get, agent) == (404, "agent_not_found")

print("done")
