"""Names of agents and of the files that define them, as controllers accept them."""

from typing import Final

NAME_PATTERN: Final = "(?!start)[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?"
"""An agent's name. Pipecat's client cuts the first `/start` out of a URL, so no name begins with `start`."""

DEPLOY_FILE: Final = "pcc-deploy.toml"
PODLINE_FILE: Final = "podline.toml"
