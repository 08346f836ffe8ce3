//! What follows from the ledger, set to what the ledger says.

use chrono::{DateTime, Utc};
use forebay_store::{BooksCheck, By};
use sqlx::SqliteConnection;

use crate::error::Fault;
use crate::{audit_log, points_check};

const BALANCES: &str = "
    update member set balance = e.sum
    from (select m.id, coalesce(sum(l.amount), 0) as sum
          from member m left join ledger_entry l on l.account = 'm:' || m.id group by m.id) e
    where e.id = member.id and member.balance <> e.sum and e.sum >= 0";

/// What was granted is what is left and what was taken; a lot of which neither is true never was.
const NEVER: &str = "
    delete from points_lot where remaining = 0 and not exists (select 1 from lot_use u where u.lot_id = points_lot.id)";
const USES: &str = "
    update points_lot set granted = n.granted
    from (select l.id, l.remaining + coalesce((select sum(u.amount) from lot_use u where u.lot_id = l.id), 0) as granted
          from points_lot l) n
    where n.id = points_lot.id and n.granted <> points_lot.granted and n.granted > 0";

/// What lots say more than the balance, by lot, those first that end first.
macro_rules! taken {
    () => {
        "select id, granted, min(remaining, more - before) as amount
         from (select l.id, l.granted, l.remaining, off.more,
                      sum(l.remaining) over (partition by off.id order by l.expires_at nulls last, l.id) - l.remaining
                          as before
               from (select m.id, sum(l.remaining) - m.balance as more
                     from member m join points_lot l on l.member_id = m.id
                     group by m.id having sum(l.remaining) > m.balance) off
               join points_lot l on l.member_id = off.id and l.remaining > 0)
         where before < more"
    };
}
/// They lose it, and go where they were never used.
const MORE: &str = concat!(
    "update points_lot set remaining = points_lot.remaining - t.amount,
                           granted = max(points_lot.granted - t.amount, 1)
     from (",
    taken!(),
    ") t where t.id = points_lot.id"
);

/// Where they say less, a lot without an end makes up for it.
const LESS: &str = "
    insert into points_lot (id, member_id, granted, remaining, usable_from)
    select randomblob(16), m.id, m.balance - coalesce(l.sum, 0), m.balance - coalesce(l.sum, 0), 0
    from member m
    left join (select member_id, sum(remaining) as sum from points_lot group by member_id) l on l.member_id = m.id
    where m.balance > coalesce(l.sum, 0)";

/// Mends, notes it, and answers what still differs.
pub(crate) async fn mend(
    conn: &mut SqliteConnection,
    by: &By,
    now: DateTime<Utc>,
) -> Result<BooksCheck, Fault> {
    let before = points_check::check(conn).await?;
    for sql in [BALANCES, NEVER, USES, MORE, NEVER, LESS] {
        sqlx::query(sql).execute(&mut *conn).await?;
    }
    let after = points_check::check(conn).await?;
    audit_log::note(conn, &before.mended(&after, by, now)).await?;
    Ok(after)
}
