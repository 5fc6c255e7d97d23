//! Certificates made for a run, by OpenSSL.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{left_out, set_mode};

/// A certificate signed by itself, and its key.
pub struct Certificate {
    directory: tempfile::TempDir,
}

impl Certificate {
    /// For `localhost`, of a server and no authority; nothing on machines that cannot make one.
    pub fn new() -> Option<Self> {
        Self::with(&["-days", "2", "-addext", "basicConstraints=critical,CA:FALSE"])
    }

    /// For `localhost`, with these options of `openssl req -x509`, which makes authorities.
    pub fn with(options: &[&str]) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        set_mode(directory.path(), 0o755);
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(options)
            .args(["-keyout", "key.pem", "-out", "certificate.pem"])
            .current_dir(directory.path())
            .output();
        match made {
            Ok(made) if made.status.success() => {
                let certificate = Self { directory };
                set_mode(&certificate.path("certificate.pem"), 0o644);
                Some(certificate)
            }
            _ => {
                left_out("https needs a certificate, and there is no openssl to make one");
                None
            }
        }
    }

    /// For `localhost` and an authority, good between these two moments (`YYYYMMDDHHMMSSZ`).
    pub fn dated(from: &str, until: &str) -> Option<Self> {
        let certificate = Self::with(&["-days", "2"])?;
        let config = "[ca]\ndefault_ca = own\n[own]\ndatabase = index\nserial = serial\n\
            new_certs_dir = .\ndefault_md = sha256\npolicy = any\nx509_extensions = more\n\
            [any]\ncommonName = supplied\n[more]\nbasicConstraints = critical,CA:TRUE\n\
            subjectAltName = DNS:localhost\n[req]\ndistinguished_name = name\n[name]\n";
        let write = |name, text| fs::write(certificate.path(name), text).unwrap();
        write("ca.conf", config);
        write("index", "");
        write("serial", "01");
        let openssl = |arguments: &[&str]| {
            let mut command = Command::new("openssl");
            let ended = command.args(arguments).current_dir(certificate.directory.path()).output();
            assert!(ended.as_ref().unwrap().status.success(), "{ended:?}");
        };
        let name = ["-config", "ca.conf", "-subj", "/CN=localhost"];
        openssl(&[&["req", "-new", "-key", "key.pem", "-out", "csr.pem"], &name[..]].concat());
        openssl(&[
            "ca",
            "-batch",
            "-selfsign",
            "-notext",
            "-config",
            "ca.conf",
            "-keyfile",
            "key.pem",
            "-in",
            "csr.pem",
            "-out",
            "certificate.pem",
            "-startdate",
            from,
            "-enddate",
            until,
        ]);
        set_mode(&certificate.path("certificate.pem"), 0o644);
        Some(certificate)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn server_configuration(&self) -> Arc<rustls::ServerConfig> {
        let read = |name| fs::read(self.path(name)).unwrap();
        let certificate = CertificateDer::from_pem_slice(&read("certificate.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&read("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let configuration = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key);
        Arc::new(configuration.unwrap())
    }
}
