"""`python -m experience_api`: serve the experience API."""

import os

from experience_api.app import create_app
from experience_api.settings import ExperienceSettings
from shared.serve import serve
from shared.settings import load_settings_or_exit
from shared.telemetry import start_telemetry

settings = load_settings_or_exit(ExperienceSettings, os.environ, "The experience API")
told = start_telemetry(settings, "quoteway-experience")
serve(create_app(settings), settings.experience_host, settings.experience_port, "The experience API", told)
