"""The API's description: FastAPI's, completed by access, errors, events, and an example of everything."""
