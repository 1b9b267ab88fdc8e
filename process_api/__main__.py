"""`python -m process_api`: serve the process API."""

import os

from process_api.app import create_app
from process_api.settings import ProcessSettings
from shared.inbound.serve import serve
from shared.settings import exit_on_faults, load_settings_or_exit
from shared.telemetry.process_telemetry import start_telemetry

settings = load_settings_or_exit(ProcessSettings, os.environ, "The process API")
told = start_telemetry(settings, "quoteway-process")
with exit_on_faults("The process API"):
    app = create_app(settings)
serve(app, settings.process_host, settings.process_port, "The process API", told)
