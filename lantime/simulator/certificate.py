"""A self-signed certificate for the simulator, as most devices have one."""

import ipaddress
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from broker.errors import SettingError
from broker.lifecycle.clock import Clock

_VALID = timedelta(days=365)


def write_certificate(folder: Path, host: str, clock: Clock) -> tuple[Path, Path]:
    """Write ``certificate.pem`` and ``key.pem`` (readable by the owner only) into the folder; return their paths.

    Valid for localhost, 127.0.0.1, ::1, the given host and this machine's name, for a year from an hour ago. It is
    its own authority, so a client may trust it as a CA file.
    """
    files = folder / "certificate.pem", folder / "key.pem"
    _write(*files, host, clock)
    return files


def kept_certificate(file: Path, host: str, clock: Clock) -> tuple[Path, Path]:
    """Return the certificate in this file and the key beside it (``file.key``); write both when neither is there.

    Who trusts the file goes on trusting it over restarts. Raises SettingError when one of the two is missing, is no
    such file, or the certificate has ended.
    """
    key_file = file.with_name(f"{file.name}.key")
    try:
        if not file.exists() and not key_file.exists():
            _write(file, key_file, host, clock)
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as exc:
        raise _unusable(file, f"it or its key {key_file} cannot be used ({exc})") from exc
    if key.public_key() != certificate.public_key():
        raise _unusable(file, f"{key_file} is not its key")
    if certificate.not_valid_after_utc <= datetime.fromtimestamp(clock.now_us() / 1_000_000, UTC):
        raise _unusable(file, f"it ended on {certificate.not_valid_after_utc:%Y-%m-%d}")
    return file, key_file


def _unusable(file: Path, problem: str) -> SettingError:
    return SettingError("--certificate-file", str(file), f"{problem}; remove both files to have new ones made")


def _write(certificate_file: Path, key_file: Path, host: str, clock: Clock) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "LANTIME simulator")])
    now = datetime.fromtimestamp(clock.now_us() / 1_000_000, UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _names(host: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for each in dict.fromkeys(("localhost", "127.0.0.1", "::1", host, socket.gethostname())):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(each)))
        except ValueError:
            if each.isascii() and each:
                names.append(x509.DNSName(each))
    return names
