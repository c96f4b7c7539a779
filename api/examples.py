"""An example of everything that calls take and give, from what their schemas say of each field."""

# For fields that give no example of their own, by name, or by that of the thing and theirs.
KNOWN = {
    "customer.name": "Asha Rao",
    "customer.id": 7,
    "service.name": "Tap or mixer repair",
    "service.id": 1,
    "allowed_actions": ["cancel"],
    "role": "customer",
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9...",
    "refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9...",
    "approval_reason": None,
    "bio": "Plumber for twelve years.",
    "blocked_reason": None,
    "by": "professional",
    "category": "Plumbing",
    "comment": "On time and thorough.",
    "description": "Leaks, cartridges and handles.",
    "detail": "Somebody else has booked this time. Choose another.",
    "distance_km": 3.2,
    "download_url": "/api/admin/exports/7/file",
    "duration_minutes": 60,
    "email": "asha@example.com",
    "ends_at": "2026-11-24T12:00:00+05:30",
    "error": None,
    "experience_years": 12,
    "id": 42,
    "label": "Tap or mixer repair",
    "line1": "12, 3rd Cross",
    "missing": [],
    "name": "Dev Menon",
    "next_cursor": None,
    "password": "a long one of your own",
    "phone": "+919999900001",
    "pincode": "560001",
    "place": "Bengaluru",
    "radius_km": 10,
    "rating": 5,
    "rating_count": 31,
    "reason": "I am ill that day.",
    "remarks": "Ring twice.",
    "rows": 1200,
    "service_id": 1,
    "status": 409,
    "status_url": "/api/admin/exports/7",
    "title": "Conflict",
    "totp": "123456",
}
BY_FORMAT = {"date-time": "2026-11-24T11:00:00+05:30", "date": "2026-11-24", "email": "asha@example.com"}
BY_TYPE = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None, "object": {}}


def of(schema: dict, components: dict, name: str = ""):
    """A value of this schema; `components` are the document's schemas, `name` is the field's."""
    if "$ref" in schema:
        return of(components[schema["$ref"].rpartition("/")[2]], components, name)
    if "example" in schema:
        return schema["example"]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return of(schema[several][0], components, name)
    if "properties" in schema:
        known = {field: f"{name}.{field}" if f"{name}.{field}" in KNOWN else field for field in schema["properties"]}
        return {field: of(inner, components, known[field]) for field, inner in schema["properties"].items()}
    if schema.get("type") == "array" and name not in KNOWN:
        return [of(schema["items"], components, name.removesuffix("s"))]
    if "enum" in schema:
        return schema["enum"][0]
    if name in KNOWN:
        return KNOWN[name]
    kind = schema.get("type", "object")
    return BY_FORMAT.get(schema.get("format"), BY_TYPE[kind[0] if isinstance(kind, list) else kind])
