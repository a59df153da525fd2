//! Invitations against the real binary: what holds when everybody comes at once, and that a token is nowhere but in its answer.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use api::directory::v1::*;
use client::{session::Session, world::load};
use decision::world::World;
use tests::{
    installation::{Installation, Layout, Store},
    services::reason,
};
use tokio::{sync::Barrier, task::JoinSet};
use tonic::{Code, Status};

const CALLS: usize = 100;
const ACME: &str = "organizations/acme";
const SUPER_ADMIN: &str = "roleModels/ad-platform/roles/super-admin";
const ORG_ADMIN: &str = "roleModels/ad-platform/roles/org-admin";

/// One organization, a super admin, an org admin, and a hundred users whom nobody has taken in.
fn world() -> World {
    let users: Vec<String> = (0..CALLS).map(|at| format!("u{at}")).collect();
    serde_saphyr::from_str(&format!(
        "
users: [ann, oda, bob, {}]
organizations:
  - id: acme
    model: ad-platform
    members: [ann, oda]
    bindings: [{{principal: ann, role: super-admin}}, {{principal: oda, role: org-admin}}]
",
        users.join(", ")
    ))
    .unwrap()
}

async fn invite(session: &Session, user: &str, role: &str) -> Result<Invitation, Status> {
    let invitation = Invitation { email: format!("{user}@example.com"), role: role.into(), node: ACME.into(), ..Default::default() };
    let request = CreateInvitationRequest { parent: ACME.into(), invitation: Some(invitation), ..Default::default() };
    Ok(session.invitations().create_invitation(request).await?.into_inner())
}

async fn accept(session: &Session, token: &str) -> Result<AcceptInvitationResponse, Status> {
    let request = AcceptInvitationRequest { token: token.to_owned(), ..Default::default() };
    Ok(session.invitations().accept_invitation(request).await?.into_inner())
}

/// All at the same moment, each until it is not told to come again; what they came to, counted.
async fn all_at_once<T, F, Fut>(call: F) -> (Vec<T>, BTreeMap<String, usize>)
where
    T: Send + 'static,
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, Status>> + Send,
{
    let (barrier, call) = (Arc::new(Barrier::new(CALLS)), Arc::new(call));
    let mut calls = JoinSet::new();
    for at in 0..CALLS {
        let (barrier, call) = (barrier.clone(), call.clone());
        calls.spawn(async move {
            barrier.wait().await;
            loop {
                match call(at).await {
                    Err(status) if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) => {}
                    Err(status) if reason(&status) == "OVERLOADED" => {}
                    done => return done,
                }
            }
        });
    }
    let (mut done, mut outcomes) = (Vec::new(), BTreeMap::new());
    while let Some(outcome) = calls.join_next().await {
        let outcome = match outcome.unwrap() {
            Ok(value) => {
                done.push(value);
                "OK".to_owned()
            }
            Err(status) => reason(&status),
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    (done, outcomes)
}

async fn holders(session: &Session, role: &str) -> usize {
    let request = ListRoleBindingsRequest { parent: ACME.into(), node: ACME.into(), page_size: 1000, ..Default::default() };
    let bindings = session.role_bindings().list_role_bindings(request).await.unwrap().into_inner().role_bindings;
    bindings.iter().filter(|binding| binding.role == role).count()
}

/// Whether one of these is in a file below a folder.
fn is_anywhere(folder: &Path, secrets: &[String]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_anywhere(&path, secrets);
        }
        let bytes = fs::read(&path).unwrap();
        secrets.iter().any(|secret| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
    })
}

async fn everybody_is_invited_and_accepts_at_once(installation: Installation) {
    load(&installation.platform(), &world()).await.unwrap();
    let ann = installation.on_behalf_of("users/ann");

    // Five seats, one taken: four are offered, whoever is first.
    let inviting = ann.clone();
    let (sent, outcomes) = all_at_once(move |at| {
        let ann = inviting.clone();
        async move { invite(&ann, &format!("u{at}"), SUPER_ADMIN).await }
    })
    .await;
    assert_eq!(outcomes, BTreeMap::from([("OK".to_owned(), 4), ("SEATS_TAKEN".to_owned(), CALLS - 4)]));

    // A hundred acceptances, twenty-five of each: every invitation becomes one binding, and five hold the role.
    let sessions: Vec<(Session, String)> = sent
        .iter()
        .map(|one| {
            let user = one.email.split('@').next().unwrap();
            (installation.on_behalf_of(&format!("users/{user}")), one.token.clone())
        })
        .collect();
    let accepting = sessions.clone();
    let (_, outcomes) = all_at_once(move |at| {
        let (session, token) = accepting[at % accepting.len()].clone();
        async move { accept(&session, &token).await }
    })
    .await;
    assert_eq!(outcomes, BTreeMap::from([("OK".to_owned(), 4), ("WRONG_STATE".to_owned(), CALLS - 4)]));
    assert_eq!(holders(&ann, SUPER_ADMIN).await, 5);

    // Who has been demoted since has invited in vain, and what is said tells nothing of the organization.
    let oda = installation.on_behalf_of("users/oda");
    let pending = invite(&oda, "bob", ORG_ADMIN).await.unwrap();
    let request = ListRoleBindingsRequest { parent: ACME.into(), principal: "users/oda".into(), ..Default::default() };
    let held = ann.role_bindings().list_role_bindings(request).await.unwrap().into_inner().role_bindings;
    let name = held[0].name.clone();
    ann.role_bindings().delete_role_binding(DeleteRoleBindingRequest { name, ..Default::default() }).await.unwrap();
    let bob = installation.on_behalf_of("users/bob");
    let try_it = AcceptInvitationRequest { token: pending.token.clone(), validate_only: true, ..Default::default() };
    for refused in [bob.invitations().accept_invitation(try_it).await.unwrap_err(), accept(&bob, &pending.token).await.unwrap_err()] {
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "INVITATION_VOID"));
        assert!(!refused.message().contains("acme"));
    }
    // Somebody who may makes it good again.
    let resent = ann
        .invitations()
        .resend_invitation(ResendInvitationRequest { name: pending.name, ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(accept(&bob, &pending.token).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(accept(&bob, &resent.token).await.unwrap().role_binding.unwrap().principal, "users/bob");

    // No log and no file of the installation has a token.
    let secrets: Vec<String> = sessions.into_iter().map(|(_, token)| token).chain([pending.token, resent.token]).collect();
    assert!(!is_anywhere(installation.folder(), &secrets));
    let log = installation.log();
    assert!(!log.is_empty() && secrets.iter().all(|secret| !log.contains(secret.as_str())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_invited_and_accepts_at_once_on_sqlite() {
    everybody_is_invited_and_accepts_at_once(Installation::start(Layout::One, Store::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_invited_and_accepts_at_once_on_postgres() {
    let store = Store::postgres().await;
    everybody_is_invited_and_accepts_at_once(Installation::start(Layout::AuthzApart, store)).await;
}
