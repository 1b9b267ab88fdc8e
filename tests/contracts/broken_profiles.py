"""Documents that break a rule of Salesforce's, each made from the true one by one change."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

Document = dict[str, Any]
Breaks = Callable[[Document], None]
ORDER = "/v1/orders/{orderId}"


def get_order(document: Document) -> Document:
    found: Document = document["paths"][ORDER]["get"]
    return found


def submit_order(document: Document) -> Document:
    found: Document = document["paths"]["/v1/orders"]["post"]
    return found


def schema(document: Document, name: str) -> Document:
    found: Document = document["components"]["schemas"][name]
    return found


def view(document: Document) -> Document:
    found: Document = schema(document, "OrderView")["properties"]
    return found


# -- by rule ----------------------------------------------------------------------------------------------------------


def relabelled(document: Document) -> None:
    document["openapi"] = "3.1.0"


def type_as_a_list(document: Document) -> None:
    view(document)["reasonCode"]["type"] = ["string", "null"]


def type_null(document: Document) -> None:
    schema(document, "Fault")["properties"]["detail"]["type"] = "null"


def constant(document: Document) -> None:
    view(document)["reasonCode"]["const"] = "x"


def numeric_exclusive_minimum(document: Document) -> None:
    view(document)["version"]["exclusiveMinimum"] = 0


def webhooks(document: Document) -> None:
    document["webhooks"] = {}


def too_many_bytes(document: Document) -> None:
    document["x-filler"] = "x" * 10_000_001


def too_many_operations(document: Document) -> None:
    for number in range(41):
        operation = deepcopy(get_order(document))
        operation["operationId"] = f"getOrder{number}"
        document["paths"][f"{ORDER}/{number}"] = {"get": operation}


def too_many_schemas(document: Document) -> None:
    document["components"]["schemas"] |= {
        f"Extra{number}": {"type": "object", "properties": {}} for number in range(151)
    }


def head(document: Document) -> None:
    operation = deepcopy(get_order(document))
    operation["operationId"] = "headOrder"
    document["paths"][ORDER]["head"] = operation


def body_on_get(document: Document) -> None:
    get_order(document)["requestBody"] = deepcopy(submit_order(document)["requestBody"])


def problem_media_type(document: Document) -> None:
    content = get_order(document)["responses"]["404"]["content"]
    content["application/problem+json"] = deepcopy(content["application/json"])


def media_type_of_a_body(document: Document) -> None:
    content = submit_order(document)["requestBody"]["content"]
    content["application/merge-patch+json"] = content["application/json"]


def entity_tag_only_in_a_header(document: Document) -> None:
    del view(document)["version"]


def address_only_in_a_header(document: Document) -> None:
    del schema(document, "OrderAccepted")["properties"]["statusUrl"]


def wait_only_in_a_header(document: Document) -> None:
    del schema(document, "Problem")["properties"]["retryAfterSeconds"]


def replay_not_told(document: Document) -> None:
    del schema(document, "OrderAccepted")["properties"]["replayed"]


def deprecation_only_in_a_header(document: Document) -> None:
    get_order(document)["responses"]["200"]["headers"]["Deprecation"] = {
        "description": "When.",
        "schema": {"type": "string"},
    }
    del view(document)["warnings"]


def operation_id_with_a_dash(document: Document) -> None:
    get_order(document)["operationId"] = "get-order"


def operation_id_too_long(document: Document) -> None:
    get_order(document)["operationId"] = "g" * 61


def operation_ids_alike(document: Document) -> None:
    get_order(document)["operationId"] = "submitorder"


def parameter_with_a_dash(document: Document) -> None:
    get_order(document)["parameters"].append(
        {"name": "page-size", "in": "query", "schema": {"type": "integer"}, "description": "x"}
    )


def property_with_an_underscore(document: Document) -> None:
    view(document)["order_number"] = {"type": "string"}


def schema_with_a_dot(document: Document) -> None:
    document["components"]["schemas"]["Order.View"] = {"type": "object", "properties": {}}


def reserved_property(document: Document) -> None:
    view(document)["currency"] = {"type": "string"}


def reserved_parameter(document: Document) -> None:
    get_order(document)["parameters"].append(
        {"name": "limit", "in": "query", "schema": {"type": "integer"}, "description": "x"}
    )


def properties_differing_by_case(document: Document) -> None:
    view(document)["orderid"] = {"type": "string"}


def choice_of_types(document: Document) -> None:
    view(document)["reasonCode"] = {"type": "string", "oneOf": [{"type": "string"}, {"type": "string"}]}


def property_without_a_type(document: Document) -> None:
    view(document)["reasonCode"] = {"description": "Anything."}


def list_of_lists(document: Document) -> None:
    view(document)["subscriptionIds"]["items"] = {"type": "array", "items": {"type": "string"}}


def list_of_nameless_objects(document: Document) -> None:
    view(document)["timeline"]["items"] = {"type": "object", "properties": {"at": {"type": "string"}}}


def recursive_type(document: Document) -> None:
    schema(document, "OrderTimelineEntry")["properties"]["before"] = {"$ref": "#/components/schemas/OrderView"}


def external_reference(document: Document) -> None:
    view(document)["reasonCode"] = {"$ref": "problems.json#/Problem"}


def nameless_parameter(document: Document) -> None:
    get_order(document)["parameters"][0]["schema"] = {}


def money_as_a_number(document: Document) -> None:
    view(document)["totalAmount"] = {"type": "number"}


def money_without_a_pattern(document: Document) -> None:
    del view(document)["totalAmount"]["pattern"]


def long_description(document: Document) -> None:
    schema(document, "OrderView")["description"] = "x" * 1334


def no_content(document: Document) -> None:
    get_order(document)["responses"]["204"] = {"description": "Nothing."}


def operation_removed(document: Document) -> None:
    del document["paths"][ORDER]


def operation_renamed(document: Document) -> None:
    get_order(document)["operationId"] = "readOrder"


def operation_moved(document: Document) -> None:
    document["paths"]["/v1/order/{orderId}"] = document["paths"].pop(ORDER)


def required_parameter_removed(document: Document) -> None:
    submit_order(document)["parameters"] = []


def required_property_renamed(document: Document) -> None:
    properties = view(document)
    properties["tax"] = properties.pop("taxAmount") | {"type": "string"}


def type_removed(document: Document) -> None:
    document["components"]["schemas"]["TimelineEntry"] = document["components"]["schemas"].pop("OrderTimelineEntry")
    view(document)["timeline"]["items"]["$ref"] = "#/components/schemas/TimelineEntry"


def slow(document: Document) -> None:
    get_order(document)["x-quoteway-answer-within-seconds"] = 30


def no_promise(document: Document) -> None:
    del get_order(document)["x-quoteway-answer-within-seconds"]


def security_scheme(document: Document) -> None:
    document["components"]["securitySchemes"] = {"accessToken": {"type": "http", "scheme": "bearer"}}


def security_requirement(document: Document) -> None:
    get_order(document)["security"] = [{"accessToken": []}]


BROKEN: dict[int, list[Breaks]] = {
    1: [relabelled, type_as_a_list, type_null, constant, numeric_exclusive_minimum, webhooks],
    2: [too_many_bytes, too_many_operations, too_many_schemas],
    3: [head, body_on_get],
    4: [problem_media_type, media_type_of_a_body],
    5: [
        entity_tag_only_in_a_header,
        address_only_in_a_header,
        wait_only_in_a_header,
        replay_not_told,
        deprecation_only_in_a_header,
    ],
    6: [
        operation_id_with_a_dash,
        operation_id_too_long,
        operation_ids_alike,
        parameter_with_a_dash,
        property_with_an_underscore,
        schema_with_a_dot,
    ],
    7: [reserved_property, reserved_parameter, properties_differing_by_case],
    8: [
        choice_of_types,
        property_without_a_type,
        list_of_lists,
        list_of_nameless_objects,
        recursive_type,
        external_reference,
        nameless_parameter,
    ],
    9: [money_as_a_number, money_without_a_pattern, long_description, no_content],
    10: [
        operation_removed,
        operation_renamed,
        operation_moved,
        required_parameter_removed,
        required_property_renamed,
        type_removed,
    ],
    11: [slow, no_promise],
    12: [security_scheme, security_requirement],
}
