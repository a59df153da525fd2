//! Every change after a cursor, in order, once, whole.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use api::feed::v1::Cursor;
use ledger::{Ledger, feed::FeedServer};
use sea_orm::ConnectionTrait;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic_types::StatusExt;

use crate::{
    follower::{Said, State, head, next, read_until, server, watch},
    store::{TREE, TestStore, mark, number, open_write, put, record, request, system, unique},
};

/// Many at once, over several trees; each commit has three records with one mark, now and then a tombstone. The marks by revision.
fn write_concurrently(ledgers: &[Ledger], writers: u64, commits: u64) -> JoinSet<Vec<(u64, i64, String)>> {
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let ledger = ledgers[usize::try_from(writer).unwrap() % ledgers.len()].clone();
        tasks.spawn(async move {
            let mut acknowledged = Vec::new();
            for step in 0..commits {
                let tree = format!("organizations/o{}", (writer + step) % 7);
                let mark = format!("m{}", unique());
                let mut write = match open_write(&ledger, request(), system(&tree)).await {
                    Ok(write) => write,
                    Err(ledger::Error::Busy { .. }) => continue,
                    Err(error) => panic!("{error}"),
                };
                for part in 0..3 {
                    write.put(record(&format!("{tree}/k{}-{part}", (writer * 31 + step) % 11), &mark));
                }
                if step % 4 == 3 {
                    write.delete(format!("{tree}/k{}-1", step % 11));
                }
                if let Ok(committed) = write.commit(b"").await {
                    acknowledged.push((committed.revision, committed.token.nonce, mark));
                }
            }
            acknowledged
        });
    }
    tasks
}

pub(crate) async fn no_change_is_lost_reordered_duplicated_or_torn(store: &TestStore) {
    let ledgers = store.open_all().await;
    // Each of the processes serves the feed; one watcher hears of everything by NOTIFY only.
    let servers: Vec<FeedServer> = ledgers.iter().map(server).collect();
    let start = State::empty(&head(&servers[0]).await).at;
    let mut watches = Vec::new();
    for feed in &servers {
        watches.push(watch(feed, &start).await.unwrap());
    }
    let mut acknowledged: HashMap<u64, (i64, String)> = HashMap::new();
    for (revision, nonce, mark) in write_concurrently(&ledgers, 12, 15).join_all().await.into_iter().flatten() {
        assert!(acknowledged.insert(revision, (nonce, mark)).is_none(), "one revision for two commits");
    }
    let last = head(&servers[0]).await.revision;
    assert_eq!(acknowledged.len(), usize::try_from(last).unwrap(), "as many revisions as commits: no gaps");
    for messages in &mut watches {
        for change in read_until(messages, &start, last).await {
            let (nonce, mark_written) = &acknowledged[&change.cursor.revision];
            assert_eq!(change.cursor.nonce, *nonce);
            let written: Vec<_> = change.records.iter().filter_map(mark).collect();
            assert!((2..=3).contains(&written.len()), "the whole commit");
            assert!(written.iter().all(|mark| mark == mark_written), "nothing of another commit");
        }
    }
}

pub(crate) async fn a_snapshot_and_the_log_after_it_are_the_state_while_writers_run(store: &TestStore) {
    let ledgers = store.open_all().await;
    let feed = server(&ledgers[0]);
    let start = State::empty(&head(&feed).await);
    let writers = write_concurrently(&ledgers, 8, 20);
    let mut snapshots = Vec::new();
    for _ in 0..5 {
        snapshots.push(State::snapshot(&feed).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    writers.join_all().await;
    let last = head(&feed).await.revision;
    let mut states = Vec::new();
    for mut state in snapshots.into_iter().chain([start]) {
        let mut messages = watch(&feed, &state.at).await.unwrap();
        for change in read_until(&mut messages, &state.at.clone(), last).await {
            state.apply(&change);
        }
        states.push(state);
    }
    let fresh = State::snapshot(&feed).await;
    for state in states {
        assert_eq!(state.present(), fresh.present());
        assert_eq!(state.trees, fresh.trees);
        assert_eq!(state.at, fresh.at);
    }
}

pub(crate) async fn a_watch_resumes_from_wherever_it_ended(store: &TestStore) {
    let ledgers = store.open_all().await;
    let feed = server(&ledgers[0]);
    let writers = write_concurrently(&ledgers, 6, 20);
    let mut at = State::empty(&head(&feed).await).at;
    let mut seen = HashSet::new();
    let mut steps = 0_u64;
    let resumed = async {
        loop {
            // By another process now and then, as when a server dies. It may not have seen that much yet.
            let feed = server(&ledgers[usize::try_from(steps).unwrap() % ledgers.len()]);
            steps += 1;
            let mut messages = watch(&feed, &at).await.unwrap();
            for _ in 0..=(steps * 7 % 13) {
                match next(&mut messages, &at).await.unwrap().unwrap() {
                    Said::Change(change) => {
                        at = change.cursor;
                        assert!(seen.insert(at.revision));
                    }
                    Said::Bookmark(_) => break,
                }
            }
            if steps > 200 {
                return;
            }
        }
    };
    let (acknowledged, ()) = tokio::join!(writers.join_all(), resumed);
    let last = head(&feed).await.revision;
    let mut messages = watch(&feed, &at).await.unwrap();
    seen.extend(read_until(&mut messages, &at, last).await.iter().map(|change| change.cursor.revision));
    let written: HashSet<u64> = acknowledged.into_iter().flatten().map(|(revision, ..)| revision).collect();
    assert_eq!(seen, written);
}

pub(crate) async fn a_slow_watcher_misses_nothing(store: &TestStore) {
    let ledger = store.open().await;
    let feed = server(&ledger);
    let start = State::empty(&head(&feed).await).at;
    let mut slow = watch(&feed, &start).await.unwrap();
    // More than memory keeps (64 MiB), while nothing is read.
    let text = "x".repeat(900_000);
    for commit in 0..12 {
        let mut write = open_write(&ledger, request(), system(TREE)).await.unwrap();
        for part in 0..8 {
            write.put(record(&format!("k{commit}-{part}"), &text));
        }
        write.commit(b"").await.unwrap();
    }
    let mut quick = watch(&feed, &head(&feed).await).await.unwrap();
    assert!(matches!(next(&mut quick, &head(&feed).await).await, Some(Ok(Said::Bookmark(_)))), "the tail has read all of it");
    let changes = read_until(&mut slow, &start, 12).await;
    assert_eq!(changes.iter().map(|change| change.records.len()).sum::<usize>(), 96);
}

pub(crate) async fn cursors_at_the_edges(store: &TestStore) {
    let retention = ledger::Retention { age: Duration::ZERO, changes: 4, ..Default::default() };
    let ledger = store.open_with(retention).await;
    let feed = server(&ledger);
    let mut cursors = vec![State::empty(&head(&feed).await).at];
    for _ in 0..10 {
        put(&ledger, TREE, "k", "x").await;
        cursors.push(head(&feed).await);
    }
    let floor = usize::try_from(ledger.forget().await.unwrap().floor).unwrap();
    assert_eq!(floor, 6);
    let reason = |status: &tonic::Status| status.get_details_error_info().unwrap().reason;
    let expect = async |cursor: Cursor, code: Code, expected: &str| {
        let status = watch(&feed, &cursor).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (code, expected), "{cursor:?}");
    };
    expect(cursors[floor - 1].clone(), Code::OutOfRange, "CURSOR_GONE").await;
    for cursor in &cursors[floor..] {
        let mut messages = watch(&feed, cursor).await.unwrap();
        read_until(&mut messages, cursor, 10).await;
    }
    let last = cursors[10].clone();
    expect(Cursor { nonce: last.nonce ^ 1, ..last.clone() }, Code::OutOfRange, "CURSOR_GONE").await;
    expect(Cursor { revision: 11, ..last.clone() }, Code::Unavailable, "NOT_FRESH").await;
    expect(Cursor { epoch: uuid::Uuid::new_v4().to_string(), ..last.clone() }, Code::OutOfRange, "CURSOR_GONE").await;
    expect(Cursor { epoch: "?".to_owned(), ..last.clone() }, Code::InvalidArgument, "INVALID_FIELD").await;
    expect(Cursor { revision: u64::MAX, ..last }, Code::InvalidArgument, "INVALID_FIELD").await;
}

pub(crate) async fn bookmarks_come_when_idle_and_are_true(store: &TestStore) {
    let ledger = store.open().await;
    let feed = server(&ledger);
    let mut at = head(&feed).await;
    let mut messages = watch(&feed, &at).await.unwrap();
    let mut bookmarks = 0;
    for _ in 0..5 {
        let committed = put(&ledger, TREE, "k", "x").await.revision;
        let mut idle = 0;
        while idle < 2 {
            match next(&mut messages, &at).await.unwrap().unwrap() {
                Said::Change(change) => at = change.cursor,
                // One that was on its way before the commit may be older.
                Said::Bookmark(cursor) if cursor.revision == committed => idle += 1,
                Said::Bookmark(cursor) => assert_eq!(cursor.revision + 1, committed),
            }
        }
        bookmarks += idle;
    }
    assert_eq!(bookmarks, 10);
}

pub(crate) async fn a_new_epoch_ends_every_watch_and_refuses_older_cursors(store: &TestStore) {
    let ledger = store.open().await;
    let feed = server(&ledger);
    put(&ledger, TREE, "k", "x").await;
    let old = head(&feed).await;
    let mut messages = watch(&feed, &old).await.unwrap();
    assert!(matches!(next(&mut messages, &old).await, Some(Ok(Said::Bookmark(_)))));
    let epoch = ledger.new_epoch().await.unwrap();
    let ended = loop {
        match messages.next().await.expect("the stream ended without an error") {
            Ok(message) => assert!(message.bookmark),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::OutOfRange);
    assert_eq!(watch(&feed, &old).await.unwrap_err().code(), Code::OutOfRange);
    let new = head(&feed).await;
    assert_eq!((new.epoch.as_str(), new.revision, new.nonce), (epoch.to_string().as_str(), old.revision, old.nonce));
    watch(&feed, &new).await.unwrap();
}

pub(crate) async fn a_rewritten_history_is_noticed(store: &TestStore) {
    let ledger = store.open().await;
    let feed = server(&ledger);
    for step in 0..20 {
        put(&ledger, TREE, &format!("k{step}"), "old").await;
    }
    let start = State::empty(&head(&feed).await).at;
    let old_head = head(&feed).await;
    let mut ahead = watch(&feed, &old_head).await.unwrap();
    let changes = read_until(&mut watch(&feed, &start).await.unwrap(), &start, 20).await;
    assert!(matches!(next(&mut ahead, &old_head).await, Some(Ok(Said::Bookmark(_)))));

    // What a failover to a standby that lagged does: the last ten commits never were. Longer than any poll, under its feet.
    let raw = store.raw().await;
    for sql in [
        "DELETE FROM feed_change WHERE rev > 10",
        "DELETE FROM feed_state WHERE rev > 10",
        "UPDATE tree SET rev = 10, nonce = (SELECT nonce FROM feed_change WHERE rev = 10)",
        "UPDATE feed_head SET rev = 10, nonce = (SELECT nonce FROM feed_change WHERE rev = 10)",
    ] {
        raw.execute_unprepared(sql).await.unwrap();
    }
    for step in 0..15 {
        put(&ledger, TREE, &format!("k{step}"), "new").await;
    }
    assert_eq!(number(&raw, "SELECT rev AS n FROM feed_head").await, 25);

    let ended = loop {
        match ahead.next().await.expect("the stream ended without an error") {
            Ok(message) => assert!(message.bookmark, "nothing of the new history follows the old one"),
            Err(status) => break status,
        }
    };
    // Ahead of the head or of another history, as the moment has it.
    assert!(matches!(ended.code(), Code::OutOfRange | Code::Unavailable), "{ended:?}");
    assert_eq!(watch(&feed, &old_head).await.unwrap_err().code(), Code::OutOfRange);
    let common = changes[9].cursor.clone();
    let mut messages = watch(&feed, &common).await.unwrap();
    let rewritten = read_until(&mut messages, &common, 25).await;
    assert!(rewritten.iter().all(|change| change.records.iter().all(|record| mark(record) == Some("new"))));
}

pub(crate) async fn streams_end_with_the_drain(store: &TestStore) {
    let ledger = store.open().await;
    let drain = CancellationToken::new();
    let feed = FeedServer::new(ledger, drain.clone());
    let at = head(&feed).await;
    let mut messages = watch(&feed, &at).await.unwrap();
    assert!(next(&mut messages, &at).await.is_some());
    drain.cancel();
    while let Some(message) = messages.next().await {
        assert!(message.is_ok());
    }
}
