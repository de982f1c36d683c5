//! Who a server is: a certificate, those of who signed it, and the key.

use super::fault::time;
use super::provider;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, InconsistentKeys, RootCertStore, ServerConfig};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

/// A server's certificate and key, checked. Both TLS 1.2 and 1.3 are spoken.
///
/// The last 256 sessions are remembered, so that a client that comes again is known. With TLS 1.3 it gets one ticket for that, whose
/// segment is also the acknowledgement of the client's last of the handshake: without it Nagle's algorithm at a client has its first message
/// wait for a delayed one, 40 ms.
#[derive(Clone)]
pub struct Identity {
    /// Read once a connection. What it is changed for is whole: no panic leaves half of one.
    config: Arc<RwLock<Arc<ServerConfig>>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// What is wrong with a certificate or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// There is no certificate in what was given for one.
    NoCertificate,
    /// It cannot be read, and why.
    BadCertificate(String),
    /// There is no private key in what was given for one.
    NoKey,
    /// The key is encrypted.
    EncryptedKey,
    /// The key cannot be read, or is of a kind that is not used for TLS; and why.
    BadKey(String),
    /// The key is not that of the first certificate.
    Mismatch,
    /// The certificate of this place, counted from 1, was valid until then.
    Expired(usize, SystemTime),
    /// The certificate of this place, counted from 1, is valid from then on.
    NotYetValid(usize, SystemTime),
}

impl Identity {
    /// From PEM: the server's certificate with those of who signed it behind, and its key (PKCS#8, PKCS#1 or SEC 1, not
    /// encrypted). `now` is to be within the time in which each certificate is valid.
    pub fn from_pem(certificates: &[u8], key: &[u8], now: SystemTime) -> Result<Self, IdentityError> {
        let chain = chain(certificates)?;
        for (index, certificate) in chain.iter().enumerate() {
            look_at(certificate, index + 1, now)?;
        }
        let key = private_key(key)?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| IdentityError::BadKey(error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => IdentityError::Mismatch,
                Error::InvalidCertificate(error) => IdentityError::BadCertificate(error.to_string()),
                error => IdentityError::BadKey(error.to_string()),
            })?;
        config.send_tls13_tickets = 1;
        Ok(Self { config: Arc::new(RwLock::new(Arc::new(config))) })
    }

    /// From now on who connects sees the other, here and wherever there is a clone of this one. Who is connected keeps what it has;
    /// sessions that are remembered are forgotten.
    pub fn become_the_same_as(&self, other: &Self) {
        let config = other.config();
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// All certificates of a text.
pub(super) fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let chain = chain.map_err(|error| IdentityError::BadCertificate(plain(&error)))?;
    if chain.is_empty() { Err(IdentityError::NoCertificate) } else { Ok(chain) }
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, IdentityError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        _ if is_encrypted(text) => IdentityError::EncryptedKey,
        pem::Error::NoItemsFound => IdentityError::NoKey,
        error => IdentityError::BadKey(plain(&error)),
    })
}

/// RFC 7468 §11, and RFC 1421 §4.6.1.1, as OpenSSL writes keys in their own forms.
fn is_encrypted(text: &[u8]) -> bool {
    let has = |label: &[u8]| text.windows(label.len()).any(|window| window == label);
    has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED")
}

/// What an error of PEM says, with lines as text: as it stands it shows them as lists of numbers.
fn plain(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("missing section end marker: {}", String::from_utf8_lossy(end_marker))
        }
        pem::Error::IllegalSectionStart { line } => {
            format!("illegal section start: {}", String::from_utf8_lossy(line))
        }
        error => error.to_string(),
    }
}

fn look_at(certificate: &CertificateDer<'_>, place: usize, now: SystemTime) -> Result<(), IdentityError> {
    match validity(certificate, now) {
        Ok(()) => Ok(()),
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Err(IdentityError::Expired(place, time(not_after.as_secs())))
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
            Err(IdentityError::NotYetValid(place, time(not_before.as_secs())))
        }
        Err(Error::InvalidCertificate(error)) => Err(IdentityError::BadCertificate(error.to_string())),
        Err(error) => Err(IdentityError::BadCertificate(error.to_string())),
    }
}

/// Whether a certificate can be read, and `now` is within its time.
///
/// What checks certificates looks at that first. Whom it would trust is not asked: with no roots at all, and that is what it
/// then says.
pub(super) fn validity(certificate: &CertificateDer<'_>, now: SystemTime) -> Result<(), Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (roots, now) = (RootCertStore::empty(), UnixTime::since_unix_epoch(now));
    let algorithms = provider().signature_verification_algorithms.all;
    match verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], now, algorithms) {
        Err(Error::InvalidCertificate(
            error @ (CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYetContext { .. }
            | CertificateError::Expired
            | CertificateError::BadEncoding),
        )) => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::layer::tests::{
        EARLY, EXPIRED, OTHER, RSA, RSA_KEY, SECRET, SECRET_SEC1, SELF, SELF_KEY, SERVER, SERVER_KEY,
    };

    fn wrong(certificates: &[u8], key: &[u8]) -> IdentityError {
        Identity::from_pem(certificates, key, SystemTime::now()).unwrap_err()
    }

    #[test]
    fn keys_of_every_usual_form_are_taken() {
        for (certificate, key) in [(SERVER, SERVER_KEY), (RSA, RSA_KEY), (SELF, SELF_KEY)] {
            Identity::from_pem(certificate, key, SystemTime::now()).unwrap();
        }
        // Both may be in one file.
        let both = [SERVER, SERVER_KEY].concat();
        Identity::from_pem(&both, &both, SystemTime::now()).unwrap();
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        assert_eq!(wrong(b"nothing", SERVER_KEY), IdentityError::NoCertificate);
        assert_eq!(wrong(SERVER_KEY, SERVER), IdentityError::NoCertificate);
        assert_eq!(wrong(SERVER, SERVER), IdentityError::NoKey);
        assert_eq!(wrong(SERVER, SECRET), IdentityError::EncryptedKey);
        assert_eq!(wrong(SERVER, SECRET_SEC1), IdentityError::EncryptedKey);
        assert_eq!(wrong(SERVER, SELF_KEY), IdentityError::Mismatch);
        assert_eq!(wrong(RSA, SELF_KEY), IdentityError::Mismatch);
        assert_eq!(wrong(OTHER, RSA_KEY), IdentityError::Mismatch);
        // A line of each is gone.
        let cut = |text: &[u8]| {
            let text = std::str::from_utf8(text).unwrap();
            let lines: Vec<&str> =
                text.lines().enumerate().filter(|(at, _)| *at != 1).map(|(_, line)| line).collect();
            lines.join("\n").into_bytes()
        };
        assert!(matches!(wrong(&cut(SERVER), SERVER_KEY), IdentityError::BadCertificate(_)));
        assert!(matches!(wrong(SERVER, &cut(SERVER_KEY)), IdentityError::BadKey(_)));
        assert!(matches!(wrong(&SERVER[..200], SERVER_KEY), IdentityError::BadCertificate(_)));
    }

    #[test]
    fn a_certificate_counts_within_its_time_only() {
        // 2021-01-01 and 2500-01-01, as tests/tls/make wrote them.
        let (last, first) = (time(1_609_459_200), time(16_725_225_600));
        assert_eq!(wrong(EXPIRED, SERVER_KEY), IdentityError::Expired(1, last));
        assert_eq!(wrong(EARLY, SERVER_KEY), IdentityError::NotYetValid(1, first));
        assert!(Identity::from_pem(EXPIRED, SERVER_KEY, last).is_ok());
        assert!(Identity::from_pem(EARLY, SERVER_KEY, first).is_ok());
        let chain = [SERVER, EXPIRED].concat();
        assert_eq!(wrong(&chain, SERVER_KEY), IdentityError::Expired(3, last));
    }
}
