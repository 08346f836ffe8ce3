//! Who calls, by what they may do: a handler that takes one of these can't be reached without the scope.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use forebay_intake::{Problem, Scope};

use crate::api::Api;

macro_rules! callers {
    ($($(#[$doc:meta])* $name:ident = $scopes:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name;

        impl FromRequestParts<Arc<Api>> for $name {
            type Rejection = Problem;
            async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
                api.keys.authenticate(&parts.headers)?.require($scopes)?;
                Ok(Self)
            }
        }
    )+};
}

callers! {
    /// Acts for members.
    MembersActor = &[Scope::MembersAct];
    /// Reads what concerns members, returns and parcels.
    Reader = &[Scope::ReportsRead, Scope::MembersAct];
    /// Reads what concerns the running of the system.
    Reports = &[Scope::ReportsRead, Scope::Admin];
}

/// Administers.
#[derive(Debug)]
pub(crate) struct Admin {
    /// Who it is, for the audit log.
    pub(crate) key_id: String,
}

impl FromRequestParts<Arc<Api>> for Admin {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let principal = api.keys.authenticate(&parts.headers)?;
        principal.require(&[Scope::Admin])?;
        Ok(Self { key_id: principal.key_id })
    }
}
