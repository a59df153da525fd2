//! One commit is everything.

use std::collections::HashSet;

use chrono::{TimeDelta, Utc};
use ledger::{AuditEntry, AuditQuery, AuditScope, Begun, Error, StoreError, WriteRequest, classify};
use sea_orm::ConnectionTrait;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    follower::{State, head, read_until, server, watch},
    store::{TREE, TestStore, count, insert_thing, mark, open_write, put, record, request, system},
};

pub(crate) async fn a_write_is_in_the_database_with_its_record_its_stamp_and_its_audit_entry(store: &TestStore) {
    let ledger = store.open().await;
    let mut write = open_write(&ledger, WriteRequest { request_id: Some(Uuid::new_v4()), ..request() }, system(TREE)).await.unwrap();
    insert_thing(write.connection(), "a", 1).await.unwrap();
    write.put(record("organizations/acme", "first"));
    let created = AuditEntry {
        resource: "organizations/acme/workspaces/emea".to_owned(),
        node: Some("organizations/acme/workspaces/emea".to_owned()),
        action: "workspaces.create".to_owned(),
        before: None,
        after: Some(json!({"display_name": "EMEA"})),
    };
    let changed =
        AuditEntry { resource: "users/ann".to_owned(), node: None, action: "users.update".to_owned(), before: Some(json!(1)), after: None };
    write.audit(created.clone());
    write.audit(changed);
    let committed = write.commit(b"").await.unwrap();

    assert_eq!(committed.revision, 1);
    assert_eq!(ledger.head().await.unwrap(), committed.token);
    assert_eq!(count(ledger.reader(), "thing").await, 1);
    assert_eq!(ledger.stamps(&[TREE.to_owned(), "users/ann".to_owned()]).await.unwrap().map_revisions(), [1, 0]);
    let snapshot = State::snapshot(&server(&ledger)).await;
    assert_eq!(snapshot.records["organizations/acme"], (1, record("organizations/acme", "first")));
    assert_eq!(snapshot.trees[TREE], 1);

    let trail = ledger.audit_trail(&trail_of(AuditScope::Owner(TREE.to_owned()))).await.unwrap();
    assert_eq!((trail.records.len(), trail.next), (1, None), "entries are in the trail of their owner alone");
    assert_eq!((trail.records[0].revision, trail.records[0].entry, &trail.records[0].what), (1, 0, &created));
    assert_eq!(trail.records[0].actor, "users/ann");
}

fn trail_of(scope: AuditScope) -> AuditQuery {
    AuditQuery { scope, actor: None, action: None, since: None, until: None, before: None, limit: 10 }
}

pub(crate) async fn the_trail_is_read_by_owner_node_resource_actor_action_and_time(store: &TestStore) {
    let ledger = store.open().await;
    let binding = "organizations/acme/roleBindings/b1";
    let emea = "organizations/acme/workspaces/emea";
    let done = [
        ("users/ann", emea, None, "workspaces.create"),
        ("users/bob", binding, Some("organizations/acme/workspaces/emea/campaigns/42"), "role_bindings.create"),
        ("users/ann", "organizations/acme/members/ann", None, "members.create"),
        ("users/ann", "users/ann", None, "users.update"),
        ("users/bob", binding, Some("organizations/acme/workspaces/emea/campaigns/42"), "role_bindings.update"),
    ];
    for (actor, resource, node, action) in done {
        let mut write = open_write(&ledger, WriteRequest { actor: actor.to_owned(), ..request() }, system(TREE)).await.unwrap();
        let (node, after) = (node.map(ToOwned::to_owned), Some(json!({})));
        write.audit(AuditEntry { resource: resource.to_owned(), node, action: action.to_owned(), before: None, after });
        write.commit(b"").await.unwrap();
    }
    let revisions = async |query: AuditQuery| -> Vec<u64> {
        let page = ledger.audit_trail(&query).await.unwrap();
        page.records.iter().map(|record| record.revision).collect()
    };
    let (acme, all) = (trail_of(AuditScope::Owner(TREE.to_owned())), trail_of(AuditScope::Everything));
    assert_eq!(revisions(all.clone()).await, [5, 4, 3, 2, 1]);
    assert_eq!(revisions(acme.clone()).await, [5, 3, 2, 1]);
    assert_eq!(revisions(trail_of(AuditScope::Node(emea.to_owned()))).await, [5, 2, 1]);
    let of_binding = trail_of(AuditScope::Resource(binding.to_owned()));
    assert_eq!(revisions(of_binding.clone()).await, [5, 2]);
    let by = |query: &AuditQuery, actor: &str| AuditQuery { actor: Some(actor.to_owned()), ..query.clone() };
    assert_eq!(revisions(by(&all, "users/ann")).await, [4, 3, 1]);
    assert_eq!(revisions(by(&acme, "users/ann")).await, [3, 1]);
    assert_eq!(revisions(by(&of_binding, "users/ann")).await, [0; 0]);
    let doing = |query: &AuditQuery, action: &str| AuditQuery { action: Some(action.to_owned()), ..query.clone() };
    assert_eq!(revisions(doing(&acme, "role_bindings.")).await, [5, 2]);
    assert_eq!(revisions(doing(&by(&acme, "users/bob"), "role_bindings.u")).await, [5]);

    let at: Vec<_> = ledger.audit_trail(&all).await.unwrap().records.iter().map(|record| record.at).collect();
    assert_eq!(revisions(AuditQuery { since: Some(at[2]), ..all.clone() }).await, [5, 4, 3]);
    assert_eq!(revisions(AuditQuery { until: Some(at[2]), ..all.clone() }).await, [2, 1]);
    assert_eq!(revisions(AuditQuery { since: Some(at[3]), until: Some(at[1]), ..acme.clone() }).await, [3, 2]);
    assert_eq!(revisions(AuditQuery { since: Some(Utc::now() + TimeDelta::hours(1)), ..acme.clone() }).await, [0; 0]);

    // Pages go on where they ended, whatever has been written meanwhile.
    let first = ledger.audit_trail(&AuditQuery { limit: 2, ..acme.clone() }).await.unwrap();
    assert_eq!(first.next, Some((3, 0)));
    put(&ledger, TREE, "other", "x").await;
    let rest = ledger.audit_trail(&AuditQuery { limit: 2, before: first.next, ..acme }).await.unwrap();
    assert_eq!((rest.records.len(), rest.records[0].revision, rest.next), (2, 2, None));
}

trait Revisions {
    fn map_revisions(&self) -> Vec<u64>;
}

impl Revisions for Vec<ledger::Stamp> {
    fn map_revisions(&self) -> Vec<u64> {
        self.iter().map(|stamp| stamp.revision).collect()
    }
}

async fn nothing_is_left(store: &TestStore) {
    let raw = store.raw().await;
    for table in ["thing", "feed_change", "feed_state", "request_log", "audit_entry", "tree WHERE rev > 0"] {
        assert_eq!(count(&raw, table).await, 0, "{table}");
    }
    assert_eq!(crate::store::number(&raw, "SELECT rev AS n FROM feed_head").await, 0);
}

pub(crate) async fn a_write_that_is_dropped_leaves_nothing(store: &TestStore) {
    let ledger = store.open().await;
    let request = WriteRequest { request_id: Some(Uuid::new_v4()), ..request() };
    let mut write = open_write(&ledger, request.clone(), system(TREE)).await.unwrap();
    insert_thing(write.connection(), "a", 1).await.unwrap();
    write.put(record("k", "dropped"));
    drop(write);
    // Behind the drop in the queue of the tree, so the rollback has taken place.
    drop(open_write(&ledger, request, system(TREE)).await.unwrap());
    nothing_is_left(store).await;
}

/// As when a client goes away: the future is dropped wherever it is.
pub(crate) async fn writes_that_are_given_up_at_any_moment_leave_nothing_behind_and_block_nobody(store: &TestStore) {
    let ledger = store.open().await;
    let mut acknowledged = 0;
    for round in 0..120_u64 {
        let writing = async {
            let mut write = open_write(&ledger, WriteRequest { request_id: Some(Uuid::new_v4()), ..request() }, system(TREE)).await?;
            insert_thing(write.connection(), &format!("t{round}"), 1).await?;
            write.put(record(&format!("k{round}"), "x"));
            write.commit(b"").await
        };
        // Polled so often and no more; every poll is one step further.
        let mut polls = if round % 10 == 9 { u64::MAX } else { round % 40 };
        tokio::pin!(writing);
        let given_up = std::future::poll_fn(|context| {
            if polls == 0 {
                return std::task::Poll::Ready(None);
            }
            polls -= 1;
            writing.as_mut().poll(context).map(Some)
        });
        if let Some(committed) = given_up.await {
            committed.unwrap();
            acknowledged += 1;
        }
    }
    let last = put(&ledger, TREE, "k", "others go on").await.revision;
    assert!(acknowledged > 0 && last > acknowledged);
    // A commit that was given up may have taken place; rows, log and answers tell the same.
    let committed = i64::try_from(last).unwrap() - 1;
    let raw = store.raw().await;
    assert_eq!((count(&raw, "thing").await, count(&raw, "request_log").await), (committed, committed));
    assert_eq!(count(&raw, "feed_change").await, committed + 1);
}

pub(crate) async fn a_write_with_a_failed_statement_cannot_be_committed_and_leaves_nothing(store: &TestStore) {
    let ledger = store.open().await;
    let request = WriteRequest { request_id: Some(Uuid::new_v4()), ..request() };
    let mut write = open_write(&ledger, request.clone(), system(TREE)).await.unwrap();
    insert_thing(write.connection(), "a", 1).await.unwrap();
    write.put(record("k", "poisoned"));
    // A service that overlooks an error.
    insert_thing(write.connection(), "a", 2).await.unwrap_err();
    assert!(matches!(write.commit(b"").await, Err(Error::Poisoned)));
    nothing_is_left(store).await;

    let mut write = open_write(&ledger, request, system(TREE)).await.unwrap();
    write.connection().execute_unprepared("SELECT * FROM no_such_table").await.unwrap_err();
    write.put(record("k", "poisoned"));
    assert!(matches!(write.commit(b"").await, Err(Error::Poisoned)));
    nothing_is_left(store).await;
}

pub(crate) async fn validating_gives_the_head_and_leaves_nothing(store: &TestStore) {
    let ledger = store.open().await;
    let request = WriteRequest { request_id: Some(Uuid::new_v4()), validate_only: true, ..request() };
    let mut write = open_write(&ledger, request.clone(), system(TREE)).await.unwrap();
    insert_thing(write.connection(), "a", 1).await.unwrap();
    write.put(record("k", "validated"));
    assert_eq!(write.commit(b"").await.unwrap().token, ledger.head().await.unwrap());
    nothing_is_left(store).await;

    let write = open_write(&ledger, request, system(TREE)).await.unwrap();
    insert_thing(write.connection(), "a", 1).await.unwrap();
    insert_thing(write.connection(), "a", 1).await.unwrap_err();
    assert!(matches!(write.commit(b"").await, Err(Error::Poisoned)), "the verdict of the real call");
}

pub(crate) async fn the_same_request_fifty_times_at_once_is_one_change(store: &TestStore) {
    let ledgers = store.open_all().await;
    let request = WriteRequest { request_id: Some(Uuid::new_v4()), ..request() };
    let mut calls = JoinSet::new();
    for number in 0..50 {
        let ledger = ledgers[number % ledgers.len()].clone();
        let request = request.clone();
        calls.spawn(async move {
            // Also with nothing to queue for: the request id alone decides.
            let trees = if number % 5 == 0 { "organizations/other" } else { TREE };
            loop {
                match ledger.begin(request.clone(), system(trees)).await {
                    Ok(Begun::Replay { response, token }) => return (false, response, token),
                    Ok(Begun::Open(write)) => {
                        insert_thing(write.connection(), "a", 1).await.unwrap();
                        let response = format!("answer {number}").into_bytes();
                        let committed = write.commit(&response).await.unwrap();
                        return (true, response, committed.token);
                    }
                    Err(Error::Busy { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    let mut answers = HashSet::new();
    let mut executed = 0;
    while let Some(call) = calls.join_next().await {
        let (first, response, token) = call.unwrap();
        executed += usize::from(first);
        answers.insert((response, token.to_string()));
    }
    assert_eq!(executed, 1);
    assert_eq!(answers.len(), 1, "everybody gets the first answer");
    assert_eq!(ledgers[0].head().await.unwrap().revision, 1);
}

pub(crate) async fn the_same_request_id_with_another_body_is_refused_and_of_another_actor_is_another_request(store: &TestStore) {
    let ledger = store.open().await;
    let first = WriteRequest { request_id: Some(Uuid::new_v4()), ..request() };
    open_write(&ledger, first.clone(), system(TREE)).await.unwrap().commit(b"one").await.unwrap();
    let other_body = WriteRequest { body_hash: [8; 32], ..first.clone() };
    assert!(matches!(ledger.begin(other_body, system(TREE)).await, Err(Error::RequestIdReused)));
    for other in [
        WriteRequest { actor: "users/bob".to_owned(), ..first.clone() },
        WriteRequest { caller: "spiffe://example/other".to_owned(), ..first.clone() },
        WriteRequest { method: "test.v1.ThingService/DeleteThing", ..first.clone() },
    ] {
        open_write(&ledger, other, system(TREE)).await.unwrap().commit(b"two").await.unwrap();
    }
    put(&ledger, TREE, "k", "later").await;
    let Ok(Begun::Replay { response, token }) = ledger.begin(first, system(TREE)).await else { panic!("not a replay") };
    assert_eq!((response.as_slice(), token.revision), (b"one".as_slice(), 1));
}

pub(crate) async fn a_large_commit_comes_in_parts_and_a_record_beyond_a_part_is_refused(store: &TestStore) {
    let ledger = store.open().await;
    let feed = server(&ledger);
    let text = "x".repeat(200_000);
    let mut write = open_write(&ledger, request(), system(TREE)).await.unwrap();
    for number in 0..60 {
        write.put(record(&format!("k{number:02}"), &text));
    }
    let committed = write.commit(b"").await.unwrap();
    let start = State::empty(&head(&feed).await).at;
    let mut messages = watch(&feed, &start).await.unwrap();
    let changes = read_until(&mut messages, &start, 1).await;
    assert_eq!(changes.len(), 1);
    assert!((12..=15).contains(&changes[0].parts), "{} parts", changes[0].parts);
    assert_eq!(changes[0].records.len(), 60);
    assert_eq!(changes[0].trees, [TREE]);
    assert_eq!(changes[0].cursor.nonce, committed.token.nonce);
    assert_eq!(State::snapshot(&feed).await.records.len(), 60);

    let mut write = open_write(&ledger, request(), system(TREE)).await.unwrap();
    write.put(record("k", &"x".repeat(1024 * 1024)));
    assert!(matches!(write.commit(b"").await, Err(Error::RecordTooLarge { key }) if key == "k"));
    assert_eq!(ledger.head().await.unwrap().revision, 1);
}

pub(crate) async fn the_last_record_of_a_key_counts(store: &TestStore) {
    let ledger = store.open().await;
    let mut write = open_write(&ledger, request(), system(TREE)).await.unwrap();
    write.put(record("a", "first"));
    write.put(record("a", "second"));
    write.put(record("b", "first"));
    write.delete("b");
    write.commit(b"").await.unwrap();
    let state = State::snapshot(&server(&ledger)).await;
    assert_eq!(state.records.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(mark(&state.records["a"].1), Some("second"));
}

pub(crate) async fn a_unique_violation_is_told_from_other_failures(store: &TestStore) {
    let ledger = store.open().await;
    let write = open_write(&ledger, request(), system(TREE)).await.unwrap();
    insert_thing(write.connection(), "a", 1).await.unwrap();
    let error = insert_thing(write.connection(), "a", 1).await.unwrap_err();
    let StoreError::Unique { constraint } = classify(error) else { panic!("not told") };
    assert_eq!(constraint, if store.is_postgres() { "thing_pkey" } else { "thing.id" });
    drop(write);
    let read_only = insert_thing(ledger.reader(), "b", 1).await.unwrap_err();
    let shown = Error::from(read_only).to_string();
    assert!(!shown.contains("thing") && !shown.contains("INSERT"), "the driver's text is not shown: {shown}");
    assert_eq!(count(ledger.reader(), "thing").await, 0, "the reader cannot write");
}

pub(crate) async fn services_migrate_tables_of_their_own(store: &TestStore) {
    let ledger = store.open().await;
    ledger.run_migrations::<crate::store::ThingMigrator>().await.unwrap();
    let raw = store.raw().await;
    assert_eq!(count(&raw, "thing_migration").await, 1);
    assert_eq!(count(&raw, "ledger_migration").await, crate::store::LEDGER_MIGRATIONS);
}
