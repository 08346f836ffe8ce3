//! Members' tokens, wired: from the configured issuers to who knows members by them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use forebay_api::member_tokens::{NoKeySet, usable_keys};
use forebay_api::{Issuer, KeySets, MemberTokens};
use forebay_outbound::{Call, HttpClient};
use forebay_telemetry::Check;
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

    /// Whether the configured issuers' keys are to be had.
    pub(crate) async fn issuer_checks(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        for issuer in &self.config.members.issuers {
            let name = format!("tokens of {}", issuer.issuer);
            let source = match (self.http_client(), issuer.keys_url()) {
                (Ok(client), Ok(url)) => Published { client, url },
                (Err(error), _) => {
                    checks.push(Check::failed(&name, error.message));
                    continue;
                }
                (_, Err(error)) => {
                    checks.push(Check::failed(&name, error.to_string()));
                    continue;
                }
            };
            checks.push(match source.fetch().await.map(|json| usable_keys(&json)) {
                Ok(Some(1..)) => Check::ok(&name),
                Ok(Some(0)) => Check::failed(&name, "there is a key set, but no key in it that can be used"),
                Ok(None) => Check::failed(&name, format!("what {} answers is no key set", source.url)),
                Err(NoKeySet(why)) => Check::failed(&name, format!("the keys are not to be had: {why}")),
            });
        }
        checks
    }
}
