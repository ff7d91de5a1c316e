"""Flask site with Authlib's provider: an OAuth provider and a small API. Arguments: folder and port."""

from __future__ import annotations

import secrets
import sys
import time
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Flask, Response, jsonify, redirect, request, session
from werkzeug.serving import make_server

PAGE = {"previous": None, "next": None, "current": 1, "per_page": 30, "count": 1, "pages": 1}
CALLBACKS = ("https://app.example/callback", "http://127.0.0.1/callback", "urn:ietf:wg:oauth:2.0:oob")
SCOPES = {"public", "redeploy", "jobs", "users", "admin"}


class Client:
    def __init__(self, name: str, method: str) -> None:
        self.client_id = name
        self.client_secret = f"{name}-SECRET-4b1d"
        self.method = method

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return CALLBACKS[0]

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(name for name in (scope or "public").split() if name in SCOPES)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in CALLBACKS or redirect_uri.startswith("http://127.0.0.1:")

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(self.client_secret, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == self.method

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class Code:
    def __init__(self, grant_request: Any, code: str, user: str) -> None:
        self.code = code
        self.client_id = grant_request.client.client_id
        self.redirect_uri = grant_request.payload.redirect_uri
        self.scope = grant_request.payload.scope or "public"
        self.user = user
        self.code_challenge = grant_request.payload.data.get("code_challenge")
        self.code_challenge_method = grant_request.payload.data.get("code_challenge_method")
        self.expires_at = time.time() + 600

    def is_expired(self) -> bool:
        return time.time() >= self.expires_at

    def get_redirect_uri(self) -> str:
        return str(self.redirect_uri)

    def get_scope(self) -> str:
        return self.client.get_allowed_scope(self.scope)

    @property
    def client(self) -> Client:
        return CLIENTS[self.client_id]


class IssuedToken:
    def __init__(self, fields: dict[str, Any], grant_request: Any) -> None:
        self.access_token = fields["access_token"]
        self.client_id = grant_request.client.client_id
        self.scope = fields.get("scope", "")
        self.user = grant_request.user
        self.expires_at = time.time() + fields["expires_in"]
        self.revoked = False

    def check_client(self, client: Client) -> bool:
        return bool(self.client_id == client.client_id)

    def get_scope(self) -> str:
        return str(self.scope)

    def get_user(self) -> Any:
        return self.user

    def get_client(self) -> Client:
        return CLIENTS[self.client_id]

    def get_expires_in(self) -> int:
        return int(self.expires_at - time.time())

    def is_expired(self) -> bool:
        return time.time() >= self.expires_at

    def is_revoked(self) -> bool:
        return self.revoked


CLIENTS = {
    "app": Client("app", "client_secret_post"),
    "other": Client("other", "client_secret_post"),
    "public": Client("public", "none"),
}
CODES: dict[str, Code] = {}
TOKENS: dict[str, IssuedToken] = {}


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_post", "client_secret_basic", "none")

    def save_authorization_code(self, code: str, request: Any) -> None:
        CODES[code] = Code(request, code, request.user)

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        found = CODES.get(code)
        return found if found and found.client_id == client.client_id and not found.is_expired() else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        CODES.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code: Code) -> str:
        return authorization_code.user


class Validator(BearerTokenValidator):
    def authenticate_token(self, token_string: str) -> IssuedToken | None:
        return TOKENS.get(token_string)


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = ("client_secret_post", "client_secret_basic", "none")

    def query_token(self, token_string: str, token_type_hint: str) -> IssuedToken | None:
        return TOKENS.get(token_string)

    def revoke_token(self, token: IssuedToken, request: Any) -> None:
        token.revoked = True


class Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ("client_secret_post", "client_secret_basic")

    def query_token(self, token_string: str, token_type_hint: str) -> IssuedToken | None:
        return TOKENS.get(token_string)

    def introspect_token(self, token: IssuedToken) -> dict[str, Any]:
        return {"active": not token.revoked, "client_id": token.client_id, "scope": token.scope, "sub": token.user}

    def check_permission(self, token: IssuedToken, client: Client, request: Any) -> bool:
        return token.client_id == client.client_id


def find_client(client_id: str) -> Client | None:
    return CLIENTS.get(client_id)


def save_token(fields: dict[str, Any], grant_request: Any) -> None:
    TOKENS[fields["access_token"]] = IssuedToken(fields, grant_request)


app = Flask("site")
app.secret_key = "of a test"
server = AuthorizationServer(app, query_client=find_client, save_token=save_token)
server.register_grant(CodeGrant, [CodeChallenge(required=True)])
server.register_endpoint(Revocation)
server.register_endpoint(Introspection)
protect = ResourceProtector()
protect.register_token_validator(Validator())


@app.get("/sign_in")
def form() -> str:
    return (
        f'<form action="/sign_in" method="post"><input type="hidden" name="back" value="{request.args["back"]}">'
        '<input type="text" name="username"><input type="submit" name="sign_in" value="Sign in"></form>'
    )


@app.post("/sign_in")
def sign_in() -> Any:
    session["user"] = request.form["username"]
    return redirect(request.form["back"])


@app.get("/oauth/authorize")
def consent() -> Any:
    if "user" not in session:
        return redirect(
            "/sign_in?back=" + request.full_path.replace("%", "%25").replace("&", "%26").replace("+", "%2B")
        )
    try:
        server.get_consent_grant(end_user=session["user"])
    except OAuth2Error as error:
        return server.handle_error_response(server.create_oauth2_request(None), error)
    return '<form method="post"><input type="submit" name="allow" value="Authorize"><input type="submit" value="Deny">'


@app.post("/oauth/authorize")
def decide() -> Any:
    grant = server.get_consent_grant(end_user=session["user"])
    return server.create_authorization_response(
        grant_user=session["user"] if "allow" in request.form else None, grant=grant
    )


@app.post("/oauth/token")
def token() -> Any:
    return server.create_token_response()


@app.post("/oauth/revoke")
def revoke() -> Any:
    return server.create_endpoint_response("revocation")


@app.post("/oauth/introspect")
def introspect() -> Any:
    return server.create_endpoint_response("introspection")


@app.post("/test/age")
def age() -> Any:
    """Expire every code and token issued so far."""
    for issued in (*CODES.values(), *TOKENS.values()):
        issued.expires_at -= 30 * 24 * 3600
    return "", 204


@app.get("/api/3/stacks.json")
@protect("public")
def stacks() -> Any:
    name = current_token.user
    return jsonify({"response": [{"uid": f"uid-of-{name}", "name": name}], "count": 1, "pagination": PAGE})


@app.post("/api/3/stacks/<uid>/deployments.json")
@protect("redeploy")
def deploy(uid: str) -> Any:
    return jsonify({"response": {"ok": True, "message": "Stack queued for redeployment"}})


@app.post("/api/3/echo")
@protect()
def echo() -> str:
    return str(len(request.get_data()))


@app.get("/api/3/large")
@protect()
def large() -> Response:
    return Response(b"x" * 10_000 for _ in range(100))


if __name__ == "__main__":
    make_server("127.0.0.1", int(sys.argv[2]), app, threaded=True).serve_forever()
