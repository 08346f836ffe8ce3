//! What carriers' systems push: the intake's hooks over the adapters' readers, and the readers that the worker uses.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use forebay_carriers::{KNOWN, Push, PushFault, PushSecrets};
use forebay_intake::{Hook, HookFault, HookToken, Hooks, Pushed};
use forebay_schemas::AdapterId;
use secrecy::SecretString;

use crate::compose::System;
use crate::exit::{CONFIGURATION, Exit};

/// A hook over an adapter's reader.
#[derive(Debug)]
struct CarrierHook(Arc<dyn Push>);

impl Hook for CarrierHook {
    fn system(&self) -> &AdapterId {
        self.0.id()
    }

    fn take(&self, headers: &HeaderMap, body: &[u8], at: DateTime<Utc>) -> Result<Pushed, HookFault> {
        self.0.verify(headers, body).map_err(told)?;
        let answer = self.0.parse(headers, body).map_err(told)?;
        let header = |name: &&str| {
            let value = headers.get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), value.to_owned()))
        };
        let headers: BTreeMap<String, String> = self.0.reads().iter().filter_map(header).collect();
        Ok(Pushed { key: answer.key_at(at), headers })
    }
}

fn told(fault: PushFault) -> HookFault {
    match fault {
        PushFault::Unsigned => HookFault::Unsigned,
        PushFault::WrongSignature => HookFault::WrongSignature,
        PushFault::Malformed(why) => HookFault::Unreadable(why),
    }
}

impl System {
    /// The hooks of the systems that have a token.
    pub(crate) fn hooks(&self) -> Result<Hooks, Exit> {
        let mut hooks: Vec<(HookToken, Arc<dyn Hook>)> = Vec::new();
        for (id, system) in self.config.carriers.configured() {
            let known = KNOWN.iter().find(|known| known.id == id.as_str());
            let Some((build, token)) = known.and_then(|known| known.push).zip(system.hook_token.get()) else {
                continue;
            };
            let token = HookToken::new(token)
                .map_err(|fault| Exit::new(CONFIGURATION, format!("carriers.{id}.hook_token: {fault}")))?;
            let secrets = PushSecrets {
                current: system.push_secret.get().cloned().unwrap_or_default(),
                next: system.push_secret_next.get().cloned(),
            };
            hooks.push((token, Arc::new(CarrierHook(build(secrets)))));
        }
        Ok(Hooks::new(hooks))
    }

    /// Reads what was pushed and verified; that takes no secret, and a worker need not have any.
    pub(crate) fn push_reader(id: &AdapterId) -> Option<Arc<dyn Push>> {
        let build = KNOWN.iter().find(|known| known.id == id.as_str())?.push?;
        Some(build(PushSecrets { current: SecretString::default(), next: None }))
    }
}
