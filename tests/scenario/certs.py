"""Certificates for tests, made with openssl: an authority, and what it signs."""
import pathlib, subprocess

KINDS = {
    "P-256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "P-384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "RSA-2048": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "RSA-3072": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
    "RSA-4096": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
    "Ed25519": ["-algorithm", "ED25519"],
}

CA_CONFIG = """
[ca]
default_ca = one
[one]
database = {dir}/index
rand_serial = yes
new_certs_dir = {dir}
policy = any
copy_extensions = none
unique_subject = no
[any]
commonName = supplied
"""


def run(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise AssertionError(f"openssl {' '.join(map(str, words))}:\n{done.stderr}")
    return done.stdout


def make_key(path, kind):
    run("genpkey", *KINDS[kind], "-out", path)
    return path


class Authority:
    """Files in folder: NAME.pem and NAME.key of itself and of each certificate that it issues."""

    def __init__(self, folder, name="ca"):
        self.dir = pathlib.Path(folder)
        self.name = name
        self.pem, self.key = self.dir / f"{name}.pem", make_key(self.dir / f"{name}.key", "P-256")
        run(
            "req",
            "-x509",
            "-new",
            "-key",
            self.key,
            "-subj",
            f"/CN=Authority {name}",
            "-days",
            "30",
            "-out",
            self.pem,
        )
        self.work = self.dir / f"{name}.d"
        self.work.mkdir()
        (self.work / "index").touch()
        (self.work / "conf").write_text(CA_CONFIG.format(dir=self.work))

    def issue(
        self,
        name,
        names,
        kind="P-256",
        start="20200101000000Z",
        end="20490101000000Z",
        common=None,
        key=None,
    ):
        """Writes NAME.pem and NAME.key; names as in subjectAltName, "" for none. Returns both
        paths."""
        pem, key_path = self.dir / f"{name}.pem", self.dir / f"{name}.key"
        if key is None:
            make_key(key_path, kind)
        request, extensions = self.work / f"{name}.csr", self.work / f"{name}.ext"
        run(
            "req",
            "-new",
            "-key",
            key or key_path,
            "-subj",
            f"/CN={common or name}",
            "-out",
            request,
        )
        extensions.write_text(
            "basicConstraints = critical,CA:FALSE\n"
            + (f"subjectAltName = {names}\n" if names else "")
        )
        new = self.work / f"{name}.pem"
        run(
            "ca",
            "-batch",
            "-notext",
            "-config",
            self.work / "conf",
            "-cert",
            self.pem,
            "-keyfile",
            self.key,
            "-md",
            "sha256",
            "-startdate",
            start,
            "-enddate",
            end,
            "-extfile",
            extensions,
            "-in",
            request,
            "-out",
            new,
        )
        new.rename(pem)
        return pem, key or key_path

    def answer(self, name, path):
        """Writes the OCSP response about NAME.pem, valid for a day, to path."""
        asked = self.work / f"{name}.asked"
        run("ocsp", "-issuer", self.pem, "-cert", self.dir / f"{name}.pem", "-reqout", asked)
        signer = ["-rsigner", self.pem, "-rkey", self.key, "-ndays", "1"]
        index = ["-index", self.work / "index", "-CA", self.pem]
        run("ocsp", *index, *signer, "-reqin", asked, "-respout", path)

    def revoke(self, name):
        signer = ["-cert", self.pem, "-keyfile", self.key, "-md", "sha256"]
        run("ca", "-config", self.work / "conf", *signer, "-revoke", self.dir / f"{name}.pem")
