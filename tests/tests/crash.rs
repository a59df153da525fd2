//! kill -9 in the middle of writes: every acknowledged write is there afterwards, and authz agrees with it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use api::{
    authz::v1::{BatchCheckRequest, Consistency, Query, Verdict, batch_check_response, consistency::Requirement},
    directory::v1::*,
};
use client::{session::Session, world::load};
use decision::world::World;
use tests::installation::{Installation, Layout, PLATFORM, Store};
use tokio::task::JoinSet;

const WRITERS: usize = 8;
const ROUNDS: usize = 4;
/// So many pairs are acknowledged in a round first.
const BEFORE_A_KILL: usize = 40;

const WORLD: &str = "
users: [ann, bob]
organizations:
  - id: acme
    model: ad-platform
    members: [ann, bob]
    bindings: [{principal: ann, role: super-admin}]
";

/// An account, and that bob manages it: both acknowledged.
struct Acknowledged {
    account: String,
    binding: String,
}

/// How far a round is.
#[derive(Default)]
struct Round {
    acknowledged: AtomicUsize,
    killed: AtomicBool,
}

/// Writes until the connection is lost; tells what was acknowledged before.
async fn write_until_killed(session: Session, writer: usize, round: usize, state: Arc<Round>) -> Vec<Acknowledged> {
    let ann = session.on_behalf_of("users/ann").unwrap();
    let mut acknowledged = Vec::new();
    for at in 0.. {
        let request = CreateAccountRequest {
            parent: "organizations/acme".into(),
            account_id: format!("a-{round}-{writer}-{at}"),
            account: Some(Account { display_name: "An account".into(), ..Default::default() }),
            ..Default::default()
        };
        let Ok(account) = ann.accounts().create_account(request).await else { break };
        let account = account.into_inner().name;
        let role_binding = RoleBinding {
            principal: "users/bob".into(),
            role: "roleModels/ad-platform/roles/account-admin".into(),
            node: account.clone(),
            ..Default::default()
        };
        let request =
            CreateRoleBindingRequest { parent: "organizations/acme".into(), role_binding: Some(role_binding), ..Default::default() };
        let Ok(binding) = ann.role_bindings().create_role_binding(request).await else { break };
        acknowledged.push(Acknowledged { account, binding: binding.into_inner().name });
        state.acknowledged.fetch_add(1, Ordering::Relaxed);
        if state.killed.load(Ordering::Relaxed) {
            break;
        }
    }
    acknowledged
}

async fn everything_is_there(installation: &Installation, acknowledged: &[Acknowledged]) {
    let ann = installation.on_behalf_of("users/ann");
    for write in acknowledged {
        let request = GetAccountRequest { name: write.account.clone() };
        ann.accounts().get_account(request).await.unwrap_or_else(|status| panic!("{} is lost: {status}", write.account));
        let request = GetRoleBindingRequest { name: write.binding.clone() };
        ann.role_bindings().get_role_binding(request).await.unwrap_or_else(|status| panic!("{} is lost: {status}", write.binding));
    }
    for chunk in acknowledged.chunks(500) {
        let query = |write: &Acknowledged| Query {
            user: "users/bob".into(),
            permission: "access.get".into(),
            resource: write.account.clone(),
            ..Default::default()
        };
        let consistency = Some(Consistency { requirement: Some(Requirement::FullyConsistent(true)), max_staleness_ms: 0 });
        let request = BatchCheckRequest { queries: chunk.iter().map(query).collect(), consistency };
        let answer = installation.session().checks().batch_check(request).await.unwrap().into_inner();
        for (write, result) in chunk.iter().zip(answer.results) {
            let Some(batch_check_response::result::Result::Decision(decision)) = result.result else { panic!("an invalid check") };
            assert_eq!(decision.verdict(), Verdict::Allow, "authz does not know {}", write.binding);
        }
    }
}

/// Kills everything in every round, and in the last but the process that writes keeps running: authz alone is killed.
async fn kill_in_the_middle(mut installation: Installation) {
    let world: World = serde_saphyr::from_str(WORLD).unwrap();
    load(&installation.platform(), &world).await.unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let state = Arc::new(Round::default());
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(write_until_killed(installation.session(), writer, round, state.clone()));
        }
        for _ in 0..3_000 {
            if state.acknowledged.load(Ordering::Relaxed) >= BEFORE_A_KILL {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        installation.kill();
        state.killed.store(true, Ordering::Relaxed);
        let before = acknowledged.len();
        while let Some(written) = writers.join_next().await {
            acknowledged.extend(written.unwrap());
        }
        assert!(acknowledged.len() > before, "nothing was written in round {round}; the test shows nothing");
        installation.restart();
        everything_is_there(&installation, &acknowledged).await;
    }
    println!("{} acknowledged pairs of writes, {ROUNDS} kills, none lost", acknowledged.len());
    // What stopped in good order starts again as well.
    assert!(installation.stop(), "it did not stop in good order");
    installation.restart();
    everything_is_there(&installation, &acknowledged).await;
    let request = GetUserRequest { name: "users/bob".into() };
    installation.on_behalf_of(PLATFORM).users().get_user(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_when_it_is_killed_on_sqlite() {
    kill_in_the_middle(Installation::start(Layout::One, Store::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_when_all_processes_are_killed_on_postgres() {
    let store = Store::postgres().await;
    kill_in_the_middle(Installation::start(Layout::Three, store)).await;
}
