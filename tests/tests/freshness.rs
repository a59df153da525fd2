//! A check right after a write, with the write's token, sees it.

use api::{
    authz::v1::{CheckRequest, Consistency, Query, Verdict, consistency::Requirement},
    directory::v1::*,
};
use client::world::load;
use decision::world::World;
use tests::installation::{Installation, Layout, Store};

/// Writes, each followed by a check.
const TIMES: usize = 10_000;

const WORLD: &str = "
users: [ann, bob]
organizations:
  - id: acme
    model: ad-platform
    accounts: [{id: a1}]
    members: [ann, bob]
    bindings: [{principal: ann, role: super-admin}]
";

async fn write_and_check(installation: Installation) {
    let platform = installation.platform();
    let world: World = serde_saphyr::from_str(WORLD).unwrap();
    load(&platform, &world).await.unwrap();
    let ann = installation.on_behalf_of("users/ann");
    let (mut bindings, mut checks) = (ann.role_bindings(), installation.session().checks());

    let mut held = None;
    let mut stale = Vec::new();
    for at in 0..TIMES {
        let (revision, expected) = match held.take() {
            None => {
                let role_binding = RoleBinding {
                    principal: "users/bob".into(),
                    role: "roleModels/ad-platform/roles/account-admin".into(),
                    node: "organizations/acme/accounts/a1".into(),
                    ..Default::default()
                };
                let request = CreateRoleBindingRequest {
                    parent: "organizations/acme".into(),
                    role_binding: Some(role_binding),
                    ..Default::default()
                };
                let made = bindings.create_role_binding(request).await.unwrap().into_inner();
                held = Some(made.name);
                (made.revision, Verdict::Allow)
            }
            Some(name) => {
                let request = DeleteRoleBindingRequest { name, ..Default::default() };
                (bindings.delete_role_binding(request).await.unwrap().into_inner().revision, Verdict::Deny)
            }
        };
        let query = Query {
            user: "users/bob".into(),
            permission: "access.get".into(),
            resource: "organizations/acme/accounts/a1".into(),
            ..Default::default()
        };
        let consistency = Some(Consistency { requirement: Some(Requirement::AtLeastAsFresh(revision)), max_staleness_ms: 0 });
        let answer = checks.check(CheckRequest { query: Some(query), consistency }).await.unwrap().into_inner();
        if answer.decision.unwrap().verdict() != expected {
            stale.push(at);
        }
    }
    println!("{TIMES} writes, each checked: {} stale", stale.len());
    assert!(stale.is_empty(), "stale after the writes {stale:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_checks_right_after_a_write_see_it_on_sqlite() {
    write_and_check(Installation::start(Layout::AuthzApart, Store::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_checks_right_after_a_write_see_it_on_postgres() {
    let store = Store::postgres().await;
    write_and_check(Installation::start(Layout::Three, store)).await;
}
