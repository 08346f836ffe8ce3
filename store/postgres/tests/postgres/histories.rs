//! Random histories on both stores: every answer and the state in the end are the same, the books agree all the way,
//! and what is sent again changes nothing.
//!
//! `FOREBAY_TEST_HISTORIES=500` plays as many; a failure is told as the shortest history that still fails.

use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use forebay_domain::incident::Timing;
use forebay_domain::points::NOTICE;
use forebay_domain::programme::Programme;
use forebay_domain::settlement::{Ask, Reach, Shipment};
use forebay_domain::{RandomIds, SystemClock};
use forebay_schemas::events::{SpendRequested, StockChangeKind};
use forebay_schemas::{MemberId, RewardId};
use forebay_sqlite::Db;
use forebay_store::conformance::{check_in, claim, identity, member, now, paid, programme, refunded};
use forebay_store::{
    Adjustment, By, ClaimChanged, Handled, Lifecycle as _, Reversal, RewardMessage, StockMovement, Store,
};
use forebay_store_sqlite::SqliteStore;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sqlx::{AssertSqlSafe, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::database::Database;

/// Histories that are played when nothing is said.
const HISTORIES: u32 = 10;
/// Members, so few that they meet.
const MEMBERS: u32 = 3;

/// A message, from so few that they repeat and refer to each other.
#[derive(Debug, Clone)]
enum Sent {
    CheckIn { member: u32, day: u32, copy: u32 },
    Claim { id: u128, member: u32, points: bool },
    Paid { order: u32, member: Option<u32>, amount: i64, copy: bool },
    Refunded { order: u32, refund: u32, cumulative: i64 },
    Spend { id: u128, member: u32, points: i64, copy: bool },
}

#[derive(Debug, Clone)]
enum Step {
    Settle(Vec<Sent>),
    Wait {
        hours: i64,
    },
    GoodFor {
        days: Option<u32>,
    },
    Expire,
    Warn,
    Adjust {
        member: u32,
        delta: i64,
        key: u128,
    },
    /// Takes back the transaction of that place in the list of all facts.
    Reverse {
        place: usize,
    },
    ReverseClaim {
        id: u128,
        restock: bool,
        shipped: bool,
    },
    Ship {
        id: u128,
        number: u32,
        replace: bool,
    },
    Block {
        member: u32,
        block: bool,
    },
    Restock {
        delta: i64,
        key: u32,
    },
    Void {
        member: u32,
        day: u32,
        void: bool,
    },
}

fn sent() -> impl Strategy<Value = Sent> {
    let member = || 0..MEMBERS;
    prop_oneof![
        3 => (member(), 16_u32..=22, 0_u32..3).prop_map(|(member, day, copy)| Sent::CheckIn { member, day, copy }),
        3 => (1_u128..12, member(), any::<bool>())
            .prop_map(|(id, member, points)| Sent::Claim { id, member, points }),
        3 => (0_u32..8, proptest::option::weighted(0.9, member()), 0_i64..20_000, any::<bool>())
            .prop_map(|(order, member, amount, copy)| Sent::Paid { order, member, amount, copy }),
        3 => (0_u32..8, 0_u32..3, 0_i64..25_000)
            .prop_map(|(order, refund, cumulative)| Sent::Refunded { order, refund, cumulative }),
        4 => (1_u128..16, member(), 1_i64..300, any::<bool>())
            .prop_map(|(id, member, points, copy)| Sent::Spend { id, member, points, copy }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => proptest::collection::vec(sent(), 1..7).prop_map(Step::Settle),
        2 => (1_i64..72).prop_map(|hours| Step::Wait { hours }),
        1 => proptest::option::weighted(0.8, 1_u32..12).prop_map(|days| Step::GoodFor { days }),
        2 => Just(Step::Expire),
        1 => Just(Step::Warn),
        2 => (0..MEMBERS, -150_i64..150, 0_u128..5)
            .prop_map(|(member, delta, key)| Step::Adjust { member, delta, key }),
        3 => any::<prop::sample::Index>().prop_map(|place| Step::Reverse { place: place.index(64) }),
        1 => (1_u128..12, any::<bool>(), any::<bool>())
            .prop_map(|(id, restock, shipped)| Step::ReverseClaim { id, restock, shipped }),
        1 => (1_u128..12, 0_u32..2, any::<bool>())
            .prop_map(|(id, number, replace)| Step::Ship { id, number, replace }),
        1 => (0..MEMBERS, prop::bool::weighted(0.3)).prop_map(|(member, block)| Step::Block { member, block }),
        1 => (-2_i64..4, 0_u32..4).prop_map(|(delta, key)| Step::Restock { delta, key }),
        1 => (0..MEMBERS, 16_u32..=22, any::<bool>())
            .prop_map(|(member, day, void)| Step::Void { member, day, void }),
    ]
}

fn message(sent: &Sent, at: DateTime<Utc>) -> RewardMessage {
    match *sent {
        Sent::CheckIn { member, day, copy } => {
            let received = format!("2026-11-{day}T02:00:00Z").parse().unwrap();
            check_in(&format!("c-{member}-{day}-{copy}"), member, received)
        }
        Sent::Claim { id, member, points } => {
            let mut message = claim(id, member, if points { "five-days" } else { "one-day" });
            // What is reused is another message, so that the claim's id and not the inbox knows it again.
            message.identity.id = format!("claim-{id}-{member}-{points}");
            if let Ask::Claim(_, received) = &mut message.ask {
                *received = at;
            }
            message
        }
        Sent::Paid { order, member, amount, copy } => {
            let mut message = paid(&format!("o-{order}"), member, amount);
            message.identity.id = format!("paid-{order}-{member:?}-{amount}-{copy}");
            message
        }
        Sent::Refunded { order, refund, cumulative } => {
            let mut message = refunded(&format!("o-{order}"), &format!("r-{refund}"), cumulative);
            message.identity.id = format!("refund-{order}-{refund}-{cumulative}");
            message
        }
        Sent::Spend { id, member: n, points, copy } => {
            let spend_id = Uuid::from_u128(id);
            let ask = SpendRequested { spend_id, member_id: member(n), points, reference: None };
            let identity = identity("rewards", &format!("spend-{id}-{n}-{points}-{copy}"), 1);
            RewardMessage { identity, ask: Ask::Spend(ask, at) }
        }
    }
}

fn good_for(days: Option<u32>) -> Programme {
    let mut programme = Programme { points_valid_days: days, ..programme() };
    programme.rules[1].days_required = 2;
    programme.rules[1].max_per_member = 2;
    programme
}

/// Both stores, and what was done so far.
struct Play {
    postgres: Arc<dyn Store>,
    sqlite: Arc<dyn Store>,
    database: Database,
    db: Db,
    at: DateTime<Utc>,
    /// Messages that had their effect.
    done: Vec<RewardMessage>,
    entries: u128,
    _folder: TempDir,
}

impl Play {
    async fn new() -> Self {
        let database = Database::new().await;
        let folder = TempDir::new().unwrap();
        let db = Db::open(folder.path().join("forebay.db")).await.unwrap();
        let sqlite =
            SqliteStore::new(db.clone(), Arc::new(RandomIds), Arc::new(SystemClock), Timing::default());
        sqlite.migrate().await.unwrap();
        let (postgres, sqlite): (Arc<dyn Store>, Arc<dyn Store>) =
            (Arc::new(database.store()), Arc::new(sqlite));
        let play =
            Self { postgres, sqlite, database, db, at: now(), done: vec![], entries: 0, _folder: folder };
        for store in [&play.postgres, &play.sqlite] {
            store.put_programme(&good_for(Some(5)), now()).await.unwrap();
        }
        play
    }

    fn by(&mut self) -> By {
        self.entries += 1;
        By { id: Uuid::from_u128(self.entries), actor: "a-person".into(), reason: "a history".into() }
    }

    async fn settle(&mut self, messages: Vec<RewardMessage>) {
        let first = self.postgres.settle_rewards(messages.clone(), self.at).await.unwrap();
        let second = self.sqlite.settle_rewards(messages.clone(), self.at).await.unwrap();
        assert_eq!(first, second, "the stores decide differently");
        let handled = messages.into_iter().zip(first.handled);
        self.done.extend(handled.filter(|(_, h)| *h == Handled::Done).map(|(message, _)| message));
    }

    async fn step(&mut self, step: &Step) {
        let at = self.at;
        match *step {
            Step::Settle(ref set) => self.settle(set.iter().map(|sent| message(sent, at)).collect()).await,
            Step::Wait { hours } => self.at += TimeDelta::hours(hours),
            Step::GoodFor { days } => {
                for store in [&self.postgres, &self.sqlite] {
                    store.put_programme(&good_for(days), at).await.unwrap();
                }
            }
            Step::Expire => {
                let first = self.postgres.expire_points(500, at).await.unwrap();
                assert_eq!(first, self.sqlite.expire_points(500, at).await.unwrap());
            }
            Step::Warn => {
                let first = self.postgres.warn_of_expiry(at + NOTICE, 500, at).await.unwrap();
                assert_eq!(first, self.sqlite.warn_of_expiry(at + NOTICE, 500, at).await.unwrap());
            }
            Step::Adjust { member: n, delta, key } if delta != 0 => {
                let adjustment = Adjustment { member_id: member(n), delta, key: Uuid::from_u128(key) };
                let by = self.by();
                let first = self.postgres.adjust_points(&adjustment, &by, at).await.unwrap();
                let second = self.sqlite.adjust_points(&adjustment, &by, at).await.unwrap();
                assert_eq!(told(&first), told(&second));
            }
            Step::Adjust { .. } => {}
            Step::Reverse { place } => self.reverse(place).await,
            Step::ReverseClaim { id, restock, shipped } => {
                let reach = if shipped { Reach::Shipped } else { Reach::NotShipped };
                let (id, by) = (Uuid::from_u128(id), self.by());
                let first = self.postgres.reverse_claim(id, reach, restock, &by, at).await.unwrap();
                let second = self.sqlite.reverse_claim(id, reach, restock, &by, at).await.unwrap();
                assert_eq!(became(&first), became(&second));
            }
            Step::Ship { id, number, replace } => {
                let (id, by) = (Uuid::from_u128(id), self.by());
                let tracking_number = format!("60000000000{number}").parse().unwrap();
                let shipment = Shipment { carrier: "cj".parse().unwrap(), tracking_number };
                let first = self.postgres.ship_claim(id, &shipment, replace, &by, at).await.unwrap();
                let second = self.sqlite.ship_claim(id, &shipment, replace, &by, at).await.unwrap();
                assert_eq!(became(&first), became(&second));
            }
            Step::Block { member: n, block } => {
                let by = self.by();
                let first = self.postgres.set_blocked(&member(n), block, &by, at).await.unwrap();
                let second = self.sqlite.set_blocked(&member(n), block, &by, at).await.unwrap();
                assert_eq!(first, second);
            }
            Step::Restock { delta, key } => {
                let (reward_id, by) = (RewardId::new("mug").unwrap(), self.by());
                let kind = StockChangeKind::Correct;
                let movement = StockMovement { reward_id, kind, delta, key: format!("k-{key}-{delta}") };
                let first = self.postgres.move_stock(&movement, &by, at).await.unwrap();
                let second = self.sqlite.move_stock(&movement, &by, at).await.unwrap();
                assert_eq!(std::mem::discriminant(&first), std::mem::discriminant(&second));
            }
            Step::Void { member: n, day, void } => {
                let (id, by, day) = (programme().id, self.by(), format!("2026-11-{day}").parse().unwrap());
                let who: MemberId = member(n);
                let first = self.postgres.set_day(&id, &who, day, void, &by, at).await.unwrap();
                let second = self.sqlite.set_day(&id, &who, day, void, &by, at).await.unwrap();
                assert_eq!(std::mem::discriminant(&first), std::mem::discriminant(&second));
            }
        }
    }

    /// Takes back a transaction that both stores know by its fact.
    async fn reverse(&mut self, place: usize) {
        let mut facts = Vec::new();
        for n in 0..MEMBERS {
            let lines = self.sqlite.member_ledger(&member(n), None, 500).await.unwrap();
            // Facts of lots and of reversals hold ids, which differ.
            let named = lines.into_iter().filter(|line| !["expire", "reverse"].contains(&line.kind.as_str()));
            facts.extend(named.map(|line| (n, line.fact)));
        }
        facts.sort();
        let Some((n, fact)) = facts.get(place % facts.len().max(1)).cloned() else { return };
        let by = self.by();
        let mut told = Vec::new();
        for store in [&self.postgres, &self.sqlite] {
            let lines = store.member_ledger(&member(n), None, 500).await.unwrap();
            let txn = lines.iter().find(|line| line.fact == fact).unwrap().txn_id;
            told.push(match store.reverse_txn(txn, &by, self.at).await.unwrap() {
                Reversal::Done(done) => {
                    format!(
                        "{} {} {} {}",
                        done.delta,
                        done.balance_after,
                        done.shortfall,
                        done.txn_id.is_some()
                    )
                }
                Reversal::Before(_) => "before".to_owned(),
                other => format!("{other:?}"),
            });
        }
        assert_eq!(told[0], told[1], "{fact}");
    }

    async fn assert_agrees(&self) {
        for store in [&self.postgres, &self.sqlite] {
            let check = store.check_books().await.unwrap();
            assert_eq!(check.differences(), 0, "{check:?}");
        }
        let (first, second) = (self.dump_postgres().await, self.dump_sqlite().await);
        assert_eq!(first, second, "the stores differ");
    }

    async fn dump_postgres(&self) -> String {
        let mut conn: PgConnection = self.database.connect().await;
        let mut text = String::new();
        for (table, sql) in DUMPS {
            let sql = sql.replace("{us:", "(extract(epoch from ").replace(":us}", ")*1000000)::int8");
            let rows: Vec<String> =
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut conn).await.unwrap();
            add(&mut text, table, rows);
        }
        text
    }

    async fn dump_sqlite(&self) -> String {
        let mut text = String::new();
        for (table, sql) in DUMPS {
            let sql = sql.replace("{us:", "(").replace(":us}", ")");
            let rows: Vec<String> =
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(self.db.read()).await.unwrap();
            add(&mut text, table, rows);
        }
        text
    }
}

fn add(text: &mut String, table: &str, mut rows: Vec<String>) {
    rows.sort();
    for row in rows {
        let _ = writeln!(text, "{table}: {row}");
    }
}

/// What became of a correction, without ids.
fn told(adjusted: &forebay_store::Adjusted) -> String {
    match adjusted {
        forebay_store::Adjusted::Done { balance_after, before, .. } => format!("{balance_after} {before}"),
        other => format!("{other:?}"),
    }
}

/// What became of a claim, without the times of writing.
fn became(changed: &ClaimChanged) -> String {
    match changed {
        ClaimChanged::Done(claim) | ClaimChanged::Before(claim) => {
            let done = matches!(changed, ClaimChanged::Done(_));
            format!("{done} {} {:?} {:?}", claim.state, claim.tracking_number, claim.review)
        }
        other => format!("{other:?}"),
    }
}

/// The tables of the business as texts, in words that both databases understand, without ids that they make themselves
/// and without the times of writing.
const DUMPS: &[(&str, &str)] = &[
    (
        "member",
        "select id || ' ' || cast(balance as text) || ' ' || case when blocked then 'blocked' else '' end from member
         where balance <> 0 or blocked",
    ),
    (
        "attendance",
        "select member_id || ' ' || cast(on_date as text) || case when voided_at is null then '' else ' voided' end
         from attendance",
    ),
    (
        "claim",
        "select member_id || ' ' || rule_id || ' ' || cast(slot as text) || ' ' || state || ' '
                || coalesce(reject_code, '') || ' ' || cast(days_seen as text)
                || case when fulfilled_at is null then '' else ' shipped ' || tracking_number end
                || case when reversed_at is null then '' else ' reversed' end
                || case when review is null then '' else ' review' end
         from claim",
    ),
    (
        "stock",
        "select reward_id || ' ' || cast(total as text) || ' ' || cast(issued as text) || ' '
                || case when low_armed then 'low' else '' end || case when out_armed then 'out' else '' end
         from stock",
    ),
    ("movement", "select reward_id from movement"),
    (
        "stock_change",
        "select reward_id || ' ' || kind || ' ' || cast(delta_total as text) || ' ' || cast(delta_issued as text)
                || ' ' || cast(remaining as text)
         from stock_change",
    ),
    (
        "shop_order",
        "select id || ' ' || coalesce(member_id, '') || ' ' || cast(amount_minor as text) || ' '
                || cast(earned_points as text) || ' ' || cast(reversed_points as text)
         from shop_order",
    ),
    (
        "refund",
        "select order_id || ' ' || refund_id || ' ' || cast(taken as text) || ' ' || cast(shortfall as text) from refund",
    ),
    (
        "ledger",
        "select t.kind || ' ' || case when t.kind in ('expire', 'reverse') then '' else t.idem_key end || ' '
                || e.account || ' ' || cast(e.amount as text) || ' ' || coalesce(cast(e.balance_after as text), '')
                || ' ' || cast(t.shortfall as text) || case when t.reverses is null then '' else ' reverses' end
         from ledger_txn t join ledger_entry e on e.txn_id = t.id",
    ),
    (
        "points_lot",
        "select member_id || ' ' || cast(granted as text) || ' ' || cast(remaining as text) || ' '
                || coalesce(cast({us:expires_at:us} as text), 'never')
                || case when warned_at is null then '' else ' warned' end
         from points_lot",
    ),
    (
        "lot_use",
        "select t.kind || ' ' || l.member_id || ' ' || cast(u.amount as text) || ' ' || cast(l.granted as text)
         from lot_use u join points_lot l on l.id = u.lot_id join ledger_txn t on t.id = u.txn_id",
    ),
    (
        "spend",
        "select member_id || ' ' || cast(points as text) || ' ' || state || ' ' || coalesce(reject_code, '') from spend",
    ),
    ("outbox", "select kind || ' ' || cast(count(*) as text) from outbox group by kind"),
    ("audit", "select action || ' ' || cast(count(*) as text) from audit_entry group by action"),
];

async fn play(steps: &[Step]) {
    let mut play = Play::new().await;
    for (place, step) in steps.iter().enumerate() {
        play.step(step).await;
        if place % 10 == 9 {
            play.assert_agrees().await;
        }
    }
    play.assert_agrees().await;
    // A prefix, all of it, and all of it in another order: nothing of it has a second effect.
    let before = play.dump_postgres().await;
    let all = play.done.clone();
    for set in [all[..all.len() / 2].to_vec(), all.clone(), all.into_iter().rev().collect()] {
        for messages in set.chunks(50) {
            let handled = play.postgres.settle_rewards(messages.to_vec(), play.at).await.unwrap().handled;
            assert!(handled.iter().all(|handled| *handled == Handled::Duplicate), "{handled:?}");
            play.sqlite.settle_rewards(messages.to_vec(), play.at).await.unwrap();
        }
    }
    play.assert_agrees().await;
    assert_eq!(play.dump_postgres().await, before, "what came again had an effect");
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn histories() -> u32 {
    std::env::var("FOREBAY_TEST_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(HISTORIES)
}

#[test]
fn both_stores_end_any_history_in_the_same_state() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = ProptestConfig {
        cases: histories(),
        max_shrink_iters: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(config);
    runner
        .run(&proptest::collection::vec(step(), 20..60), |steps| {
            runtime.block_on(play(&steps));
            Ok(())
        })
        .unwrap();
}
