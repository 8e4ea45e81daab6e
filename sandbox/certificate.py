"""The model's certificate, which a client verifies by being given it: made for loopback, or brought."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID_FOR: Final = timedelta(days=30)
_USAGE: Final = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def make_certificate(directory: Path, now: datetime) -> tuple[Path, ssl.SSLContext]:
    """Write `cert.pem` and `key.pem` to the directory.

    Returns:
        The certificate's path, for clients, and the context a server presents it with.
    """
    certificate, key = issue_certificate(("localhost",), now, _VALID_FOR)
    certificate_path, key_path = directory / "cert.pem", directory / "key.pem"
    certificate_path.write_bytes(certificate)
    key_path.unlink(missing_ok=True)
    key_path.touch(mode=0o600, exist_ok=False)
    key_path.write_bytes(key)
    return certificate_path, _context(certificate_path, key_path)


def issue_certificate(names: Iterable[str], now: datetime, valid_for: timedelta) -> tuple[bytes, bytes]:
    """Issue a certificate that is its own authority, for these host names and 127.0.0.1.

    Returns:
        The certificate and its key, in PEM.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "podline sandbox")])
    hosts = [*map(x509.DNSName, names), x509.IPAddress(IPv4Address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + valid_for)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_USAGE, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    written_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), written_key


def load_certificate(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """Take `tls.crt` and `tls.key`, as a Secret of the type kubernetes.io/tls mounts them.

    Returns:
        What `make_certificate` returns.

    Raises:
        OSError: They can't be read, or don't belong together.
    """
    certificate_path, key_path = directory / "tls.crt", directory / "tls.key"
    for path in (certificate_path, key_path):
        path.stat()  # which names the file that is missing, as ssl does not
    return certificate_path, _context(certificate_path, key_path)


def _context(certificate_path: Path, key_path: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate_path, key_path)
    return context
