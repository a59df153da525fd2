//! A write is committed against the same state that its authority was decided on.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use client::token::Token;
use ledger::{Authority, Error, Ledger, Stamp};
use tokio::{task::JoinSet, time::Instant};
use tonic::Status;

use crate::{
    follower::{View, head, server},
    store::{TREE, TestStore, open_write, put, record, request, system},
};

/// An authority that does as told when it is asked again.
struct Scripted {
    written: Vec<String>,
    stamps: Vec<Stamp>,
    lapsed: Arc<AtomicBool>,
    ledger: Ledger,
    asked: Vec<Token>,
    answer: Answer,
}

enum Answer {
    /// What is so now.
    Decide,
    /// What is so now, but of another tree as well.
    DecideWith(&'static str),
    Refuse,
    /// The same as before.
    Repeat,
}

impl Scripted {
    async fn new(ledger: &Ledger, answer: Answer) -> Self {
        let written = vec![TREE.to_owned()];
        let stamps = ledger.stamps(&written).await.unwrap();
        Self { written, stamps, lapsed: Arc::default(), ledger: ledger.clone(), asked: Vec::new(), answer }
    }
}

#[async_trait]
impl Authority for Scripted {
    fn written(&self) -> &[String] {
        &self.written
    }

    fn stamps(&self) -> &[Stamp] {
        &self.stamps
    }

    fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.lapsed.load(Ordering::SeqCst).then_some(DateTime::UNIX_EPOCH)
    }

    async fn renew(&mut self, at_least: Token, _deadline: Instant) -> Result<(), Status> {
        self.asked.push(at_least);
        let mut trees: Vec<String> = self.stamps.iter().map(|stamp| stamp.tree.clone()).collect();
        match self.answer {
            Answer::Decide => {}
            Answer::DecideWith(tree) if trees.iter().any(|known| known == tree) => {}
            Answer::DecideWith(tree) => trees.push(tree.to_owned()),
            Answer::Refuse => return Err(Status::permission_denied("not any more")),
            Answer::Repeat => return Ok(()),
        }
        self.stamps = self.ledger.stamps(&trees).await.unwrap();
        self.lapsed.store(false, Ordering::SeqCst);
        Ok(())
    }
}

pub(crate) async fn a_tree_that_changed_after_the_permit_makes_it_renew(store: &TestStore) {
    let ledger = store.open().await;
    let permit = Scripted::new(&ledger, Answer::Decide).await;
    let between = put(&ledger, TREE, "k", "between").await;
    let mut write = open_write(&ledger, request(), permit).await.unwrap();
    assert_eq!(write.authority().asked, [between.token], "asked for what the tree was last changed by");
    write.put(record("k", "after"));
    let committed = write.commit(b"").await.unwrap();
    assert_eq!(committed.revision, between.revision + 1);

    let write = open_write(&ledger, request(), Scripted::new(&ledger, Answer::Refuse).await).await.unwrap();
    assert!(write.authority().asked.is_empty(), "what has not changed is not asked for");
}

pub(crate) async fn a_permit_that_is_not_renewed_ends_the_write(store: &TestStore) {
    let ledger = store.open().await;
    let permit = Scripted::new(&ledger, Answer::Refuse).await;
    put(&ledger, TREE, "k", "between").await;
    let before = ledger.head().await.unwrap();
    let Err(Error::Refused(status)) = open_write(&ledger, request(), permit).await else { panic!("it was begun") };
    assert_eq!(status.message(), "not any more");
    assert_eq!(ledger.head().await.unwrap(), before);
    put(&ledger, TREE, "k", "others go on").await;
}

pub(crate) async fn a_permit_that_has_lapsed_is_renewed(store: &TestStore) {
    let ledger = store.open().await;
    put(&ledger, TREE, "k", "before").await;
    let permit = Scripted::new(&ledger, Answer::Decide).await;
    permit.lapsed.store(true, Ordering::SeqCst);
    let write = open_write(&ledger, request(), permit).await.unwrap();
    assert_eq!(write.authority().asked.len(), 1);
    drop(write);

    let permit = Scripted::new(&ledger, Answer::Refuse).await;
    let lapsed = permit.lapsed.clone();
    let write = open_write(&ledger, request(), permit).await.unwrap();
    lapsed.store(true, Ordering::SeqCst);
    assert!(matches!(write.commit(b"").await, Err(Error::Busy { .. })), "it lapsed before the commit");
}

pub(crate) async fn a_permit_that_comes_to_rest_on_another_tree_starts_over(store: &TestStore) {
    let ledger = store.open().await;
    // In the order of names before the written tree: to lock it while that is held would break the order.
    const SPONSOR: &str = "organizations/aaa";
    put(&ledger, SPONSOR, "s", "first").await;
    let permit = Scripted::new(&ledger, Answer::DecideWith(SPONSOR)).await;
    put(&ledger, TREE, "k", "between").await;
    let write = open_write(&ledger, request(), permit).await.unwrap();
    let trees: HashSet<_> = write.authority().stamps().iter().map(|stamp| stamp.tree.as_str()).collect();
    assert_eq!(trees, HashSet::from([TREE, SPONSOR]));
    write.commit(b"").await.unwrap();
    assert_eq!(ledger.stamps(&[SPONSOR.to_owned()]).await.unwrap()[0].revision, 1, "what is only rested on is not stamped");
}

pub(crate) async fn a_permit_that_is_never_current_ends_busy(store: &TestStore) {
    let ledger = store.open().await;
    let permit = Scripted::new(&ledger, Answer::Repeat).await;
    put(&ledger, TREE, "k", "between").await;
    let mut request = request();
    request.deadline = Instant::now() + Duration::from_millis(300);
    assert!(matches!(open_write(&ledger, request, permit).await, Err(Error::Busy { .. })));
    put(&ledger, TREE, "k", "others go on").await;
}

/// The riskiest mechanism: each commit makes every other permit of the tree outdated, and the new one comes through the feed.
pub(crate) async fn a_hundred_writers_on_one_tree_all_end_with_permits_from_a_follower_of_the_feed(store: &TestStore) {
    const WRITERS: u64 = 100;
    const ACTOR: &str = "users/ann";
    let ledgers = store.open_all().await;
    let feed = server(&ledgers[0]);
    let view = View::follow(&feed).await;
    let begun = std::time::Instant::now();
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let ledger = ledgers[usize::try_from(number).unwrap() % ledgers.len()].clone();
        let view = view.clone();
        writers.spawn(async move {
            let mut refused = 0;
            loop {
                let mut write = match open_write(&ledger, request(), view.permit(&[TREE, ACTOR])).await {
                    Ok(write) => write,
                    Err(Error::Busy { .. }) => {
                        refused += 1;
                        continue;
                    }
                    Err(error) => panic!("{error}"),
                };
                write.put(record(&format!("k{number}"), "done"));
                let decided_at = write.authority().stamps()[0].revision;
                let committed = write.commit(b"").await.unwrap();
                assert_eq!(decided_at + 1, committed.revision, "committed against the state that it was decided on");
                return (committed.revision, refused);
            }
        });
    }
    let mut revisions = HashSet::new();
    let mut refused = 0;
    while let Some(ended) = writers.join_next().await {
        let (revision, times) = ended.unwrap();
        assert!(revisions.insert(revision));
        refused += times;
    }
    let elapsed = begun.elapsed();
    println!("{WRITERS} writers on one tree: {elapsed:?}, {:.0} commits/s, {refused} told to try again", 100.0 / elapsed.as_secs_f64());
    assert_eq!(revisions, (1..=WRITERS).collect(), "as many revisions as commits");
    assert_eq!(head(&feed).await.revision, WRITERS);
    assert_eq!(ledgers[0].stamps(&[TREE.to_owned()]).await.unwrap()[0].revision, WRITERS);
}

pub(crate) async fn writers_of_each_others_trees_do_not_block_for_ever(store: &TestStore) {
    const TREES: [&str; 4] = ["organizations/a", "organizations/b", "organizations/c", "organizations/d"];
    let ledgers = store.open_all().await;
    let feed = server(&ledgers[0]);
    let view = View::follow(&feed).await;
    let mut writers = JoinSet::new();
    for number in 0..16 {
        let (ledger, view) = (ledgers[number % ledgers.len()].clone(), Arc::clone(&view));
        writers.spawn(async move {
            let mut commits = Vec::new();
            for step in 0..5 {
                // Each rests on the tree that another writes.
                let (written, rested_on) = (TREES[number % 4], TREES[(number + 1 + step % 3) % 4]);
                loop {
                    match open_write(&ledger, request(), view.permit(&[written, rested_on])).await {
                        Ok(write) => {
                            // As long as a service's own statements take.
                            tokio::time::sleep(Duration::from_millis(3)).await;
                            let stamps = write.authority().stamps().to_vec();
                            commits.push((write.commit(b"").await.unwrap().revision, stamps));
                            break;
                        }
                        Err(Error::Busy { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            commits
        });
    }
    let commits: Vec<(u64, Vec<Stamp>)> = writers.join_all().await.into_iter().flatten().collect();
    assert_eq!(ledgers[0].head().await.unwrap().revision, 80);
    // The first stamp is of the tree that was written.
    for (revision, stamps) in &commits {
        for stamp in stamps {
            let between =
                |(other, changed): &&(u64, Vec<Stamp>)| changed[0].tree == stamp.tree && *other > stamp.revision && *other < *revision;
            assert_eq!(commits.iter().find(between), None, "{revision} rests on {stamp:?}, which had changed");
        }
    }
    open_write(&ledgers[0], request(), system(TREES[0])).await.unwrap().commit(b"").await.unwrap();
}
