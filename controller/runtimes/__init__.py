"""The runtimes that bots can run in, each behind the Protocol `controller.core.runtime.Runtime`."""
