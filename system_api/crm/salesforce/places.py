"""Country names as people write them, for orgs without State and Country picklists.

Names are those of ISO 3166-1 (English short names), of Salesforce's own picklist if it differs, and spellings that
customers use. Any other text is refused: an address must not end up in another country.
"""

from shared.canonical.states import codes_by_name, spelled

_COUNTRIES = """
AD Andorra|AE United Arab Emirates;UAE|AF Afghanistan|AG Antigua and Barbuda|AL Albania|AM Armenia|AO Angola
AR Argentina|AT Austria;Österreich;Oesterreich|AU Australia|AX Åland Islands;Aland Islands;Aland
AZ Azerbaijan|BA Bosnia and Herzegovina|BB Barbados|BD Bangladesh
BE Belgium;Belgien;Belgique;België|BF Burkina Faso|BG Bulgaria
BH Bahrain|BI Burundi|BJ Benin|BM Bermuda|BN Brunei Darussalam;Brunei|BO Bolivia;Bolivia, Plurinational State of
BR Brazil;Brasil|BS Bahamas|BT Bhutan|BW Botswana|BY Belarus|BZ Belize|CA Canada
CD Congo, the Democratic Republic of the;Democratic Republic of the Congo|CF Central African Republic|CG Congo
CH Switzerland;Schweiz;Suisse;Svizzera|CI Cote d'Ivoire;Côte d'Ivoire;Ivory Coast|CL Chile|CM Cameroon
CN China;People's Republic of China;PRC|CO Colombia|CR Costa Rica|CU Cuba|CV Cape Verde;Cabo Verde|CW Curaçao;Curacao
CY Cyprus|CZ Czech Republic;Czechia|DE Germany;Deutschland;Federal Republic of Germany;Allemagne|DJ Djibouti
DK Denmark;Danmark|DM Dominica|DO Dominican Republic|DZ Algeria|EC Ecuador|EE Estonia|EG Egypt|ER Eritrea
ES Spain;España;Espana;Spanien|ET Ethiopia|FI Finland;Suomi|FJ Fiji|FM Micronesia|FO Faroe Islands
FR France;Frankreich|GA Gabon
GB United Kingdom;UK;United Kingdom of Great Britain and Northern Ireland;Great Britain;Britain;England;Scotland;Wales
GD Grenada|GE Georgia|GG Guernsey|GH Ghana|GI Gibraltar|GL Greenland|GM Gambia|GN Guinea|GQ Equatorial Guinea
GR Greece;Hellas|GT Guatemala|GW Guinea-Bissau|GY Guyana|HK Hong Kong|HN Honduras|HR Croatia;Hrvatska|HT Haiti
HU Hungary;Magyarország|ID Indonesia|IE Ireland;Republic of Ireland;Éire|IL Israel|IM Isle of Man|IN India|IQ Iraq
IR Iran;Iran, Islamic Republic of|IS Iceland;Ísland|IT Italy;Italia;Italien|JE Jersey|JM Jamaica|JO Jordan|JP Japan
KE Kenya|KG Kyrgyzstan|KH Cambodia|KI Kiribati|KM Comoros|KN Saint Kitts and Nevis
KP Korea, Democratic People's Republic of;North Korea|KR Korea, Republic of;South Korea;Republic of Korea;Korea
KW Kuwait|KY Cayman Islands|KZ Kazakhstan|LA Lao People's Democratic Republic;Laos|LB Lebanon|LC Saint Lucia
LI Liechtenstein|LK Sri Lanka|LR Liberia|LS Lesotho|LT Lithuania|LU Luxembourg;Luxemburg|LV Latvia|LY Libya
MA Morocco|MC Monaco|MD Moldova;Moldova, Republic of|ME Montenegro|MG Madagascar|MH Marshall Islands
MK North Macedonia;Macedonia|ML Mali|MM Myanmar|MN Mongolia|MO Macao;Macau|MR Mauritania|MT Malta|MU Mauritius
MV Maldives|MW Malawi|MX Mexico;México|MY Malaysia|MZ Mozambique|NA Namibia|NE Niger|NG Nigeria|NI Nicaragua
NL Netherlands;The Netherlands;Holland;Nederland;Niederlande|NO Norway;Norge|NP Nepal|NR Nauru|NZ New Zealand|OM Oman
PA Panama|PE Peru|PG Papua New Guinea|PH Philippines|PK Pakistan|PL Poland;Polska|PS Palestine|PT Portugal|PW Palau
PY Paraguay|QA Qatar|RO Romania|RS Serbia|RU Russian Federation;Russia|RW Rwanda|SA Saudi Arabia|SB Solomon Islands
SC Seychelles|SD Sudan|SE Sweden;Sverige|SG Singapore|SI Slovenia|SK Slovakia;Slovak Republic|SL Sierra Leone
SM San Marino|SN Senegal|SO Somalia|SR Suriname|SS South Sudan|ST Sao Tome and Principe|SV El Salvador|SY Syria
SZ Eswatini;Swaziland|TD Chad|TG Togo|TH Thailand|TJ Tajikistan|TL Timor-Leste|TM Turkmenistan|TN Tunisia|TO Tonga
TR Turkey;Türkiye;Turkiye|TT Trinidad and Tobago|TV Tuvalu|TW Taiwan|TZ Tanzania;United Republic of Tanzania
UA Ukraine|UG Uganda
US United States;USA;United States of America;America
UY Uruguay|UZ Uzbekistan|VA Vatican City;Holy See|VC Saint Vincent and the Grenadines|VE Venezuela|VN Vietnam;Viet Nam
VU Vanuatu|WS Samoa|YE Yemen|ZA South Africa|ZM Zambia|ZW Zimbabwe
"""
_COUNTRY_CODES = codes_by_name(_COUNTRIES)


def country_code(text: str) -> str | None:
    """Return the ISO 3166-1 code of a country's name or code; None if it is unknown."""
    return _COUNTRY_CODES.get(spelled(text))
