"""An OpenID provider on loopback: metadata, keys, an authorization and a token endpoint, as strict as a real one."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from secrets import token_urlsafe
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import orjson
from joserfc import jwt
from joserfc.jwk import ECKey, Key

from tests.tools.whole_server import Documents

CLIENT_ID = "staywell client"  # a space, so that encoding matters
CLIENT_SECRET = "s3cret:with+signs"


@dataclass
class Provider:
    """Whoever comes is `person`; what it says can be bent by tests."""

    server: Documents
    callbacks: tuple[str, ...] = ()
    key: Key = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "1"}))
    person: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)  # over the right ones; None: left out
    sign: Any = None  # claims → token, in place of the right signature
    deny: str | None = None
    answer: dict[str, str] = field(default_factory=dict)  # over the right answer to the redirect
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    redeemed: list[str] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return self.server.base

    def start(self) -> Self:
        base = self.server.base
        self.server.documents |= {
            "/.well-known/openid-configuration": {
                "issuer": base,
                "authorization_endpoint": f"{base}/authorize?tenant=1",
                "token_endpoint": f"{base}/token",
                "jwks_uri": f"{base}/keys",
                "authorization_response_iss_parameter_supported": True,
            },
            "/keys": {"keys": [self.key.as_dict(private=False)]},
            "/authorize": self._authorize,
            "/token": self._token,
        }
        return self

    def _authorize(self, request: BaseHTTPRequestHandler, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        right = (
            asked.get("client_id") == CLIENT_ID
            and asked.get("redirect_uri") in self.callbacks
            and asked.get("response_type") == "code"
            and asked.get("code_challenge_method") == "S256"
            and len(asked.get("code_challenge", "")) == 43
            and "openid" in asked.get("scope", "").split()
        )
        if not right:
            return 400, {}, b"bad request"
        said = {"state": asked["state"], "iss": self.issuer}
        if self.deny is not None:
            said["error"] = self.deny
        else:
            said["code"] = token_urlsafe(16)
            self.codes[said["code"]] = asked
        location = f"{asked['redirect_uri']}?{urlencode({**said, **self.answer})}"
        return 302, {"Location": location}, b""

    def _token(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        given = [unquote(part) for part in base64.b64decode(credentials).decode().split(":")]
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        right = (
            scheme == "Basic"
            and given == [CLIENT_ID, CLIENT_SECRET]
            and asked is not None
            and asked["redirect_uri"] == form.get("redirect_uri")
            and asked["code_challenge"] == challenge
            and form.get("grant_type") == "authorization_code"
        )
        if not right or asked is None:
            return 400, {}, b'{"error": "invalid_grant"}'
        self.redeemed.append(form["code"])
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "subject-1",
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.person,
            **self.claims,
        }
        said = {name: value for name, value in claims.items() if value is not None}
        token = self.sign(said) if self.sign else jwt.encode({"alg": "ES256", "kid": self.key.kid}, said, self.key)
        return 200, {}, orjson.dumps({"access_token": "unused", "token_type": "Bearer", "id_token": token})
