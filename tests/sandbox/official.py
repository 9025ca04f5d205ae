"""Twilio's own client, told another address and nothing else: official.py <url> <account> <token>."""

import json
import sys

from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

url, account, token = sys.argv[1:]
client = Client(account, token)
client.api.base_url = client.messaging.base_url = client.pricing.base_url = client.routes.base_url = url


def refusal(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except TwilioRestException as refused:
        return refused.status, refused.code
    except TwilioException as refused:  # listings are refused in this cruder form
        response = refused.args[1]
        return response.status_code, json.loads(response.text)["code"]
    raise AssertionError("it was not refused")


# Listing: several pages, a limit, a filter, and a walk through pages by hand.
numbers = client.incoming_phone_numbers.list(page_size=3)
assert len(numbers) == 7 and len({number.sid for number in numbers}) == 7, numbers
assert len(list(client.incoming_phone_numbers.stream(limit=4, page_size=2))) == 4
assert len(client.incoming_phone_numbers.list(phone_number="+1415")) == 7
assert [n.phone_number for n in client.incoming_phone_numbers.list(phone_number="+14155550103")] == ["+14155550103"]
assert len(client.incoming_phone_numbers.list(friendly_name="line 3")) == 1
assert len(client.incoming_phone_numbers.local.list()) == 7
page = client.incoming_phone_numbers.page(page_size=5)
assert len(list(page)) == 5
rest = page.next_page()
assert len(list(rest)) == 2 and rest.next_page() is None
assert len(list(rest.previous_page())) == 5

# Reading and changing.
[number] = client.incoming_phone_numbers.list(phone_number="+14155550100")
assert number.date_created.year >= 2024 and number.capabilities["voice"] is True
handle = client.incoming_phone_numbers(number.sid)
changed = handle.update(voice_url="https://engine.example.com/voice", voice_method="GET", sms_url="https://e.example/s")
assert (changed.voice_url, changed.voice_method) == ("https://engine.example.com/voice", "GET"), changed.voice_url
assert handle.fetch().sms_url == "https://e.example/s"
cleared = handle.update(voice_url="", sms_url="")
assert not cleared.voice_url and not cleared.sms_url
assert refusal(handle.update, voice_url="nonsense") == (400, 21402)
assert refusal(handle.update, voice_fallback_url="https://e.example/f") == (400, 21405)
assert refusal(client.incoming_phone_numbers("PN" + "0" * 32).fetch) == (404, 20404)

# Searching, prices and buying.
offers = client.available_phone_numbers("US").local.list(area_code=415, sms_enabled=True, limit=5)
assert len(offers) == 5 and all(offer.phone_number.startswith("+1415") for offer in offers)
assert client.available_phone_numbers("US").local.list(area_code=999) == []
assert refusal(client.available_phone_numbers("XX").local.list) == (404, 20404)
assert "US" in {country.country_code for country in client.available_phone_numbers.list()}
prices = client.pricing.v1.phone_numbers.countries("US").fetch()
assert prices.price_unit == "USD" and prices.phone_number_prices[0]["number_type"] == "local"
assert len(client.pricing.v1.phone_numbers.countries.list(page_size=2)) == 5
before = float(client.api.v2010.account.balance.fetch().balance)
bought = client.incoming_phone_numbers.create(phone_number=offers[0].phone_number, friendly_name="marker", voice_url="")
assert bought.phone_number == offers[0].phone_number and bought.friendly_name == "marker" and not bought.voice_url
assert float(client.api.v2010.account.balance.fetch().balance) < before
second = client.incoming_phone_numbers.create(area_code="212")
assert second.phone_number.startswith("+1212")
assert refusal(client.incoming_phone_numbers.create, phone_number="+19995550100") == (400, 21422)
assert client.incoming_phone_numbers(second.sid).delete()
assert len(client.incoming_phone_numbers.list()) == 8

# The region that takes a number's calls.
route = client.routes.v2.phone_numbers("+14155550100")
assert (route.fetch().voice_region, route.fetch().account_sid) == ("us1", account)
assert route.update(voice_region="ie1").voice_region == "ie1" and route.fetch().voice_region == "ie1"
assert route.update(voice_region="us1", friendly_name="home").friendly_name == "home"
assert refusal(route.update, voice_region="moon")[0] == 400
assert refusal(client.routes.v2.phone_numbers("+14155559999").fetch) == (404, 20404)

# Messaging services and the account.
[service] = client.messaging.v1.services.list(page_size=1)
assert service.use_inbound_webhook_on_number is False and service.inbound_request_url is None
[member] = client.messaging.v1.services(service.sid).phone_numbers.list()
assert member.sid == number.sid and member.phone_number == "+14155550100"
made = client.messaging.v1.services.create(friendly_name="Texts", use_inbound_webhook_on_number=True)
assert refusal(client.messaging.v1.services(made.sid).phone_numbers.create, phone_number_sid=number.sid)[1] == 21712
assert len(client.messaging.v1.services.list(page_size=1)) == 2
assert client.api.v2010.accounts(account).fetch().status == "active"
stranger = Client(account, "wrong")
stranger.api.base_url = url
assert refusal(stranger.incoming_phone_numbers.list) == (401, 20003)

print("done")
