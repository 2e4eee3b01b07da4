"""An authority and certificates of the tests' own, made by the openssl command, and Python's TLS contexts for them."""
import os
import ssl
import subprocess
import tempfile
import time


class Authority:
    """ca.pem, and for each name NAME.pem and NAME.key; valid for localhost, 127.0.0.1 and ::1."""

    def __init__(self, name="Aquifer's tests"):
        self._folder = tempfile.TemporaryDirectory(prefix="aquifer-tls-")
        self.dir = self._folder.name
        self.file = self.path("ca.pem")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                      "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.path("ca.key"), "-out", self.file)

    def path(self, name):
        return os.path.join(self.dir, name)

    def _openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, capture_output=True)

    def certificate(self, name="server", names="DNS:localhost,IP:127.0.0.1,IP:::1", days=30):
        """(certificate file, key file); with 0 days it has expired when this returns."""
        request, cert, key, extension = (self.path(name + end) for end in (".csr", ".pem", ".key", ".ext"))
        with open(extension, "w", encoding="ascii") as file:
            file.write(f"subjectAltName={names}\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.path("ca.key"), "-CAcreateserial",
                      "-days", str(days), "-extfile", extension, "-out", cert)
        if days == 0:
            time.sleep(1.1)  # its last second must be over
        return cert, key

    def server(self, *certificate):
        """For a fake provider: Fake(tls=authority.server())."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*(certificate or self.certificate()))
        return context

    def client(self, alpn=("http/1.1",)):
        """For a client of the gateway: Conn(address, tls=authority.client())."""
        context = ssl.create_default_context(cafile=self.file)
        context.set_alpn_protocols(list(alpn))
        return context
