//! The certificates that are trusted. All evidence that comes over TLS is signed; this protects
//! privacy and availability.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use sha2::{Digest as _, Sha256};

/// The paths of systems' bundles of certificate authorities. The first existing one is used:
/// Debian's (package ca-certificates), which others have too; Fedora's; openSUSE's; Alpine's.
pub const CA_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Largest bundle that is read, in bytes.
const MAX_BUNDLE: u64 = 8 << 20;

/// Sets TLS up with the system's certificate authorities, those of the file that apt's
/// configuration names, and those of our own configuration, in PEM.
///
/// # Errors
/// If TLS cannot be set up; for people.
pub(super) fn configuration(
    of_apt: Option<&str>,
    authorities: Option<&str>,
) -> Result<ClientConfig, String> {
    let system = CA_BUNDLES.into_iter().find_map(read_bundle);
    let of_apt = of_apt.and_then(read_bundle);
    let configured = authorities.map(|text| text.as_bytes().to_vec());
    let bundles = [system, of_apt, configured].into_iter().flatten();
    let trusted = bundles
        .flat_map(|bundle| CertificateDer::pem_slice_iter(&bundle).flatten().collect::<Vec<_>>());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let broken = || "TLS cannot be set up".to_owned();
    let verifier = Pinning::new(trusted.collect(), &provider).map_err(|_| broken())?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| broken())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn read_bundle(path: &str) -> Option<Vec<u8>> {
    let mut bundle = Vec::new();
    File::open(path).ok()?.take(MAX_BUNDLE).read_to_end(&mut bundle).ok()?;
    Some(bundle)
}

/// Verifies as rustls does, and also accepts a server's own certificate if it is, byte for byte, a
/// trusted one.
///
/// The administrator of a server with a self-signed certificate names it as an authority, for apt,
/// curl and here. Most tools also mark it as one (`openssl req -x509`), and rustls accepts no
/// authority as a server. All other checks remain: the date was already found good, the name must
/// match, and the server must have the key.
#[derive(Debug)]
struct Pinning {
    /// None if no authority is trusted
    usual: Option<Arc<WebPkiServerVerifier>>,
    /// Digests of all trusted certificates
    trusted: BTreeSet<[u8; 32]>,
    schemes: rustls::crypto::WebPkiSupportedAlgorithms,
}

impl Pinning {
    fn new(
        trusted: Vec<CertificateDer<'static>>,
        provider: &Arc<rustls::crypto::CryptoProvider>,
    ) -> Result<Self, rustls::client::VerifierBuilderError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted.iter().cloned());
        let usual = match roots.is_empty() {
            true => None,
            false => Some(
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                    .build()?,
            ),
        };
        let trusted = trusted.iter().map(|it| Sha256::digest(it).into()).collect();
        Ok(Self { usual, trusted, schemes: provider.signature_verification_algorithms })
    }
}

impl Pinning {
    /// Returns true when this very certificate is among the trusted ones.
    fn trusts(&self, certificate: &CertificateDer<'_>) -> bool {
        let digest: [u8; 32] = Sha256::digest(certificate).into();
        self.trusted.contains(&digest)
    }
}

/// Returns true when rustls rejected a certificate only because it is an authority.
fn is_authority_only(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for Pinning {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(usual) = &self.usual else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        match usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(error) if is_authority_only(&error) && self.trusts(end_entity) => {
                let certificate = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&certificate, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.supported_schemes()
    }
}
