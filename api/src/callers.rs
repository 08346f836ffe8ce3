//! Who calls, and what they may do.
//!
//! A caller is known once, at the route's gate, which turns away whom the table of routes does not name. A handler that
//! takes one of the types below can't be reached without its scope, whatever the table says.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use forebay_intake::{Kind, Principal, Problem, Scope};
use forebay_schemas::MemberId;

use crate::api::Api;
use crate::openapi::Input;
use crate::rules::broken;

/// The parameter of a path that names a member.
pub(crate) const MEMBER_ID: &str = "member_id";
/// What a member may write in its place.
pub(crate) const ME: &str = "me";

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody with a key: a machine, or a person of the shop.
    Key(Principal),
    /// A member, with a token.
    Member(MemberId),
}

/// What a route lets members do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Members {
    /// Nothing.
    Nothing,
    /// What concerns themselves.
    Themselves,
    /// Everything.
    Everything,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    /// A key needs one of these; none where nobody needs a key.
    pub(crate) scopes: Option<&'static [Scope]>,
    pub(crate) members: Members,
}

impl Access {
    /// Everybody, known or not.
    pub(crate) const ANYBODY: Self = Self { scopes: None, members: Members::Everything };

    const fn of(scopes: &'static [Scope]) -> Self {
        Self { scopes: Some(scopes), members: Members::Nothing }
    }

    /// A member as well, for themselves.
    pub(crate) const fn or_the_member(self) -> Self {
        Self { members: Members::Themselves, ..self }
    }

    /// Any member as well.
    pub(crate) const fn or_any_member(self) -> Self {
        Self { members: Members::Everything, ..self }
    }

    /// Turns away who may not. `named` is the member in the path, if it names one.
    pub(crate) fn check(self, caller: &Caller, named: Option<&str>) -> Result<(), Problem> {
        match caller {
            Caller::Key(principal) => self.scopes.map_or(Ok(()), |scopes| principal.require(scopes)),
            Caller::Member(member) => match self.members {
                Members::Everything => Ok(()),
                Members::Themselves if named.is_none_or(|named| named == ME || named == member.as_str()) => {
                    Ok(())
                }
                Members::Themselves | Members::Nothing => Err(not_theirs()),
            },
        }
    }
}

/// A member asked for what is not theirs.
pub(crate) fn not_theirs() -> Problem {
    tracing::warn!("a member asked for what is not theirs");
    let challenge = HeaderValue::from_static("Bearer error=\"insufficient_scope\"");
    Problem::new(Kind::InsufficientScope, "With a member's token only what is that member's can be done.")
        .header(header::WWW_AUTHENTICATE, challenge)
}

impl Api {
    /// Who sent these headers.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        match self.members.member(headers).await {
            Some(member) => member.map(Caller::Member),
            None => self.keys.authenticate(headers).map(Caller::Key),
        }
    }
}

/// The caller that the gate let in.
fn at_the_gate(parts: &Parts) -> Result<&Caller, Problem> {
    // A handler that is not behind a gate can't be reached at all.
    parts
        .extensions
        .get()
        .ok_or_else(|| Problem::new(Kind::Internal, "The route has no gate; the fault is ours."))
}

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

        impl $name {
            /// A route for them.
            pub(crate) const ACCESS: Access = Access::of($scopes);
        }

        impl Input for $name {}

        callers!(@extract $name $($key_id)?);
    )+};
    // People of the shop, by name.
    (@extract $name:ident $key_id:ident) => {
        impl FromRequestParts<Arc<Api>> for $name {
            type Rejection = Problem;
            async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Problem> {
                match at_the_gate(parts)? {
                    Caller::Key(principal) => {
                        principal.require(Self::ACCESS.scopes.unwrap_or_default())?;
                        Ok(Self { $key_id: principal.$key_id.clone() })
                    }
                    Caller::Member(_) => Err(not_theirs()),
                }
            }
        }
    };
    // Whoever the gate let in, a member included.
    (@extract $name:ident) => {
        impl FromRequestParts<Arc<Api>> for $name {
            type Rejection = Problem;
            async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Problem> {
                if let Caller::Key(principal) = at_the_gate(parts)? {
                    principal.require(Self::ACCESS.scopes.unwrap_or_default())?;
                }
                Ok(Self {})
            }
        }
    };
}

callers! {
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

/// Whether it is an administrator, where others may do less.
#[derive(Debug)]
pub(crate) struct IsAdmin(pub(crate) bool);

impl Input for IsAdmin {}

impl FromRequestParts<Arc<Api>> for IsAdmin {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Problem> {
        Ok(Self(matches!(at_the_gate(parts)?, Caller::Key(principal) if principal.may(Scope::Admin))))
    }
}

/// Acts for members: the storefront for any, a member for themselves.
#[derive(Debug)]
pub(crate) struct MembersActor(Caller);

impl MembersActor {
    /// A route for them.
    pub(crate) const ACCESS: Access = Access::of(&[Scope::MembersAct]);

    /// For whom, where the body may name a member.
    pub(crate) fn member(&self, named: Option<MemberId>) -> Result<MemberId, Problem> {
        match (&self.0, named) {
            (Caller::Key(_), Some(named)) => Ok(named),
            (Caller::Key(_), None) => {
                Err(broken("/member_id", "is missing; a storefront says for whom it acts"))
            }
            (Caller::Member(themselves), None) => Ok(themselves.clone()),
            (Caller::Member(themselves), Some(named)) if *themselves == named => Ok(named),
            (Caller::Member(_), Some(_)) => Err(not_theirs()),
        }
    }

    /// Whose an `Idempotency-Key` is: one sender's keys have nothing to do with another's.
    pub(crate) fn sender(&self) -> &str {
        match &self.0 {
            Caller::Key(principal) => &principal.key_id,
            Caller::Member(member) => member.as_str(),
        }
    }
}

impl Input for MembersActor {}

impl FromRequestParts<Arc<Api>> for MembersActor {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Problem> {
        let caller = at_the_gate(parts)?;
        if let Caller::Key(principal) = caller {
            principal.require(Self::ACCESS.scopes.unwrap_or_default())?;
        }
        Ok(Self(caller.clone()))
    }
}

/// The member who calls, if it is one.
#[derive(Debug)]
pub(crate) struct ByMember(pub(crate) Option<MemberId>);

impl Input for ByMember {}

impl FromRequestParts<Arc<Api>> for ByMember {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, Problem> {
        match at_the_gate(parts)? {
            Caller::Key(_) => Ok(Self(None)),
            Caller::Member(member) => Ok(Self(Some(member.clone()))),
        }
    }
}
