//! What is forgotten, and what is not.

use std::time::Duration;

use ledger::{AuditEntry, Begun, Retention, WriteRequest};
use uuid::Uuid;

use crate::{
    follower::{State, head, read_until, server, watch},
    store::{TREE, TestStore, count, open_write, put, request, system},
};

pub(crate) async fn what_is_old_is_forgotten_and_what_is_kept_can_be_watched(store: &TestStore) {
    let ledger = store.open_with(Retention { age: Duration::ZERO, changes: 5, ..Retention::default() }).await;
    let feed = server(&ledger);
    let mut cursors = vec![State::empty(&head(&feed).await).at];
    for number in 0..20 {
        if number == 3 {
            let mut write =
                open_write(&ledger, WriteRequest { request_id: Some(Uuid::new_v4()), ..request() }, system(TREE)).await.unwrap();
            write.delete("k2");
            write.commit(b"").await.unwrap();
        } else {
            put(&ledger, TREE, &format!("k{number}"), "x").await;
        }
        cursors.push(head(&feed).await);
    }
    let forgotten = ledger.forget().await.unwrap();
    assert_eq!(forgotten.floor, 15);
    assert_eq!((forgotten.parts, forgotten.tombstones, forgotten.answers), (14, 1, 1));

    for (revision, cursor) in cursors.iter().enumerate() {
        let watched = watch(&feed, cursor).await;
        if revision < 15 {
            assert_eq!(watched.unwrap_err().code(), tonic::Code::OutOfRange, "below the floor: {revision}");
        } else {
            assert_eq!(read_until(&mut watched.unwrap(), cursor, 20).await.len(), 20 - revision);
        }
    }
    assert_eq!(State::snapshot(&feed).await.records.len(), 18, "the state is kept");
    assert_eq!(ledger.forget().await.unwrap().parts, 0, "nothing more is due");
    assert_eq!(count(ledger.reader(), "feed_change").await, 6);
}

pub(crate) async fn an_answer_within_the_retention_is_kept(store: &TestStore) {
    let ledger = store.open().await;
    let request = WriteRequest { request_id: Some(Uuid::new_v4()), ..request() };
    open_write(&ledger, request.clone(), system(TREE)).await.unwrap().commit(b"answer").await.unwrap();
    let forgotten = ledger.forget().await.unwrap();
    assert_eq!((forgotten.floor, forgotten.parts, forgotten.answers), (0, 0, 0));
    assert!(matches!(ledger.begin(request, system(TREE)).await, Ok(Begun::Replay { .. })));
}

pub(crate) async fn the_audit_trail_is_kept_for_a_time_of_its_own(store: &TestStore) {
    let kept = store.open_with(Retention { age: Duration::ZERO, changes: 0, ..Retention::default() }).await;
    for _ in 0..3 {
        let mut write = open_write(&kept, request(), system(TREE)).await.unwrap();
        // More than are deleted at once.
        for number in 0..700 {
            let (resource, action) = (format!("organizations/acme/members/u{number}"), "members.create".to_owned());
            write.audit(AuditEntry { resource, node: None, action, before: None, after: None });
        }
        write.commit(b"").await.unwrap();
    }
    assert_eq!(kept.forget().await.unwrap().audit_entries, 0, "younger than 400 days");
    kept.close().await;
    drop(kept);
    let ledger = store.open_with(Retention { audit_age: Duration::ZERO, ..Retention::default() }).await;
    assert_eq!(ledger.forget().await.unwrap().audit_entries, 2_100);
    assert_eq!(count(ledger.reader(), "audit_entry").await, 0);
}
