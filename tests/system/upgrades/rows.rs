//! Databases as SQL text: written so that people can read what changed, and brought back as they were.

use std::path::Path;
use std::str::FromStr as _;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, SqliteConnection};

/// Blobs of these lengths are ids and hashes.
const IDS: [usize; 2] = [16, 32];

/// Bytes as text, if people wrote them.
fn legible(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let written = !IDS.contains(&bytes.len()) && !text.is_empty() && !text.chars().any(char::is_control);
    written.then(|| text.replace('\'', "''"))
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

async fn open(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).foreign_keys(false);
    options.connect().await.unwrap()
}

/// Everything in an SQLite file: its schema, then its rows.
pub(crate) async fn of_file(path: &Path) -> String {
    let mut conn = open(path).await;
    let objects: Vec<(String, String, String)> = sqlx::query_as(
        "select type, name, sql from sqlite_schema where sql is not null and name not like 'sqlite_%'
         order by type = 'trigger', type = 'index', name",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    let mut text = String::new();
    for (_, _, sql) in &objects {
        text.push_str(&format!("{sql};\n"));
    }
    for (_, table, _) in objects.iter().filter(|(kind, ..)| kind == "table") {
        let columns: Vec<String> = sqlx::query_scalar("select name from pragma_table_info(?) order by cid")
            .bind(table)
            .fetch_all(&mut conn)
            .await
            .unwrap();
        let quoted = |column: &String| match column.as_str() {
            // When and how fast a migration ran is nobody's form.
            "installed_on" => "'''2026-11-20 03:00:00'''".to_owned(),
            "execution_time" => "'0'".to_owned(),
            _ => format!("quote(\"{column}\")"),
        };
        let select: Vec<String> = columns.iter().map(quoted).collect();
        let order: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
        let sql = format!("select {} from \"{table}\" order by {}", select.join(", "), order.join(", "));
        for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await.unwrap() {
            let values: Vec<String> = (0..columns.len()).map(|n| sqlite_value(row.get(n))).collect();
            text.push_str(&format!(
                "insert into \"{table}\" ({}) values ({});\n",
                order.join(", "),
                values.join(", ")
            ));
        }
    }
    text
}

fn sqlite_value(quoted: String) -> String {
    let hex = quoted.strip_prefix("X'").and_then(|rest| rest.strip_suffix('\''));
    match hex.and_then(|hex| legible(&bytes_of(hex))) {
        Some(text) => format!("cast('{text}' as blob)"),
        None => quoted,
    }
}

/// Makes an SQLite file of such a text, and moves all its instants by so many seconds.
pub(super) async fn into_file(path: &Path, text: &str, seconds: i64) {
    let mut conn = open(path).await;
    sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut conn).await.unwrap();
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select t.name, c.name from sqlite_schema t join pragma_table_info(t.name) c
         where t.type = 'table' and t.name not like 'sqlite_%' and c.type = 'INTEGER'
               and not exists (select 1 from sqlite_schema g
                               where g.type = 'trigger' and g.tbl_name = t.name and g.sql like '%append only%')",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    for (table, column) in columns {
        // An integer as large as this is an instant in microseconds.
        let sql = format!(
            "update \"{table}\" set \"{column}\" = \"{column}\" + {seconds} * 1000000
             where \"{column}\" > 1500000000000000"
        );
        sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    }
}

async fn connect(url: &str) -> PgConnection {
    let options = PgConnectOptions::from_str(url).unwrap();
    options.options([("search_path", "forebay"), ("timezone", "UTC")]).connect().await.unwrap()
}

/// The rows of a PostgreSQL database, and which migrations it has. Gates are left out: they hold the server's clock.
pub(crate) async fn of_database(url: &str) -> String {
    let mut conn = connect(url).await;
    let migrations: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("select version, checksum from _sqlx_migrations order by version")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    let mut text = String::new();
    for (version, checksum) in migrations {
        text.push_str(&migration_line(version, &checksum));
    }
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables where table_schema = 'forebay'
                and table_type = 'BASE TABLE' and table_name not in ('_sqlx_migrations', 'gate') order by 1",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    for table in tables {
        let columns: Vec<(String, String)> = sqlx::query_as(
            "select column_name::text, data_type::text from information_schema.columns
             where table_schema = 'forebay' and table_name = $1 order by ordinal_position",
        )
        .bind(&table)
        .fetch_all(&mut conn)
        .await
        .unwrap();
        let select: Vec<String> =
            columns.iter().map(|(column, _)| format!("quote_nullable(\"{column}\"::text)")).collect();
        let names: Vec<String> = columns.iter().map(|(column, _)| format!("\"{column}\"")).collect();
        let sql = format!("select {} from \"{table}\" order by {}", select.join(", "), names.join(", "));
        for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await.unwrap() {
            let values: Vec<String> =
                columns.iter().enumerate().map(|(n, (_, kind))| postgres_value(kind, row.get(n))).collect();
            text.push_str(&format!(
                "insert into \"{table}\" ({}) overriding system value values ({});\n",
                names.join(", "),
                values.join(", ")
            ));
        }
    }
    text
}

fn migration_line(version: i64, checksum: &[u8]) -> String {
    let hex: String = checksum.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("-- migration {version} {hex}\n")
}

fn postgres_value(kind: &str, quoted: String) -> String {
    let hex =
        || quoted.split_once("\\\\x").or(quoted.split_once("\\x")).map(|(_, hex)| hex.trim_end_matches('\''));
    match (kind == "bytea").then(hex).flatten().and_then(|hex| legible(&bytes_of(hex))) {
        Some(text) => format!("convert_to('{text}', 'UTF8')"),
        None => quoted,
    }
}

/// Makes the tables of such a text's release in an empty database, fills them, and moves all instants by so many
/// seconds. A migration that was released must be the same for ever.
pub(super) async fn into_database(url: &str, text: &str, seconds: i64) {
    let mut conn = connect(url).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("store/postgres/migrations");
    let all = Migrator::new(folder).await.unwrap();
    let kept: Vec<_> = all
        .iter()
        .filter(|migration| text.contains(&format!("-- migration {} ", migration.version)))
        .cloned()
        .collect();
    for migration in &kept {
        let line = migration_line(migration.version, &migration.checksum);
        assert!(text.contains(&line), "migration {} is not the one that was released", migration.version);
    }
    let mut migrator = Migrator::with_migrations(kept);
    migrator.create_schema("forebay");
    migrator.run_direct(None, &mut conn, false).await.unwrap();
    let rows = format!("set session_replication_role = replica;\n{text}");
    sqlx::raw_sql(AssertSqlSafe(rows)).execute(&mut conn).await.unwrap();
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select table_name::text, column_name::text from information_schema.columns
         where table_schema = 'forebay' and data_type = 'timestamp with time zone'
               and table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    for (table, column) in columns {
        let sql =
            format!("update \"{table}\" set \"{column}\" = \"{column}\" + interval '{seconds} seconds'");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    }
    // Identities go on behind what is there.
    sqlx::raw_sql(
        "select setval(pg_get_serial_sequence('outbox', 'id'), (select coalesce(max(id), 1) from outbox));
         select setval(pg_get_serial_sequence('checkpoint', 'position'), (select coalesce(max(position), 1) from checkpoint))",
    )
    .execute(&mut conn)
    .await
    .unwrap();
}
