//! What a page of 100 reads from a list of 1,000 and of 1,000,000 users, on both stores, by the very statements of the services: pages of the database that
//! are looked at, in memory or not. PostgreSQL tells by EXPLAIN (ANALYZE, BUFFERS), SQLite by its shell's statistics. `make bench-pages` runs it; it fails where
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
use directory::{Directory, statements};
use ledger::{Ledger, StoreConfig};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement, Value};
use tonic::transport::Endpoint;
use uuid::Uuid;

const SIZES: [u64; 2] = [1_000, 1_000_000];
const PAGE: u64 = 100;
const GOAL: f64 = 1.5;
const ACME: &str = "organizations/acme";

// People are called by a number that has nothing to do with the order in which they came, after one of five letters.
const LOAD: &str = "
INSERT INTO organization(name, kind, display_name, website, location, root, role_model, role_model_revision, provisioning, suspended, deleted,
    create_time, update_time, version)
  VALUES ('organizations/acme', 'marketer', 'Acme', '', '', 'organizations/acme', 'm', 1, false, false, false, TIME, TIME, 1);
INSERT INTO directory_user(name, kind, email, email_key, display_name, display_key, suspended, deleted, create_time, update_time, version)
  WITH RECURSIVE series(n) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT n + 1 FROM series WHERE n < SIZE),
    named(n, called) AS (SELECT n, substr('abcde', CAST(n % 5 AS integer) + 1, 1) || CAST(1000000000 + (n * 479001) % 1000003 AS text) FROM series)
  SELECT 'users/u' || CAST(1000000000 + n AS text), 'person', called || '@example.com', called || '@example.com', called, called, false, false, TIME, TIME, 1
  FROM named;
INSERT INTO member(name, organization, member_user, suspended, create_time, update_time, version)
  SELECT 'organizations/acme/members/' || substr(name, 7), 'organizations/acme', name, false, TIME, TIME, 1 FROM directory_user;
INSERT INTO role_binding(name, organization, principal, role, node, create_time, update_time, version)
  SELECT 'organizations/acme/roleBindings/' || substr(name, 7), 'organizations/acme', name, 'roleModels/m/roles/r', 'organizations/acme', TIME, TIME, 1
  FROM directory_user;
INSERT INTO participation(participant, organization, node, facet, display_key, email_key)
  SELECT name, 'organizations/acme', 'organizations/acme', 'active', display_key, email_key FROM directory_user;
INSERT INTO participation(participant, organization, node, facet, display_key, email_key)
  SELECT name, 'organizations/acme', 'organizations/acme', 'roleModels/m/roles/r', display_key, email_key FROM directory_user;
";

/// One page: what it is, and its statements.
type Case = (&'static str, Vec<Statement>);

/// The case that goes by keys.
const BY_KEY: &str = "100 people by their keys";

fn cases(backend: DbBackend, size: u64) -> Vec<Case> {
    // From the middle of the list, where there is one.
    let middle = format!("users/u{}", 1_000_000_000 + size / 2);
    let member = format!("{ACME}/members/u{}", 1_000_000_000 + size / 2);
    let within = |letter: &str, domain: &str, name: &str| format!("{letter}1000000000{domain}\n{name}");
    let (called, mailed) = (within("c", "", "users/"), within("c", "@example.com", "users/"));
    let shown: Vec<String> = (0..PAGE).map(|at| format!("users/u{}", 1_000_000_001 + at * (size / PAGE))).collect();
    let users = |filter, order, after: Option<&str>| vec![statements::users(backend, filter, order, after, PAGE + 1).unwrap()];
    let members = |filter, order, after: Option<&str>| vec![statements::members(backend, ACME, filter, order, after, PAGE + 1).unwrap()];
    let roster = |filter, order, after: Option<&str>| vec![statements::roster(backend, ACME, filter, order, after, PAGE + 1).unwrap()];
    let role = "role = roleModels/m/roles/r AND display_name = \"c*\"";
    vec![
        ("users by name", users("", "", Some(&middle))),
        ("users by display name", users("", "display_name", Some(&called))),
        ("users by e-mail", users("", "email", Some(&mailed))),
        ("users, display name prefix", users("display_name = \"c*\"", "", None)),
        ("users, e-mail prefix", users("email = \"c*\"", "", None)),
        ("members by name", members("", "", Some(&member))),
        ("members, display name prefix", members("display_name = \"c*\"", "", None)),
        ("roster by display name", roster("", "", Some(&called))),
        ("roster by e-mail", roster("", "email", Some(&mailed))),
        ("roster, display name prefix", roster("display_name = \"c*\"", "", None)),
        ("roster, e-mail prefix", roster("email = \"c*\"", "", None)),
        ("roster, role and prefix", roster(role, "", None)),
        (BY_KEY, statements::people(backend, ACME, &shown).unwrap()),
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
    database.execute_unprepared(&load(size, "TIMESTAMPTZ '2026-01-01T00:00:00Z'")).await.unwrap();
    database.execute_unprepared("VACUUM ANALYZE").await.unwrap();
    let mut read = Vec::new();
    for (name, statements) in cases(DbBackend::Postgres, size) {
        let mut sum = 0;
        // A table of 1,000 rows is read whole, which is less than a hundred of its keys: it would hide what a key costs in each.
        let scan = if name == BY_KEY { "off" } else { "on" };
        database.execute_unprepared(&format!("SET enable_seqscan = {scan}")).await.unwrap();
        for statement in statements {
            sum += buffers(&database, &statement).await;
        }
        read.push(sum);
    }
    database.close().await.unwrap();
    admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    admin.close().await.unwrap();
    read
}

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
    let time = "'2026-01-01T00:00:00+00:00'";
    shell(&file, &format!("PRAGMA synchronous=OFF; BEGIN; {} COMMIT; ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);", load(size, time)));
    let measured = cases(DbBackend::Sqlite, size);
    measured.iter().map(|(_, statements)| statements.iter().map(|statement| cache(&file, statement)).sum()).collect()
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
    for store in ["PostgreSQL", "SQLite"] {
        let mut read = Vec::new();
        for size in SIZES {
            read.push(if store == "SQLite" { sqlite(size).await } else { postgres(&server, size).await });
        }
        println!("{store:<34}{:>12}{:>12}{:>8}", "of 1,000", "1,000,000", "ratio");
        let names = cases(DbBackend::Sqlite, SIZES[0]).into_iter().map(|(name, _)| name);
        for ((name, small), large) in names.zip(&read[0]).zip(&read[1]) {
            let ratio = *large as f64 / (*small).max(1) as f64;
            let verdict = if ratio <= GOAL { "" } else { "  FAILED" };
            failed |= ratio > GOAL;
            println!("  {name:<32}{small:>12}{large:>12}{ratio:>8.2}{verdict}");
        }
    }
    println!("pages of the database looked at by a page of {PAGE}; wanted: at most {GOAL} times");
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
