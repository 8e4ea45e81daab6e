"""How long to wait before trying again what has failed."""


def pause(first: float, longest: float, failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubled each time, up to the longest."""
    return min(first * 2.0 ** min(failures - 1, 10), longest)
