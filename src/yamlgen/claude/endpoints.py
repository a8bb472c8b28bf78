"""The ends of the connections of a pipeline: an address with its credentials, one for each model that has its own.

Owns which address, which credentials and which workspace are in effect: those that the model sets, else those of the
file, else those of the environment and of the SDK's profile.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import anthropic
from anthropic.lib.credentials import (
    CredentialsFile,
    IdentityTokenFile,
    StaticToken,
    WorkloadIdentityCredentials,
    default_credentials,
)

from yamlgen.batches.batch_store import BatchOrigin
from yamlgen.claude.address import safe_address
from yamlgen.claude.answer_keys import AnswerKeys
from yamlgen.claude.api_key import key_in
from yamlgen.claude.connections import token_connections
from yamlgen.claude.credential_errors import unusable
from yamlgen.claude.credentials import AccessTokens, ApiKey, Credentials
from yamlgen.claude.custom_headers import CustomHeaders, connection_headers
from yamlgen.claude.error_mapping import ErrorContext
from yamlgen.environment import variable
from yamlgen.errors import Code, MissingKey
from yamlgen.pipeline.header_names import WORKSPACE
from yamlgen.pipeline.model_settings import PUBLIC_URL, normalised
from yamlgen.pipeline.pipeline_model import Runtime
from yamlgen.steps.config_fields import Auth, FromVariable, ModelRuntime

_PROFILE: Final = "ANTHROPIC_PROFILE"
_RULE: Final = "ANTHROPIC_FEDERATION_RULE_ID"
_ORGANIZATION: Final = "ANTHROPIC_ORGANIZATION_ID"
_IDENTITY: Final = "ANTHROPIC_IDENTITY_TOKEN"
_IDENTITY_FILE: Final = "ANTHROPIC_IDENTITY_TOKEN_FILE"
_WORKSPACE: Final = "ANTHROPIC_WORKSPACE_ID"
_FEDERATED: Final = "oidc_federation"


class Profile(NamedTuple):
    """A profile of the SDK, without its secrets.

    Attributes:
        name: its name.
        base_url: its address; `None` if it has none.
        workspace: its workspace; `None` if it has none.
        federated: whether its tokens belong to the workspace, so that no header names it.
    """

    name: str
    base_url: str | None
    workspace: str | None
    federated: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end: an address with its credentials. Picklable, without secrets.

    Attributes:
        runtime: the settings of the connection: those of the file, with what a model overrides.
        address: the base URL, without a `/` at its end.
        auth: the kind of credentials in effect.
        profile: the profile in effect.
        simulator: the simulator's settings as a string; `None` without a simulator.
    """

    runtime: Runtime
    address: str
    auth: Auth = "key"
    profile: Profile | None = None
    simulator: str | None = None

    @property
    def answerer(self) -> str:
        """Who answers, as a part of the keys of answers: the normalised address, or the simulator."""
        return self.simulator or normalised(self.address)

    @property
    def identity(self) -> tuple[str, ...]:
        """What distinguishes one end from another: the address and the credentials."""
        if self.simulator is not None:
            return (self.address,)
        name = self.runtime.key_name if self.auth in ("key", "token") else self.profile.name if self.profile else ""
        return (normalised(self.address), self.auth, name, str(self.runtime.workspace))

    @property
    def account(self) -> str:
        """Whose rate limits apply: the address, the credentials and the workspace; or the simulator."""
        if self.simulator is not None:
            return "simulator"
        _, _, name, _ = self.identity
        return " ".join(filter(None, (self.answerer, name, self.headers().workspace)))

    @property
    def client_key(self) -> tuple[str, ...]:
        """What models with one client have in common."""
        return (*self.identity, repr(self.runtime))

    @property
    def has_fallbacks(self) -> bool:
        """Whether the API can ask fallback models itself."""
        return self.simulator is not None or normalised(self.address) == PUBLIC_URL

    @property
    def place(self) -> str:
        """The address as a short name."""
        parts = urlsplit(self.address)
        return f"{parts.netloc}{parts.path}"

    @property
    def is_variable(self) -> bool:
        """Whether its credentials are the key or token in a variable."""
        return self.simulator is None and self.auth in ("key", "token")

    @property
    def unset(self) -> str | None:
        """The variable of its key or token, if it is not set."""
        name = self.runtime.key_name
        return name if self.is_variable and variable(name) is None else None

    @property
    def told(self) -> str:
        """The credentials, for messages."""
        match self.auth:
            case "profile":
                return f"profile `{self.profile.name}`" if self.profile is not None else "the profile"
            case "federation":
                return f"the federation rule in {_RULE}"
            case _:
                return f"the {self.auth} in {self.runtime.key_name}"

    def headers(self) -> CustomHeaders:
        """Return the headers that are added to every request, with the workspace of a profile; none if simulated.

        Raises:
            EnvironmentProblem: the environment may not set one of the headers, or lacks the value of one.
        """
        if self.simulator is not None:
            return CustomHeaders()
        found, profile = connection_headers(self.runtime), self.profile
        if found.workspace or profile is None or profile.workspace is None or profile.federated:
            return found
        return replace(found, own={**found.own, WORKSPACE: profile.workspace})

    def keys(self) -> AnswerKeys:
        """Return what computes the keys of its answers.

        Raises:
            EnvironmentProblem: as for `headers`.
        """
        headers = self.headers()
        workspace = headers.workspace
        if not workspace and self.simulator is None and self.auth in ("profile", "federation"):  # that of the tokens
            workspace = (self.profile.workspace if self.profile is not None else variable(_WORKSPACE)) or ""
        return AnswerKeys(self.answerer, self.runtime.api_version, headers.betas, workspace)

    def origin(self) -> BatchOrigin:
        """Return where its batches are posted, for other processes."""
        runtime, simulated = self.runtime, self.simulator is not None
        named = tuple((name, each.env) for name, each in sorted((runtime.headers or {}).items()))
        workspace = self.headers().workspace
        return BatchOrigin(self.address, runtime.key_name, runtime.api_version, simulated, named, workspace, self.auth)

    def error_context(self, credentials: Credentials, headers: CustomHeaders) -> ErrorContext:
        """Return what error messages need to know of it."""
        return ErrorContext(
            "", self.address, self.runtime.key_name, "", headers.secrets, credentials.secrets, self.told
        )

    def credentials(self, *, retries: bool = False) -> Credentials:
        """Return its credentials; `retries` is as in `ClaudeProvider`.

        Raises:
            EnvironmentProblem: there are none, or they cannot be read.
        """
        if self.simulator is not None:
            return ApiKey("simulated")  # the simulator accepts any key
        match self.auth:
            case "key":
                unsaid = self.runtime.auth is None and self.runtime.api_key_env is None
                others = ("ANTHROPIC_AUTH_TOKEN", _PROFILE) if unsaid else ()
                return ApiKey(key_in(self.runtime.key_name, others=others, retries=retries))
            case "token":
                token = key_in(self.runtime.key_name, what="token", retries=retries)
                return AccessTokens(StaticToken(token), self.told, secrets=(token,), renews=False)
            case "profile":
                return self._of_profile()
            case "federation":
                return self._federated()

    def _of_profile(self) -> AccessTokens:
        assert self.profile is not None  # noqa: S101 - it was read
        client = token_connections(self.profile.base_url or self.address)
        try:
            provider = CredentialsFile(self.profile.name, http_client=client)
            provider.bind_base_url(self.address)
        except anthropic.AnthropicError as error:
            client.close()
            raise unusable(error, self.told) from None
        return AccessTokens(provider, self.told, client, shared=(self.told, str(provider.config_path)))

    def _federated(self) -> AccessTokens:
        rule, organization, token = variable(_RULE), variable(_ORGANIZATION), variable(_IDENTITY)
        file = variable(_IDENTITY_FILE)
        if rule is None or organization is None or (token is None and file is None):
            given = {
                _RULE: rule,
                _ORGANIZATION: organization,
                f"one of {_IDENTITY_FILE} and {_IDENTITY}": file or token,
            }
            missing = ", ".join(name for name, value in given.items() if value is None)
            message = "no credentials: an identity token cannot be exchanged without all variables of the federation"
            raise MissingKey(message, code=Code.NO_KEY, hint=f"set {missing}")
        client = token_connections(self.address)
        account, workspace = variable("ANTHROPIC_SERVICE_ACCOUNT_ID"), variable(_WORKSPACE)
        provider = WorkloadIdentityCredentials(
            identity_token_provider=IdentityTokenFile(file) if file is not None else _identity_token,
            federation_rule_id=rule,
            organization_id=organization,
            service_account_id=account,
            workspace_id=workspace,
            http_client=client,
        )
        try:
            provider.bind_base_url(self.address)
        except anthropic.AnthropicError as error:
            client.close()
            raise unusable(error, self.told) from None
        shared = self.told, self.address, rule, organization, account, workspace, file
        secrets = () if token is None else (token,)
        return AccessTokens(provider, self.told, client, secrets=secrets, shared=shared)


def endpoint_of(file: Runtime, own: ModelRuntime | None = None) -> Endpoint:
    """Return the end of a model.

    Args:
        file: the connection of the file.
        own: what the model overrides.

    Raises:
        EnvironmentProblem: the environment's address would send the key unencrypted, or a profile cannot be read.
    """
    runtime = file if own is None else own.over(file)
    auth = _auth_of(runtime)
    profile = read_profile() if auth == "profile" else None
    given = runtime.base_url
    if given is None and own is not None and own.auth == "profile" and profile is not None:
        given = profile.base_url
    if given is None:
        found = variable("ANTHROPIC_BASE_URL")
        known = profile.base_url if profile is not None else None
        given = safe_address(found, runtime) if found else known or PUBLIC_URL
    return Endpoint(runtime, given.rstrip("/"), auth, profile)


def posted_to(origin: BatchOrigin) -> Endpoint:
    """Return the end to which a batch was posted, with the credentials of today.

    Raises:
        EnvironmentProblem: a profile cannot be read.
    """
    auth: Auth = origin.auth
    key = origin.api_key_env if auth in ("key", "token") else None
    runtime = Runtime(
        base_url=origin.base_url,
        auth=auth,
        api_key_env=key,
        api_version=origin.api_version,
        headers={name: FromVariable(env=env) for name, env in origin.headers},
        workspace=origin.workspace or None,
    )
    profile = read_profile() if auth == "profile" else None
    return Endpoint(runtime, origin.base_url, auth, profile, "simulated" if origin.simulated else None)


def _auth_of(runtime: Runtime) -> Auth:
    """Return the kind of credentials in effect: the SDK's own order, if the pipeline says nothing."""
    if runtime.auth is not None:
        return runtime.auth
    if runtime.api_key_env is not None or variable("ANTHROPIC_API_KEY"):
        return "key"
    if variable("ANTHROPIC_AUTH_TOKEN"):
        return "token"
    if variable(_PROFILE):
        return "profile"
    if variable(_RULE) and variable(_ORGANIZATION) and (variable(_IDENTITY) or variable(_IDENTITY_FILE)):
        return "federation"
    try:
        found = default_credentials()  # only the active profile is left
    except anthropic.AnthropicError:  # told when it is read
        return "profile"
    return "key" if found is None else "profile"


def read_profile() -> Profile:
    """Return the profile that the environment names, or else the active one.

    Raises:
        MissingKey: there is none, or it cannot be read.
    """
    named = variable(_PROFILE)
    what = f"profile `{named}`" if named else "the active profile"
    try:
        file = CredentialsFile()
        what = f"profile `{file.profile}`"
        file.extra_headers()  # the SDK checks the file
        config = json.loads(file.config_path.read_text(encoding="utf-8"))
    except (anthropic.AnthropicError, OSError, ValueError) as error:
        raise unusable(error, what) from None
    base_url, workspace = config.get("base_url"), config.get("workspace_id") or variable(_WORKSPACE)
    is_federated = config["authentication"].get("type") == _FEDERATED
    return Profile(file.profile, str(base_url) if base_url else None, workspace and str(workspace), is_federated)


def _identity_token() -> str:
    return variable(_IDENTITY) or ""
