"""Runs django-oauth-toolkit below `/o` on a free port of 127.0.0.1, with open registration, and an admin port for the
tests beside it. When both ports are open, one line `listening {"port": N, "admin": M}` is printed. The database is a
file of the working directory.
"""

import json
import os
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

settings.configure(
    SECRET_KEY=secrets.token_hex(32),
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.path.abspath("db.sqlite3"),
            "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
        }
    },
    LOGGING_CONFIG=None,
    OAUTH2_PROVIDER={
        "DCR_ENABLED": True,
        "DCR_REGISTRATION_PERMISSION_CLASSES": ("oauth2_provider.dcr.AllowAllDCRPermission",),
        "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
        "SCOPES": {"read": "Read", "write": "Write"},
    },
)
django.setup()

# Below a prefix, as its guide does. Its metadata is then at a place that no specification names.
urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


class Admin(BaseHTTPRequestHandler):
    """`GET /clients`: every client by its identifier. `DELETE /clients/ID`: removes one behind everyone's back."""

    def log_message(self, *args):
        pass

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        from oauth2_provider.models import get_application_model

        clients = get_application_model().objects.all()
        self.answer({c.client_id: {"client_name": c.name, "redirect_uris": c.redirect_uris.split()} for c in clients})

    def do_DELETE(self):
        from oauth2_provider.models import get_application_model

        found = get_application_model().objects.filter(client_id=self.path.rsplit("/", 1)[1])
        self.answer(found.delete()[0] > 0)


def main():
    call_command("migrate", verbosity=0)
    server = make_server("127.0.0.1", 0, get_wsgi_application(), server_class=Server, handler_class=Quiet)
    admin = ThreadingHTTPServer(("127.0.0.1", 0), Admin)
    threading.Thread(target=admin.serve_forever, daemon=True).start()
    print("listening " + json.dumps({"port": server.server_port, "admin": admin.server_port}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
