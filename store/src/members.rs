//! Members: what is known of them but for what they earned, and who may take part no more.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forebay_schemas::MemberId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit_log::{AuditEntry, By};
use crate::error::Error;

/// That a member may neither check in, claim nor spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "MemberBlock")]
pub struct Block {
    /// Since when, where that was noted.
    pub since: Option<DateTime<Utc>>,
    /// Why.
    pub reason: Option<String>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemberRecord {
    /// The points that the member has.
    pub balance: i64,
    /// That the member may neither check in, claim nor spend.
    pub blocked: Option<Block>,
    /// That the member was erased: nothing is known, and nothing will be.
    pub erased: bool,
}

/// What became of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockSet {
    /// It is as was asked; it may have been so before.
    Done {
        /// It was so before.
        before: bool,
    },
    /// The member was erased; nothing was changed.
    Erased,
}

impl BlockSet {
    /// What the audit log says of a block that was set or lifted.
    #[must_use]
    pub fn entry(member: &MemberId, before: bool, blocked: bool, by: &By, now: DateTime<Utc>) -> AuditEntry {
        let action = if blocked { "member.block" } else { "member.unblock" };
        AuditEntry {
            subject: member.to_string(),
            count: 1,
            before: json!({ "blocked": before }),
            after: json!({ "blocked": blocked }),
            ..AuditEntry::of(by, action, now)
        }
    }
}

/// Members.
#[async_trait]
pub trait Members {
    /// A member; one never seen has nothing.
    async fn member(&self, member: &MemberId) -> Result<MemberRecord, Error>;

    /// Blocks a member, or lifts the block, in one transaction with an entry in the audit log. What is settled after it
    /// is settled accordingly. Blocking a blocked member notes the new reason and keeps the instant.
    async fn set_blocked(
        &self,
        member: &MemberId,
        blocked: bool,
        by: &By,
        now: DateTime<Utc>,
    ) -> Result<BlockSet, Error>;
}
