"""`python -m system_api`: serve the system API."""

import os
import sys

from shared.inbound.serve import serve
from shared.settings import exit_on_faults, load_settings_or_exit
from shared.telemetry.process_telemetry import start_telemetry
from system_api.app import create_app
from system_api.connections import ConnectionsError
from system_api.settings import SystemSettings

settings = load_settings_or_exit(SystemSettings, os.environ, "The system API")
told = start_telemetry(settings, "quoteway-system")
try:
    with exit_on_faults("The system API"):
        app = create_app(settings)
except ConnectionsError as error:
    sys.stderr.write(f"The system API cannot start, {len(error.faults)} fault(s) in its connections to mend:\n")
    for fault in error.faults:
        sys.stderr.write(f"  - {fault}\n")
    sys.exit(2)
serve(app, settings.system_host, settings.system_port, "The system API", told)
