//! `--tls`: who a server is, and whom a client believes.

use crate::events::moment;
use crate::problem::{Kind, Problem, without_number};
use crate::progress::human_size;
use enchufe_talk::Endpoint;
use enchufe_talk::address::Host;
use enchufe_talk::tls::{Checked, Identity, IdentityError, Name, Trust, TrustError};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Of a file with certificates or a key. All authorities of a system fit.
const MOST: u64 = 4 * 1024 * 1024;

/// The certificate and key of these files, if there are any: all that can be wrong with them is said before anybody is let in.
pub fn identity(files: &[PathBuf]) -> Result<Option<Identity>, Problem> {
    let (certificate, key) = match files {
        [] => return Ok(None),
        [certificate, key] => (certificate, key),
        _ => return Err(Problem::new(Kind::TlsFiles)),
    };
    let (certificates, private) = (read(certificate)?, read(key)?);
    let identity = Identity::from_pem(&certificates, &private, SystemTime::now());
    identity.map(Some).map_err(|error| explain(error, certificate, key))
}

/// A server at this endpoint is believed whom the system trusts, or who is in this file.
pub fn checked(target: &Endpoint, authorities: Option<&Path>) -> Result<Checked, Problem> {
    let trust = match authorities {
        None => Trust::of_the_system().map_err(|error| untrusting(error, Path::new("")))?,
        Some(path) => Trust::from_pem(&read(path)?).map_err(|error| untrusting(error, path))?,
    };
    let name = match &target.host {
        Host::Ip(ip) => Name::Ip(*ip),
        Host::Name(name) => Name::Dns(name.clone()),
        Host::ThisMachine | Host::Every => Name::Dns("localhost".to_owned()),
    };
    trust.check(&name).map_err(|error| untrusting(error, Path::new("")))
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let file = File::open(path).map_err(|error| Problem::unreadable("open", path, &error))?;
    let mut bytes = Vec::new();
    let count = file.take(MOST + 1).read_to_end(&mut bytes);
    let count = count.map_err(|error| Problem::unreadable("read", path, &error))?;
    if count as u64 > MOST {
        return Err(Problem::new(Kind::TlsTooLarge)
            .with("path", path.display())
            .with("most", human_size(MOST)));
    }
    Ok(bytes)
}

fn explain(error: IdentityError, certificate: &Path, key: &Path) -> Problem {
    let of_certificate = |kind| Problem::new(kind).with("path", certificate.display());
    let of_key = |kind| Problem::new(kind).with("path", key.display());
    match error {
        IdentityError::NoCertificate => of_certificate(Kind::TlsNoCertificate).with("flag", "--tls"),
        IdentityError::BadCertificate(detail) => {
            of_certificate(Kind::TlsBadCertificate).with("detail", detail)
        }
        IdentityError::NoKey => of_key(Kind::TlsNoKey),
        IdentityError::EncryptedKey => of_key(Kind::TlsEncryptedKey),
        IdentityError::BadKey(detail) => of_key(Kind::TlsBadKey).with("detail", detail),
        IdentityError::Mismatch => of_certificate(Kind::TlsMismatch).with("key", key.display()),
        IdentityError::Expired(place, time) => {
            of_certificate(Kind::TlsExpired).count("place", place as u64).with("moment", moment(time))
        }
        IdentityError::NotYetValid(place, time) => {
            of_certificate(Kind::TlsNotYetValid).count("place", place as u64).with("moment", moment(time))
        }
    }
}

fn untrusting(error: TrustError, path: &Path) -> Problem {
    let of_file = |kind| Problem::new(kind).with("path", path.display());
    match error {
        TrustError::NoCertificate => of_file(Kind::TlsNoCertificate).with("flag", "--tls-ca"),
        TrustError::BadCertificate(detail) => of_file(Kind::TlsBadCertificate).with("detail", detail),
        TrustError::NoneHere(detail) => {
            let detail = detail.map_or_else(|| "0".to_owned(), |detail| without_number(&detail));
            Problem::new(Kind::TlsNobody).with("detail", detail)
        }
        TrustError::BadName(name) => Problem::new(Kind::TlsBadName).with("name", name),
    }
}
