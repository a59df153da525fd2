//! What a page of 100 reads from a list of 1,000 and of 1,000,000 users, on both stores, by the very statements of the services: pages of the database that
//! are looked at, in memory or not. PostgreSQL tells by EXPLAIN (ANALYZE, BUFFERS), SQLite by its shell's statistics. `make bench-pages` runs it, on one store if that is named; it fails where
//! the large list costs more than 1.5 times the small one (DESIGN §9).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a benchmark, run by hand")]

use std::{
    io::Write,
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use chassis::page::PageKey;
use client::guard::Guard;
use directory::{
    Directory,
    statements::{self, Part},
};
use ledger::{Ledger, StoreConfig};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement, Value};
use tonic::transport::Endpoint;
use uuid::Uuid;

const SIZES: [u64; 2] = [1_000, 1_000_000];
const PAGE: u64 = 100;
const GOAL: f64 = 1.5;
const ACME: &str = "organizations/acme";

// People are called by a number that has nothing to do with the order in which they came, after one of five letters; nor has the order in which they joined and were given
// their roles. Each is a member, holds one role in the
// organization, and participates in a workspace of it.
const LOAD: &str = "
INSERT INTO organization(name, kind, display_name, website, location, root, role_model, role_model_revision, provisioning, suspended, deleted,
    create_time, update_time, version)
  VALUES ('organizations/acme', 'marketer', 'Acme', '', '', 'organizations/acme', 'm', 1, false, false, false, TIME, TIME, 1);
INSERT INTO directory_user(name, kind, email, email_key, display_name, display_key, suspended, deleted, create_time, update_time, version)
  WITH RECURSIVE series(n) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT n + 1 FROM series WHERE n < SIZE),
    named(n, called) AS (SELECT n, substr('abcde', CAST(n % 5 AS integer) + 1, 1) || CAST(1000000000 + (n * 479001) % 1000003 AS text) FROM series)
  SELECT 'users/u' || CAST(1000000000 + n AS text), 'person', called || '@example.com', called || '@example.com', called, called, false, false, TIME, TIME, 1
  FROM named;
INSERT INTO member(name, organization, member_user, suspended, create_time, update_time, version, display_key, email_key)
  SELECT 'organizations/acme/members/' || substr(name, 7), 'organizations/acme', name, false, TIME, TIME, 1, display_key, email_key FROM directory_user
  ORDER BY display_key;
INSERT INTO role_binding(name, organization, principal, role, node, create_time, update_time, version)
  SELECT 'organizations/acme/roleBindings/' || substr(name, 7), 'organizations/acme', name, 'roleModels/m/roles/r', 'organizations/acme', TIME, TIME, 1
  FROM directory_user ORDER BY email_key DESC;
INSERT INTO participation(participant, organization, node, facet, display_key, email_key, display_name, email, update_time)
  SELECT name, 'organizations/acme', place.node, place.facet, display_key, email_key, display_name, email, TIME FROM directory_user
  CROSS JOIN (SELECT 'organizations/acme' AS node, 'active' AS facet UNION SELECT 'organizations/acme', 'roleModels/m/roles/r'
    UNION SELECT 'organizations/acme/workspaces/w', 'active') AS place;
";

/// One page: what it is, and its statement.
type Case = (&'static str, Statement);

fn cases(backend: DbBackend, size: u64) -> Vec<Case> {
    // From the middle of the list, where that is known.
    let half = 1_000_000_000 + size / 2;
    let (user, member, binding) = (format!("users/u{half}"), format!("{ACME}/members/u{half}"), format!("{ACME}/roleBindings/u{half}"));
    let (called, mailed) = ("c1000000000\nz", "c1000000000@example.com\nz");
    let since = |name: &str| format!("2026-01-01T00:00:00+00:00\n{name}");
    let part = |filter: &'static str, order_by: &'static str| Part { filter, order_by, after: None, limit: PAGE + 1 };
    let users = |part: Part<'_>| statements::users(backend, part).unwrap();
    let members = |part: Part<'_>| statements::members(backend, ACME, part).unwrap();
    let bindings = |part: Part<'_>| statements::role_bindings(backend, ACME, part).unwrap();
    let roster = |part: Part<'_>| statements::roster(backend, ACME, part).unwrap();
    let by_name = "display_name = \"c*\"";
    let by_email = "email = \"c*\"";
    let active = "state = STATE_ACTIVE";
    vec![
        ("users", users(part("", ""))),
        ("users, a later page", users(Part { after: Some(&user), ..part("", "") })),
        ("users by display name, later", users(Part { after: Some(called), ..part("", "display_name") })),
        ("users by e-mail, later", users(Part { after: Some(mailed), ..part("", "email") })),
        ("users by time, later", users(Part { after: Some(&since(&user)), ..part("", "create_time") })),
        ("users, display name prefix", users(part(by_name, ""))),
        ("users, e-mail prefix", users(part(by_email, ""))),
        ("users of a state", users(part(active, ""))),
        ("users of a kind", users(part("kind = KIND_PERSON", ""))),
        ("members", members(part("", ""))),
        ("members, a later page", members(Part { after: Some(&member), ..part("", "") })),
        ("members by time, later", members(Part { after: Some(&since(&member)), ..part("", "create_time") })),
        ("members, display name prefix", members(part(by_name, ""))),
        ("members, e-mail prefix", members(part(by_email, ""))),
        ("members of a state", members(part(active, ""))),
        ("members, state and prefix", members(part("state = STATE_ACTIVE AND display_name = \"c*\"", ""))),
        ("role bindings", bindings(part("", ""))),
        ("role bindings, a later page", bindings(Part { after: Some(&binding), ..part("", "") })),
        ("role bindings by time, later", bindings(Part { after: Some(&since(&binding)), ..part("", "create_time") })),
        ("role bindings of a role", bindings(part("role = roleModels/m/roles/r", ""))),
        ("role bindings at a node", bindings(part("node = organizations/acme", ""))),
        ("role bindings, node and role", bindings(part("node = organizations/acme AND role = roleModels/m/roles/r", ""))),
        ("roster", roster(part("", ""))),
        ("roster, a later page", roster(Part { after: Some(called), ..part("", "") })),
        ("roster by e-mail, later", roster(Part { after: Some(mailed), ..part("", "email") })),
        ("roster, display name prefix", roster(part(by_name, ""))),
        ("roster, e-mail prefix", roster(part(by_email, ""))),
        ("roster of a role", roster(part("role = roleModels/m/roles/r", ""))),
        ("roster, role and prefix", roster(part("role = roleModels/m/roles/r AND display_name = \"c*\"", ""))),
        ("roster of a state", roster(part(active, ""))),
        ("roster of a workspace", roster(part("workspace = organizations/acme/workspaces/w", ""))),
        ("roster, workspace and prefix", roster(part("workspace = organizations/acme/workspaces/w AND email = \"c*\"", ""))),
    ]
}

/// A database with the directory's tables.
async fn create(url: &str) {
    let ledger = Ledger::open(StoreConfig::new(url)).await.unwrap();
    // Nobody is asked.
    let guard = Guard::new(Endpoint::from_static("http://127.0.0.1:9").connect_lazy(), "services/directory");
    drop(Directory::open(ledger, guard, PageKey::ephemeral()).await.unwrap());
}

async fn postgres(server: &str, size: u64) -> Vec<u64> {
    let name = format!("pages_{}", Uuid::new_v4().simple());
    let admin = Database::connect(server).await.unwrap();
    admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let url = format!("{base}/{name}");
    create(&url).await;
    let mut options = sea_orm::ConnectOptions::new(&url);
    options.max_connections(1).sqlx_logging(false).acquire_timeout(Duration::from_secs(60));
    let database = Database::connect(options).await.unwrap();
    // Indexes are made anew after the rows, as by REINDEX: sooner done, and as dense in both.
    let rows = "SELECT indexname::text AS name, indexdef AS definition FROM pg_indexes WHERE schemaname = 'public'
        AND tablename IN ('directory_user', 'member', 'role_binding', 'participation') AND indexdef NOT LIKE '%UNIQUE%'";
    let rows = database.query_all_raw(Statement::from_string(DbBackend::Postgres, rows)).await.unwrap();
    let text = |column: &str| rows.iter().map(|row| row.try_get::<String>("", column).unwrap()).collect::<Vec<_>>();
    let (names, definitions) = (text("name"), text("definition"));
    database.execute_unprepared(&format!("DROP INDEX {}", names.join(", "))).await.unwrap();
    database.execute_unprepared("SET maintenance_work_mem = '512MB'; SET synchronous_commit = off").await.unwrap();
    database.execute_unprepared(&load(size, "TIMESTAMPTZ '2026-01-01T00:00:00Z'")).await.unwrap();
    database.execute_unprepared(&definitions.join(";")).await.unwrap();
    database.execute_unprepared("VACUUM ANALYZE").await.unwrap();
    let mut read = Vec::new();
    for (_, statement) in cases(DbBackend::Postgres, size) {
        read.push(buffers(&database, &statement).await);
    }
    database.close().await.unwrap();
    admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    admin.close().await.unwrap();
    read
}

/// What it reads; planning is not counted.
async fn buffers(database: &DatabaseConnection, statement: &Statement) -> u64 {
    let sql = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}");
    let row = database.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
    let plan: serde_json::Value = row.try_get("", "QUERY PLAN").unwrap();
    let plan = &plan[0]["Plan"];
    if std::env::var_os("TENANTRY_BENCH_PLANS").is_some() {
        println!("{plan:#}");
    }
    plan["Shared Hit Blocks"].as_u64().unwrap() + plan["Shared Read Blocks"].as_u64().unwrap()
}

async fn sqlite(size: u64) -> Vec<u64> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tenantry.db");
    create(&format!("sqlite://{}", file.display())).await;
    // The ledger gives its file back in the background.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let indexes = "FROM sqlite_schema WHERE type = 'index' AND tbl_name IN ('directory_user', 'member', 'role_binding', 'participation')
        AND sql LIKE 'CREATE INDEX%'";
    let dropped = shell(&file, &format!("SELECT 'DROP INDEX ' || name || ';' {indexes};"));
    let made = shell(&file, &format!("SELECT sql || ';' {indexes};"));
    let time = "'2026-01-01T00:00:00+00:00'";
    let rows = load(size, time);
    shell(&file, &format!("PRAGMA synchronous=OFF; BEGIN; {dropped} {rows} {made} COMMIT; ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);"));
    cases(DbBackend::Sqlite, size).iter().map(|(_, statement)| cache(&file, statement)).collect()
}

/// Pages that a statement looks at. The first statement reads the schema; the statistics begin anew after each.
fn cache(file: &Path, statement: &Statement) -> u64 {
    let out = shell(
        file,
        &format!(".output /dev/null\nSELECT count(*) FROM sqlite_schema;\n.output\n.stats on\nSELECT 1;\n{};\n", inlined(statement)),
    );
    let last = |what: &str| {
        let line = out.lines().rfind(|line| line.starts_with(what)).unwrap_or_else(|| panic!("no `{what}` in {out}"));
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    last("Page cache hits:") + last("Page cache misses:")
}

/// With its values in it. Where the text was not built, they are numbered.
fn inlined(statement: &Statement) -> String {
    if !statement.sql.contains("$1") {
        return statement.to_string();
    }
    let mut sql = statement.sql.clone();
    let values = statement.values.iter().flat_map(|values| &values.0).enumerate().collect::<Vec<_>>();
    for (at, value) in values.into_iter().rev() {
        let text = match value {
            Value::String(Some(text)) => format!("'{}'", text.replace('\'', "''")),
            Value::BigInt(Some(number)) => number.to_string(),
            other => panic!("{other:?}"),
        };
        sql = sql.replace(&format!("${}", at + 1), &text);
    }
    sql
}

fn shell(file: &Path, script: &str) -> String {
    let mut shell = Command::new("sqlite3")
        .args(["-batch", "-bail"])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the `sqlite3` shell is needed: install the package `sqlite3`");
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let out = shell.wait_with_output().unwrap();
    assert!(out.status.success(), "the shell failed");
    String::from_utf8(out.stdout).unwrap()
}

fn load(size: u64, time: &str) -> String {
    LOAD.replace("SIZE", &size.to_string()).replace("TIME", time)
}

#[tokio::main]
async fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        // `cargo test` starts benchmarks too; this one takes minutes.
        return ExitCode::SUCCESS;
    }
    let server = std::env::var("TENANTRY_TEST_POSTGRES_URL").expect("TENANTRY_TEST_POSTGRES_URL is not set; run `make bench-pages`");
    let mut failed = false;
    println!("{:<34}{:<12}{:>10}{:>12}{:>8}{:>7}  met", "list", "store", "of 1,000", "1,000,000", "ratio", "goal");
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for store in ["PostgreSQL", "SQLite"].into_iter().filter(|store| asked.is_empty() || asked.iter().any(|one| one == store)) {
        let mut read = Vec::new();
        for size in SIZES {
            read.push(if store == "SQLite" { sqlite(size).await } else { postgres(&server, size).await });
        }
        let names = cases(DbBackend::Sqlite, SIZES[0]).into_iter().map(|(name, _)| name);
        for ((name, small), large) in names.zip(&read[0]).zip(&read[1]) {
            let ratio = *large as f64 / (*small).max(1) as f64;
            let met = if ratio <= GOAL { "yes" } else { "NO" };
            failed |= ratio > GOAL;
            println!("{name:<34}{store:<12}{small:>10}{large:>12}{ratio:>8.2}{GOAL:>7}  {met}");
        }
    }
    println!("pages of the database looked at by a page of {PAGE}");
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
