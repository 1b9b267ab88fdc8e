"""The states and provinces that tax and ERP go by, by ISO 3166-2 (states, districts, outlying areas, military post)."""

_US = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA "
    "RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR UM VI AA AE AP"
)
_CA = "AB BC MB NB NL NS NT NU ON PE QC SK YT"
STATES = {"US": frozenset(_US.split()), "CA": frozenset(_CA.split())}
