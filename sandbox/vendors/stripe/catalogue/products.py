"""Products."""

from __future__ import annotations

from sandbox.vendors.stripe.gateway.listing import CREATED, PAGE, list_records
from sandbox.vendors.stripe.gateway.operation import Call, Operation
from sandbox.vendors.stripe.store import Record, new_id
from sandbox.vendors.stripe.wire.errors import invalid
from sandbox.vendors.stripe.wire.params import Boolean, Items, Metadata, Param, Text, merge_metadata

_OPTIONAL: dict[str, Param] = {
    "active": Boolean(),
    "description": Text(unset=True),
    "images": Items(of=Text(), count_max=8, unset=True),
    "metadata": Metadata(),
    "shippable": Boolean(),
    "statement_descriptor": Text(unset=True, chars_max=22),
    "tax_code": Text(unset=True),
    "unit_label": Text(unset=True, chars_max=12),
    "url": Text(unset=True),
}


def create(call: Call) -> Record:
    """POST /v1/products; the caller may choose the id"""
    account, params = call.account, call.params
    product_id = params.get("id") or new_id("prod", 14)
    if account.store.get("product", product_id) is not None:
        raise invalid(f"Product already exists: {product_id}.", code="resource_already_exists", param="id")
    product = account.new(
        "product",
        product_id,
        active=True,
        default_price=None,
        description=None,
        images=[],
        marketing_features=[],
        metadata={},
        name=params["name"],
        package_dimensions=None,
        shippable=None,
        statement_descriptor=None,
        tax_code=None,
        type="service",
        unit_label=None,
        updated=account.now(),
        url=None,
    )
    _apply(call, product)
    account.store.put(product)
    account.emit("product.created", product)
    return product


def update(call: Call) -> Record:
    """POST /v1/products/{id}"""
    product = call.fetch("product")
    before = call.account.shown(product)
    default = call.params.get("default_price")
    if default is not None and call.account.fetch("price", default, param="default_price")["product"] != product["id"]:
        raise invalid(f"The price {default} does not belong to this product.", param="default_price")
    _apply(call, product)
    product["updated"] = call.account.now()
    call.account.store.put(product)
    call.account.emit_update("product.updated", before, product)
    return product


def delete(call: Call) -> Record:
    """DELETE /v1/products/{id}: only one without prices"""
    product = call.fetch("product")
    if call.account.store.scan("price", product=product["id"]):
        raise invalid("This product cannot be deleted because it has one or more user-created prices.")
    call.account.emit("product.deleted", product)
    call.account.store.remove("product", product["id"])
    return {"id": product["id"], "object": "product", "deleted": True}


def list_products(call: Call) -> Record:
    """GET /v1/products"""
    ids = call.params.get("ids")
    return list_records(call, "product", matches=lambda product: ids is None or product["id"] in ids)


def _apply(call: Call, product: Record) -> None:
    for name, value in call.params.items():
        if name == "metadata":
            product["metadata"] = merge_metadata(product["metadata"], value)
        elif name == "images":
            product["images"] = value or []
        elif name in {*_OPTIONAL, "name", "default_price"}:
            product[name] = value


OPERATIONS = (
    Operation("POST", "/v1/products", create, {**_OPTIONAL, "id": Text(), "name": Text(required=True)}),
    Operation(
        "GET",
        "/v1/products",
        list_products,
        {**PAGE, **CREATED, "active": Boolean(), "ids": Items(of=Text()), "shippable": Boolean(), "url": Text()},
    ),
    Operation("GET", "/v1/products/{id}", lambda call: call.fetch("product")),
    Operation("POST", "/v1/products/{id}", update, {**_OPTIONAL, "name": Text(), "default_price": Text()}),
    Operation("DELETE", "/v1/products/{id}", delete),
)
