//! Who calls, by what they may do: a handler that takes one of these can't be reached without the scope.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use forebay_intake::{Principal, Problem, Scope};

use crate::api::Api;

macro_rules! callers {
    ($($(#[$doc:meta])* $name:ident $({ $key_id:ident })? = $scopes:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name {
            $(
                /// Who it is, for the audit log.
                pub(crate) $key_id: String,
            )?
        }

        impl FromRequestParts<Arc<Api>> for $name {
            type Rejection = Problem;
            async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
                let principal: Principal = api.keys.authenticate(&parts.headers)?;
                principal.require($scopes)?;
                Ok(Self { $( $key_id: principal.$key_id )? })
            }
        }
    )+};
}

callers! {
    /// Acts for members.
    MembersActor = &[Scope::MembersAct];
    /// Reads what concerns members, returns and parcels.
    Reader = &[
        Scope::Viewer, Scope::Warehouse, Scope::EventManager, Scope::Operator, Scope::Admin, Scope::MembersAct,
    ];
    /// Reads what concerns the running of the system.
    Reports = &[Scope::Viewer, Scope::Warehouse, Scope::EventManager, Scope::Operator, Scope::Admin];
    /// Sees to parcels, returns and prizes.
    Warehouse { key_id } = &[Scope::Warehouse, Scope::Operator, Scope::Admin];
    /// Runs promotions.
    EventManager { key_id } = &[Scope::EventManager, Scope::Admin];
    /// Runs the system.
    Operator { key_id } = &[Scope::Operator, Scope::Admin];
    /// Administers.
    Admin { key_id } = &[Scope::Admin];
}
