"""Paths of a namespace's objects at the API server."""


class NamespacePaths:
    """Lists of what a controller works with, for a class that has a namespace."""

    __slots__ = ()
    namespace: str

    @property
    def jobs(self) -> str:
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs"

    @property
    def core(self) -> str:
        """What belongs to no API group."""
        return f"/api/v1/namespaces/{self.namespace}"

    @property
    def pods(self) -> str:
        return f"{self.core}/pods"

    @property
    def secrets(self) -> str:
        return f"{self.core}/secrets"
