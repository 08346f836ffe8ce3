//! What follows from the ledger, set to what the ledger says.

use chrono::{DateTime, Utc};
use forebay_store::{BooksCheck, By};
use sqlx::PgConnection;

use crate::audit_log;
use crate::error::Stop;

/// Members that one transaction mends; nobody moves their points meanwhile.
pub(crate) const BATCH: usize = 200;
const ALONE: &str = "select from member where id = any($1) order by id for update";

const BALANCES: &str = "
    update member m set balance = e.sum
    from (select n.id, coalesce(sum(l.amount), 0)::int8 as sum
          from unnest($1::text[]) as n (id) left join ledger_entry l on l.account = 'm:' || n.id group by n.id) e
    where e.id = m.id and m.balance <> e.sum and e.sum >= 0";

/// What was granted is what is left and what was taken; a lot of which neither is true never was.
const USES: &str = "
    with used as (
        select l.id, l.remaining + coalesce((select sum(u.amount) from lot_use u where u.lot_id = l.id), 0)::int8 as granted
        from points_lot l where l.member_id = any($1)
    ), gone as (
        delete from points_lot l using used u
        where u.id = l.id and u.granted <= 0 and not exists (select from lot_use x where x.lot_id = l.id)
    )
    update points_lot l set granted = u.granted from used u
    where u.id = l.id and u.granted <> l.granted and u.granted > 0";

/// Lots that say more than the balance lose it, those first that end first; where they were never used, they go.
const MORE: &str = "
    with off as (
        select m.id, sum(l.remaining)::int8 - m.balance as more
        from member m join points_lot l on l.member_id = m.id
        where m.id = any($1) group by m.id, m.balance having sum(l.remaining) > m.balance
    ), taken as (
        select id, granted, least(remaining, more - before)::int8 as amount
        from (select l.id, l.granted, l.remaining, off.more,
                     sum(l.remaining) over (partition by off.id order by l.expires_at nulls last, l.id) - l.remaining as before
              from off join points_lot l on l.member_id = off.id and l.remaining > 0) ranked
        where before < more
    ), gone as (
        delete from points_lot l using taken t where t.id = l.id and t.amount = t.granted
    )
    update points_lot l set remaining = l.remaining - t.amount, granted = l.granted - t.amount
    from taken t where t.id = l.id and t.amount < t.granted";

/// Where they say less, a lot without an end makes up for it.
const LESS: &str = "
    insert into points_lot (id, member_id, granted, remaining, usable_from)
    select gen_random_uuid(), m.id, m.balance - coalesce(l.sum, 0), m.balance - coalesce(l.sum, 0), to_timestamp(0)
    from member m
    left join (select member_id, sum(remaining)::int8 as sum from points_lot where member_id = any($1) group by member_id) l
        on l.member_id = m.id
    where m.id = any($1) and m.balance > coalesce(l.sum, 0)";

/// Mends these members, of what a look over the books had found, and notes it.
pub(crate) async fn mend(
    conn: &mut PgConnection,
    members: &[String],
    found: &BooksCheck,
    by: &By,
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    sqlx::query(ALONE).bind(members).execute(&mut *conn).await?;
    for sql in [BALANCES, USES, MORE, LESS] {
        sqlx::query(sql).bind(members).execute(&mut *conn).await?;
    }
    audit_log::note(conn, &found.mending(members.len(), by, now)).await?;
    Ok(())
}
