use std::time::Duration;

use client::token::Token;
use tokio::time::Instant;

use super::feed::{bookmark, commit, epoch, feed, feed_with, name, page, patience, position, user};
use crate::{Consistency, Freshness, NotFresh};

fn state() -> Vec<api::feed::v1::SnapshotResponse> {
    vec![page(Some(position(5)), vec![(1, user("ann", false))], &[])]
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_loaded() {
    let feed = feed(position(5), Vec::new());
    assert!(!feed.replica.is_loaded());
    let answer = feed.replica.at(Freshness::MinimizeLatency, patience()).await;
    assert!(matches!(answer, Err(NotFresh::NotLoaded)), "{answer:?}");
    feed.script.lock().unwrap().state = state();
    // Who asks for a state waits for the load too.
    let world = feed.replica.at(Freshness::AtLeast(position(5)), patience()).await.unwrap();
    assert!(feed.replica.is_loaded() && world.view().user(&name("ann")).is_some());
}

#[tokio::test]
async fn a_token_is_waited_for_and_the_deadline_ends_the_wait() {
    let mut feed = feed(position(5), state());
    let watch = feed.watch().await;
    let waiting = {
        let replica = feed.replica.clone();
        tokio::spawn(async move { replica.at(Freshness::AtLeast(position(7)), patience()).await })
    };
    let given_up = feed.replica.at(Freshness::AtLeast(position(7)), Instant::now() + Duration::from_millis(10)).await;
    assert!(matches!(given_up, Err(NotFresh::Behind { wanted: 7, at: 5, .. })), "{given_up:?}");
    watch.send(commit(position(6), &[], vec![]));
    watch.send(commit(position(7), &[], vec![user("ann", true)]));
    assert!(waiting.await.unwrap().unwrap().view().user(&name("ann")).unwrap().suspended);
}

#[tokio::test]
async fn fully_consistent_waits_for_the_head_as_of_the_call() {
    let mut feed = feed(position(5), state());
    let watch = feed.watch().await;
    feed.script.lock().unwrap().head = Some(position(6));
    let waiting = {
        let replica = feed.replica.clone();
        tokio::spawn(async move { replica.at(Freshness::Full, patience()).await })
    };
    watch.send(commit(position(6), &[], vec![user("ann", true)]));
    assert!(waiting.await.unwrap().unwrap().view().user(&name("ann")).unwrap().suspended);
    feed.script.lock().unwrap().head = None;
    let unknown = feed.replica.at(Freshness::Full, patience()).await;
    assert!(matches!(unknown, Err(NotFresh::HeadUnknown(_))), "{unknown:?}");
}

#[tokio::test]
async fn a_token_of_an_epoch_that_never_was_or_is_over_is_refused() {
    let mut feed = feed(position(5), state());
    let _watch = feed.watch().await;
    let unknown = Token { epoch: epoch(9), ..position(1) };
    let answer = feed.replica.at(Freshness::AtLeast(unknown), patience()).await;
    assert!(matches!(answer, Err(NotFresh::EpochChanged)), "{answer:?}");
}

#[tokio::test]
async fn one_waiter_too_many_is_refused_and_who_need_not_wait_is_not_counted() {
    let mut feed = feed_with(position(5), state(), |settings| settings.most_waiters = 1);
    let watch = feed.watch().await;
    let replica = feed.replica.clone();
    let mut first = std::pin::pin!(replica.at(Freshness::AtLeast(position(6)), patience()));
    assert!(futures::poll!(&mut first).is_pending());
    let second = feed.replica.at(Freshness::AtLeast(position(6)), patience()).await;
    assert!(matches!(second, Err(NotFresh::TooManyWaiters)), "{second:?}");
    assert!(feed.replica.at(Freshness::AtLeast(position(5)), patience()).await.is_ok());
    watch.send(commit(position(6), &[], vec![]));
    assert_eq!(first.await.unwrap().token(), position(6));
    assert!(feed.replica.at(Freshness::AtLeast(position(6)), patience()).await.is_ok());
}

#[tokio::test]
async fn a_view_that_may_be_too_old_is_not_decided_from_until_a_bookmark_comes() {
    let mut feed = feed(position(5), state());
    let watch = feed.watch().await;
    feed.replica.loaded().await;
    let strict = Consistency { freshness: Freshness::MinimizeLatency, max_staleness: Some(Duration::ZERO) };
    let answer = feed.replica.at(strict, patience()).await;
    assert!(matches!(answer, Err(NotFresh::Stale { limit: Duration::ZERO, .. })), "{answer:?}");
    let proven = || Instant::now() - feed.replica.staleness().unwrap();
    let before = proven();
    watch.send(bookmark(position(5)));
    while proven() <= before + Duration::from_micros(1) {
        tokio::task::yield_now().await;
    }
    assert!(feed.replica.at(Freshness::MinimizeLatency, patience()).await.is_ok());
}

#[tokio::test]
async fn under_steady_writes_the_head_is_asked_for_instead_of_a_bookmark() {
    let mut feed = feed_with(position(5), state(), |settings| settings.probe_after = Duration::from_millis(5));
    let watch = feed.watch().await;
    watch.send(commit(position(6), &[], vec![]));
    feed.replica.at(Freshness::AtLeast(position(6)), patience()).await.unwrap();
    let loaded = Instant::now();
    feed.script.lock().unwrap().head = Some(position(6));
    while Instant::now() - feed.replica.staleness().unwrap() <= loaded {
        tokio::task::yield_now().await;
    }
}
