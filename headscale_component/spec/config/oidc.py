"""`oidc`: login through an identity provider."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from headscale_component.spec.config.references import SecretValue, TextOrReference
from headscale_component.spec.config.types import (
    ConfigSection,
    Expiry,
    Flag,
    HttpUrl,
    LowerCaseText,
    Since,
    Text,
    Until,
)


def _with_openid(scope: tuple[str, ...]) -> tuple[str, ...]:
    if "openid" in scope:
        return scope
    raise ValueError("must hold `openid`; no provider says who logs in without")


class PkceConfig(ConfigSection):
    """`oidc.pkce`: PKCE (RFC 7636, https://www.rfc-editor.org/rfc/rfc7636), against stolen authorization codes."""

    enabled: Flag = False
    """Whether logins use PKCE; the provider has to support it."""

    method: Literal["S256", "plain"] = "S256"
    """The code challenge method. Headscale itself rarely checks the word."""


class OidcConfig(ConfigSection):
    """`oidc`: on where `issuer` is given."""

    issuer: HttpUrl
    """The provider's address; asked at every start."""

    client_id: TextOrReference
    """Headscale's name at the provider: a text, or a `secretKeyRef` where a platform puts it into a Secret."""

    client_secret: SecretValue | None = None
    """Headscale's secret at the provider. Not together with `client_secret_path`."""

    client_secret_path: Text | None = None
    """A file that holds it; `${VARIABLE}` in it is replaced."""

    only_start_if_oidc_is_available: Flag = True
    """Whether Headscale stops when the provider cannot be reached at start; without, logins fall back to the command
    line until the next start."""

    scope: Annotated[tuple[Text, ...], AfterValidator(_with_openid)] = ("openid", "profile", "email")
    """What is asked of the provider; `openid` is needed."""

    email_verified_required: Annotated[Flag, Since((0, 28))] = True
    """Whether only addresses that the provider has verified count."""

    expiry: Annotated[
        Expiry | None,
        Until((0, 28), "does not start with it", "`node.expiry`, which is for all nodes"),
    ] = None
    """After how long a node has to log in again. Headscale's own default: 180d."""

    use_expiry_from_token: Flag = False
    """Whether the token's own expiry is used."""

    extra_params: dict[LowerCaseText, Text] = Field(default_factory=dict)
    """More parameters of the login's address; Headscale reads their names in lower case."""

    allowed_domains: tuple[Text, ...] = ()
    """Mail domains whose people may log in; empty for all."""

    allowed_users: tuple[Text, ...] = ()
    """Mail addresses of those who may log in; empty for all."""

    allowed_groups: tuple[Text, ...] = ()
    """Groups whose people may log in; empty for all."""

    pkce: PkceConfig = PkceConfig()
    """PKCE (RFC 7636)."""
