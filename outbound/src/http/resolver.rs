//! Resolves names when connecting and refuses addresses that the name has no business with.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_public;
use super::allow::AllowList;

/// The resolver of the guarded client. What it lets through is what is connected to, so that a name can't point
/// to a public address for the check and to a private one for the call.
#[derive(Debug)]
pub(super) struct GuardedResolver {
    pub(super) allow: Arc<AllowList>,
}

/// A name that may not be private resolves to addresses that are not public.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0} resolves to no public address; if it lies in your own network, mark its entry as private")]
pub(super) struct NotPublic(String);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let may_be_private = self.allow.may_be_private(&host);
        Box::pin(async move {
            // Port 0 is replaced by the one of the URL.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let usable: Vec<SocketAddr> =
                found.into_iter().filter(|a| may_be_private || is_public(a.ip())).collect();
            if usable.is_empty() {
                return Err(NotPublic(host).into());
            }
            Ok(Box::new(usable.into_iter()) as Addrs)
        })
    }
}
