"""JSON Schema of messages, for those who do not have the classes."""

from collections.abc import Iterable
from typing import Any

from pydantic.errors import PydanticUserError
from pydantic.json_schema import models_json_schema

from broker.errors import ContractError
from broker.messages.catalogue import place
from broker.messages.message import Message

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]
"""A JSON Schema that is an object."""


def json_schema(message_class: type[Message]) -> Schema:
    """Return the JSON Schema (2020-12) of a kind's body, complete in itself.

    Raises ContractError naming the class when it has a field that JSON cannot say.
    """
    try:
        schema = message_class.model_json_schema()
    except PydanticUserError as exc:
        raise _unsayable(message_class, exc) from exc
    named = {"$schema": DIALECT, "$id": f"urn:interapp:{message_class.kind}:{message_class.version}"}
    return named | schema | {"title": message_class.kind}


def shared_schemas(classes: Iterable[type[Message]], ref_template: str) -> tuple[dict[str, str], dict[str, Schema]]:
    """Return the name of each kind's schema, and all schemas by name; they refer to each other as the template says.

    Raises ContractError naming the class when one has a field that JSON cannot say.
    """
    classes = list(classes)
    for message_class in classes:
        json_schema(message_class)
    # What it names differently than asked is two classes of one name: they are told apart by their modules.
    found, definitions = models_json_schema([(each, "validation") for each in classes], ref_template=ref_template)
    prefix = ref_template.partition("{model}")[0]
    names = {each.kind: found[each, "validation"]["$ref"].removeprefix(prefix) for each in classes}
    return names, definitions.get("$defs", {})


def as_draft_07(schema: Any) -> Any:
    """Return a schema that pydantic wrote as draft 07 has it, which AsyncAPI's tools understand."""
    if not isinstance(schema, dict):
        return schema
    made: Schema = {}
    for keyword, value in schema.items():
        if keyword in ("properties", "patternProperties"):
            made[keyword] = {name: as_draft_07(each) for name, each in value.items()}
        elif keyword in ("anyOf", "oneOf", "allOf"):
            made[keyword] = [as_draft_07(each) for each in value]
        elif keyword == "prefixItems":
            made["items"] = [as_draft_07(each) for each in value]
        elif keyword == "items" and "prefixItems" in schema:
            made["additionalItems"] = as_draft_07(value)
        elif keyword in ("items", "additionalProperties", "propertyNames", "contains", "not"):
            made[keyword] = as_draft_07(value)
        elif keyword != "discriminator":
            # What pydantic writes there is OpenAPI's; AsyncAPI has another thing of that name.
            made[keyword] = value
    if "$ref" in made and len(made) > 1:
        # Draft 07 does not look at what stands beside a reference.
        made = {"allOf": [{"$ref": made.pop("$ref")}], **made}
    return made


def _unsayable(message_class: type[Message], error: PydanticUserError) -> ContractError:
    return ContractError(
        f"{message_class.kind} ({place(message_class)}) has a field that JSON Schema cannot say: {error.message}"
    )
