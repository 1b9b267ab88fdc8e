"""`python -m experience_api`: serve the experience API."""

import os

from experience_api.app import create_app
from experience_api.settings import ExperienceSettings
from shared.inbound.serve import serve
from shared.settings import exit_on_faults, load_settings_or_exit
from shared.telemetry.process_telemetry import start_telemetry

settings = load_settings_or_exit(ExperienceSettings, os.environ, "The experience API")
told = start_telemetry(settings, "quoteway-experience")
with exit_on_faults("The experience API"):
    app = create_app(settings)
serve(app, settings.experience_host, settings.experience_port, "The experience API", told)
