"""Runs idpyoidc as an OpenID provider on a free port of 127.0.0.1, as its example flask_op does, and an admin port
for the tests beside it.

TESTBED_CERTIFICATE and TESTBED_KEY, if set, name the files with which it serves https, as `localhost`. When both
ports are open, one line `listening {"port": N, "admin": M}` is printed.
"""

import json
import os
import secrets
import ssl
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from idpyoidc.message.oauth2 import ResponseMessage
from idpyoidc.server import Server
from idpyoidc.server.configure import OPConfiguration
from idpyoidc.server.exception import ClientAuthenticationError

OIDC = "idpyoidc.server.oidc."
SECRET_METHODS = ["client_secret_basic", "client_secret_post"]
GRANTS = ["authorization_code", "implicit", "client_credentials", "refresh_token"]

KEYS = [
    {"type": "RSA", "use": ["sig"]},
    {"type": "EC", "crv": "P-256", "use": ["sig"]},
]

# Paths, as in the example.
ENDPOINTS = {
    "webfinger": (".well-known/webfinger", OIDC + "discovery.Discovery", {"client_authn_method": None}),
    "provider_info": (
        ".well-known/openid-configuration",
        OIDC + "provider_config.ProviderConfiguration",
        {"client_authn_method": None},
    ),
    "registration": (
        "registration",
        OIDC + "registration.Registration",
        {"client_authn_method": None, "client_secret_expires_in": int(os.environ.get("TESTBED_SECRET_LIFETIME", 5 * 24 * 3600))},
    ),
    "registration_api": (
        "registration_api",
        OIDC + "read_registration.RegistrationRead",
        {"client_authn_method": ["bearer_header"]},
    ),
    "authorization": (
        "authorization",
        OIDC + "authorization.Authorization",
        {
            "client_authn_method": None,
            "response_types_supported": ["code", "id_token", "code id_token"],
            "response_modes_supported": ["query", "fragment", "form_post"],
        },
    ),
    "token": (
        "token",
        OIDC + "token.Token",
        {
            "client_authn_method": SECRET_METHODS,
            "grant_types_helpers": {
                "client_credentials": {
                    "class": "idpyoidc.server.oauth2.token_helper.client_credentials.ClientCredentials"
                },
                "authorization_code": {"class": OIDC + "token_helper.access_token.AccessTokenHelper"},
                "refresh_token": {"class": OIDC + "token_helper.refresh_token.RefreshTokenHelper"},
            },
        },
    ),
}


def sealed():
    return {"password": secrets.token_hex(16), "salt": secrets.token_hex(8)}


def configuration(issuer):
    token = {"class": "idpyoidc.server.token.jwt_token.JWTToken", "kwargs": {"lifetime": 3600}}
    return {
        "issuer": issuer,
        "httpc_params": {"verify": False, "timeout": 4},
        "preference": {"grant_types_supported": GRANTS, "subject_types_supported": ["public"]},
        "key_conf": {"key_defs": KEYS},
        "endpoint": {
            name: {"path": path, "class": class_, "kwargs": kwargs}
            for name, (path, class_, kwargs) in ENDPOINTS.items()
        },
        "token_handler_args": {
            "key_conf": {"key_defs": [{"type": "oct", "bytes": "24", "use": ["enc"], "kid": "code"}]},
            "code": {"lifetime": 600, "kwargs": {"crypt_conf": {"kwargs": sealed()}}},
            "token": token,
            "refresh": token,
            "id_token": {"class": "idpyoidc.server.token.id_token.IDToken", "kwargs": {}},
        },
        "session_params": sealed(),
        "template_dir": ".",
        "userinfo": {"class": "idpyoidc.server.user_info.UserInfo", "kwargs": {"db": {}}},
    }


# What the views of the example are registered for, by the endpoint's name; the others have GET.
METHODS = {"registration": ["POST"], "token": ["POST"], "registration_read": ["GET", "DELETE"]}

# The library answers no two requests at once.
LOCK = threading.Lock()


class Reply(Exception):
    """An answer that ends the handling of a request."""

    def __init__(self, status, body, headers=()):
        super().__init__(status)
        self.status, self.body, self.headers = status, body, list(headers)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.timeout = 60

    def handle_any(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length).decode("utf-8", "replace")
        try:
            with LOCK:
                reply = self.reply(urllib.parse.urlsplit(self.path), body)
        except Reply as early:
            reply = early
        except Exception as error:  # as Flask does
            print(f"{self.command} {self.path}: {error!r}", file=sys.stderr, flush=True)
            reply = Reply(500, "Internal Server Error")
        content = reply.body.encode()
        self.send_response(reply.status)
        names = [name.lower() for name, _ in reply.headers]
        for name, value in reply.headers:
            self.send_header(name, value)
        if "content-type" not in names:
            self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def log_message(self, *args):
        pass


class ProviderHandler(Handler):
    """What the views of the example do: parse, process, answer."""

    def reply(self, url, body):
        endpoint = self.server.routes.get(url.path.lstrip("/"))
        if endpoint is None:
            return Reply(404, "Not Found")
        name = endpoint.name
        allowed = METHODS.get(name, ["GET"])
        if self.command not in allowed:
            return Reply(405, "Method Not Allowed", [("allow", ", ".join(allowed))])
        if self.command == "DELETE":
            # The example hands it to an endpoint that the library does not have, and answers so.
            return Reply(400, json.dumps({"error": "invalid_request", "error_description": "not implemented"}))
        if self.command == "GET":
            arguments = dict(urllib.parse.parse_qsl(url.query))
        elif name == "token":
            arguments = dict(urllib.parse.parse_qsl(body))
        else:
            arguments = body
        http_info = {
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "method": self.command,
            "url": self.server.issuer + self.path,
            "cookie": [],
        }
        request = self.parsed(endpoint, arguments, http_info)
        result = endpoint.process_request(request, http_info=http_info)
        if isinstance(result, ResponseMessage) and "error" in result:
            return Reply(400, result.to_json(), [("content-type", "application/json")])
        info = endpoint.do_response(request=request, **result)
        error = "error" in result
        status = 400 if error else 201 if name == "registration" else 200
        return Reply(status, info["response"], info["http_headers"])

    def parsed(self, endpoint, arguments, http_info):
        def failed(status, error, description):
            return Reply(status, json.dumps({"error": error, "error_description": description}))

        try:
            request = endpoint.parse_request(arguments, http_info=http_info)
        except ClientAuthenticationError as error:
            raise failed(401, "unauthorized_client", str(error)) from error
        except Exception as error:
            raise failed(400, "invalid_request", str(error)) from error
        if isinstance(request, ResponseMessage) and "error" in request:
            kind = [("content-type", "application/json")] if self.command == "POST" else []
            raise Reply(400, request.to_json(), kind)
        return request


class AdminHandler(Handler):
    """What the provider holds."""

    def reply(self, url, body):
        if (self.command, url.path) != ("GET", "/clients"):
            return Reply(404, "Not Found")
        found = {}
        for client_id, client in self.server.context.cdb.items():
            shown = {name: value for name, value in dict(client).items() if name != "jwks"}
            shown["redirect_uris"] = [
                base + ("?" + urllib.parse.urlencode(query, doseq=True) if query else "")
                for base, query in shown.get("redirect_uris", [])
            ]
            found[client_id] = shown
        return Reply(200, json.dumps(found, default=str), [("content-type", "application/json")])


def listening(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    return server


def main():
    server, admin = listening(ProviderHandler), listening(AdminHandler)
    port = server.server_address[1]
    server.issuer = f"http://127.0.0.1:{port}"
    certificate = os.environ.get("TESTBED_CERTIFICATE")
    if certificate:
        server.issuer = f"https://localhost:{port}"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, os.environ["TESTBED_KEY"])
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    op = Server(OPConfiguration(configuration(server.issuer), base_path=".", domain="127.0.0.1", port=port), cwd=".")
    server.routes = {endpoint.endpoint_path: endpoint for endpoint in op.endpoint.values()}
    admin.context = op.context
    threading.Thread(target=admin.serve_forever, daemon=True).start()
    print("listening " + json.dumps({"port": port, "admin": admin.server_address[1]}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
