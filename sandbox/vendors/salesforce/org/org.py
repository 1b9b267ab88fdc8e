"""One org with everything it holds, put together once at the start."""

from dataclasses import dataclass

from sandbox.vendors.journal import Journal
from sandbox.vendors.salesforce.api_versions import ApiVersions
from sandbox.vendors.salesforce.catalogue import USER
from sandbox.vendors.salesforce.errors import not_found
from sandbox.vendors.salesforce.org.credentials import Credentials, load_credentials
from sandbox.vendors.salesforce.org.limits import DailyQuota
from sandbox.vendors.salesforce.org.platform_events import EventFeed
from sandbox.vendors.salesforce.org.query_cursors import QueryCursors
from sandbox.vendors.salesforce.org.sessions import Sessions
from sandbox.vendors.salesforce.profiles import OrgProfile
from sandbox.vendors.salesforce.records.schema import SObject
from sandbox.vendors.salesforce.records.store import Store
from sandbox.vendors.salesforce.refusals import Refusals
from sandbox.vendors.salesforce.seed.files import SeedFiles
from sandbox.vendors.salesforce.seed.fill import seed_org
from sandbox.vendors.salesforce.settings import SalesforceSandboxSettings
from sandbox.vendors.salesforce.soql.record_access import AccessRules


@dataclass(frozen=True, slots=True)
class Org:
    settings: SalesforceSandboxSettings
    profile: OrgProfile
    versions: ApiVersions
    credentials: Credentials
    journal: Journal
    store: Store
    access: AccessRules
    events: EventFeed
    sessions: Sessions
    quota: DailyQuota
    cursors: QueryCursors
    refusals: Refusals

    def object_named(self, name: str) -> SObject:
        """Raises NOT_FOUND, as the sobjects resource does for an unknown object."""
        sobject = self.store.schema.object_named(name)
        if sobject is None:
            raise not_found()
        return sobject

    def user_id_of(self, username: str) -> str | None:
        field = USER.field_named("Username")
        found = self.store.find(USER, field, username) if field else []
        return str(found[0]["Id"]) if found and found[0]["IsActive"] else None


def build_org(settings: SalesforceSandboxSettings) -> Org:
    """Raises OSError or ValueError when the seed or the credentials cannot be read."""
    journal = Journal()
    files = SeedFiles.read(settings.seed_dir)
    profile = OrgProfile.read(files.salesforce.get("org", {}), settings.profiles)
    store = Store(profile.schema(), journal)
    access = AccessRules()
    seed_org(store, access, files, profile)
    # The last user of the seed data is the integration user.
    credentials = load_credentials(settings.credentials_file, files.salesforce["user"][-1]["username"])
    org = Org(
        settings=settings,
        profile=profile,
        versions=ApiVersions(),
        credentials=credentials,
        journal=journal,
        store=store,
        access=access,
        events=EventFeed(store.work, journal, store.now),
        sessions=Sessions(profile.organization_id, settings.session_life_s),
        quota=DailyQuota(settings.daily_requests_max, store.now),
        cursors=QueryCursors(),
        refusals=Refusals(),
    )
    if org.user_id_of(credentials.username) is None:
        raise ValueError(f"{settings.credentials_file}: the seed data has no user {credentials.username}")
    return org
