"""The OpenAPI document as a page shows it: calls in groups, with their fields, an example, and errors."""

import json
import re
import shlex
from dataclasses import dataclass

LONGEST = 2**53
FORMATS = {"date-time": "time with offset", "date": "date", "binary": "file"}
KINDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}


@dataclass(frozen=True)
class Field:
    """What is sent by one name: in the path, the query, a header or the body."""

    name: str
    where: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True)
class Call:
    """`answer` is None for a call that answers nothing; `refusals` are its statuses that are errors."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    fields: list[Field]
    command: str
    status: str
    answer: str | None
    refusals: list[str]


@dataclass(frozen=True)
class Group:
    anchor: str
    name: str
    description: str
    calls: list[Call]


@dataclass(frozen=True)
class Reference:
    """All calls, by tag and in the order of the document, and how a refusal looks."""

    groups: list[Group]
    problem: str


def read(spec: dict) -> Reference:
    names = [(tag["name"], tag["description"]) for tag in spec["tags"]]
    found = {name: Group(_anchor("about", name), name, about, []) for name, about in names}
    for path, operations in spec["paths"].items():
        shared = operations.get("parameters", [])
        for method, operation in operations.items():
            if method != "parameters":
                found[operation["tags"][0]].calls.append(_call(spec, path, method, operation, shared))
    return Reference(list(found.values()), _pretty(spec["components"]["schemas"]["Problem"]["example"]))


def _call(spec, path, method, operation, shared):
    status = next(code for code in operation["responses"] if code.startswith("2"))
    answer = next(iter(operation["responses"][status].get("content", {}).values()), {}).get("example")
    taken = [*shared, *operation.get("parameters", ())]
    parameters = [_field(one["name"], one["in"], one["schema"], one) for one in taken]
    return Call(
        anchor=_anchor("call", operation["operationId"]),
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation["description"],
        fields=[*parameters, *_body_fields(spec, operation)],
        command=_command(spec, path, method, operation),
        status=status,
        answer=None if answer is None else _pretty(answer),
        refusals=sorted(code for code in operation["responses"] if code.startswith("4")),
    )


# -- What is sent -------------------------------------------------------------------------------


def _body_fields(spec, operation):
    content = _body(operation)
    return list(_fields_of(spec, content["schema"])) if content else []


def _body(operation):
    return operation.get("requestBody", {}).get("content", {}).get("application/json")


def _fields_of(spec, schema, before=""):
    """The fields of a body; those within a field are named after it, such as address.pincode."""
    whole = _resolved(spec, schema)
    for name, inner in whole.get("properties", {}).items():
        required = {"required": name in whole.get("required", ()), "description": inner.get("description", "")}
        yield _field(f"{before}{name}", "body", _resolved(spec, inner), required)
        yield from _fields_of(spec, inner, f"{before}{name}.")


def _resolved(spec, schema):
    return spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _field(name, where, schema, told):
    return Field(name, where, _kind(schema), told.get("required", False), told.get("description", ""))


def _kind(schema):
    """What may stand there, in words."""
    if "enum" in schema:
        return "one of " + ", ".join(json.dumps(one) for one in schema["enum"])
    kinds = schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type", "object")]
    if kinds[0] == "array":
        return f"list of: {_kind(schema['items'])}"
    words = FORMATS.get(schema.get("format")) or KINDS.get(kinds[0], "object")
    return f"{words}{_bounds(schema)}{' or null' if 'null' in kinds else ''}"


def _bounds(schema):
    least = schema.get("minimum", schema.get("minLength"))
    most = schema.get("maximum", schema.get("maxLength"))
    unit = " characters" if "maxLength" in schema else ""
    if most is None or most > LONGEST:
        return ""
    return f", up to {most:,}{unit}" if not least else f", {least:,} to {most:,}{unit}"


# -- Examples -----------------------------------------------------------------------------------


def _command(spec, path, method, operation):
    """The call as curl makes it. What is asked in the query is asked where it must be."""
    query = [
        f"{one['name']}={one.get('example', one['schema'].get('example', 1))}"
        for one in operation.get("parameters", ())
        if one["in"] == "query" and one.get("required")
    ]
    address = spec["servers"][0]["url"] + re.sub(r"{\w+}", "42", path)
    parts = [f"curl {shlex.quote('?'.join([address, *query]))}" if query else f"curl {address}"]
    body = _body(operation)
    if method != "get" and not (method == "post" and body and body["example"]):
        parts.append(f"-X {method.upper()}")
    for scheme in operation["security"]:
        parts.append(f'-H "Authorization: Bearer ${"TOKEN" if "token" in scheme else "REFRESH_TOKEN"}"')
    if body and body["example"]:
        parts += ['-H "Content-Type: application/json"', f"-d {shlex.quote(_pretty(body['example']))}"]
    return " \\\n  ".join(parts)


def _pretty(value):
    return json.dumps(value, ensure_ascii=False, indent=2)


def _anchor(kind, name):
    return f"{kind}-{name}".lower().replace("_", "-").replace(" ", "-")
