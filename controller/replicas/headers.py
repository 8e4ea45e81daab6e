"""Header fields between controllers of one installation. Names are in lower case, as in ASGI."""

from __future__ import annotations

from typing import Final

PREFIX: Final = b"podline-replica-"
"""Of all of them. From anybody but another controller such fields are dropped."""

TOKEN: Final = PREFIX + b"token"
"""Shows that a request is from another controller: `Signer.replica_token`."""

CLIENT: Final = PREFIX + b"client"
"""The address of the client that asked the other controller; left out if that knows none."""

SCHEME: Final = PREFIX + b"scheme"
"""`http` or `https`, as the client has used it, perhaps at a proxy."""

LISTENER: Final = PREFIX + b"listener"
"""The listener that the client has reached, `public` or `bots`; OF_ITS_OWN if there is no client."""

OF_ITS_OWN: Final = "replicas"
"""The value of LISTENER in a request that another controller makes for itself."""

REFUSED: Final = PREFIX + b"refused"
"""In an answer: why a request was not served, so that it can safely be sent again. See `ReplicaRefusal`."""
