"""Bearer tokens that need no storage: an HMAC of what they are for, under the controller's secret."""

import hashlib
import hmac


class Signer:
    """Makes and checks tokens. Each kind has a prefix of its own, so that none passes for another."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def launch_token(self, launch_id: str) -> str:
        """For one bot: it may speak for this launch."""
        return self._sign(f"launch:{launch_id}")

    def offer_token(self, session_id: str) -> str:
        """For one caller: they may make offers to this session."""
        return self._sign(f"offer:{session_id}")

    def installation(self, place: str) -> str:
        """What tells the installation of this secret at a place from all others. No secret itself."""
        return self._sign(f"installation:{place}")[:10]

    def is_launch_token(self, token: str, launch_id: str) -> bool:
        return _same(token, self.launch_token(launch_id))

    def is_offer_token(self, token: str, session_id: str) -> bool:
        return _same(token, self.offer_token(session_id))

    def _sign(self, purpose: str) -> str:
        return hmac.new(self._secret, purpose.encode(), hashlib.sha256).hexdigest()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode())
