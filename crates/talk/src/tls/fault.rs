//! In what TLS failed on a connection.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};
use std::time::{Duration, SystemTime};

/// Why TLS could not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The first bytes that came are not those of TLS.
    NotTls,
    /// The peer ended the connection before the handshake was done.
    HandshakeCut,
    /// The peer gave up, with this alert (RFC 8446 §6.2, and its number where that has no name).
    Alert(String),
    /// Nobody who is trusted has signed the peer's certificate.
    UnknownIssuer,
    /// The peer's certificate is an authority's, as `openssl req -x509` makes it, and not itself among those that are trusted.
    Authority,
    /// The peer's certificate was valid until then.
    Expired(SystemTime),
    /// The peer's certificate is valid from then on.
    NotYetValid(SystemTime),
    /// The peer's certificate is for other names: these.
    OtherName(String),
    /// What came, or what both ends can do, leaves no way on.
    Protocol {
        /// rustls's words.
        why: String,
        /// The alert that was sent, where it went out unencrypted.
        alert: Option<String>,
    },
}

impl Fault {
    /// Its name, in JSON and in the catalogue of texts.
    pub const fn id(&self) -> &'static str {
        match self {
            Self::NotTls => "not_tls",
            Self::HandshakeCut => "handshake_cut",
            Self::Alert(_) => "alert",
            Self::UnknownIssuer => "unknown_issuer",
            Self::Authority => "authority",
            Self::Expired(_) => "expired",
            Self::NotYetValid(_) => "not_yet_valid",
            Self::OtherName(_) => "other_name",
            Self::Protocol { .. } => "protocol",
        }
    }

    /// Of an error of rustls. `began`: something of TLS has come before. `sent`: what was to be sent then, which ends with
    /// the alert.
    pub(super) fn of(error: &Error, began: bool, sent: &[u8]) -> Self {
        match error {
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) if !began => Self::NotTls,
            Error::AlertReceived(alert) => Self::Alert(alert_name(*alert)),
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            _ => Self::Protocol { why: error.to_string(), alert: plain_alert(sent) },
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(time(not_after.as_secs())),
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid(time(not_before.as_secs()))
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::OtherName(presented.iter().map(|name| plain_name(name)).collect::<Vec<_>>().join(", "))
            }
            // webpki's word, which rustls passes on as it is.
            CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
                Self::Authority
            }
            error => Self::Protocol { why: error.to_string(), alert: None },
        }
    }
}

/// Seconds since 1970 as a time; one that the system cannot tell is the epoch.
pub(super) fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// `DnsName("localhost")`, as webpki has it, without its frame.
fn plain_name(shown: &str) -> String {
    let inner = shown.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(shown);
    inner.trim_matches('"').to_owned()
}

/// The alert at the end of these records, if it is one that anybody can read.
fn plain_alert(records: &[u8]) -> Option<String> {
    let mut rest = records;
    let mut last = None;
    while let [kind, _, _, high, low, body @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        last = Some((*kind, body.get(..length)?));
        rest = body.get(length..)?;
    }
    // RFC 8446 §5.1 and §6: content type 21; level and description. An encrypted one is longer.
    match last? {
        (21, [_, alert]) => Some(alert_name(AlertDescription::from(*alert))),
        _ => None,
    }
}

/// `UnknownCA` as the RFCs write it: `unknown_ca`.
fn alert_name(alert: AlertDescription) -> String {
    let Some(name) = alert.as_str() else { return u8::from(alert).to_string() };
    let mut written = String::new();
    let mut was_large = true;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !was_large {
            written.push('_');
        }
        was_large = letter.is_ascii_uppercase();
        written.push(letter.to_ascii_lowercase());
    }
    match written.as_str() {
        // Names that are written in another way there.
        "unrecognised_name" => "unrecognized_name".to_owned(),
        "unknown_pskidentity" => "unknown_psk_identity".to_owned(),
        _ => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_the_names_of_the_rfc() {
        let name = |number: u8| alert_name(AlertDescription::from(number));
        let names =
            [(40, "handshake_failure"), (48, "unknown_ca"), (70, "protocol_version"), (0, "close_notify")];
        for (number, expected) in names {
            assert_eq!(name(number), expected);
        }
        assert_eq!(
            (name(112), name(115), name(90)),
            ("unrecognized_name".into(), "unknown_psk_identity".into(), "user_canceled".into())
        );
        assert_eq!(name(200), "200");
    }

    #[test]
    fn only_an_alert_that_can_be_read_is_named() {
        let alert = [21, 3, 3, 0, 2, 2, 70];
        assert_eq!(plain_alert(&alert), Some("protocol_version".into()));
        let behind = [&[22, 3, 3, 0, 1, 0][..], &alert].concat();
        assert_eq!(plain_alert(&behind), Some("protocol_version".into()));
        let encrypted = [&[21, 3, 3, 0, 19][..], &[7; 19]].concat();
        for other in [&[][..], &alert[..6], &behind[..6], &encrypted] {
            assert_eq!(plain_alert(other), None);
        }
    }

    #[test]
    fn the_names_of_a_certificate_are_told_as_they_are_written() {
        assert_eq!(plain_name("DnsName(\"other.example\")"), "other.example");
        assert_eq!(plain_name("IpAddress(127.0.0.1)"), "127.0.0.1");
        assert_eq!(plain_name("strange"), "strange");
    }
}
