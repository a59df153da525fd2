//! Customers change hands and deleted things come back on running services: who loses what at once, and what nobody gains by it.

use std::sync::Arc;

use api::{
    authz::v1::{CheckRequest, Consistency, Query, Verdict, consistency::Requirement},
    directory::v1::{organization::Kind, *},
    rolecatalog::v1::{PushRoleModelRequest, push_role_model_request::Source},
};
use client::{session::Session, world::load};
use decision::world::World;
use tests::{
    installation::{Installation, Layout, Store},
    services::reason,
};
use tokio::{sync::Barrier, task::JoinSet};
use tonic::Status;

/// Directors run an organization and its customers; agents work for the customers of a workspace; a transferrer has the rights to let customers go
/// and to give roles, and none in the customers.
const MODEL: &str = "
model: estate
title: Estate
components:
  - { id: work, title: Work }
  - { id: people, title: People }
permissions:
  - { id: work.see, level: view, types: [organization, account] }
  - { id: work.do, types: [organization, account] }
  - { id: work.sell, types: [organization], kinds: [publisher] }
  - { id: people.assign, types: [organization, workspace, account] }
roles:
  - id: director
    held_at: organization
    organizations: roots
    contained: true
    assign_with: people.assign
    grants:
      - everything: {}
        components: { organization: edit, workspaces: edit, accounts: edit, members: edit, access: edit }
        through_customers: true
  - id: transferrer
    held_at: organization
    organizations: roots
    contained: true
    assign_with: people.assign
    grants: [{ components: { people: edit, organization: edit, access: edit } }]
  - id: clerk
    held_at: organization
    organizations: roots
    contained: true
    assign_with: people.assign
    grants: [{ components: { organization: view, accounts: edit } }]
  - id: owner
    held_at: organization
    organizations: customers
    seats: { least: 1 }
    contained: true
    assign_with: people.assign
    grants: [{ everything: {}, components: { organization: edit, workspaces: edit, accounts: edit, members: edit, access: edit } }]
  - id: manager
    held_at: workspace
    contained: true
    assign_with: people.assign
    grants: [{ components: { work: edit, people: edit }, through_customers: true }]
  - id: agent
    held_at: workspace
    contained: true
    assign_with: people.assign
    grants: [{ components: { work: edit }, through_customers: true }]
  - id: worker
    held_at: organization
    contained: true
    assign_with: people.assign
    grants: [{ components: { work: edit } }]
  - id: handler
    held_at: account
    contained: true
    assign_with: people.assign
    grants: [{ components: { work: edit } }]
membership:
  on_grant: join
";

const WORLD: &str = "
users: [dora, mo, ole, ana, max, nia, tom, cleo, ina, ivo]
organizations:
  - id: one
    model: estate
    workspaces: [{ id: north }]
    accounts: [{ id: a1 }]
    members: [dora, mo, ana, max, tom, cleo]
    bindings:
      - { principal: dora, role: director }
      - { principal: mo, role: transferrer }
      - { principal: cleo, role: clerk }
      - { principal: ana, role: agent, node: workspaces/north }
      - { principal: max, role: manager, node: workspaces/north }
      - { principal: tom, role: handler, node: accounts/a1 }
  - id: client
    parent: one/workspaces/north
    members: [ole]
    bindings:
      - { principal: ole, role: owner }
      - { principal: ana, role: worker, sponsor: one/workspaces/north }
  - id: two
    model: estate
    workspaces: [{ id: south }]
    members: [dora, mo, nia]
    bindings:
      - { principal: dora, role: director }
      - { principal: mo, role: director }
      - { principal: nia, role: agent, node: workspaces/south }
  - id: three
    model: agency
    workspaces: [{ id: west }]
";

const CLIENT: &str = "organizations/client";
const NORTH: &str = "organizations/one/workspaces/north";
const SOUTH: &str = "organizations/two/workspaces/south";
const A1: &str = "organizations/one/accounts/a1";
/// Writers beside a move.
const WRITERS: usize = 24;

async fn estate(layout: Layout, store: Store) -> Installation {
    let installation = Installation::start(layout, store);
    let platform = installation.platform();
    let request = PushRoleModelRequest { source: Some(Source::Yaml(MODEL.into())), ..Default::default() };
    platform.role_models().push_role_model(request).await.unwrap();
    let world: World = serde_saphyr::from_str(WORLD).unwrap();
    load(&platform, &world).await.unwrap();
    installation
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, expected: &str) {
    let status = answer.expect_err(expected);
    assert_eq!(reason(&status), expected, "{}", status.message());
}

fn to(parent: &str) -> MoveOrganizationRequest {
    MoveOrganizationRequest { name: CLIENT.into(), parent: parent.into(), ..Default::default() }
}

async fn moves(who: &Session, request: MoveOrganizationRequest) -> Result<MoveOrganizationResponse, Status> {
    Ok(who.organizations().move_organization(request).await?.into_inner())
}

async fn may(installation: &Installation, user: &str, permission: &str, resource: &str, revision: &str) -> bool {
    let query = Query { user: format!("users/{user}"), permission: permission.into(), resource: resource.into(), ..Default::default() };
    let consistency = Some(Consistency { requirement: Some(Requirement::AtLeastAsFresh(revision.into())), max_staleness_ms: 0 });
    let answer = installation.session().checks().check(CheckRequest { query: Some(query), consistency }).await.unwrap().into_inner();
    answer.decision.unwrap().verdict() == Verdict::Allow
}

/// Writes below the customer, and in both agencies, at the same moment as the move. Every one is done or told to come again, and what is done is
/// there.
async fn moved_among_writers(installation: &Installation) -> String {
    let barrier = Arc::new(Barrier::new(WRITERS + 1));
    let mut writers = JoinSet::new();
    for at in 0..WRITERS {
        let (who, parent) = match at % 4 {
            0 => ("users/dora", "organizations/one"),
            1 => ("users/dora", "organizations/two"),
            _ => ("users/ole", CLIENT),
        };
        let (session, barrier) = (installation.on_behalf_of(who), barrier.clone());
        writers.spawn(async move {
            let request = CreateAccountRequest {
                parent: parent.into(),
                account_id: format!("w{at}"),
                account: Some(Account { display_name: format!("Written {at}"), ..Default::default() }),
                ..Default::default()
            };
            barrier.wait().await;
            session.accounts().create_account(request).await.map(|created| created.into_inner().name)
        });
    }
    let dora = installation.on_behalf_of("users/dora");
    barrier.wait().await;
    let revision = loop {
        match moves(&dora, to(SOUTH)).await {
            Ok(moved) => {
                assert_eq!(moved.removed_bindings.len(), 1);
                break moved.organization.unwrap().revision;
            }
            Err(status) => assert_eq!(reason(&status), "BUSY", "{}", status.message()),
        }
    };
    let mut done = 0;
    while let Some(outcome) = writers.join_next().await {
        match outcome.unwrap() {
            Ok(name) => {
                done += 1;
                dora.accounts().get_account(GetAccountRequest { name }).await.unwrap();
            }
            Err(status) => assert!(["BUSY", "NOT_FRESH", "DEADLINE"].contains(&reason(&status).as_str()), "{status:?}"),
        }
    }
    println!("{done} of {WRITERS} writes beside the move");
    assert!(done > 0);
    revision
}

/// Invites to work for the customer.
async fn invite(who: &Session, user: &str, sponsor: &str) -> Invitation {
    let invitation = Invitation {
        email: format!("{user}@example.com"),
        role: "roleModels/estate/roles/worker".into(),
        node: CLIENT.into(),
        sponsor: sponsor.into(),
        ..Default::default()
    };
    let request = CreateInvitationRequest { parent: CLIENT.into(), invitation: Some(invitation), ..Default::default() };
    who.invitations().create_invitation(request).await.unwrap().into_inner()
}

/// What the old agency has offered lets nobody in any more, what the customer's own people have offered does.
async fn what_was_offered_before(installation: &Installation, [by_agency, sponsored, by_owner]: [&Invitation; 3]) {
    let accept = async |user: &str, invitation: &Invitation| {
        let request = AcceptInvitationRequest { token: invitation.token.clone(), ..Default::default() };
        installation.on_behalf_of(&format!("users/{user}")).invitations().accept_invitation(request).await
    };
    refused(accept("ina", by_agency).await, "INVITATION_VOID");
    // Who has invited has no authority there any more, which is looked at first.
    refused(accept("tom", sponsored).await, "INVITATION_VOID");
    let get = GetInvitationRequest { name: sponsored.name.clone() };
    let withdrawn = installation.platform().invitations().get_invitation(get).await.unwrap().into_inner();
    assert_eq!(withdrawn.state(), invitation::State::Revoked);
    let max = installation.on_behalf_of("users/max");
    let resend = ResendInvitationRequest { name: by_agency.name.clone(), ..Default::default() };
    refused(max.invitations().resend_invitation(resend).await, "NOT_ALLOWED");
    accept("ivo", by_owner).await.unwrap();
    let request = ListRoleBindingsRequest { parent: CLIENT.into(), page_size: 1000, ..Default::default() };
    let held = installation.platform().role_bindings().list_role_bindings(request).await.unwrap().into_inner().role_bindings;
    assert!(held.iter().all(|binding| !["users/ina", "users/tom"].contains(&binding.principal.as_str())));
}

/// The same to whoever has no say there, whether there is such an organization or not.
async fn what_is_decided_above_is_told_to_nobody_else(stranger: &Session) {
    #[track_caller]
    fn alike<T: std::fmt::Debug>(there: Result<T, Status>, missing: Result<T, Status>) {
        let (there, missing) = (there.unwrap_err(), missing.unwrap_err());
        assert_eq!((there.code(), there.message(), there.details()), (missing.code(), missing.message(), missing.details()));
        assert_eq!(reason(&there), "NOT_ALLOWED");
    }
    for there in [CLIENT, "organizations/three"] {
        let missing = "organizations/missing";
        let suspend = |name: &str| SuspendOrganizationRequest { name: name.into(), ..Default::default() };
        let mut organizations = stranger.organizations();
        alike(organizations.suspend_organization(suspend(there)).await, organizations.suspend_organization(suspend(missing)).await);
        let reactivate = |name: &str| ReactivateOrganizationRequest { name: name.into(), ..Default::default() };
        let answers = (
            organizations.reactivate_organization(reactivate(there)).await,
            organizations.reactivate_organization(reactivate(missing)).await,
        );
        alike(answers.0, answers.1);
        let kind = |name: &str| ChangeOrganizationKindRequest { name: name.into(), kind: Kind::Mixed.into(), ..Default::default() };
        let answers =
            (organizations.change_organization_kind(kind(there)).await, organizations.change_organization_kind(kind(missing)).await);
        alike(answers.0, answers.1);
        let undelete = |name: &str| UndeleteOrganizationRequest { name: name.into(), ..Default::default() };
        let answers =
            (organizations.undelete_organization(undelete(there)).await, organizations.undelete_organization(undelete(missing)).await);
        alike(answers.0, answers.1);
        let moved = |name: &str| MoveOrganizationRequest { name: name.into(), ..to(SOUTH) };
        alike(organizations.move_organization(moved(there)).await, organizations.move_organization(moved(missing)).await);
    }
}

async fn a_customer_changes_hands(installation: Installation) {
    let [dora, mo, ole, nia] = ["dora", "mo", "ole", "nia"].map(|user| installation.on_behalf_of(&format!("users/{user}")));
    what_is_decided_above_is_told_to_nobody_else(&nia).await;
    let max = installation.on_behalf_of("users/max");
    let offered = [invite(&max, "ina", "").await, invite(&max, "tom", NORTH).await, invite(&ole, "ivo", "").await];
    refused(moves(&nia, to(SOUTH)).await, "NOT_ALLOWED");
    // Has every right on both sides, and would get by the move what they do not have.
    refused(moves(&mo, to(SOUTH)).await, "NOT_CONTAINED");
    refused(moves(&dora, to(SOUTH)).await, "CONSENT_MISSING");
    refused(moves(&dora, MoveOrganizationRequest { validate_only: true, ..to(SOUTH) }).await, "CONSENT_MISSING");
    refused(moves(&installation.platform(), to("organizations/three/workspaces/west")).await, "ROLE_MODEL_MISMATCH");
    let consent = ConsentToMoveRequest { name: CLIENT.into(), parent: SOUTH.into(), ..Default::default() };
    refused(dora.organizations().consent_to_move(consent.clone()).await, "NOT_ALLOWED");
    let given = ole.organizations().consent_to_move(consent).await.unwrap().into_inner();
    refused(moves(&mo, to(SOUTH)).await, "NOT_CONTAINED");

    let preview = PreviewMoveOrganizationRequest { name: CLIENT.into(), parent: SOUTH.into() };
    refused(ole.organizations().preview_move_organization(preview.clone()).await, "NOT_ALLOWED");
    let preview = dora.organizations().preview_move_organization(preview).await.unwrap().into_inner();
    assert!(preview.complete && preview.consent_required && preview.consent_given);
    assert_eq!(preview.removed_bindings.len(), 1);
    let change = |user: &str| preview.access_changes.iter().find(|change| change.user == format!("users/{user}") && change.node == CLIENT);
    assert_eq!(change("ana").unwrap().lost, ["work.do", "work.see"]);
    assert_eq!(change("nia").unwrap().gained, ["work.do", "work.see"]);
    assert!(change("ole").is_none() && change("dora").is_none());
    assert!(may(&installation, "ana", "work.do", CLIENT, &given.revision).await);
    assert!(!may(&installation, "nia", "work.do", CLIENT, &given.revision).await);

    let revision = moved_among_writers(&installation).await;
    for (user, expected) in [("ana", false), ("nia", true), ("ole", true), ("dora", true)] {
        assert_eq!(may(&installation, user, "work.do", CLIENT, &revision).await, expected, "{user}");
    }
    what_was_offered_before(&installation, offered.each_ref()).await;
    // What is written below it is seen with the token, and the consent is used up.
    let account = Account { display_name: "After".into(), ..Default::default() };
    let request = CreateAccountRequest { parent: CLIENT.into(), account_id: "after".into(), account: Some(account), ..Default::default() };
    let after = ole.accounts().create_account(request).await.unwrap().into_inner();
    assert!(may(&installation, "nia", "work.do", &after.name, &after.revision).await);
    refused(moves(&dora, to(NORTH)).await, "CONSENT_MISSING");

    its_kind_is_changed(&installation, &dora, &ole).await;
    what_comes_back_takes_authority(&installation, &dora).await;
}

async fn its_kind_is_changed(installation: &Installation, dora: &Session, ole: &Session) {
    let publisher = i32::from(Kind::Publisher);
    let change = ChangeOrganizationKindRequest { name: CLIENT.into(), kind: publisher, ..Default::default() };
    refused(ole.organizations().change_organization_kind(change.clone()).await, "NOT_ALLOWED");
    let preview = PreviewOrganizationKindRequest { name: CLIENT.into(), kind: publisher };
    let preview = dora.organizations().preview_organization_kind(preview).await.unwrap().into_inner();
    assert!(preview.complete);
    let gains = preview.access_changes.iter().find(|change| change.user == "users/ole" && change.node == CLIENT).unwrap();
    assert_eq!((gains.gained.as_slice(), gains.lost.len()), (["work.sell".to_owned()].as_slice(), 0));
    let changed = dora.organizations().change_organization_kind(change).await.unwrap().into_inner();
    assert!(may(installation, "ole", "work.sell", CLIENT, &changed.revision).await);
}

async fn what_comes_back_takes_authority(installation: &Installation, dora: &Session) {
    let cleo = installation.on_behalf_of("users/cleo");
    let delete = || DeleteAccountRequest { name: A1.into(), ..Default::default() };
    let undelete = || UndeleteAccountRequest { name: A1.into(), ..Default::default() };
    let deleted = cleo.accounts().delete_account(delete()).await.unwrap().into_inner();
    assert!(!may(installation, "tom", "work.do", A1, &deleted.revision).await);
    // Who may create accounts there gives nobody a role.
    refused(cleo.accounts().undelete_account(undelete()).await, "NOT_ALLOWED");
    let back = dora.accounts().undelete_account(undelete()).await.unwrap().into_inner();
    assert!(may(installation, "tom", "work.do", A1, &back.revision).await);
    let request = ListRoleBindingsRequest { parent: "organizations/one".into(), node: A1.into(), ..Default::default() };
    for binding in dora.role_bindings().list_role_bindings(request).await.unwrap().into_inner().role_bindings {
        let request = DeleteRoleBindingRequest { name: binding.name, ..Default::default() };
        dora.role_bindings().delete_role_binding(request).await.unwrap();
    }
    cleo.accounts().delete_account(delete()).await.unwrap();
    cleo.accounts().undelete_account(undelete()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_changes_hands_on_sqlite() {
    a_customer_changes_hands(estate(Layout::AuthzApart, Store::Sqlite).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_changes_hands_on_postgres() {
    let store = Store::postgres().await;
    a_customer_changes_hands(estate(Layout::Three, store).await).await;
}
