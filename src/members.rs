//! Members' tokens, wired: from the configured issuers to who knows members by them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use forebay_api::member_tokens::NoKeySet;
use forebay_api::{Issuer, KeySets, MemberTokens};
use forebay_outbound::{Call, HttpClient};
use url::Url;

use crate::compose::System;
use crate::exit::{CONFIGURATION, Exit};

/// What the metrics of outside calls name the issuers' servers.
const SYSTEM: &str = "members";
/// The time for one fetch: members wait for it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The keys of an issuer, at the address where it publishes them.
#[derive(Debug)]
struct Published {
    client: HttpClient,
    url: Url,
}

#[async_trait]
impl KeySets for Published {
    async fn fetch(&self) -> Result<Bytes, NoKeySet> {
        let call = Call::get(SYSTEM, self.url.clone()).header("accept", "application/json").timeout(TIMEOUT);
        match self.client.call(&call).await {
            Ok(answer) if answer.is_success() => Ok(answer.body),
            Ok(answer) => Err(NoKeySet(format!("status {}", answer.status))),
            Err(error) => Err(NoKeySet(error.to_string())),
        }
    }
}

/// Somebody whose tokens are taken, and where the keys come from.
pub(crate) type Known = (Issuer, Arc<dyn KeySets>);

impl System {
    /// Who knows members by their tokens: those of the configured issuers and, in `forebay dev`, its own.
    pub(crate) fn members(&self) -> Result<MemberTokens, Exit> {
        let mut known: Vec<Known> = self.dev_issuer.iter().map(|issuer| issuer.known()).collect();
        if !self.config.members.issuers.is_empty() {
            let client = self.http_client()?;
            for issuer in &self.config.members.issuers {
                let url = issuer.keys_url().map_err(|error| {
                    Exit::new(CONFIGURATION, format!("members.issuers: {}: {error}", issuer.issuer))
                })?;
                known.push((issuer.terms(), Arc::new(Published { client: client.clone(), url })));
            }
        }
        Ok(MemberTokens::new(known, Arc::clone(&self.clock)))
    }
}
