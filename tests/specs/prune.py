"""Cuts the official OpenAPI documents down to what the tests check against.

    python3 tests/specs/prune.py <directory with the documents of github.com/twilio/twilio-oai, named as below>

Kept: the paths listed here with their parameters, bodies, answers and examples, and every schema they refer to.
Dropped: descriptions, headers and vendor extensions. Nothing is changed.
"""

import json
import pathlib
import sys

V2010 = "/2010-04-01/Accounts/{AccountSid}"
KINDS = ["Local", "Mobile", "TollFree", "National", "SharedCost", "Voip", "MachineToMachine"]
PATHS = {
    "twilio_api_v2010": [
        "/2010-04-01/Accounts.json",
        "/2010-04-01/Accounts/{Sid}.json",
        V2010 + "/Balance.json",
        V2010 + "/IncomingPhoneNumbers.json",
        V2010 + "/IncomingPhoneNumbers/{Sid}.json",
        V2010 + "/AvailablePhoneNumbers.json",
        V2010 + "/AvailablePhoneNumbers/{CountryCode}.json",
    ]
    + [V2010 + f"/IncomingPhoneNumbers/{kind}.json" for kind in KINDS[:3]]
    + [V2010 + f"/AvailablePhoneNumbers/{{CountryCode}}/{kind}.json" for kind in KINDS],
    "twilio_messaging_v1": [
        "/v1/Services",
        "/v1/Services/{Sid}",
        "/v1/Services/{ServiceSid}/PhoneNumbers",
        "/v1/Services/{ServiceSid}/PhoneNumbers/{Sid}",
    ],
    "twilio_routes_v2": ["/v2/PhoneNumbers/{PhoneNumber}"],
    "twilio_pricing_v1": ["/v1/PhoneNumbers/Countries", "/v1/PhoneNumbers/Countries/{IsoCountry}"],
}
DROPPED = {"description", "summary", "headers", "tags", "security", "servers", "operationId"}


def pruned(node, names=False):
    """`names`: the keys of this object are names of things, so none of them is dropped."""
    if isinstance(node, list):
        return [pruned(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        # What stands in an example is data, whatever it is called.
        key: value if key == "example" or key == "examples" else pruned(value, key in ("properties", "paths", "schemas"))
        for key, value in node.items()
        if names or (key not in DROPPED and not key.startswith("x-"))
    }


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value.removeprefix("#/components/schemas/")
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def main():
    source, target = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
    for name, paths in PATHS.items():
        document = json.loads((source / f"{name}.json").read_text())
        kept = pruned({path: document["paths"][path] for path in paths}, names=True)
        schemas, wanted = {}, set(references(kept))
        while wanted - schemas.keys():
            for schema in wanted - schemas.keys():
                schemas[schema] = pruned(document["components"]["schemas"][schema])
                wanted |= set(references(schemas[schema]))
        result = {
            "openapi": document["openapi"],
            "info": {key: document["info"][key] for key in ("title", "version", "license") if key in document["info"]},
            "paths": kept,
            "components": {"schemas": dict(sorted(schemas.items()))},
        }
        (target / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


main()
