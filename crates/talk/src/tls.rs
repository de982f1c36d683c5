//! TLS between the service and the socket: what comes is opened before a service is told of it, what it sends is sealed.
//!
//! A [`Session`](crate::Session) has the layer inside, and so has the [client](crate::client): whoever owns the socket moves
//! bytes as ever and knows nothing of it. The protocol is rustls's (TLS 1.2 and 1.3), the cryptography ring's.
//!
//! * [`Identity`]: who a server is, from its certificate and key; looked at before anybody is let in.
//! * [`Trust`]: whom a client believes, and the name that it looks for.
//! * [`Fault`]: in what TLS failed.

mod fault;
mod identity;
mod layer;
mod trust;

pub use fault::Fault;
pub use identity::{Identity, IdentityError};
#[cfg(test)]
pub(crate) use layer::tests as samples;
pub(crate) use layer::{Agreed, Layer, RECORD, Sealed};
pub use trust::{Checked, Name, Trust, TrustError};

use rustls::crypto::{CryptoProvider, ring};
use std::sync::Arc;

/// ring: it is built by a C compiler alone.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
