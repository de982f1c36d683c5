//! Whom a client believes.

use super::identity::{self, IdentityError, validity};
use super::provider;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Who may sign for a server.
#[derive(Debug)]
pub struct Trust {
    roots: RootCertStore,
    /// Servers' own certificates that are believed as they are.
    known: Vec<CertificateDer<'static>>,
}

/// Why there is nobody to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustError {
    /// There is no certificate in what was given for some.
    NoCertificate,
    /// One cannot be read, and why.
    BadCertificate(String),
    /// This system has none, and why, where that is known.
    NoneHere(Option<String>),
    /// The name is none that a certificate can be for.
    BadName(String),
}

impl Trust {
    /// Those that this system trusts: on Linux what OpenSSL would read (`SSL_CERT_FILE` and `SSL_CERT_DIR` too), on Windows the
    /// system's store.
    pub fn of_the_system() -> Result<Self, TrustError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            return Err(TrustError::NoneHere(found.errors.first().map(ToString::to_string)));
        }
        Ok(Self { roots, known: Vec::new() })
    }

    /// Those of a PEM text, and nobody else: authorities, or the very certificates of servers, which may be signed by
    /// themselves.
    pub fn from_pem(text: &[u8]) -> Result<Self, TrustError> {
        let known = identity::chain(text).map_err(|error| match error {
            IdentityError::BadCertificate(why) => TrustError::BadCertificate(why),
            _ => TrustError::NoCertificate,
        })?;
        let mut roots = RootCertStore::empty();
        for certificate in &known {
            roots.add(certificate.clone()).map_err(|error| TrustError::BadCertificate(error.to_string()))?;
        }
        Ok(Self { roots, known })
    }

    /// A client that talks with a server of this name only.
    pub fn check(self, name: &Name) -> Result<Checked, TrustError> {
        let name = match name {
            Name::Dns(name) => {
                ServerName::try_from(name.clone()).map_err(|_| TrustError::BadName(name.clone()))?
            }
            Name::Ip(ip) => ServerName::from(*ip),
        };
        let Self { roots, known } = self;
        let provider = provider();
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| TrustError::NoneHere(Some(error.to_string())))?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TrustError::NoneHere(Some(error.to_string())))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier { chain, known }))
            .with_no_client_auth();
        // There is one connection.
        config.resumption = Resumption::disabled();
        Ok(Checked { config: Arc::new(config), name })
    }
}

/// The name that a server's certificate is to be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A name of DNS.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

/// Who is trusted, and to be whom.
#[derive(Clone)]
pub struct Checked {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

impl fmt::Debug for Checked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Checked").field("name", &self.name).finish_non_exhaustive()
    }
}

/// As everybody checks, but that a certificate which is itself among those trusted needs nobody's signature: as `openssl req -x509`
/// makes it, it says that it is an authority, and no authority may be a server otherwise.
#[derive(Debug)]
struct Verifier {
    chain: Arc<WebPkiServerVerifier>,
    known: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.known.contains(end_entity) {
            return self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        }
        validity(end_entity, super::fault::time(now.as_secs()))?;
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
