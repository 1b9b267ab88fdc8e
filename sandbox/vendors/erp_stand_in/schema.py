"""The models that are kept, how they hang together, and which fields are looked up by an index."""

TO_ONE = {
    ("account.invoice", "company"): "company.company",
    ("account.invoice", "currency"): "currency.currency",
    ("account.invoice", "party"): "party.party",
    ("account.tax", "company"): "company.company",
    ("company.company", "currency"): "currency.currency",
    ("party.address", "country"): "country.country",
    ("party.address", "subdivision"): "country.subdivision",
    ("party.party", "customer_payment_term"): "account.invoice.payment_term",
    ("party.party", "customer_tax_rule"): "account.tax.rule",
    ("party.party", "replaced_by"): "party.party",
    ("product.product", "sale_uom"): "product.uom",
    ("sale.line", "product"): "product.product",
    ("sale.line", "unit"): "product.uom",
    ("sale.sale", "company"): "company.company",
    ("sale.sale", "currency"): "currency.currency",
    ("sale.sale", "invoice_address"): "party.address",
    ("sale.sale", "party"): "party.party",
    ("sale.sale", "payment_term"): "account.invoice.payment_term",
    ("sale.sale", "shipment_address"): "party.address",
}
"""Fields that hold the id of a record of another model, or none."""

TO_MANY = {
    ("account.invoice", "lines_to_pay"): "account.move.line",
    ("account.invoice", "sales"): "sale.sale",
    ("party.party", "addresses"): "party.address",
    ("party.party", "identifiers"): "party.identifier",
    ("sale.line", "taxes"): "account.tax",
    ("sale.sale", "invoices"): "account.invoice",
    ("sale.sale", "lines"): "sale.line",
}
"""Fields that hold the ids of several."""

PLAIN = {
    "account.invoice": (
        *("number", "state", "type", "invoice_date", "total_amount", "untaxed_amount", "tax_amount", "amount_to_pay"),
    ),
    "account.invoice.payment_term": ("name", "days"),
    "account.move.line": ("maturity_date",),
    "account.tax": ("name", "rate"),
    "account.tax.rule": ("name",),
    "company.company": ("code", "timezone"),
    "country.country": ("code", "name"),
    "country.subdivision": ("code", "name"),
    "currency.currency": ("code", "digits", "rounding"),
    "ir.configuration": ("product_price_decimal",),
    "party.address": ("street", "postal_code", "city", "invoice", "delivery", "active"),
    "party.identifier": ("type", "code", "code_compact", "active"),
    "party.party": ("code", "name", "active", "credit_limit_amount", "credit_amount"),
    "product.product": ("code", "type", "salable", "list_price_used"),
    "product.uom": ("name", "digits"),
    "stock.location": ("name", "type"),
    "sale.line": ("type", "quantity", "unit_price", "amount", "description", "note"),
    "sale.sale": (
        *("number", "state", "reference", "description", "comment", "sale_date", "shipping_date", "invoice_method"),
        *("untaxed_amount", "tax_amount", "total_amount"),
    ),
}
"""The models, and their fields that hold a value."""

INDEXED = {
    "account.invoice": ("party",),
    "account.tax": ("name",),
    "country.country": ("code",),
    "country.subdivision": ("code",),
    "party.identifier": ("code",),
    "party.party": ("code", "identifiers.code"),
    "product.product": ("code",),
    "sale.sale": ("reference", "party"),
}
"""Fields by whose value records are found without looking at each. Values are only ever added to them."""

DEACTIVABLE = {"party.address", "party.identifier", "party.party"}
"""Models whose records can be taken out of use; then only those who ask for inactive ones too are shown them."""

PER_COMPANY = {
    ("party.party", "credit_limit_amount"),
    ("party.party", "credit_amount"),
    ("product.product", "list_price_used"),
}
"""Fields whose value depends on the company in whose context a request comes; without one, they are null."""


def is_field(model: str, name: str) -> bool:
    """Return whether the model has that field."""
    key = (model, name)
    return name == "id" or key in TO_ONE or key in TO_MANY or name in PLAIN[model]
