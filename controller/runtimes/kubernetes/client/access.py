"""Cluster, namespace and credentials: the pod's own, or those of a kubeconfig, read as kubectl does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import yaml
from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException
from kubernetes.aio.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION, KubeConfigMerger

from controller.runtimes.kubernetes.client.errors import ConfigurationInvalid

_OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_DEFAULT_NAMESPACE: Final = "default"


def _proxy_for(address: str) -> str | None:
    """Return the proxy for an address, from HTTPS_PROXY and NO_PROXY as kubectl reads them."""
    parts = urlsplit(address)
    if parts.hostname is None or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


def _insist_on_what_it_promises(loader: Any, configuration: Configuration) -> None:
    """Raise if there is no address, or no credentials after a plugin failed: the package only logs that."""
    if not hasattr(loader, "host"):
        raise ConfigException("its cluster has no server")
    is_known = configuration.api_key.get("BearerToken") or configuration.cert_file
    if "exec" in (loader._user or ()) and not is_known:  # noqa: SLF001 - it shows it nowhere else
        raise ConfigException("its plugin returned no credentials")


class Access:
    """Finds credentials, and finds them again after they were renewed."""

    def __init__(self, kubeconfig: str | None = None) -> None:
        """Without `kubeconfig`: KUBECONFIG, or ~/.kube/config if it exists, or the pod's own account."""
        self._files = kubeconfig or KUBE_CONFIG_DEFAULT_LOCATION

    async def configuration(self) -> Configuration:
        """Return the current address and credentials; run an exec plugin if the kubeconfig names one.

        Raises:
            ConfigurationInvalid: there are none, or they can't be read.
        """
        configuration = Configuration()
        # The client would retry by itself, even requests that must not be repeated.
        configuration.retries = None
        try:
            if self._has_kubeconfig():
                loader = await config.load_kube_config(
                    config_file=self._files, client_configuration=configuration, persist_config=False
                )
                _insist_on_what_it_promises(loader, configuration)
            else:
                config.load_incluster_config(configuration)
        except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError) as error:
            raise ConfigurationInvalid(self._complaint(error)) from error
        configuration.proxy = configuration.proxy or _proxy_for(configuration.host)
        # Otherwise the client would look for proxies and passwords in a thread, twice for each request.
        configuration.client_session_kwargs = {"trust_env": False}
        return configuration

    def namespace(self) -> str:
        """Return the namespace that kubectl would use: that of the kubeconfig's context, or the pod's own."""
        if self._has_kubeconfig():
            merged = KubeConfigMerger(self._files).config
            current = merged["contexts"].get_with_name(merged["current-context"])
            return str(current["context"].safe_get("namespace") or _DEFAULT_NAMESPACE)
        if _OWN_NAMESPACE.is_file():
            return _OWN_NAMESPACE.read_text(encoding="utf-8").strip()
        return _DEFAULT_NAMESPACE

    def _has_kubeconfig(self) -> bool:
        return any(Path(file).expanduser().is_file() for file in self._files.split(os.pathsep))

    def _complaint(self, error: Exception) -> str:
        if self._has_kubeconfig():
            # Their parsers quote the line they failed on, which may contain a credential.
            what = str(error) if isinstance(error, ConfigException) else type(error).__name__
            return f"The kubeconfig {self._files} can't be used: {what.rstrip('.')}."
        return (
            f"No cluster was found: there is no kubeconfig at {self._files}, and this is not a pod with a "
            f"service account ({str(error).rstrip('.')})."
        )
