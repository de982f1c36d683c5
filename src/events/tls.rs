//! In what TLS failed, as keys of the row of an end.

use enchufe_talk::tls::Fault;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// In what TLS failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFault {
    /// Its kind.
    pub tls: String,
    /// The alert that came, or that was sent where it went out unencrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// The names that the certificate is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<String>,
    /// The first or the last moment at which the certificate is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moment: Option<String>,
    /// What rustls says of it, in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl From<&Fault> for TlsFault {
    fn from(fault: &Fault) -> Self {
        let tls = fault.id().to_owned();
        let mut row = Self { tls, alert: None, names: None, moment: None, detail: None };
        match fault {
            Fault::Alert(alert) => row.alert = Some(alert.clone()),
            Fault::OtherName(names) => row.names = Some(names.clone()),
            Fault::Expired(time) | Fault::NotYetValid(time) => row.moment = Some(moment(*time)),
            Fault::Protocol { why, alert } => (row.alert, row.detail) = (alert.clone(), Some(why.clone())),
            Fault::NotTls | Fault::HandshakeCut | Fault::UnknownIssuer | Fault::Authority => {}
        }
        row
    }
}

/// RFC 3339, UTC, whole seconds.
pub fn moment(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time);
    time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}
