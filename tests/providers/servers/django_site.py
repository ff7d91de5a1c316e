"""Django site with django-oauth-toolkit: an OAuth provider and a small API. Arguments: folder and port."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
import uvicorn
from django.conf import settings

SCOPES = ("public", "redeploy", "jobs", "users", "admin")
CALLBACKS = ("https://app.example/callback", "http://127.0.0.1/callback", "urn:ietf:wg:oauth:2.0:oob")
PAGE = {"previous": None, "next": None, "current": 1, "per_page": 30, "count": 1, "pages": 1}


def needs_pkce(client_id: str) -> bool:
    return client_id == "strict"


folder, port = Path(sys.argv[1]), int(sys.argv[2])
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": folder / "site.db",
            "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    LOGIN_URL="/sign_in",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    OAUTH2_PROVIDER={
        "SCOPES": dict.fromkeys(SCOPES, "a scope"),
        "DEFAULT_SCOPES": ["public"],
        "PKCE_REQUIRED": needs_pkce,
        "ALLOWED_REDIRECT_URI_SCHEMES": ["https", "http", "urn"],
    },
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    ROOT_URLCONF="__main__",
    SECRET_KEY="of a test",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    USE_TZ=True,
)
django.setup()

from django.contrib.auth import get_user_model, login  # noqa: E402 (Django requires its settings first)
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.middleware.csrf import get_token  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils import timezone  # noqa: E402
from django.utils.html import escape  # noqa: E402
from django.views import View  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from oauth2_provider import views  # noqa: E402
from oauth2_provider.models import AccessToken, Application, Grant  # noqa: E402
from oauth2_provider.views.generic import ScopedProtectedResourceView  # noqa: E402
from oauth2_provider.views.mixins import ProtectedResourceMetadataMixin  # noqa: E402


def sign_in(request: Any) -> HttpResponse:
    if request.method == "POST":
        user, _ = get_user_model().objects.get_or_create(username=request.POST["username"])
        login(request, user)
        return HttpResponseRedirect(request.POST["next"])
    return HttpResponse(
        f'<form method="post"><input type="hidden" name="next" value="{escape(request.GET["next"])}">'
        f'<input type="hidden" name="csrfmiddlewaretoken" value="{get_token(request)}">'
        '<input type="text" name="username"><input type="password" name="password">'
        '<input type="submit" name="sign_in" value="Sign in"></form>'
    )


@csrf_exempt
def age(request: Any) -> HttpResponse:
    """Expire every code and token issued so far."""
    long_ago = timezone.now() - timedelta(days=30)
    Grant.objects.update(expires=long_ago)
    AccessToken.objects.update(expires=long_ago)
    return HttpResponse(status=204)


class Protected(ProtectedResourceMetadataMixin, ScopedProtectedResourceView):
    """A page of the API that gives the reason for a rejection."""

    www_authenticate_realm = "api"
    required_scopes: tuple[str, ...] = ()


class Stacks(Protected):
    required_scopes = ("public",)

    def get(self, request: Any) -> HttpResponse:
        name = request.resource_owner.username
        return JsonResponse({"response": [{"uid": f"uid-of-{name}", "name": name}], "count": 1, "pagination": PAGE})


class Deployments(Protected):
    required_scopes = ("redeploy",)

    def post(self, request: Any, uid: str) -> HttpResponse:
        return JsonResponse({"response": {"ok": True, "message": "Stack queued for redeployment"}})


class Silent(ScopedProtectedResourceView):
    """A page that rejects requests with an empty 403, the default of the toolkit."""

    required_scopes = ("public",)

    def get(self, request: Any) -> HttpResponse:
        return JsonResponse({"response": {}})


class Echo(Protected):
    def post(self, request: Any) -> HttpResponse:
        return HttpResponse(str(len(request.body)))


class Large(Protected):
    def get(self, request: Any) -> StreamingHttpResponse:
        return StreamingHttpResponse(b"x" * 10_000 for _ in range(100))


def csrf_free(view: type[View]) -> Any:
    return csrf_exempt(view.as_view())


urlpatterns = [
    path("oauth/authorize", views.AuthorizationView.as_view()),
    path("oauth/token", views.TokenView.as_view()),
    path("oauth/revoke", views.RevokeTokenView.as_view()),
    path("oauth/introspect", views.IntrospectTokenView.as_view()),
    path("oauth/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("sign_in", sign_in),
    path("test/age", age),
    path("api/3/stacks.json", csrf_free(Stacks)),
    path("api/3/stacks/<uid>/deployments.json", csrf_free(Deployments)),
    path("api/3/stacks/silent.json", csrf_free(Silent)),
    path("api/3/echo", csrf_free(Echo)),
    path("api/3/large", csrf_free(Large)),
]


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    for name in ("app", "other", "strict", "public"):
        Application.objects.create(
            client_id=name,
            client_secret="" if name == "public" else f"{name}-SECRET-4b1d",
            client_type=Application.CLIENT_PUBLIC if name == "public" else Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
            name=name,
            redirect_uris=" ".join(CALLBACKS),
        )
    uvicorn.run(get_asgi_application(), host="127.0.0.1", port=port, log_level="warning", lifespan="off")
