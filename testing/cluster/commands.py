"""The command lines of the control plane, and the files they need."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ADMIN = "admin"
CONTROLLER = "podline-controller"
"""Known to the apiserver and in no group: what it may do is what a test binds it to."""

ADMINISTRATORS = "system:masters"
"""The group that may do anything."""

LOOPBACK = "127.0.0.1"
SERVICES = "10.250.0.0/24"

Command = list[str | Path]


@dataclass(frozen=True)
class ClusterPorts:
    etcd: int
    etcd_peers: int
    apiserver: int
    controller_manager: int
    scheduler: int


@dataclass(frozen=True)
class Files:
    """Where things are in the directory of one control plane."""

    root: Path

    @property
    def certificates(self) -> Path:
        return self.root / "certificates"

    @property
    def certificate_authority(self) -> Path:
        """The apiserver's own certificate, followed by the authority it made for it."""
        return self.certificates / "apiserver.crt"

    @property
    def serving_key(self) -> Path:
        return self.certificates / "apiserver.key"

    @property
    def account_key(self) -> Path:
        return self.root / "service-accounts.key"

    @property
    def account_public_key(self) -> Path:
        return self.root / "service-accounts.pub"

    @property
    def tokens(self) -> Path:
        return self.root / "tokens.csv"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"


def etcd(program: Path, files: Files, ports: ClusterPorts) -> Command:
    clients, peers = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peers}"
    return [
        program,
        f"--data-dir={files.root / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(
    program: Path, files: Files, ports: ClusterPorts, address: str, more: Sequence[str] = ()
) -> Command:
    # The endpoints of the Service `kubernetes` may not be a loopback address.
    endpoints = ["--endpoint-reconciler-type=none"] if address == LOOPBACK else []
    return [
        program,
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        f"--cert-dir={files.certificates}",
        f"--bind-address={address}",
        f"--advertise-address={address}",
        f"--secure-port={ports.apiserver}",
        *endpoints,
        f"--token-auth-file={files.tokens}",
        "--authorization-mode=Node,RBAC",
        # As kubeadm and kind have it: what keeps privileged pods away must be somebody else's rule.
        "--allow-privileged=true",
        f"--service-cluster-ip-range={SERVICES}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={files.account_public_key}",
        f"--service-account-signing-key-file={files.account_key}",
        "--kubelet-preferred-address-types=InternalIP",
        *more,
    ]


def controller_manager(program: Path, files: Files, ports: ClusterPorts, address: str) -> Command:
    return [
        program,
        *client_flags(files, ports.controller_manager, address),
        f"--service-account-private-key-file={files.account_key}",
        f"--root-ca-file={files.certificate_authority}",
        # The authority it would publish stands behind another certificate in the file, which it refuses.
        "--controllers=*,-kube-apiserver-serving-clustertrustbundle-publisher-controller",
        "--concurrent-job-syncs=20",
        "--concurrent-gc-syncs=20",
        "--concurrent-ttl-after-finished-syncs=10",
    ]


def scheduler(program: Path, files: Files, ports: ClusterPorts, address: str) -> Command:
    return [program, *client_flags(files, ports.scheduler, address)]


def client_flags(files: Files, port: int, address: str) -> Command:
    return [
        f"--kubeconfig={files.kubeconfig}",
        f"--bind-address={address}",
        f"--secure-port={port}",
        f"--tls-cert-file={files.certificate_authority}",
        f"--tls-private-key-file={files.serving_key}",
        "--leader-elect=false",
        "--kube-api-qps=1000",
        "--kube-api-burst=2000",
    ]


def write_account_keys(files: Files) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    files.account_key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    files.account_public_key.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
    )


def write_tokens(files: Files, users: Mapping[str, Sequence[str]] | None = None) -> Mapping[str, str]:
    """Give each user a token, those with their groups that are given included; say which."""
    groups: Mapping[str, Sequence[str]] = {ADMIN: [ADMINISTRATORS], CONTROLLER: [], **(users or {})}
    tokens = {user: secrets.token_hex(16) for user in groups}
    lines = (
        f"{token},{user},{user}" + "".join(f',"{group}"' for group in groups.get(user, ()))
        for user, token in tokens.items()
    )
    files.tokens.write_text("".join(f"{line}\n" for line in lines))
    return tokens


def write_kubeconfig(path: Path, url: str, token: str, certificate_authority: Path | None = None) -> Path:
    cluster = {"server": url}
    if certificate_authority is not None:
        cluster["certificate-authority"] = str(certificate_authority)
    configuration = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    path.write_text(yaml.safe_dump(configuration))
    path.chmod(0o600)
    return path
