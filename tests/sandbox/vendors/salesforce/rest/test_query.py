"""Queries against the seeded org, through the query resource."""

import pytest

from sandbox.vendors.salesforce.org.query_cursors import CURSORS_MAX
from tests.sandbox.vendors.salesforce.conftest import API, Org

ACME = "001QW0000000001YAA"
BLUEFIN = "001QW0000000002YAA"
QUOTE_1 = "0Q0QW00000000010AA"


async def test_a_quote_with_its_parents_and_lines(org: Org) -> None:
    [quote] = await org.records(
        "SELECT Id, QuoteNumber, Revision__c, GrandTotal, Subtotal, CurrencyIsoCode, Account.Name, "
        "Opportunity.Account.BillingCountryCode, "
        "(SELECT LineNumber, Product2.ProductCode, Quantity, UnitPrice, Discount, TotalPrice FROM QuoteLineItems "
        "WHERE Quantity > 1 ORDER BY SortOrder DESC) FROM Quote WHERE Id = '0Q0QW0000000001'"
    )
    assert quote["attributes"] == {"type": "Quote", "url": f"{API}/sobjects/Quote/{QUOTE_1}"}
    assert quote["Account"] == {
        "attributes": {"type": "Account", "url": f"{API}/sobjects/Account/{ACME}"},
        "Name": "Acme Industriewerke GmbH",
    }
    assert quote["Opportunity"]["Account"]["BillingCountryCode"] == "DE"
    # 2 x 1490.00 less 5 %, 20 x 89.50, 1 x 980.00, 20 x 4.90
    assert (quote["Subtotal"], quote["GrandTotal"]) == (5848.0, 5699.0)
    lines = quote["QuoteLineItems"]
    assert (lines["totalSize"], lines["done"]) == (3, True)
    assert [line["Product2"]["ProductCode"] for line in lines["records"]] == ["MON-STD", "SENSOR-TEMP", "GATEWAY-EDGE"]
    assert lines["records"][2]["TotalPrice"] == 2831.0
    assert lines["records"][2]["Discount"] == 5.0
    assert lines["records"][0]["Discount"] is None


async def test_numbers_are_printed_like_the_real_api(org: Org) -> None:
    answer = await org.call(
        "GET", "/query", params={"q": f"SELECT Revision__c, GrandTotal FROM Quote WHERE Id = '{QUOTE_1}'"}
    )
    assert '"Revision__c":1.0,"GrandTotal":5699.0' in answer.text
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("Name LIKE 'acme%'", ["Acme"]),
        ("Name LIKE '%GMBH' AND BillingCity != 'Hamburg'", ["Acme", "Donau"]),
        ("NOT Name LIKE '%GmbH'", ["Bluefin"]),
        ("Name = 'BLUEFIN cold storage inc.'", ["Bluefin"]),
        ("Name IN ('Acme Industriewerke GmbH', 'nobody', 'Donau Frischdienst GmbH')", ["Acme", "Donau"]),
        ("Name NOT IN ('Acme Industriewerke GmbH')", ["Bluefin", "Donau", "Tidewater"]),
        (f"Id = '{ACME}'", ["Acme"]),
        (f"Id = '{ACME[:15]}'", ["Acme"]),
        (f"Id IN ('{ACME}', '{BLUEFIN.lower()}')", ["Acme", "Bluefin"]),
        (f"Id != '{ACME}'", ["Bluefin", "Donau", "Tidewater"]),
        ("Id = null", []),
        ("VAT_Id__c = null", ["Bluefin"]),
        ("VAT_Id__c = ''", ["Bluefin"]),
        ("VAT_Id__c != null", ["Acme", "Donau", "Tidewater"]),
        ("VAT_Id__c != 'ATU13585627'", ["Acme", "Bluefin", "Tidewater"]),
        ("VAT_Id__c NOT IN ('ATU13585627')", ["Acme", "Bluefin", "Tidewater"]),
        ("VAT_Id__c > 'DE5'", ["Acme"]),
        ("IsDeleted = false AND CreatedDate = TODAY", ["Acme", "Bluefin", "Donau", "Tidewater"]),
        ("CreatedDate < LAST_N_DAYS:3", []),
        ("CreatedDate >= 2020-01-01T00:00:00Z AND BillingCountryCode = 'US'", ["Bluefin"]),
        ("Owner.Username = 'ada.sales@nordwind.example' AND BillingStateCode = 'CA'", ["Bluefin"]),
        ("Id IN (SELECT AccountId FROM Opportunity WHERE StageName = 'Proposal/Price Quote')", ["Acme"]),
        ("Id NOT IN (SELECT AccountId FROM Opportunity WHERE CurrencyIsoCode = 'EUR')", ["Bluefin"]),
        ("(Name LIKE 'A%' OR Name LIKE 'B%') AND (NOT BillingCountryCode = 'US')", ["Acme"]),
    ],
)
async def test_conditions(org: Org, condition: str, names: list[str]) -> None:
    records = await org.records(f"SELECT Name FROM Account WHERE {condition} ORDER BY Name")
    assert [record["Name"].split()[0] for record in records] == names


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("Quantity = 20", 2),
        ("Quantity >= 10 AND Quantity < 20", 3),
        ("UnitPrice = 4.90", 2),
        ("UnitPrice > 1489.995", 4),
        ("Discount = 45", 1),
        ("Discount = null", 11),
        ("Discount < 100", 3),
        ("TotalPrice = 2831", 1),
        ("SortOrder IN (2, 3)", 5),
        ("Quote.Account.CurrencyIsoCode = 'USD'", 3),
        ("Product2.Recurrence__c = 'month' AND Quote.Status = 'Accepted'", 4),
    ],
)
async def test_numbers_in_conditions(org: Org, condition: str, count: int) -> None:
    assert (await org.query(f"SELECT COUNT() FROM QuoteLineItem WHERE {condition}"))["totalSize"] == count


async def test_order_limit_and_offset(org: Org) -> None:
    async def cities(rest: str) -> list[str]:
        return [record["BillingCity"] for record in await org.records(f"SELECT BillingCity FROM Account {rest}")]

    assert await cities("ORDER BY BillingCity") == ["Hamburg", "Oakland", "Stuttgart", "Wien"]
    assert await cities("ORDER BY BillingCity DESC LIMIT 2") == ["Wien", "Stuttgart"]
    assert await cities("ORDER BY BillingCountryCode, Name DESC OFFSET 1") == ["Hamburg", "Stuttgart", "Oakland"]
    assert await cities("ORDER BY VAT_Id__c ASC NULLS LAST LIMIT 1") == ["Wien"]
    assert await cities("ORDER BY VAT_Id__c NULLS FIRST LIMIT 1") == ["Oakland"]
    assert await cities("ORDER BY VAT_Id__c LIMIT 1") == ["Oakland"]
    assert await cities("ORDER BY Owner.Name, BillingCity LIMIT 1 OFFSET 3") == ["Wien"]
    assert await cities("LIMIT 0") == []


async def test_aggregates(org: Org) -> None:
    rows = await org.records(
        "SELECT Quote.CurrencyIsoCode currency, COUNT(Id) lines, SUM(Quantity), MAX(UnitPrice) top, MIN(Quantity) "
        "FROM QuoteLineItem GROUP BY Quote.CurrencyIsoCode ORDER BY COUNT(Id) DESC"
    )
    assert [(row["currency"], row["lines"], row["expr0"], row["top"], row["expr1"]) for row in rows] == [
        ("EUR", 11, 84.0, 1490.0, 1.0),
        ("USD", 3, 7.0, 1590.0, 1.0),
    ]
    assert rows[0]["attributes"] == {"type": "AggregateResult"}
    [total] = await org.records(
        "SELECT COUNT(Discount), COUNT_DISTINCT(QuoteId) quotes, AVG(Discount) FROM QuoteLineItem"
    )
    assert (total["expr0"], total["quotes"], total["expr1"]) == (3, 8, 18.333333)
    having = await org.records(
        "SELECT QuoteId FROM QuoteLineItem GROUP BY QuoteId HAVING COUNT(Id) > 2 AND SUM(Quantity) > 9"
    )
    assert [row["QuoteId"] for row in having] == [QUOTE_1]
    [nothing] = await org.records("SELECT SUM(Amount), MAX(Name) FROM Opportunity WHERE Name = 'nobody'")
    assert (nothing["expr0"], nothing["expr1"]) == (None, None)


async def test_field_sets(org: Org) -> None:
    [account] = await org.records("SELECT FIELDS(ALL) FROM Account WHERE Name LIKE 'Acme%' LIMIT 200")
    assert {"Id", "Name", "BillingStreet", "Legal_Entity__c", "SystemModstamp"} <= set(account)
    [custom] = await org.records("SELECT Id, FIELDS(CUSTOM) FROM Account LIMIT 1")
    assert set(custom) == {"attributes", "Id", "Legal_Entity__c", "VAT_Id__c", "Bill_To_Contact__c"}
    assert await org.error("GET", "/query", params={"q": "SELECT FIELDS(ALL) FROM Account"}) == (400, "MALFORMED_QUERY")


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Nothing FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Nothing = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Account ORDER BY Nothing", "INVALID_FIELD"),
        ("SELECT Boss.Name FROM Account", "INVALID_FIELD"),
        ("SELECT Account__c.Name FROM Quoteway_Order__c", "INVALID_FIELD"),
        ("SELECT Id, Name, id FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Name = true", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE IsDeleted = 'false'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE CreatedDate > '2026-01-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE CreatedDate > 2026-01-01", "INVALID_FIELD"),
        ("SELECT Id FROM Quote WHERE ExpirationDate > 2026-01-01T00:00:00Z", "INVALID_FIELD"),
        ("SELECT Id FROM QuoteLineItem WHERE Quantity = '20'", "INVALID_FIELD"),
        ("SELECT Id FROM Quoteway_Order__c WHERE Failure_Reason__c = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Account WHERE Id LIKE '001%'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Account WHERE IsDeleted > false", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Id FROM Quoteway_Order_Status__e", "INVALID_TYPE"),
        ("SELECT Id, (SELECT Id FROM QuoteLineItem) FROM Quote", "INVALID_TYPE"),
        ("SELECT Name, COUNT(Id) FROM Account", "MALFORMED_QUERY"),
        ("SELECT SUM(Name) FROM Account", "MALFORMED_QUERY"),
        ("SELECT COUNT(), Id FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE COUNT(Id) > 1", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account HAVING Id = null", "MALFORMED_QUERY"),
        ("SELECT Id one FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE CreatedDate = LAST_N_YEARS:9999", "MALFORMED_QUERY"),
        ("SELECT Id FROM Quote WHERE ExpirationDate = 2026-13-01", "MALFORMED_QUERY"),
        ("SELECT Id FROM Quote WHERE ExpirationDate IN (TODAY)", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Id IN (SELECT Name FROM Opportunity)", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
    ],
)
async def test_errors(org: Org, soql: str, code: str) -> None:
    assert await org.error("GET", "/query", params={"q": soql}) == (400, code)


async def test_a_query_must_be_given(org: Org) -> None:
    assert await org.error("GET", "/query") == (400, "MALFORMED_QUERY")


async def test_deleted_records_are_in_query_all_only(org: Org) -> None:
    order_id = await org.new_order("gone")
    await org.call("DELETE", f"/sobjects/Quoteway_Order__c/{order_id}")
    soql = "SELECT Id, IsDeleted FROM Quoteway_Order__c WHERE Order_Id__c = 'gone'"
    assert await org.records(soql) == []
    everything = (await org.call("GET", "/queryAll", params={"q": soql})).json()["records"]
    assert [(record["Id"], record["IsDeleted"]) for record in everything] == [(order_id, True)]


async def test_an_indexed_condition_answers_like_a_scan(org: Org) -> None:
    for number in range(30):
        await org.new_order(f"O-{number}", Account__c=ACME if number % 3 else BLUEFIN)
    for condition in (
        f"Account__c = '{BLUEFIN}'",
        f"Account__c = '{BLUEFIN}' AND Order_Id__c LIKE 'O-1%'",
        f"Account__c IN ('{BLUEFIN}', '{ACME}', '{BLUEFIN}') AND Order_Id__c > 'O-2'",
        "Order_Id__c = 'o-7'",
        f"(Account__c = '{BLUEFIN}' OR Order_Id__c = 'O-1')",
        f"Account__r.Id = '{BLUEFIN}'",
    ):
        found = await org.records(f"SELECT Order_Id__c FROM Quoteway_Order__c WHERE {condition}")
        # A double negation says the same, and no index answers it.
        scanned = await org.records(f"SELECT Order_Id__c FROM Quoteway_Order__c WHERE NOT (NOT ({condition}))")
        assert sorted(one["Order_Id__c"] for one in found) == sorted(one["Order_Id__c"] for one in scanned)
        assert found


async def test_pages(org: Org) -> None:
    for begin in (0, 200, 400):
        records = [
            {"attributes": {"type": "Quoteway_Order__c"}, "Order_Id__c": f"P-{number:04d}"}
            for number in range(begin, begin + 200)
        ]
        answer = await org.call("POST", "/composite/sobjects", {"allOrNone": True, "records": records})
        assert all(result["success"] for result in answer.json())
    soql = "SELECT Order_Id__c FROM Quoteway_Order__c ORDER BY Order_Id__c"
    options = {"Sforce-Query-Options": "batchSize=250"}
    page = (await org.call("GET", "/query", params={"q": soql}, headers=options)).json()
    assert (page["totalSize"], page["done"], len(page["records"])) == (600, False, 250)
    # A cursor keeps what the query found: later records do not shift its pages.
    await org.new_order("A-FIRST")
    seen = [record["Order_Id__c"] for record in page["records"]]
    while not page["done"]:
        page = (await org.http.get(page["nextRecordsUrl"])).json()
        seen += [record["Order_Id__c"] for record in page["records"]]
    assert seen == [f"P-{number:04d}" for number in range(600)]
    assert "nextRecordsUrl" not in page
    small = (
        await org.call("GET", "/query", params={"q": soql}, headers={"Sforce-Query-Options": "batchSize=1"})
    ).json()
    assert len(small["records"]) == 200  # Salesforce's smallest batch


async def test_an_unknown_cursor(org: Org) -> None:
    for locator in ("01gQW0000000001AAA-2000", "nonsense", "-"):
        assert await org.error("GET", f"/query/{locator}") == (400, "INVALID_QUERY_LOCATOR")


async def test_a_cursor_belongs_to_its_user_and_the_oldest_closes(org: Org) -> None:
    for begin in (0, 200):
        records = [{"attributes": {"type": "Account"}, "Name": f"A {n}"} for n in range(begin, begin + 200)]
        await org.call("POST", "/composite/sobjects", {"records": records})
    soql = "SELECT Id FROM Account"
    options = {"Sforce-Query-Options": "batchSize=200"}

    async def open_cursor() -> str:
        answer = await org.call("GET", "/query", params={"q": soql}, headers=options)
        return str(answer.json()["nextRecordsUrl"]).removeprefix(API)

    first = await open_cursor()
    assert (await org.call("GET", first)).status_code == 200
    assert (await org.call("GET", first.rpartition("-")[0])).status_code == 400
    for _ in range(CURSORS_MAX):
        newest = await open_cursor()
    assert await org.error("GET", first) == (400, "INVALID_QUERY_LOCATOR")
    assert (await org.call("GET", newest)).status_code == 200
    somebody = {"Authorization": f"Bearer {await org.session_of('bo.west@nordwind.example')}"}
    assert await org.error("GET", newest, headers=somebody) == (400, "INVALID_QUERY_LOCATOR")


async def test_a_date_that_is_null_lies_nowhere(org: Org) -> None:
    body = {"Name": "Undated", "OpportunityId": "006QW0000000001"}
    await org.call("POST", "/sobjects/Quote", body)
    for operator, matches in (("=", 0), ("!=", 1), ("<", 0), ("<=", 0), (">", 0), (">=", 0)):
        for literal in ("TODAY", "2026-01-01"):
            soql = f"SELECT COUNT() FROM Quote WHERE Name = 'Undated' AND ExpirationDate {operator} {literal}"
            assert (await org.query(soql))["totalSize"] == matches


class TestUserRecordAccess:
    BO = "005QW0000000002"
    FIELDS = "RecordId, HasReadAccess, HasEditAccess, MaxAccessLevel"

    async def test_a_user_sees_what_the_seed_says(self, org: Org) -> None:
        rows = await org.records(
            f"SELECT {self.FIELDS} FROM UserRecordAccess WHERE UserId = '{self.BO}' AND RecordId IN "
            f"('{ACME}', '{BLUEFIN}', '{QUOTE_1}', '0Q0QW0000000002', '001QW0000000999')"
        )
        assert [(row["RecordId"], row["HasReadAccess"], row["MaxAccessLevel"]) for row in rows] == [
            (ACME, False, "None"),
            (BLUEFIN, True, "Edit"),
            (QUOTE_1, False, "None"),  # a quote is seen with its account
            ("0Q0QW00000000020AA", True, "Edit"),
        ]  # and what does not exist has no row

    async def test_access_can_be_changed(self, org: Org) -> None:
        soql = f"SELECT {self.FIELDS} FROM UserRecordAccess WHERE UserId = '{self.BO}' AND RecordId = '{ACME}'"
        for change, expected in (
            ({"read": True}, (True, True)),
            ({"read": True, "edit": False}, (True, False)),
            ({"read": False}, (False, False)),
        ):
            body = {"user_id": self.BO, "account_id": ACME, **change}
            assert (await org.http.put("/_sandbox/access", json=body)).status_code == 204
            [row] = await org.records(soql)
            assert (row["HasReadAccess"], row["HasEditAccess"]) == expected

    async def test_a_filter_on_access_selects_the_record_only(self, org: Org) -> None:
        where = f"UserId = '{self.BO}' AND RecordId IN ('{ACME}', '{BLUEFIN}') AND HasReadAccess = true"
        [row] = await org.records(f"SELECT RecordId FROM UserRecordAccess WHERE {where}")
        assert row["RecordId"] == BLUEFIN
        soql = f"SELECT RecordId, HasReadAccess FROM UserRecordAccess WHERE {where}"
        assert await org.error("GET", "/query", params={"q": soql}) == (400, "MALFORMED_QUERY")

    async def test_what_the_asking_user_may_not_see_is_left_out(self, org: Org) -> None:
        integration = "005QW0000000009"
        body = {"user_id": integration, "account_id": BLUEFIN, "read": False}
        await org.http.put("/_sandbox/access", json=body)
        soql = f"SELECT RecordId FROM UserRecordAccess WHERE UserId = '{self.BO}' AND RecordId = '{BLUEFIN}'"
        assert await org.records(soql) == []

    async def test_an_owner_has_all_access(self, org: Org) -> None:
        account_id = (await org.call("POST", "/sobjects/Account", {"Name": "New"})).json()["id"]
        for user, level in (("005QW0000000009", "All"), (self.BO, "None")):
            where = f"UserId = '{user}' AND RecordId = '{account_id}'"
            [row] = await org.records(f"SELECT RecordId, MaxAccessLevel FROM UserRecordAccess WHERE {where}")
            assert row["MaxAccessLevel"] == level

    @pytest.mark.parametrize(
        ("rest", "code"),
        [
            ("", "MALFORMED_QUERY"),
            (f"WHERE RecordId = '{ACME}'", "MALFORMED_QUERY"),
            ("WHERE UserId = '005QW0000000002'", "MALFORMED_QUERY"),
            (f"WHERE UserId = '005QW0000000002' OR RecordId = '{ACME}'", "MALFORMED_QUERY"),
            (f"WHERE UserId IN ('005QW0000000002') AND RecordId = '{ACME}'", "MALFORMED_QUERY"),
            (f"WHERE UserId = '005QW0000000002' AND RecordId != '{ACME}'", "MALFORMED_QUERY"),
            ("WHERE UserId = 'bo' AND RecordId = '001'", "INVALID_QUERY_FILTER_OPERATOR"),
        ],
    )
    async def test_both_conditions_are_needed(self, org: Org, rest: str, code: str) -> None:
        soql = f"SELECT RecordId, HasReadAccess FROM UserRecordAccess {rest}"
        assert await org.error("GET", "/query", params={"q": soql}) == (400, code)

    async def test_at_most_200_records(self, org: Org) -> None:
        ids = ", ".join(f"'001QW0{number:09d}'" for number in range(201))
        soql = f"SELECT RecordId FROM UserRecordAccess WHERE UserId = '{self.BO}' AND RecordId IN ({ids})"
        assert await org.error("GET", "/query", params={"q": soql}) == (400, "MALFORMED_QUERY")

    async def test_record_id_must_be_selected(self, org: Org) -> None:
        where = f"WHERE UserId = '{self.BO}' AND RecordId = '{ACME}'"
        for fields, code in (("HasReadAccess", "MALFORMED_QUERY"), ("RecordId, Name", "INVALID_FIELD")):
            soql = f"SELECT {fields} FROM UserRecordAccess {where}"
            assert await org.error("GET", "/query", params={"q": soql}) == (400, code)
