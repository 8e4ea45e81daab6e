"""Where bots run: one module for each kind of place, all behind `controller.core.runtime.Runtime`."""
