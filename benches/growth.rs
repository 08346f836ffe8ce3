//! Settling as the books grow: check-ins and claims of members who are long there, in books of ten thousand days and in
//! books of a million days of a hundred thousand members. Both in the same round, so that both saw the same machine.

use chrono::Duration;
use forebay_domain::{Clock as _, Ids as _, RandomIds, SystemClock};
use forebay_queue::{Message, Outgoing};
use forebay_schemas::events::{CheckInRequested, ClaimRequested};
use forebay_schemas::{Event, EventData, MemberId, Route, RuleId};

use crate::Options;
use crate::back_ends::{self, Set};
use crate::claims::{self, given_out, open_programme, programme};
use crate::report::{Row, pace};
use crate::settle::{BATCH, drain, left_in_queue};

/// Members of the small books, who have a day each; they must be enough for all rounds.
const FEW: usize = 10_000;
/// Members of the large books, and the days that each has.
const MANY: usize = 100_000;
const DAYS: usize = 10;
/// Members of a round; each checks in and claims.
const MEMBERS: usize = 1_000;
/// What is published at once.
const CHUNK: usize = 500;

pub(crate) async fn measure(options: &Options) -> Vec<Row> {
    let servers = [back_ends::servers().await, back_ends::servers().await];
    let on_servers = beside(options, "RabbitMQ and PostgreSQL", &servers).await;
    let files = [back_ends::embedded().await, back_ends::embedded().await];
    let on_files = beside(options, "embedded", &files).await;
    vec![
        Row::paces(
            "settling in 1,000,000 days of 100,000 members",
            "messages/s",
            &on_servers,
            "10,000 days",
            None,
        ),
        Row::paces("the same, embedded", "messages/s", &on_files, "10,000 days", None),
    ]
}

/// The paces in large and in small books, round by round.
async fn beside(options: &Options, name: &str, [large, small]: &[Set; 2]) -> Vec<(f64, f64)> {
    let rounds = options.rounds();
    assert!(rounds * MEMBERS <= FEW, "each member claims once: {} rounds at most", FEW / MEMBERS);
    fill(large, options.scaled(MANY), DAYS).await;
    fill(small, FEW, 1).await;
    let mut paces = Vec::new();
    for round in 0..rounds {
        // Spread over the books, as members are who come of their own accord.
        let in_large = settled(large, round, options.scaled(MANY) / FEW).await;
        let in_small = settled(small, round, 1).await;
        println!("growth, {name}, round {}: large {in_large:.0}/s, small {in_small:.0}/s", round + 1);
        paces.push((in_large, in_small));
    }
    paces
}

/// Members with so many days each, up to yesterday.
async fn fill(set: &Set, members: usize, days: usize) {
    open_programme(set.store.as_ref()).await;
    let today = SystemClock.now().date_naive();
    let (last, at) = (today - Duration::days(1), SystemClock.now().timestamp_micros());
    let programme = programme();
    if set.database.is_some() {
        set.sql(&format!(
            "insert into member (id) select 'g-' || i from generate_series(0, {members} - 1) i;
             insert into attendance (programme_id, member_id, on_date, received_at, source, event_id)
             select '{programme}', 'g-' || i, date '{last}' - d, now(), '/seed', 'g-' || i || '-' || d
             from generate_series(0, {members} - 1) i, generate_series(0, {days} - 1) d;
             analyze"
        ));
    } else {
        set.sql(&format!(
            "insert into attendance (programme_id, member_id, on_date, received_at, source, event_id)
             with recursive m (i) as (select 0 union all select i + 1 from m where i + 1 < {members}),
                            n (d) as (select 0 union all select d + 1 from n where d + 1 < {days})
             select '{programme}', 'g-' || i, date('{last}', '-' || d || ' day'), {at}, '/seed', 'g-' || i || '-' || d
             from m, n;;
             insert into member (id) select distinct member_id from attendance;;
             analyze"
        ));
    }
}

/// Lets the members of a round check in and claim: messages a second, from the queue to the ack.
async fn settled(set: &Set, round: usize, apart: usize) -> f64 {
    let before = given_out(set.store.as_ref()).await;
    let members =
        (0..MEMBERS).map(|n| (round * MEMBERS + n) * apart).map(|n| MemberId::new(format!("g-{n}")).unwrap());
    let members: Vec<MemberId> = members.collect();
    let check_ins = members.iter().map(|member| {
        message(
            "check-in",
            member,
            &CheckInRequested { programme_id: programme(), member_id: member.clone() },
        )
    });
    let claimed = members.iter().map(|member| {
        let data = ClaimRequested {
            claim_id: RandomIds.next(),
            programme_id: programme(),
            rule_id: RuleId::new(claims::RULE).unwrap(),
            member_id: member.clone(),
        };
        message("claim", member, &data)
    });
    let messages: Vec<Outgoing> = check_ins.chain(claimed).collect();
    let count = messages.len();
    for chunk in messages.chunks(CHUNK) {
        for published in set.broker.publisher().publish(chunk.to_vec()).await {
            published.unwrap();
        }
    }
    let elapsed = drain(set, BATCH, count).await;
    let late = left_in_queue(set).await;
    if late > 0 {
        drain(set, BATCH, late).await;
    }
    let granted = given_out(set.store.as_ref()).await - before;
    assert_eq!(usize::try_from(granted).unwrap(), MEMBERS, "each claim is granted once");
    pace(count, elapsed)
}

fn message<D: EventData>(what: &str, member: &MemberId, data: &D) -> Outgoing {
    let event = Event::of(format!("{what}-{member}"), "/growth", SystemClock.now(), data);
    Outgoing { route: Route::inbound(D::TYPE), message: Message::of(&event) }
}
