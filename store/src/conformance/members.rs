//! Members blocked, and let in again.

use forebay_domain::settlement::Answer;
use forebay_schemas::events::RejectCode;

use super::dead_letters::by;
use super::{Harness, check_in, claim, later, member, now, programme, settle};
use crate::{Block, BlockSet, By, Handled, MemberRecord};

/// Somebody who gives this reason.
fn because(n: u128, reason: &str) -> By {
    By { reason: reason.to_owned(), ..by(n) }
}

pub async fn a_blocked_member_neither_checks_in_nor_claims(harness: &dyn Harness) {
    let store = harness.store().await;
    store.put_programme(&programme(), now()).await.unwrap();
    let refused = Some(Answer::Refused(RejectCode::MemberBlocked));
    settle(store.as_ref(), vec![check_in("a", 1, now())]).await;
    assert_eq!(
        store.set_blocked(&member(1), true, &by(1), now()).await.unwrap(),
        BlockSet::Done { before: false }
    );
    let settled = settle(store.as_ref(), vec![claim(1, 1, "one-day"), check_in("b", 1, later(86_400))]).await;
    assert_eq!(settled[0].1, refused);
    assert_eq!(settled[1].1, Some(Answer::CheckInRefused(RejectCode::MemberBlocked)));
    assert!(store.member_balance(&member(1)).await.unwrap().blocked);
    store.set_blocked(&member(1), false, &by(2), now()).await.unwrap();
    assert_eq!(
        settle(store.as_ref(), vec![claim(2, 1, "one-day")]).await,
        [(Handled::Done, Some(Answer::Granted))]
    );
}

pub async fn a_block_tells_since_when_and_why_and_stands_in_the_audit_log(harness: &dyn Harness) {
    let store = harness.store().await;
    assert_eq!(store.member(&member(7)).await.unwrap(), MemberRecord::default());
    store.set_blocked(&member(7), true, &because(1, "two accounts"), now()).await.unwrap();
    let again = store.set_blocked(&member(7), true, &because(2, "three accounts"), later(60)).await.unwrap();
    assert_eq!(again, BlockSet::Done { before: true });
    let block = Block { since: Some(now()), reason: Some("three accounts".to_owned()) };
    let found = store.member(&member(7)).await.unwrap();
    assert_eq!(found, MemberRecord { balance: 0, blocked: Some(block), erased: false });
    store.set_blocked(&member(7), false, &because(3, "a family"), later(90)).await.unwrap();
    assert_eq!(store.member(&member(7)).await.unwrap(), MemberRecord::default());
    let entries = store.audit_log(None, 10).await.unwrap();
    let told: Vec<(&str, &str, &str)> =
        entries.iter().map(|e| (e.action.as_str(), e.subject.as_str(), e.reason.as_str())).collect();
    let id = member(7).to_string();
    assert_eq!(
        told,
        [
            ("member.unblock", id.as_str(), "a family"),
            ("member.block", id.as_str(), "three accounts"),
            ("member.block", id.as_str(), "two accounts"),
        ]
    );
    assert_eq!((&entries[2].before["blocked"], &entries[2].after["blocked"]), (&false.into(), &true.into()));
}

pub async fn a_blocked_member_who_is_erased_leaves_no_reason_behind(harness: &dyn Harness) {
    let store = harness.store().await;
    let who = member(471_147);
    let reason = format!("{who} has two accounts");
    store.set_blocked(&who, true, &because(1, &reason), now()).await.unwrap();
    assert!(!harness.mentions(who.as_str()).await.is_empty());
    store.erase_member(&who, &by(2), later(1)).await.unwrap();
    assert_eq!(harness.mentions(who.as_str()).await, [""; 0]);
    let erased = MemberRecord { erased: true, ..MemberRecord::default() };
    assert_eq!(store.member(&who).await.unwrap(), erased);
    for blocked in [true, false] {
        let set = store.set_blocked(&who, blocked, &by(3), later(2)).await.unwrap();
        assert_eq!(set, BlockSet::Erased);
    }
    assert_eq!(harness.mentions(who.as_str()).await, [""; 0]);
}
