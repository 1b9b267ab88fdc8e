"""`python -m process_api`: serve the process API."""

import os

from process_api.app import create_app
from process_api.settings import ProcessSettings
from shared.serve import serve
from shared.settings import load_settings_or_exit
from shared.telemetry import start_telemetry

settings = load_settings_or_exit(ProcessSettings, os.environ, "The process API")
told = start_telemetry(settings, "quoteway-process")
serve(create_app(settings), settings.process_host, settings.process_port, "The process API", told)
