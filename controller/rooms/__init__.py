"""Where caller and bot meet: one module for each provider, all behind `controller.rooms`."""
