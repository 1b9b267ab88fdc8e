"""The sandbox's ERP: a real Tryton 8.2, in an environment and processes of its own.

Tryton is licensed under the GPL, version 3 or later. Nothing here imports it, contains it, or is shipped with a
database it made: it is installed from `requirements/tryton.txt`, started, and spoken to over HTTP.
"""
