//! TLS for the client: ring and the machine's certificate authorities, per client and not per process.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use super::error::SetUpError;

/// The client's TLS configuration. Without certificate authorities every handshake would fail, which is told here
/// where it can be mended, unless nobody needs them.
pub(super) fn configuration(needed: bool) -> Result<ClientConfig, SetUpError> {
    let mut roots = RootCertStore::empty();
    if needed {
        let (taken, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if taken == 0 {
            return Err(SetUpError::NoRoots);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| SetUpError::Client(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
