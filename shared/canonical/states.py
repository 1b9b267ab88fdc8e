"""States and provinces by ISO 3166-2 with their spellings, of the countries whose addresses or taxes need one.

The countries are those for which Salesforce's own picklist has states ("Standard Countries and Territories for Address
Picklists"). The codes are the current ones of ISO 3166-2, compared with the iso-codes project in 2026; the names are
the English and the local ones, followed by former codes and by those of Salesforce's picklist that differ. Every
spelling is understood; the ISO code is passed on.
"""

import unicodedata

_STATES = {
    "AU": """
ACT Australian Capital Territory|NSW New South Wales|NT Northern Territory|QLD Queensland|SA South Australia
TAS Tasmania|VIC Victoria|WA Western Australia
""",
    "BR": """
AC Acre|AL Alagoas|AM Amazonas|AP Amapá|BA Bahia|CE Ceará|DF Distrito Federal;Federal District|ES Espírito Santo
GO Goiás|MA Maranhão|MG Minas Gerais|MS Mato Grosso do Sul|MT Mato Grosso|PA Pará|PB Paraíba|PE Pernambuco|PI Piauí
PR Paraná|RJ Rio de Janeiro|RN Rio Grande do Norte|RO Rondônia|RR Roraima|RS Rio Grande do Sul|SC Santa Catarina
SE Sergipe|SP São Paulo|TO Tocantins
""",
    "CA": """
AB Alberta|BC British Columbia|MB Manitoba|NB New Brunswick|NL Newfoundland and Labrador;Newfoundland|NS Nova Scotia
NT Northwest Territories|NU Nunavut|ON Ontario|PE Prince Edward Island|QC Quebec;Québec|SK Saskatchewan
YT Yukon;Yukon Territories;Yukon Territory
""",
    "CN": """
AH Anhui;34|BJ Beijing;11|CQ Chongqing;50|FJ Fujian;35|GD Guangdong;44|GS Gansu;62|GX Guangxi;45|GZ Guizhou;52
HA Henan;41|HB Hubei;42|HE Hebei;13|HI Hainan;46|HK Hong Kong;91|HL Heilongjiang;23|HN Hunan;43|JL Jilin;22
JS Jiangsu;32
JX Jiangxi;36|LN Liaoning;21|MO Macao;Macau;92|NM Nei Mongol;Inner Mongolia;15|NX Ningxia;64|QH Qinghai;63|SC Sichuan;51
SD Shandong;37|SH Shanghai;31|SN Shaanxi;61|SX Shanxi;14|TJ Tianjin;12|TW Taiwan;Chinese Taipei;71|XJ Xinjiang;65
XZ Xizang;Tibet;54|YN Yunnan;53|ZJ Zhejiang;33
""",
    "IE": """
C Connacht;Connaught|CE Clare|CN Cavan|CO Cork|CW Carlow|D Dublin|DL Donegal|G Galway|KE Kildare|KK Kilkenny|KY Kerry
L Leinster|LD Longford|LH Louth|LK Limerick|LM Leitrim|LS Laois|M Munster|MH Meath|MN Monaghan|MO Mayo|OY Offaly
RN Roscommon|SO Sligo|TA Tipperary|U Ulster|WD Waterford|WH Westmeath|WW Wicklow|WX Wexford
""",
    "IN": """
AN Andaman and Nicobar Islands|AP Andhra Pradesh|AR Arunachal Pradesh|AS Assam|BR Bihar|CG Chhattisgarh;CT|CH Chandigarh
DH Dadra and Nagar Haveli and Daman and Diu;Dadra and Nagar Haveli;Daman and Diu;DN;DD|DL Delhi|GA Goa|GJ Gujarat
HP Himachal Pradesh|HR Haryana|JH Jharkhand|JK Jammu and Kashmir|KA Karnataka|KL Kerala|LA Ladakh|LD Lakshadweep
MH Maharashtra|ML Meghalaya|MN Manipur|MP Madhya Pradesh|MZ Mizoram|NL Nagaland|OD Odisha;Orissa;OR|PB Punjab
PY Puducherry;Pondicherry|RJ Rajasthan|SK Sikkim|TN Tamil Nadu|TR Tripura|TS Telangana;TG|UK Uttarakhand;Uttaranchal;UT
UP Uttar Pradesh|WB West Bengal
""",
    "IT": """
21 Piemonte;Piedmont|23 Valle d'Aosta;Aosta Valley;Val d'Aoste;Vallée d'Aoste;Aosta;AO|25 Lombardia;Lombardy
32 Trentino-Alto Adige;Trentino-South Tyrol|34 Veneto|36 Friuli Venezia Giulia;Friuli-Venezia Giulia|42 Liguria
45 Emilia-Romagna|52 Toscana;Tuscany|55 Umbria|57 Marche|62 Lazio|65 Abruzzo|67 Molise|72 Campania|75 Puglia;Apulia
77 Basilicata|78 Calabria|82 Sicilia;Sicily|88 Sardegna;Sardinia
AG Agrigento|AL Alessandria|AN Ancona|AP Ascoli Piceno|AQ L'Aquila|AR Arezzo|AT Asti|AV Avellino|BA Bari|BG Bergamo
BI Biella|BL Belluno|BN Benevento|BO Bologna|BR Brindisi|BS Brescia|BT Barletta-Andria-Trani
BZ Bolzano;Bozen;South Tyrol|CA Cagliari|CB Campobasso|CE Caserta|CH Chieti|CL Caltanissetta|CN Cuneo|CO Como|CR Cremona
CS Cosenza
CT Catania|CZ Catanzaro|EN Enna|FC Forlì-Cesena|FE Ferrara|FG Foggia|FI Firenze;Florence|FM Fermo|FR Frosinone
GE Genova;Genoa|GO Gorizia|GR Grosseto|IM Imperia|IS Isernia|KR Crotone|LC Lecco|LE Lecce|LI Livorno|LO Lodi|LT Latina
LU Lucca|MB Monza e Brianza;Monza and Brianza|MC Macerata|ME Messina|MI Milano;Milan|MN Mantova;Mantua|MO Modena
MS Massa-Carrara|MS Massa e Carrara;Massa and Carrara|MT Matera|NA Napoli;Naples|NO Novara|NU Nuoro;Ogliastra;OG
OR Oristano
PA Palermo|PC Piacenza|PD Padova;Padua|PE Pescara|PG Perugia|PI Pisa|PN Pordenone|PO Prato|PR Parma|PT Pistoia
PU Pesaro e Urbino;Pesaro and Urbino|PV Pavia|PZ Potenza|RA Ravenna|RC Reggio Calabria;Reggio di Calabria
RE Reggio Emilia;Reggio nell'Emilia|RG Ragusa|RI Rieti|RM Roma;Rome|RN Rimini|RO Rovigo|SA Salerno|SI Siena|SO Sondrio
SP La Spezia|SR Siracusa;Syracuse|SS Sassari;Olbia-Tempio;OT|SU Sud Sardegna;South Sardinia;Carbonia-Iglesias;CI
SU Medio Campidano;VS|SV Savona|TA Taranto|TE Teramo|TN Trento|TO Torino;Turin|TP Trapani|TR Terni|TS Trieste|TV Treviso
UD Udine|VA Varese|VB Verbano-Cusio-Ossola|VC Vercelli|VE Venezia;Venice|VI Vicenza|VR Verona|VT Viterbo
VV Vibo Valentia
""",
    "MX": """
AGU Aguascalientes;AG|BCN Baja California;BC|BCS Baja California Sur;BS|CAM Campeche;CM|CHH Chihuahua;CH|CHP Chiapas;CS
CMX Ciudad de México;Mexico City;CDMX;Distrito Federal;Federal District;DF;DIF|COA Coahuila;Coahuila de Zaragoza;CO
COL Colima;CL|DUR Durango;DG|GRO Guerrero;GR|GUA Guanajuato;GT|HID Hidalgo;HG|JAL Jalisco;JA
MEX Estado de México;México;Mexico State;State of Mexico;ME|MIC Michoacán;Michoacán de Ocampo;MI|MOR Morelos;MO
NAY Nayarit;NA|NLE Nuevo León;NL|OAX Oaxaca;OA|PUE Puebla;PB|QUE Querétaro;Querétaro de Arteaga;QE|ROO Quintana Roo;QR
SIN Sinaloa;SI|SLP San Luis Potosí;SL|SON Sonora;SO|TAB Tabasco;TB|TAM Tamaulipas;TM|TLA Tlaxcala;TL
VER Veracruz;Veracruz de Ignacio de la Llave;VE|YUC Yucatán;YU|ZAC Zacatecas;ZA
""",
    "US": """
AL Alabama|AK Alaska|AZ Arizona|AR Arkansas|CA California|CO Colorado|CT Connecticut|DE Delaware|FL Florida|GA Georgia
HI Hawaii|ID Idaho|IL Illinois|IN Indiana|IA Iowa|KS Kansas|KY Kentucky|LA Louisiana|ME Maine|MD Maryland
MA Massachusetts|MI Michigan|MN Minnesota|MS Mississippi|MO Missouri|MT Montana|NE Nebraska|NV Nevada|NH New Hampshire
NJ New Jersey|NM New Mexico|NY New York|NC North Carolina|ND North Dakota|OH Ohio|OK Oklahoma|OR Oregon|PA Pennsylvania
RI Rhode Island|SC South Carolina|SD South Dakota|TN Tennessee|TX Texas|UT Utah|VT Vermont|VA Virginia|WA Washington
WV West Virginia|WI Wisconsin|WY Wyoming|DC District of Columbia;Washington DC;Washington, D.C.|PR Puerto Rico|GU Guam
AS American Samoa|VI Virgin Islands;US Virgin Islands|MP Northern Mariana Islands|UM US Minor Outlying Islands
AA Armed Forces Americas|AE Armed Forces Europe|AP Armed Forces Pacific
""",
}
"""By country: code, names and other codes. AA, AE and AP, the United States' military post, are not in ISO 3166-2."""


def spelled(text: str) -> str:
    """Return a place name as it is compared: without accents, capitals, dots and doubled spaces."""
    plain = unicodedata.normalize("NFKD", text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    plain = "".join(each for each in plain if not unicodedata.combining(each) and each != ".")
    return " ".join(plain.casefold().split())


def codes_by_name(text: str) -> dict[str, str]:
    """Return the codes of a table like those here and in `system_api.crm.salesforce.places`, by every spelling."""
    codes: dict[str, str] = {}
    for entry in text.replace("\n", "|").split("|"):
        code, _, names = entry.strip().partition(" ")
        codes |= {spelled(name): code for name in [code, *names.split(";")] if name}
    return codes


_CODES = {country: codes_by_name(text) for country, text in _STATES.items()}
COUNTRIES_WITH_STATES = frozenset(_CODES)


def state_code(country: str, text: str) -> str | None:
    """Return the ISO 3166-2 code, without its country, of a state's name or code; None if the country has no such
    state.

    The code may have its country in front (US-CA).
    """
    known = _CODES.get(country, {})
    plain = spelled(text)
    return known.get(plain) or known.get(plain.removeprefix(f"{country.casefold()}-"))
