use super::*;
use crate::ids::SeededIds;
use crate::programme::tests::{at, day, programme};
use crate::stock::Stock;

fn member(n: u32) -> MemberId {
    MemberId::new(format!("m-{n}")).unwrap()
}

fn books() -> Books {
    let programme = programme();
    let stock = Stock {
        reward_id: RewardId::new("mug").unwrap(),
        name: "A mug".into(),
        total: 10,
        reserved: 0,
        issued: 0,
        low_at: 2,
        low_armed: true,
        out_armed: true,
        version: 0,
    };
    Books {
        programmes: BTreeMap::from([(programme.id.clone(), programme)]),
        stock: BTreeMap::from([(stock.reward_id.clone(), stock)]),
        ..Books::default()
    }
}

fn check_in(n: u32, received_at: &str) -> Ask {
    let ask = CheckInRequested { programme_id: programme().id, member_id: member(n) };
    Ask::CheckIn(ask, at(received_at))
}

fn claim(n: u32, rule: &str, id: u128) -> Ask {
    let ask = ClaimRequested {
        claim_id: Uuid::from_u128(id),
        programme_id: programme().id,
        rule_id: RuleId::new(rule).unwrap(),
        member_id: member(n),
    };
    Ask::Claim(ask, at("2026-11-20T03:00:00Z"))
}

fn run(books: &mut Books, asks: &[Ask]) -> Settlement {
    settle(books, asks, at("2026-11-20T03:00:01Z"), &SeededIds::new(1))
}

#[test]
fn a_check_in_and_the_claim_behind_it_settle_in_one_set() {
    let asks = [check_in(1, "2026-11-20T02:00:00Z"), claim(1, "one-day", 1)];
    let settlement = run(&mut books(), &asks);
    assert_eq!(settlement.answers, [Answer::CheckedIn(day("2026-11-20")), Answer::Granted]);
    assert_eq!(settlement.claims[0].days_seen, 1);
}

#[test]
fn a_second_check_in_on_the_same_day_changes_nothing() {
    let asks = [check_in(1, "2026-11-20T02:00:00Z"), check_in(1, "2026-11-20T05:00:00Z")];
    let settlement = run(&mut books(), &asks);
    assert_eq!(settlement.answers[1], Answer::CheckedInBefore(day("2026-11-20")));
    assert_eq!(settlement.attendance.len(), 1);
}

#[test]
fn a_thousand_claims_get_ten_mugs_and_raise_one_incident() {
    let mut books = books();
    let mut asks: Vec<Ask> = (0..1000).map(|n| check_in(n, "2026-11-19T02:00:00Z")).collect();
    asks.extend((0..1000).map(|n| claim(n, "one-day", u128::from(n) + 1)));
    let settlement = run(&mut books, &asks);
    let granted = settlement.claims.iter().filter(|c| c.state == ClaimState::Granted).count();
    let refused = settlement.claims.iter().filter(|c| c.reject_code == Some(RejectCode::OutOfStock)).count();
    assert_eq!((granted, refused, settlement.movements.len()), (10, 990, 10));
    assert_eq!(settlement.incidents.len(), 1, "low and out of one reward are one incident");
    assert_eq!(settlement.incidents[0].rule.as_str(), "stock_out");
}

#[test]
fn a_claim_counts_the_days_up_to_the_moment_it_was_made() {
    let mut books = books();
    let asks: Vec<Ask> = (16..=21)
        .map(|d| check_in(1, &format!("2026-11-{d}T02:00:00Z")))
        .chain([claim(1, "five-days", 1)])
        .collect();
    let settlement = run(&mut books, &asks);
    assert_eq!(settlement.answers[6], Answer::Granted);
    assert_eq!(settlement.claims[0].days_seen, 5, "the 21st lies after the claim");
    assert_eq!(settlement.balances[&member(1)], 5000);
    assert_eq!(settlement.ledger[0].idem_key, format!("claim:{}", Uuid::from_u128(1)));
}

#[test]
fn a_reward_is_given_once_a_slot_and_a_repeated_claim_is_the_same_claim() {
    let mut books = books();
    let asks = [
        check_in(1, "2026-11-19T02:00:00Z"),
        claim(1, "one-day", 1),
        claim(1, "one-day", 1),
        claim(1, "one-day", 2),
        claim(1, "five-days", 3),
        claim(1, "no-such-rule", 4),
    ];
    let settlement = run(&mut books, &asks);
    assert_eq!(
        settlement.answers[1..],
        [
            Answer::Granted,
            Answer::SettledBefore,
            Answer::Refused(RejectCode::AlreadyClaimed),
            Answer::Refused(RejectCode::NotEnoughDays),
            Answer::Refused(RejectCode::UnknownRule),
        ]
    );
}

#[test]
fn refunds_take_back_in_proportion_once_and_never_more_than_was_earned() {
    let mut books = books();
    let paid = Ask::Paid(OrderPaid {
        order_id: OrderId::new("o-1").unwrap(),
        member_id: Some(member(1)),
        currency: forebay_schemas::Currency::new("KRW").unwrap(),
        amount_minor: 9_999,
        paid_at: at("2026-11-20T02:00:00Z"),
    });
    let refund = |id: &str, cumulative: i64| {
        Ask::Refunded(OrderRefunded {
            order_id: OrderId::new("o-1").unwrap(),
            refund_id: RefundId::new(id).unwrap(),
            currency: forebay_schemas::Currency::new("KRW").unwrap(),
            cumulative_refunded_minor: cumulative,
            refunded_at: at("2026-11-20T02:30:00Z"),
        })
    };
    let asks = [
        refund("r-0", 1),
        paid.clone(),
        paid,
        refund("r-1", 5_000),
        refund("r-1", 5_000),
        refund("r-2", 9_999),
        refund("r-3", 99_999),
    ];
    let settlement = run(&mut books, &asks);
    assert_eq!(
        settlement.answers,
        [
            Answer::NotYetKnown,
            Answer::Earned(99),
            Answer::SettledBefore,
            Answer::TakenBack(49),
            Answer::SettledBefore,
            Answer::TakenBack(50),
            Answer::TakenBack(0),
        ]
    );
    assert_eq!(settlement.ledger.iter().map(|t| t.delta).sum::<i64>(), 0);
    assert_eq!(settlement.orders.len(), 1);
    assert!(settlement.orders_changed.is_empty(), "an order of this set is inserted as it ends");
}

#[test]
fn a_blocked_member_neither_checks_in_nor_claims() {
    let mut books = books();
    books.members.insert(member(1), Member { balance: 0, blocked: true });
    let settlement = run(&mut books, &[check_in(1, "2026-11-20T02:00:00Z"), claim(1, "one-day", 1)]);
    assert_eq!(
        settlement.answers,
        [Answer::CheckInRefused(RejectCode::MemberBlocked), Answer::Refused(RejectCode::MemberBlocked)]
    );
}
