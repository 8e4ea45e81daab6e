"""Bots' credentials for the model and the store, and variables that the controller passes on unread."""

from __future__ import annotations

from typing import Final, Self

from pydantic import DirectoryPath, SecretStr, model_validator

from controller.core.primitives.addresses import is_private_url
from controller.settings.variables import Group, Variable, variable
from podline.contract import environment

_STORE_SECRET_BYTES: Final = 32
"""As long as HS256's hash: RFC 7518, section 3.2."""


class BotSettings(Group):
    """For every bot."""

    google_api_key: SecretStr | None = variable(
        environment.GOOGLE_API_KEY,
        "Key for the Gemini API: https://aistudio.google.com/apikey",
        to_fill_in=True,
    )
    gemini_ephemeral_tokens: bool = variable(
        "PODLINE_GEMINI_EPHEMERAL_TOKENS",
        "Give each bot a Gemini token for its own call instead of GOOGLE_API_KEY, so that only the "
        "controller has the key. Each start makes one more request to Google. Google calls these tokens "
        "a preview.",
        default=False,
    )
    google_gemini_base_url: str | None = variable(
        environment.GOOGLE_GEMINI_BASE_URL,
        "The address of another server that speaks Gemini's protocol. The sandbox sets it.",
        example="https://127.0.0.1:8443",
    )
    store_secret: SecretStr | None = variable(
        "PODLINE_STORE_SECRET",
        "The secret that the product store and the controller share (`openssl rand -hex 32`). It signs a "
        "CONVEX_TOKEN for each bot, which the store accepts only for that bot's session and user.",
    )
    personas: DirectoryPath | None = variable(
        "PODLINE_PERSONAS",
        "A directory of personas from which a request may choose, by file name without its extension.",
        example="/path/to/personas",
    )

    @model_validator(mode="after")
    def _secrets_cannot_be_guessed(self) -> Self:
        secret = self.store_secret.get_secret_value() if self.store_secret else None
        if secret is not None and len(secret.encode()) < _STORE_SECRET_BYTES:
            raise ValueError(
                f"PODLINE_STORE_SECRET: use {_STORE_SECRET_BYTES} bytes or more, "
                "such as the output of `openssl rand -hex 32`"
            )
        return self

    @model_validator(mode="after")
    def _tokens_can_be_had(self) -> Self:
        if not self.gemini_ephemeral_tokens:
            return self
        if self.google_api_key is None:
            raise ValueError(
                "PODLINE_GEMINI_EPHEMERAL_TOKENS=true needs GOOGLE_API_KEY to request the tokens"
            )
        if self.google_gemini_base_url is not None and not is_private_url(self.google_gemini_base_url):
            raise ValueError(
                "GOOGLE_GEMINI_BASE_URL: with PODLINE_GEMINI_EPHEMERAL_TOKENS=true the key is sent there; "
                "use an https address, or an http address of this machine"
            )
        return self


PASSED_ON: Final = (
    Variable(
        name=environment.CONVEX_URL,
        description="The address of the product store's HTTP actions: with Convex, the deployment's "
        "`.convex.site` address.",
        to_fill_in=True,
    ),
    Variable(
        name=environment.CONVEX_TOKEN,
        description="Sent to the product store as a bearer token, if the store requires one and "
        "PODLINE_STORE_SECRET is not set. Every bot has it, and whoever has it can write for any user.",
    ),
    Variable(
        name=environment.STOP_SECS,
        description="How long the caller must be silent for their turn to end.",
        default="0.5",
        unit="seconds",
    ),
    Variable(
        name=environment.NO_CALLER_SECONDS,
        description="How long a bot waits for its caller once it is ready.",
        default="60",
        unit="seconds",
    ),
    Variable(
        name=environment.RETURN_GRACE_SECONDS,
        description="How long a caller who lost the connection may take to return.",
        default="10",
        unit="seconds",
    ),
    Variable(
        name=environment.IDLE_SECONDS,
        description="How long both sides may be silent before the call ends.",
        default="300",
        unit="seconds",
    ),
    Variable(
        name=environment.MUTE_SECONDS,
        description="How long a caller may wait for an answer and hear nothing, not counting the time that "
        "tools take. Then the call ends. Set 0 for bots that are silent by design, otherwise 2 to 300.",
        default="8",
        unit="seconds",
    ),
    Variable(
        name=environment.SHOW_ERRORS,
        description="Show the last line of a bot's traceback in the session's message, and all of it in "
        "the bot's log. It may contain a secret or what a caller said, so set it only where bots are "
        "developed. `podline dev` sets it.",
        example="true",
    ),
    Variable(
        name=environment.SSL_CERT_FILE,
        description="The certificates to trust. The sandbox sets it.",
        example="/path/to/certificate.pem",
    ),
)
"""Variables that bots read and the controller passes on unchanged."""

TRACES: Final = (
    Variable(
        name="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="Where the controller and bots send spans, over HTTP. If not set, they send none. "
        "docs/observing.md says what they contain.",
        example="http://127.0.0.1:4318",
    ),
    Variable(
        name="OTEL_EXPORTER_OTLP_HEADERS",
        description="The receiver's key, if it needs one, URL-encoded.",
        example="authorization=Bearer%20key",
    ),
)
"""Variables that OpenTelemetry's SDK reads."""
