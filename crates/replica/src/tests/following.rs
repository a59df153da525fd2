use std::time::Duration;

use client::token::Token;
use tonic::Status;

use super::feed::{bookmark, commit, epoch, feed, feed_with, name, page, part, patience, position, user};
use crate::{Freshness, NotFresh, wire};

fn state_at(revision: u64) -> Vec<api::feed::v1::SnapshotResponse> {
    vec![page(Some(position(revision)), vec![(1, user("ann", false))], &[("users/ann", 1)])]
}

#[tokio::test]
async fn a_commit_is_seen_with_its_trees() {
    let mut feed = feed(position(5), state_at(5));
    let watch = feed.watch().await;
    assert_eq!(watch.from, position(5));
    watch.send(commit(position(6), &["users/bob"], vec![user("bob", true)]));
    let world = feed.replica.at(Freshness::AtLeast(position(6)), patience()).await.unwrap();
    assert!(world.view().user(&name("bob")).unwrap().suspended);
    assert!(world.view().user(&name("ann")).is_some());
    assert_eq!(
        (world.token(), world.tree_revision("users/bob"), world.tree_revision("users/ann"), world.tree_revision("users/eve")),
        (position(6), 6, 1, 0)
    );
    watch.send(commit(position(7), &["users/bob"], vec![wire::tombstone("users/bob")]));
    let later = feed.replica.at(Freshness::AtLeast(position(7)), patience()).await.unwrap();
    assert!(later.view().user(&name("bob")).is_none());
    assert!(world.view().user(&name("bob")).is_some(), "a snapshot never changes");
}

#[tokio::test]
async fn records_later_than_the_head_are_not_overwritten_by_the_log_and_nothing_torn_is_served() {
    // The state was read while commits 6 and 7 came: ann is of 7, tree of 7, and bob's part of 6 was missed.
    let state = vec![
        page(Some(position(5)), vec![(7, user("ann", true))], &[("users/ann", 7)]),
        page(None, vec![(2, user("eve", false))], &[("users/eve", 2)]),
    ];
    let mut feed = feed(position(7), state);
    let watch = feed.watch().await;
    watch.send(commit(position(6), &["users/ann", "users/bob"], vec![user("ann", false), user("bob", false)]));
    let none_yet = feed.replica.at(Freshness::AtLeast(position(6)), tokio::time::Instant::now() + Duration::from_millis(30)).await;
    assert!(matches!(none_yet, Err(NotFresh::NotLoaded)), "{none_yet:?}");
    watch.send(commit(position(7), &["users/ann"], vec![user("ann", true)]));
    let world = feed.replica.at(Freshness::AtLeast(position(6)), patience()).await.unwrap();
    assert_eq!(world.token(), position(7));
    assert!(world.view().user(&name("ann")).unwrap().suspended);
    assert!(world.view().user(&name("bob")).is_some());
    assert_eq!((world.tree_revision("users/ann"), world.tree_revision("users/bob")), (7, 6));
}

#[tokio::test]
async fn the_parts_of_a_commit_are_applied_together() {
    let mut feed = feed(position(5), state_at(5));
    let watch = feed.watch().await;
    watch.send(part(position(6), 0, false, &[], vec![user("bob", false)]));
    // What follows it in the stream was taken in: so was the first part.
    watch.send(part(position(6), 1, false, &[], vec![user("eve", false)]));
    feed.replica.loaded().await;
    assert!(feed.replica.snapshot().unwrap().view().user(&name("bob")).is_none());
    watch.send(part(position(6), 2, true, &["users/bob"], vec![user("kim", false)]));
    let world = feed.replica.at(Freshness::AtLeast(position(6)), patience()).await.unwrap();
    assert!(["bob", "eve", "kim"].iter().all(|id| world.view().user(&name(id)).is_some()));
}

#[tokio::test]
async fn a_commit_torn_by_a_lost_connection_is_taken_whole_from_the_next() {
    let mut feed = feed(position(5), state_at(5));
    let watch = feed.watch().await;
    watch.send(part(position(6), 0, false, &[], vec![user("bob", false)]));
    watch.fail(Status::unavailable("gone"));
    let watch = feed.watch().await;
    assert_eq!(watch.from, position(5));
    watch.send(part(position(6), 0, false, &[], vec![user("bob", true)]));
    watch.send(part(position(6), 1, true, &["users/bob"], vec![user("eve", false)]));
    let world = feed.replica.at(Freshness::AtLeast(position(6)), patience()).await.unwrap();
    assert!(world.view().user(&name("bob")).unwrap().suspended);
    assert_eq!(feed.script.lock().unwrap().snapshots_taken, 1);
}

#[tokio::test]
async fn a_torn_commit_makes_it_load_again() {
    let mut feed = feed(position(5), state_at(5));
    let watch = feed.watch().await;
    watch.send(part(position(6), 1, true, &[], vec![user("bob", false)]));
    feed.watch().await;
    assert_eq!(feed.script.lock().unwrap().snapshots_taken, 2);
    assert_eq!(feed.replica.snapshot().unwrap().token(), position(5));
}

#[tokio::test]
async fn a_gap_builds_a_new_view_beside_the_old_one_which_serves_meanwhile() {
    let mut feed = feed(position(5), state_at(5));
    let watch = feed.watch().await;
    watch.send(bookmark(position(5)));
    feed.replica.loaded().await;
    feed.script.lock().unwrap().state.clear();
    watch.send(commit(position(7), &[], vec![]));
    let served = feed.replica.at(Freshness::MinimizeLatency, patience()).await.unwrap();
    assert_eq!(served.token(), position(5));
    feed.script.lock().unwrap().state = vec![page(Some(position(8)), vec![(6, user("bob", false))], &[("users/bob", 6)])];
    let world = feed.replica.at(Freshness::AtLeast(position(8)), patience()).await.unwrap();
    assert!(world.view().user(&name("ann")).is_none() && world.view().user(&name("bob")).is_some());
}

#[tokio::test]
async fn reads_do_not_go_back_when_the_new_view_comes_from_a_server_that_is_behind() {
    let mut feed = feed(position(5), state_at(5));
    let watch = feed.watch().await;
    watch.send(commit(position(6), &[], vec![user("bob", false)]));
    feed.replica.at(Freshness::AtLeast(position(6)), patience()).await.unwrap();
    // A gap; the state is that of a server which is still at 5.
    watch.send(commit(position(9), &[], vec![]));
    let watch = feed.watch().await;
    assert_eq!((watch.from, feed.replica.snapshot().unwrap().token()), (position(5), position(6)));
    watch.send(commit(position(6), &[], vec![user("bob", true)]));
    watch.send(commit(position(7), &[], vec![]));
    let world = feed.replica.at(Freshness::AtLeast(position(7)), patience()).await.unwrap();
    assert!(world.view().user(&name("bob")).unwrap().suspended);
}

#[tokio::test]
async fn a_repeated_commit_changes_nothing_and_one_that_differs_is_another_history() {
    let mut feed = feed(position(5), state_at(5));
    let watch = feed.watch().await;
    watch.send(commit(position(6), &[], vec![user("bob", false)]));
    watch.send(commit(position(6), &[], vec![user("bob", false)]));
    watch.send(commit(position(7), &[], vec![]));
    feed.replica.at(Freshness::AtLeast(position(7)), patience()).await.unwrap();
    assert_eq!(feed.script.lock().unwrap().snapshots_taken, 1);

    // The store lost 6 and 7, and wrote another 6: the new view is behind the old one, and right.
    let other = Token { nonce: 99, ..position(6) };
    feed.script.lock().unwrap().state = vec![page(Some(other), vec![(6, user("eve", false))], &[])];
    watch.send(commit(other, &[], vec![user("eve", false)]));
    let watch = feed.watch().await;
    assert_eq!(watch.from, other);
    let world = feed.replica.at(Freshness::AtLeast(other), patience()).await.unwrap();
    assert!(world.token() == other && world.view().user(&name("bob")).is_none() && world.view().user(&name("eve")).is_some());
    let lost = feed.replica.at(Freshness::AtLeast(position(6)), patience()).await;
    assert!(matches!(lost, Err(NotFresh::EpochChanged)), "{lost:?}");
}

#[tokio::test]
async fn a_cursor_that_is_gone_makes_it_load_again() {
    let mut feed = feed(position(5), state_at(5));
    let watch = feed.watch().await;
    {
        let mut script = feed.script.lock().unwrap();
        script.refusal = Some(Status::out_of_range("gone"));
        script.state = state_at(50);
    }
    watch.fail(Status::unavailable("restarting"));
    assert_eq!(feed.watch().await.from, position(50));
    assert_eq!(feed.replica.at(Freshness::AtLeast(position(50)), patience()).await.unwrap().token(), position(50));
}

#[tokio::test]
async fn a_server_that_is_behind_is_asked_again_without_loading() {
    let mut feed = feed(position(5), state_at(5));
    let watch = feed.watch().await;
    feed.script.lock().unwrap().refusal = Some(Status::unavailable("the cursor is ahead of the head"));
    watch.fail(Status::unavailable("moving"));
    let watch = feed.watch().await;
    assert_eq!(watch.from, position(5));
    watch.send(commit(position(6), &[], vec![user("bob", false)]));
    feed.replica.at(Freshness::AtLeast(position(6)), patience()).await.unwrap();
    assert_eq!(feed.script.lock().unwrap().snapshots_taken, 1);
}

#[tokio::test]
async fn a_new_epoch_is_served_to_its_tokens_only_after_the_switch() {
    let mut feed = feed(position(5), state_at(5));
    let watch = feed.watch().await;
    watch.send(bookmark(position(5)));
    feed.replica.loaded().await;
    let restored = Token { epoch: epoch(2), revision: 3, nonce: 7 };
    feed.script.lock().unwrap().head = Some(restored);
    let waiting = {
        let replica = feed.replica.clone();
        tokio::spawn(async move { replica.at(Freshness::AtLeast(restored), patience()).await })
    };
    feed.script.lock().unwrap().state = vec![page(Some(restored), vec![(2, user("eve", false))], &[])];
    // A server of the restored ledger says UNAVAILABLE or OUT_OF_RANGE to the old cursor; its head tells.
    watch.fail(Status::unavailable("restored"));
    let world = waiting.await.unwrap().unwrap();
    assert_eq!(world.token(), restored);
    assert!(world.view().user(&name("ann")).is_none());
    let old = feed.replica.at(Freshness::AtLeast(position(4)), patience()).await;
    assert!(matches!(old, Err(NotFresh::EpochChanged)), "{old:?}");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_stops_it_loudly() {
    let mut feed = feed(position(5), state_at(5));
    let watch = feed.watch().await;
    watch.send(commit(position(6), &[], vec![api::feed::v1::Record { key: "users/Not A Name".into(), ..user("bob", false) }]));
    assert!(feed.replica.stopped().await.contains("users/Not A Name"));
    let later = feed.replica.at(Freshness::AtLeast(position(6)), patience()).await;
    assert!(matches!(later, Err(NotFresh::Behind { wanted: 6, at: 5, .. })), "{later:?}");
}

#[tokio::test]
async fn a_silent_watch_is_given_up() {
    let mut feed = feed_with(position(5), state_at(5), |settings| settings.quiet = Duration::from_millis(50));
    let silent = feed.watch().await;
    assert_eq!(feed.watch().await.from, position(5));
    drop(silent);
}
