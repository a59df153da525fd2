//! A hundred writers at once on one tree: all end, and the invariants hold.

use std::collections::BTreeMap;

use api::{
    authz::v1::{BatchCheckRequest, Consistency, Query, Verdict, batch_check_response, consistency::Requirement},
    directory::v1::*,
};
use client::{session::Session, world::load};
use decision::world::World;
use tests::{
    installation::{Installation, Layout, Store},
    together::{self, counted},
};
use tonic::Status;

const WRITERS: usize = 100;
const SUPER_ADMIN: &str = "roleModels/ad-platform/roles/super-admin";

/// One organization, a super admin, and a hundred members.
fn world() -> World {
    let users: Vec<String> = (0..WRITERS).map(|at| format!("u{at}")).collect();
    let list = users.join(", ");
    serde_saphyr::from_str(&format!(
        "
users: [ann, {list}]
organizations:
  - id: acme
    model: ad-platform
    members: [ann, {list}]
    bindings: [{{principal: ann, role: super-admin}}]
"
    ))
    .unwrap()
}

/// All at the same moment; what each came to, counted.
async fn all_at_once<F, Fut>(write: F) -> BTreeMap<String, usize>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Result<(), Status>> + Send + 'static,
{
    counted(&together::all_at_once(WRITERS, write).await)
}

fn count(outcomes: &BTreeMap<String, usize>, outcome: &str) -> usize {
    outcomes.get(outcome).copied().unwrap_or_default()
}

/// Nothing but done, refused for the stated reasons, or told to come again.
fn only(outcomes: &BTreeMap<String, usize>, allowed: &[&str]) {
    for outcome in outcomes.keys() {
        assert!(
            allowed.contains(&outcome.as_str()) || ["BUSY", "NOT_FRESH", "DEADLINE_EXCEEDED"].contains(&outcome.as_str()),
            "{outcomes:?}"
        );
    }
    assert_eq!(outcomes.values().sum::<usize>(), WRITERS);
}

async fn super_admins(session: &Session) -> Vec<RoleBinding> {
    let request = ListRoleBindingsRequest {
        parent: "organizations/acme".into(),
        node: "organizations/acme".into(),
        page_size: 1000,
        ..Default::default()
    };
    let bindings = session.role_bindings().list_role_bindings(request).await.unwrap().into_inner().role_bindings;
    bindings.into_iter().filter(|binding| binding.role == SUPER_ADMIN).collect()
}

async fn a_hundred_writers(installation: Installation) {
    load(&installation.platform(), &world()).await.unwrap();
    let ann = installation.on_behalf_of("users/ann");

    // Writes that do not exclude each other: each is done, or told to come again.
    let workspaces = all_at_once(|at| {
        let ann = ann.clone();
        async move {
            let request = CreateAccountRequest {
                parent: "organizations/acme".into(),
                account_id: format!("a{at}"),
                account: Some(Account { display_name: format!("Account {at}"), ..Default::default() }),
                ..Default::default()
            };
            ann.accounts().create_account(request).await.map(drop)
        }
    })
    .await;
    println!("accounts: {workspaces:?}");
    only(&workspaces, &["OK"]);
    let request = ListAccountsRequest { parent: "organizations/acme".into(), page_size: 1000, ..Default::default() };
    let accounts = ann.accounts().list_accounts(request).await.unwrap().into_inner().accounts;
    assert!(accounts.len() >= count(&workspaces, "OK"));
    assert!(count(&workspaces, "OK") > 0);

    // Five seats, one taken: four are left, whoever comes.
    let seats = all_at_once(|at| {
        let ann = ann.clone();
        async move {
            let role_binding = RoleBinding {
                principal: format!("users/u{at}"),
                role: SUPER_ADMIN.into(),
                node: "organizations/acme".into(),
                ..Default::default()
            };
            let request =
                CreateRoleBindingRequest { parent: "organizations/acme".into(), role_binding: Some(role_binding), ..Default::default() };
            ann.role_bindings().create_role_binding(request).await.map(drop)
        }
    })
    .await;
    println!("seats: {seats:?}");
    only(&seats, &["OK", "SEATS_TAKEN"]);
    let platform = installation.platform();
    let holders = super_admins(&platform).await;
    assert!(holders.len() <= 5 && holders.len() > count(&seats, "OK"), "{} holders, {seats:?}", holders.len());
    if count(&seats, "OK") + count(&seats, "SEATS_TAKEN") == WRITERS {
        assert_eq!(holders.len(), 5);
    }

    // Everybody removes every super admin: one stays.
    let names: Vec<String> = holders.iter().map(|binding| binding.name.clone()).collect();
    let removals = all_at_once(|at| {
        let (platform, name) = (platform.clone(), names[at % names.len()].clone());
        async move { platform.role_bindings().delete_role_binding(DeleteRoleBindingRequest { name, ..Default::default() }).await.map(drop) }
    })
    .await;
    println!("removals: {removals:?}");
    only(&removals, &["OK", "NOT_FOUND", "REQUIRED_ROLE"]);
    let left = super_admins(&platform).await;
    assert_eq!(left.len() + count(&removals, "OK"), holders.len());
    assert!(!left.is_empty(), "the organization is left without its required role");

    // What the directory holds is what authz decides by.
    let query = |at: usize| Query {
        user: format!("users/u{at}"),
        permission: "accounts.create".into(),
        resource: "organizations/acme".into(),
        ..Default::default()
    };
    let consistency = Some(Consistency { requirement: Some(Requirement::FullyConsistent(true)), max_staleness_ms: 0 });
    let request = BatchCheckRequest { queries: (0..WRITERS).map(query).collect(), consistency };
    let answer = installation.session().checks().batch_check(request).await.unwrap().into_inner();
    for (at, result) in answer.results.into_iter().enumerate() {
        let Some(batch_check_response::result::Result::Decision(decision)) = result.result else { panic!("an invalid check") };
        let holds = left.iter().any(|binding| binding.principal == format!("users/u{at}"));
        assert_eq!(decision.verdict() == Verdict::Allow, holds, "u{at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_writers_on_one_tree_all_end_and_keep_the_invariants_on_sqlite() {
    a_hundred_writers(Installation::start(Layout::AuthzApart, Store::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_writers_on_one_tree_all_end_and_keep_the_invariants_on_postgres() {
    let store = Store::postgres().await;
    a_hundred_writers(Installation::start(Layout::Three, store)).await;
}
