"""How a parallel run shares out the tests: what shares engines, the ERP or a landscape stays on one process."""

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped] # pytest-xdist tells no types

# Folders whose tests share what takes long to start, the longest first. Other tests are shared out file by file.
SHARING_FOLDERS = ("faults", "process_api", "journeys", "fuzz", "observed", "system_api")


def rank(folder: str) -> int:
    """Return a folder's place in the order of tests."""
    return SHARING_FOLDERS.index(folder) if folder in SHARING_FOLDERS else len(SHARING_FOLDERS)


class FolderScheduling(LoadScopeScheduling):  # type: ignore[misc] # see above
    """Gives each sharing folder, and each other file, to one process. (Its marks `xdist_group` have no effect here.)"""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        folder = path.split("/")[1]
        return folder if folder in SHARING_FOLDERS else path
