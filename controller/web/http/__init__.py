"""HTTP below the application: sockets, connections, and the protocol with its limits."""
