"""`podline` as it is, which on SIGUSR1 prints what can't be seen from outside: see tests/fakes/podline.py."""

from __future__ import annotations

import signal

from controller.__main__ import main
from tests.fakes.podline import tell_inner_figures

if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, lambda *_: tell_inner_figures())
    main()
