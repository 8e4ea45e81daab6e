"""Where bots run: one module for each kind of place, all behind `controller.runtime.Runtime`."""
