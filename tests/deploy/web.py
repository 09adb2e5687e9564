"""nginx with a configuration of ours, on free ports with a throw-away certificate, before a real server."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.servers import free_port, need

HOST = "packages.example"
AROUND = """\
{user}daemon off;
pid {own}/pid;
error_log {own}/error.log warn;
events {{ worker_connections 256; }}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    client_body_temp_path {own}/body;
    proxy_temp_path {own}/proxy;
    fastcgi_temp_path {own}/fastcgi;
    uwsgi_temp_path {own}/uwsgi;
    scgi_temp_path {own}/scgi;
    include {own}/tallystick.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Web:
    """nginx as it runs: where, and whose certificate to believe."""

    url: str
    plain_url: str
    certificate: Path
    log: Path

    def get(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> urllib3.HTTPResponse:
        """One request, its answer as it came over the wire: nothing is followed or unpacked."""
        with urllib3.PoolManager(ca_certs=str(self.certificate), retries=False) as pool:
            said = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = pool.request(method, self.url + path, body=body, headers=said, decode_content=False)
            assert isinstance(answer, urllib3.HTTPResponse)
            return answer


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of its own for this machine and for HOST, and its key."""
    key, now = generate_private_key(SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    hosts = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.IPAddress(ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(hosts, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    (folder / "fullchain.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "fullchain.pem", folder / "key.pem"


@contextmanager
def nginx(conf: Path, own: Path, here: Mapping[str, str]) -> Iterator[Web]:
    """nginx with a file of ours, in which each text of ``here`` (it must be there) is replaced by this test's own."""
    program = need("nginx", "nginx")
    own.mkdir()
    chain, key = certificate(own)
    port, plain = free_port(), free_port()
    said = {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "/etc/ssl/tallystick/fullchain.pem": str(chain),
        "/etc/ssl/tallystick/key.pem": str(key),
        **here,
    }
    text = conf.read_text()
    for theirs, ours in said.items():
        assert theirs in text, theirs
        text = text.replace(theirs, ours)
    (own / "tallystick.conf").write_text(text)
    user = "user root root;\n" if os.geteuid() == 0 else ""  # a test's folder is its own user's alone
    (own / "nginx.conf").write_text(AROUND.format(own=own, user=user))
    command = [program, "-p", str(own), "-e", str(own / "error.log"), "-c", str(own / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert checked.returncode == 0 and "[warn]" not in checked.stderr, checked.stderr
    process = subprocess.Popen(command)
    try:
        while not (own / "pid").exists() or not (own / "pid").read_text():
            assert process.poll() is None, (own / "error.log").read_text()
            time.sleep(0.02)
        yield Web(f"https://127.0.0.1:{port}", f"http://127.0.0.1:{plain}", chain, own / "error.log")
    finally:
        process.terminate()
        process.wait(20)
