//! What is particular to a store: its locks, its faults, and the control that shows that these tests can fail.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ledger::{Begun, Error, Ledger, OpenError, StoreConfig, WriteRequest};
use sea_orm::{ConnectionTrait, TransactionTrait};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use uuid::Uuid;

use crate::{
    follower::{State, head, read_until, server, watch},
    store::{TREE, TestStore, count, insert_thing, number, open_write, put, record, request, statement, system},
};

#[tokio::test]
async fn sqlite_refuses_a_second_writing_process() {
    let store = TestStore::sqlite().await;
    let first = store.open().await;
    let Err(OpenError::InUse { path }) = Ledger::open(store.config()).await else { panic!("opened twice") };
    assert!(path.ends_with("ledger.db"));
    drop(first);
    let again = loop {
        // The background work lets go of it soon after the last clone.
        match Ledger::open(store.config()).await {
            Err(OpenError::InUse { .. }) => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    };
    assert_eq!(again.head().await.unwrap().revision, 0);
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    for url in ["", "mysql://root@localhost/x", "ledger.db"] {
        assert!(matches!(Ledger::open(StoreConfig::new(url)).await, Err(OpenError::UnknownStore)), "{url}");
    }
    assert!(matches!(Ledger::open(StoreConfig::new("sqlite://:memory:")).await, Err(OpenError::MalformedUrl(_))));
    assert!(!format!("{:?}", StoreConfig::new("postgres://ann:secret@host/db")).contains("secret"));
}

#[tokio::test]
async fn a_closed_sqlite_ledger_leaves_no_log_beside_its_file() {
    let store = TestStore::sqlite().await;
    let ledger = store.open().await;
    put(&ledger, TREE, "k", "kept").await;
    // Connections of every kind have been used.
    ledger.head().await.unwrap();
    let log = format!("{}-wal", store.config().url.trim_start_matches("sqlite://"));
    assert!(std::fs::exists(&log).unwrap());
    ledger.close().await;
    assert!(!std::fs::exists(&log).unwrap());
    assert!(ledger.head().await.is_err());
}

#[tokio::test]
async fn a_sqlite_file_that_may_not_be_written_is_said_to_be_read_only() {
    let store = TestStore::sqlite().await;
    store.open().await.close().await;
    let config = StoreConfig::new(format!("{}?mode=ro", store.config().url));
    let refused = loop {
        match Ledger::open(config.clone()).await {
            Err(OpenError::InUse { .. }) => tokio::task::yield_now().await,
            refused => break refused.unwrap_err(),
        }
    };
    assert!(matches!(refused, OpenError::ReadOnly { .. }), "{refused}");
    assert!(refused.to_string().contains("ledger.db` is read-only"), "{refused}");
}

#[tokio::test]
async fn a_postgresql_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let refused = Ledger::open(StoreConfig::new(format!("postgres://ann:secret@{address}/x"))).await.unwrap_err();
    assert!(refused.to_string().starts_with(&format!("cannot connect to PostgreSQL at `{address}`")), "{refused}");
    assert!(!refused.to_string().contains("secret"), "{refused}");
}

#[tokio::test]
async fn sqlite_keeps_what_was_committed_when_it_is_opened_again() {
    let store = TestStore::sqlite().await;
    let ledger = store.open().await;
    let committed = put(&ledger, TREE, "k", "kept").await;
    for (pragma, expected) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")] {
        let write = open_write(&ledger, request(), system(TREE)).await.unwrap();
        let sql = format!("SELECT CAST({pragma} AS text) AS value FROM pragma_{pragma}");
        let row =
            write.connection().query_one_raw(sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, sql)).await.unwrap().unwrap();
        assert_eq!(row.try_get::<String>("", "value").unwrap(), expected, "{pragma}");
    }
    drop(ledger);
    let ledger = loop {
        match Ledger::open(store.config()).await {
            Err(OpenError::InUse { .. }) => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    };
    assert_eq!(ledger.head().await.unwrap(), committed.token);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_start_at_once_migrate_once() {
    let store = TestStore::postgres().await;
    let mut starting = JoinSet::new();
    for _ in 0..6 {
        let config = StoreConfig { max_connections: 2, ..store.config() };
        starting.spawn(async move {
            let ledger = Ledger::open(config).await.unwrap();
            ledger.run_migrations::<crate::store::ThingMigrator>().await.unwrap();
        });
    }
    starting.join_all().await;
    let raw = store.raw().await;
    assert_eq!(count(&raw, "ledger_migration").await, crate::store::LEDGER_MIGRATIONS);
    assert_eq!(count(&raw, "feed_head").await, 1);
    store.remove().await;
}

/// The positive control: a reader that follows a sequence loses what was allotted early and committed late; the ledger's does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cursor_over_a_sequence_loses_changes_where_the_ledger_does_not() {
    let store = TestStore::postgres().await;
    let ledger = store.open().await;
    let raw = store.raw().await;
    raw.execute_unprepared("CREATE TABLE naive(id bigserial PRIMARY KEY, mark text NOT NULL)").await.unwrap();
    let feed = server(&ledger);
    let start = State::empty(&head(&feed).await).at;
    let mut messages = watch(&feed, &start).await.unwrap();
    let (mut naive_cursor, mut naive_seen) = (0, 0);
    let (mut at, mut seen) = (start, 0);
    for round in 0..10 {
        let [early, late] = ["organizations/early", "organizations/late"];
        // Both begin; the one that began later commits first; a reader looks; the other commits.
        let slow = raw.begin().await.unwrap();
        statement(&slow, "INSERT INTO naive(mark) VALUES ($1)", [format!("slow {round}").into()]).await.unwrap();
        let mut slow_write = open_write(&ledger, request(), system(early)).await.unwrap();
        insert_thing(slow_write.connection(), &format!("slow {round}"), 1).await.unwrap();
        slow_write.put(record(early, "slow"));

        statement(&raw, "INSERT INTO naive(mark) VALUES ($1)", [format!("quick {round}").into()]).await.unwrap();
        put(&ledger, late, late, "quick").await;

        let mut look = async |seen: &mut i64| {
            let found = number(&raw, &format!("SELECT count(*) AS n FROM naive WHERE id > {naive_cursor}")).await;
            naive_cursor = number(&raw, &format!("SELECT COALESCE(max(id), {naive_cursor}) AS n FROM naive")).await;
            *seen += found;
        };
        look(&mut naive_seen).await;
        let first = read_until(&mut messages, &at, 2 * round + 1).await;
        at = first.last().unwrap().cursor.clone();

        slow.commit().await.unwrap();
        let committed = slow_write.commit(b"").await.unwrap();
        look(&mut naive_seen).await;
        let second = read_until(&mut messages, &at, committed.revision).await;
        at = second.last().unwrap().cursor.clone();
        seen += first.len() + second.len();
    }
    assert_eq!(naive_seen, 10, "the naive reader has lost every slow change");
    assert_eq!(seen, 20, "the feed has lost none");
    drop(messages);
    store.remove().await;
}

/// Connections ended by the server at any moment, the commit included.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_acknowledged_is_there_though_connections_are_killed() {
    let store = TestStore::postgres().await;
    let ledger = store.open().await;
    let raw = store.raw().await;
    let ending = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn({
        let (raw, ending) = (raw.clone(), ending.clone());
        async move {
            let mut killed = 0;
            while !ending.load(Ordering::Relaxed) {
                // Whoever is writing, the commit itself most of all.
                killed += number(
                    &raw,
                    "SELECT count(pg_terminate_backend(pid)) AS n FROM (
                       SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tenantry'
                       AND (query LIKE 'COMMIT%' OR query LIKE '%UPDATE feed_head%') AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1) AS victim",
                )
                .await;
                tokio::time::sleep(Duration::from_millis(7)).await;
            }
            killed
        }
    });
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let ledger = ledger.clone();
        writers.spawn(async move {
            let mut outcomes = Vec::new();
            for step in 0..40 {
                let id = Uuid::new_v4();
                let request = WriteRequest { request_id: Some(id), ..request() };
                let thing = format!("{writer}-{step}");
                let outcome = async {
                    let Begun::Open(mut write) = ledger.begin(request.clone(), system(&format!("organizations/o{writer}"))).await? else {
                        panic!("never made before")
                    };
                    insert_thing(write.connection(), &thing, 1).await?;
                    write.put(record(&thing, &id.to_string()));
                    write.commit(id.as_bytes()).await
                };
                let outcome = outcome.await;
                outcomes.push((thing, request, outcome));
            }
            outcomes
        });
    }
    let outcomes: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    ending.store(true, Ordering::Relaxed);
    let killed = killer.await.unwrap();
    assert!(killed > 0, "nothing was killed");

    let (mut acknowledged, mut unknown, mut failed) = (0, 0, 0);
    for (thing, request, outcome) in outcomes {
        let there = number(&raw, &format!("SELECT count(*) AS n FROM thing WHERE id = '{thing}'")).await == 1;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        let again = ledger.begin(WriteRequest { deadline, ..request.clone() }, system(TREE)).await.unwrap();
        match (outcome, again) {
            (Ok(committed), Begun::Replay { response, token }) => {
                assert!(there);
                assert_eq!((response.as_slice(), token), (request.request_id.unwrap().as_bytes().as_slice(), committed.token));
                acknowledged += 1;
            }
            (Ok(_), Begun::Open(_)) => panic!("acknowledged, and not there"),
            // Told that it is unknown: either is right, as long as the request id tells which.
            (Err(Error::OutcomeUnknown), Begun::Replay { .. }) => {
                assert!(there);
                unknown += 1;
            }
            (Err(Error::OutcomeUnknown), Begun::Open(_)) => {
                assert!(!there);
                unknown += 1;
            }
            (Err(error), Begun::Replay { .. }) => panic!("told that nothing was written ({error}), and it was"),
            (Err(_), Begun::Open(_)) => {
                assert!(!there);
                failed += 1;
            }
        }
    }
    println!("{killed} killed: {acknowledged} acknowledged, {unknown} unknown, {failed} failed");
    let feed = server(&ledger);
    let start = State::empty(&head(&feed).await).at;
    let last = head(&feed).await.revision;
    let changes = read_until(&mut watch(&feed, &start).await.unwrap(), &start, last).await;
    assert_eq!(i64::try_from(changes.len()).unwrap(), count(&raw, "thing").await, "the feed has what the tables have");
    store.remove().await;
}

/// The commit takes place, and the answer to it is lost: a relay to the server drops everything once a COMMIT has been answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_whose_answer_is_lost_is_called_unknown_and_its_request_id_tells() {
    let store = TestStore::postgres().await;
    let (credentials, rest) = store.url.rsplit_once('@').expect("a user in the URL");
    let (server, database) = rest.split_once('/').unwrap();
    let server = if server.contains(':') { server.to_owned() } else { format!("{server}:5432") };
    let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("{credentials}@{}/{database}", relay.local_addr().unwrap());
    let cutting = Arc::new(AtomicBool::new(false));
    let relaying = tokio::spawn({
        let cutting = cutting.clone();
        async move {
            loop {
                let (client, _) = relay.accept().await.unwrap();
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(relay_until_commit(client, server, cutting.clone()));
            }
        }
    });

    let ledger = Ledger::open(StoreConfig { url, ..store.config() }).await.unwrap();
    ledger.run_migrations::<crate::store::ThingMigrator>().await.unwrap();
    let request = WriteRequest { request_id: Some(Uuid::new_v4()), ..request() };
    let write = open_write(&ledger, request.clone(), system(TREE)).await.unwrap();
    insert_thing(write.connection(), "a", 1).await.unwrap();
    cutting.store(true, Ordering::SeqCst);
    assert!(matches!(write.commit(b"answer").await, Err(Error::OutcomeUnknown)));
    cutting.store(false, Ordering::SeqCst);
    let Ok(Begun::Replay { response, token }) = ledger.begin(request, system(TREE)).await else { panic!("the write is not there") };
    assert_eq!((response.as_slice(), token.revision), (b"answer".as_slice(), 1));
    assert_eq!(count(ledger.reader(), "thing").await, 1);
    relaying.abort();
    drop(ledger);
    store.remove().await;
}

async fn relay_until_commit(mut client: TcpStream, mut server: TcpStream, cutting: Arc<AtomicBool>) {
    let (mut asked, mut answered) = ([0; 65536], [0; 65536]);
    let mut committing = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let asked = &asked[..length];
                committing = cutting.load(Ordering::SeqCst) && asked.windows(6).any(|word| word == b"COMMIT");
                server.write_all(asked).await.unwrap();
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if committing || client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
