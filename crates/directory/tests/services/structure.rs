//! What is above what: moves, consents, what is deleted and comes back, what is purged, the kind of an organization.

use api::{
    authz::v1::{MembershipTerms, RoleTerms},
    directory::v1::{organization::Kind, *},
    feed::v1::node_state::Lifecycle,
};
use chrono::{TimeDelta, Utc};
use prost_types::Timestamp;
use sea_orm::{ConnectionTrait, Statement};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{
    authz::PLATFORM,
    installation::{Installation, by, reason, root},
};

const ANN: &str = "users/ann";
const OWNER: &str = "roleModels/ad-platform/roles/owner";
const STEWARD: &str = "roleModels/ad-platform/roles/steward";
const BUYER: &str = "roleModels/ad-platform/roles/buyer";

fn required(role: &str, organizations: &str) -> RoleTerms {
    RoleTerms {
        role: role.into(),
        held_at: "organization".into(),
        organizations: organizations.into(),
        seats_least: 1,
        ..RoleTerms::default()
    }
}

/// Every organization needs an owner; who is granted something joins.
fn owners_are_required(installation: &Installation) {
    let mut says = installation.authz.says();
    says.required = vec![required(OWNER, "any")];
    says.roles = [(OWNER.to_owned(), required(OWNER, "any"))].into();
    says.membership = MembershipTerms { grant_joins: true, ..MembershipTerms::default() };
}

fn anybody_joins(installation: &Installation) {
    installation.authz.says().membership = MembershipTerms { grant_joins: true, ..MembershipTerms::default() };
}

/// Two agencies with a workspace each, and a customer of the first.
async fn agencies(installation: &Installation) -> [String; 2] {
    installation.root("one").await;
    installation.root("two").await;
    let north = installation.workspace("organizations/one", "north").await.name;
    let south = installation.workspace("organizations/two", "south").await.name;
    installation.customer("client", &north).await;
    [north, south]
}

async fn account(installation: &Installation, organization: &str, id: &str, workspace: &str) -> Account {
    let account = Account { display_name: id.to_owned(), workspace: workspace.to_owned(), ..Account::default() };
    let request =
        CreateAccountRequest { parent: organization.to_owned(), account_id: id.to_owned(), account: Some(account), ..Default::default() };
    installation.accounts().create_account(by(ANN, request)).await.unwrap().into_inner()
}

fn account_move(name: &str, workspace: &str) -> MoveAccountRequest {
    MoveAccountRequest { name: name.into(), workspace: workspace.into(), ..Default::default() }
}

fn organization_move(name: &str, parent: &str) -> MoveOrganizationRequest {
    MoveOrganizationRequest { name: name.into(), parent: parent.into(), ..Default::default() }
}

async fn moves(installation: &Installation, actor: &str, name: &str, parent: &str) -> Result<MoveOrganizationResponse, Status> {
    let moved = installation.organizations().move_organization(by(actor, organization_move(name, parent))).await?.into_inner();
    installation.authz.says().moved(name, parent);
    Ok(moved)
}

async fn consent(installation: &Installation, actor: &str, name: &str, parent: &str) -> Result<MoveConsent, Status> {
    let request = ConsentToMoveRequest { name: name.into(), parent: parent.into(), ..Default::default() };
    Ok(installation.organizations().consent_to_move(by(actor, request)).await?.into_inner())
}

async fn bind(installation: &Installation, principal: &str, role: &str, node: &str, sponsor: &str) -> RoleBinding {
    let role_binding = RoleBinding {
        principal: principal.into(),
        role: role.into(),
        node: node.into(),
        sponsor: sponsor.into(),
        ..RoleBinding::default()
    };
    let parent = node.split('/').take(2).collect::<Vec<_>>().join("/");
    let request = CreateRoleBindingRequest { parent, role_binding: Some(role_binding), ..Default::default() };
    installation.role_bindings().create_role_binding(by(ANN, request)).await.unwrap().into_inner()
}

async fn bindings(installation: &Installation, organization: &str) -> Vec<String> {
    let request = ListRoleBindingsRequest { parent: organization.into(), page_size: 1000, ..Default::default() };
    let listed = installation.role_bindings().list_role_bindings(by(ANN, request)).await.unwrap().into_inner();
    listed.role_bindings.into_iter().map(|binding| binding.name).collect()
}

async fn root_of(installation: &Installation, organization: &str) -> String {
    let reader = installation.ledger.reader();
    let sql = "SELECT root FROM organization WHERE name = $1";
    let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, [organization.into()]);
    reader.query_one_raw(statement).await.unwrap().unwrap().try_get("", "root").unwrap()
}

async fn count(installation: &Installation, table: &str) -> i64 {
    let reader = installation.ledger.reader();
    let statement = Statement::from_string(reader.get_database_backend(), format!("SELECT count(*) AS n FROM {table}"));
    reader.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}

async fn revision_of(installation: &Installation, tree: &str) -> u64 {
    installation.ledger.stamps(&[tree.to_owned()]).await.unwrap()[0].revision
}

fn delete(name: &str) -> DeleteOrganizationRequest {
    DeleteOrganizationRequest { name: name.into(), force: true, ..Default::default() }
}

async fn undelete(installation: &Installation, actor: &str, name: &str) -> Result<Organization, Status> {
    let request = UndeleteOrganizationRequest { name: name.into(), ..Default::default() };
    Ok(installation.organizations().undelete_organization(by(actor, request)).await?.into_inner())
}

async fn undelete_workspace(installation: &Installation, name: &str) -> Result<Workspace, Status> {
    let request = UndeleteWorkspaceRequest { name: name.into(), ..Default::default() };
    Ok(installation.workspaces().undelete_workspace(by(ANN, request)).await?.into_inner())
}

async fn undelete_account(installation: &Installation, name: &str) -> Result<Account, Status> {
    let request = UndeleteAccountRequest { name: name.into(), ..Default::default() };
    Ok(installation.accounts().undelete_account(by(ANN, request)).await?.into_inner())
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Status>, expected: &str) -> Status {
    let status = result.expect_err(expected);
    assert_eq!(reason(&status), expected, "{}", status.message());
    status
}

fn asked(installation: &Installation) -> Vec<String> {
    std::mem::take(&mut installation.authz.says().asked)
}

pub(crate) async fn an_account_moves_and_keeps_its_name_its_state_and_its_ceiling(installation: &Installation) {
    installation.root("acme").await;
    let [emea, apac] = ["emea", "apac"].map(|id| format!("organizations/acme/workspaces/{id}"));
    installation.workspace("organizations/acme", "emea").await;
    installation.workspace("organizations/acme", "apac").await;
    let name = account(installation, "organizations/acme", "a1", &emea).await.name;
    let pause = PauseAccountRequest { name: name.clone(), ..Default::default() };
    installation.accounts().pause_account(by(ANN, pause)).await.unwrap();
    let ceiling = Ceiling { node: name.clone(), set: true, components: vec!["campaigns".into()], ..Ceiling::default() };
    installation.ceilings().set_ceiling(by(ANN, SetCeilingRequest { ceiling: Some(ceiling), ..Default::default() })).await.unwrap();

    asked(installation);
    let dry = MoveAccountRequest { validate_only: true, ..account_move(&name, &apac) };
    installation.accounts().move_account(by(ANN, dry)).await.unwrap();
    assert_eq!(installation.node(&name).await.parent, emea);
    let request = MoveAccountRequest { request_id: Uuid::new_v4().to_string(), ..account_move(&name, &apac) };
    let moved = installation.accounts().move_account(by(ANN, request.clone())).await.unwrap().into_inner();
    assert_eq!((moved.name.as_str(), moved.workspace.as_str(), moved.state()), (name.as_str(), apac.as_str(), account::State::Paused));
    let node = installation.node(&name).await;
    assert_eq!((node.parent.as_str(), node.paused, node.ceiling.unwrap().components), (apac.as_str(), true, vec!["campaigns".to_owned()]));
    let wanted =
        [format!("accounts.update {name}"), format!("accounts.delete {name}"), format!("accounts.create {apac}"), format!("move {name}")];
    let asked = asked(installation);
    assert!(wanted.iter().all(|permission| asked.contains(permission)), "{asked:?}");
    assert_eq!(installation.accounts().move_account(by(ANN, request)).await.unwrap().into_inner(), moved);

    // What the parent decides is asked of the new one.
    let ceiling = Ceiling { node: name.clone(), ..Ceiling::default() };
    installation.ceilings().set_ceiling(by(ANN, SetCeilingRequest { ceiling: Some(ceiling), ..Default::default() })).await.unwrap();
    assert!(self::asked(installation).contains(&format!("ceilings.set {apac}")));

    let mut accounts = installation.accounts();
    refused(accounts.move_account(by(ANN, account_move(&name, &apac))).await, "WRONG_STATE");
    refused(accounts.move_account(by(ANN, account_move(&name, "organizations/other/workspaces/w"))).await, "INVALID_FIELD");
    refused(accounts.move_account(by(ANN, account_move(&name, "organizations/acme/workspaces/none"))).await, "NOT_FOUND");
    refused(accounts.move_account(by(ANN, account_move("organizations/acme/accounts/none", ""))).await, "NOT_FOUND");
    let old = MoveAccountRequest { etag: "1".into(), ..account_move(&name, "") };
    assert_eq!(refused(accounts.move_account(by(ANN, old)).await, "ETAG_MISMATCH").code(), Code::Aborted);
    for denied in &wanted {
        let denied = denied.replace(&format!("accounts.create {apac}"), "accounts.create organizations/acme");
        installation.authz.says().denied.insert(denied.clone());
        let there = refused(accounts.move_account(by(ANN, account_move(&name, ""))).await, "NOT_ALLOWED");
        installation.authz.says().denied.insert("accounts.update organizations/acme/accounts/none".into());
        let missing = refused(accounts.move_account(by(ANN, account_move("organizations/acme/accounts/none", ""))).await, "NOT_ALLOWED");
        assert_eq!((there.message(), there.details()), (missing.message(), missing.details()));
        installation.authz.says().denied.clear();
    }
    let moved = accounts.move_account(by(ANN, account_move(&name, ""))).await.unwrap().into_inner();
    assert_eq!((moved.workspace.as_str(), installation.node(&name).await.parent.as_str()), ("", "organizations/acme"));

    accounts.move_account(by(ANN, account_move(&name, &emea))).await.unwrap();
    let request = DeleteWorkspaceRequest { name: emea.clone(), force: true, ..Default::default() };
    installation.workspaces().delete_workspace(by(ANN, request)).await.unwrap();
    let status = refused(accounts.move_account(by(ANN, account_move(&name, &apac))).await, "WRONG_STATE");
    assert!(status.message().contains(&emea), "{}", status.message());
}

pub(crate) async fn a_customer_moves_with_all_below_it_and_its_old_agency_loses_it(installation: &Installation) {
    anybody_joins(installation);
    for user in ["ann", "old", "own"] {
        installation.user(user).await;
    }
    let [north, south] = agencies(installation).await;
    let desk = installation.workspace("organizations/client", "desk").await.name;
    installation.customer("sub", &desk).await;
    let stays = bind(installation, "users/own", BUYER, "organizations/client", "").await.name;
    let ends = bind(installation, "users/old", BUYER, "organizations/client", &north).await.name;
    let ends_below = bind(installation, "users/old", BUYER, "organizations/sub", &north).await.name;
    let stays_below = bind(installation, "users/own", BUYER, "organizations/sub", &desk).await.name;
    // Deleted customers come along, too.
    installation.customer("gone", &desk).await;
    installation.organizations().delete_organization(by(ANN, delete("organizations/gone"))).await.unwrap();

    asked(installation);
    let before = [revision_of(installation, "organizations/one").await, revision_of(installation, "organizations/two").await];
    let dry = MoveOrganizationRequest { validate_only: true, ..organization_move("organizations/client", &south) };
    let verdict = installation.organizations().move_organization(by(ANN, dry)).await.unwrap().into_inner();
    assert_eq!(before[0], revision_of(installation, "organizations/one").await);
    let moved = moves(installation, ANN, "organizations/client", &south).await.unwrap();
    assert_eq!(
        (&moved.removed_bindings, moved.organization.as_ref().unwrap().parent.as_str()),
        (&vec![ends.clone(), ends_below.clone()], south.as_str())
    );
    assert_eq!(moved.removed_bindings, verdict.removed_bindings);
    let asked = asked(installation);
    for wanted in [
        format!("organization.attach_customer {north}"),
        format!("organization.attach_customer {south}"),
        "move organizations/client".into(),
    ] {
        assert!(asked.contains(&wanted), "{wanted}: {asked:?}");
    }
    // Both trees have changed, by one commit.
    let after = [revision_of(installation, "organizations/one").await, revision_of(installation, "organizations/two").await];
    assert!(after[0] == after[1] && after[0] > before[0].max(before[1]), "{before:?} {after:?}");
    for name in ["client", "sub", "gone"] {
        assert_eq!(root_of(installation, &format!("organizations/{name}")).await, "organizations/two");
    }
    let node = installation.node("organizations/client").await;
    assert_eq!((node.parent.as_str(), node.role_model.as_str(), node.lifecycle()), (south.as_str(), "", Lifecycle::Active));
    for ended in [&ends, &ends_below] {
        assert!(installation.record(ended).await.is_none());
    }
    assert_eq!(bindings(installation, "organizations/client").await, [stays]);
    assert_eq!(bindings(installation, "organizations/sub").await, [stays_below]);
    for (parent, expected) in [(&north, 0), (&south, 1)] {
        let request = ListOrganizationsRequest { parent: parent.clone(), ..Default::default() };
        let listed = installation.organizations().list_organizations(by(ANN, request)).await.unwrap().into_inner();
        assert_eq!(listed.organizations.len(), expected);
    }
    // What is decided above is decided by the new agency; what is written below is written in its tree.
    let suspend = SuspendOrganizationRequest { name: "organizations/client".into(), ..Default::default() };
    installation.organizations().suspend_organization(by(ANN, suspend)).await.unwrap();
    assert!(self::asked(installation).contains(&format!("organization.suspend {south}")));
    assert!(revision_of(installation, "organizations/two").await > after[1]);
    assert_eq!(revision_of(installation, "organizations/one").await, after[0]);
    refused(moves(installation, ANN, "organizations/client", &south).await, "WRONG_STATE");
}

pub(crate) async fn an_organization_moves_only_where_it_can_be(installation: &Installation) {
    let [north, south] = agencies(installation).await;
    let desk = installation.workspace("organizations/client", "desk").await.name;
    installation.customer("sub", &desk).await;
    let deep = installation.workspace("organizations/sub", "deep").await.name;
    for below in [&desk, &deep] {
        let status = refused(moves(installation, PLATFORM, "organizations/client", below).await, "INVALID_FIELD");
        assert!(status.get_error_details().bad_request().unwrap().field_violations.iter().any(|field| field.field == "parent"));
    }
    let mut other = root("three");
    other.organization.as_mut().unwrap().role_model = "roleModels/agency".into();
    installation.organizations().create_organization(by(PLATFORM, other)).await.unwrap();
    let west = installation.workspace("organizations/three", "west").await.name;
    let status = refused(moves(installation, ANN, "organizations/client", &west).await, "ROLE_MODEL_MISMATCH");
    assert_eq!(status.code(), Code::FailedPrecondition);
    refused(moves(installation, ANN, "organizations/client", "organizations/two/workspaces/none").await, "NOT_FOUND");
    refused(moves(installation, PLATFORM, "organizations/none", &south).await, "NOT_FOUND");
    let missing = refused(moves(installation, "users/eve", "organizations/none", &south).await, "NOT_ALLOWED");

    // The rights on either side, and authority over what is held there.
    for denied in [
        format!("organization.attach_customer {north}"),
        format!("organization.attach_customer {south}"),
        "move organizations/client".into(),
    ] {
        installation.authz.says().denied.insert(denied);
        let there = refused(moves(installation, "users/eve", "organizations/client", &south).await, "NOT_ALLOWED");
        assert_eq!((there.message(), there.details()), (missing.message(), missing.details()));
        installation.authz.says().denied.clear();
    }
    let old = MoveOrganizationRequest { etag: "7".into(), ..organization_move("organizations/client", &south) };
    refused(installation.organizations().move_organization(by(ANN, old)).await, "ETAG_MISMATCH");
    let request = DeleteOrganizationRequest { name: "organizations/two".into(), force: true, ..Default::default() };
    installation.organizations().delete_organization(by(ANN, request)).await.unwrap();
    refused(moves(installation, PLATFORM, "organizations/client", &south).await, "NOT_FOUND");
}

pub(crate) async fn a_root_becomes_a_customer_and_may_need_other_roles_then(installation: &Installation) {
    anybody_joins(installation);
    installation.user("ann").await;
    installation.authz.says().required = vec![required(STEWARD, "customers")];
    installation.authz.says().roles = [(STEWARD.to_owned(), required(STEWARD, "customers"))].into();
    installation.root("agency").await;
    let north = installation.workspace("organizations/agency", "north").await.name;
    assert_eq!(installation.root("client").await.state(), organization::State::Active);
    let desk = installation.workspace("organizations/client", "desk").await.name;
    installation.customer("sub", &desk).await;
    refused(moves(installation, ANN, "organizations/client", &north).await, "NOT_ALLOWED");
    let moved = moves(installation, PLATFORM, "organizations/client", &north).await.unwrap().organization.unwrap();
    assert_eq!((moved.state(), moved.role_model.as_str()), (organization::State::Provisioning, "roleModels/ad-platform"));
    assert_eq!(root_of(installation, "organizations/sub").await, "organizations/agency");
    let node = installation.node("organizations/client").await;
    assert_eq!((node.role_model.as_str(), node.role_model_revision, node.parent.as_str()), ("", 0, north.as_str()));
    bind(installation, ANN, STEWARD, "organizations/client", "").await;
    let get = GetOrganizationRequest { name: "organizations/client".into() };
    assert_eq!(
        installation.organizations().get_organization(by(ANN, get)).await.unwrap().into_inner().state(),
        organization::State::Active
    );
}

pub(crate) async fn an_owner_consents_before_the_organization_is_moved(installation: &Installation) {
    owners_are_required(installation);
    for user in ["olga", "otto", "ann"] {
        installation.user(user).await;
    }
    let [north, south] = agencies(installation).await;
    const CLIENT: &str = "organizations/client";
    let olga = bind(installation, "users/olga", OWNER, CLIENT, "").await;
    refused(moves(installation, ANN, CLIENT, &south).await, "CONSENT_MISSING");
    // Neither those who hold nothing there may, nor those who may not update it.
    refused(consent(installation, ANN, CLIENT, &south).await, "NOT_ALLOWED");
    installation.authz.says().denied.insert(format!("organization.update {CLIENT}"));
    refused(consent(installation, "users/olga", CLIENT, &south).await, "NOT_ALLOWED");
    installation.authz.says().denied.clear();
    for seconds in [0, (Utc::now() + TimeDelta::days(91)).timestamp()] {
        let expire_time = Some(Timestamp { seconds, nanos: 0 });
        let request = ConsentToMoveRequest { name: CLIENT.into(), parent: south.clone(), expire_time, ..Default::default() };
        refused(installation.organizations().consent_to_move(by("users/olga", request)).await, "INVALID_FIELD");
    }
    // To another place, taken back, by somebody who is no owner any more: no consent.
    consent(installation, "users/olga", CLIENT, &format!("{south}-2")).await.unwrap();
    refused(moves(installation, ANN, CLIENT, &south).await, "CONSENT_MISSING");
    let given = consent(installation, "users/olga", CLIENT, &south).await.unwrap();
    assert_eq!((given.user.as_str(), given.parent.as_str()), ("users/olga", south.as_str()));
    let request = RevokeConsentToMoveRequest { name: CLIENT.into(), parent: south.clone(), ..Default::default() };
    refused(installation.organizations().revoke_consent_to_move(by(ANN, request.clone())).await, "NOT_ALLOWED");
    installation.organizations().revoke_consent_to_move(by("users/olga", request.clone())).await.unwrap();
    refused(installation.organizations().revoke_consent_to_move(by("users/olga", request)).await, "NOT_FOUND");
    refused(moves(installation, ANN, CLIENT, &south).await, "CONSENT_MISSING");
    consent(installation, "users/olga", CLIENT, &south).await.unwrap();
    bind(installation, "users/otto", OWNER, CLIENT, "").await;
    let request = DeleteRoleBindingRequest { name: olga.name, ..Default::default() };
    installation.role_bindings().delete_role_binding(by(ANN, request)).await.unwrap();
    refused(moves(installation, ANN, CLIENT, &south).await, "CONSENT_MISSING");
    let preview = PreviewMoveOrganizationRequest { name: CLIENT.into(), parent: south.clone() };
    let preview = installation.organizations().preview_move_organization(by(ANN, preview)).await.unwrap().into_inner();
    assert_eq!((preview.consent_required, preview.consent_given), (true, false));

    // One consent is good for one move, and the move uses up the others.
    consent(installation, "users/otto", CLIENT, &south).await.unwrap();
    consent(installation, "users/otto", CLIENT, &north).await.unwrap();
    moves(installation, ANN, CLIENT, &south).await.unwrap();
    assert_eq!(count(installation, "move_consent").await, 0);
    refused(moves(installation, ANN, CLIENT, &north).await, "CONSENT_MISSING");
    // The platform answers for whom it knows to agree.
    consent(installation, PLATFORM, CLIENT, &north).await.unwrap();
    moves(installation, ANN, CLIENT, &north).await.unwrap();
    assert_eq!(root_of(installation, CLIENT).await, "organizations/one");
}

pub(crate) async fn what_is_deleted_comes_back_by_who_may_create_it_and_give_what_is_held_there(installation: &Installation) {
    anybody_joins(installation);
    installation.user("ann").await;
    let [north, _] = agencies(installation).await;
    let name = account(installation, "organizations/one", "a1", &north).await.name;
    let pause = PauseAccountRequest { name: name.clone(), ..Default::default() };
    installation.accounts().pause_account(by(ANN, pause)).await.unwrap();
    let binding = bind(installation, ANN, BUYER, &name, "").await;
    refused(undelete_account(installation, &name).await, "WRONG_STATE");
    let request = DeleteAccountRequest { name: name.clone(), ..Default::default() };
    let deleted = installation.accounts().delete_account(by(ANN, request)).await.unwrap().into_inner();
    let kept = deleted.purge_time.unwrap().seconds - deleted.delete_time.unwrap().seconds;
    assert_eq!(kept, TimeDelta::days(30).num_seconds());
    asked(installation);
    let back = undelete_account(installation, &name).await.unwrap();
    assert_eq!((back.state(), back.delete_time, back.purge_time), (account::State::Paused, None, None));
    let asked = asked(installation);
    assert!(asked.contains(&format!("accounts.create {north}")) && asked.contains(&format!("restore {name}")), "{asked:?}");
    assert_eq!(installation.lifecycle(&name).await, Lifecycle::Active);
    assert_eq!(bindings(installation, "organizations/one").await, [binding.name]);

    // What it is in comes back first.
    let request = DeleteAccountRequest { name: name.clone(), ..Default::default() };
    installation.accounts().delete_account(by(ANN, request)).await.unwrap();
    installation.organizations().delete_organization(by(ANN, delete("organizations/client"))).await.unwrap();
    let request = DeleteWorkspaceRequest { name: north.clone(), force: true, ..Default::default() };
    installation.workspaces().delete_workspace(by(ANN, request)).await.unwrap();
    for status in [
        refused(undelete_account(installation, &name).await, "WRONG_STATE"),
        refused(undelete(installation, ANN, "organizations/client").await, "WRONG_STATE"),
    ] {
        assert!(status.message().contains(&north), "{}", status.message());
    }
    installation.authz.says().denied.insert(format!("restore {north}"));
    refused(undelete_workspace(installation, &north).await, "NOT_ALLOWED");
    installation.authz.says().denied = ["workspaces.create".to_owned()].into();
    refused(undelete_workspace(installation, &north).await, "NOT_ALLOWED");
    installation.authz.says().denied.clear();
    undelete_workspace(installation, &north).await.unwrap();
    undelete_account(installation, &name).await.unwrap();
    self::asked(installation);
    undelete(installation, ANN, "organizations/client").await.unwrap();
    assert!(self::asked(installation).contains(&format!("organization.attach_customer {north}")));
    assert_eq!(installation.lifecycle("organizations/client").await, Lifecycle::Active);

    // A root is the platform's, and a suspended one comes back suspended.
    let suspend = SuspendOrganizationRequest { name: "organizations/two".into(), ..Default::default() };
    installation.organizations().suspend_organization(by(PLATFORM, suspend)).await.unwrap();
    installation.organizations().delete_organization(by(ANN, delete("organizations/two"))).await.unwrap();
    refused(undelete(installation, ANN, "organizations/two").await, "NOT_ALLOWED");
    assert_eq!(undelete(installation, PLATFORM, "organizations/two").await.unwrap().state(), organization::State::Suspended);
    assert_eq!(installation.lifecycle("organizations/two").await, Lifecycle::Suspended);
    refused(undelete(installation, ANN, "organizations/none").await, "NOT_ALLOWED");
    assert_eq!(count(installation, "node_purge").await, 0);
}

pub(crate) async fn an_organization_that_lost_its_owner_while_deleted_comes_back_waiting_for_one(installation: &Installation) {
    owners_are_required(installation);
    installation.user("olga").await;
    installation.user("ann").await;
    let [_, _] = agencies(installation).await;
    const CLIENT: &str = "organizations/client";
    bind(installation, "users/olga", OWNER, CLIENT, "").await;
    installation.organizations().delete_organization(by(ANN, delete(CLIENT))).await.unwrap();
    let request = DeleteUserRequest { name: "users/olga".into(), ..Default::default() };
    installation.users().delete_user(by(PLATFORM, request)).await.unwrap();
    assert_eq!(undelete(installation, ANN, CLIENT).await.unwrap().state(), organization::State::Provisioning);
    bind(installation, ANN, OWNER, CLIENT, "").await;
    let get = GetOrganizationRequest { name: CLIENT.into() };
    assert_eq!(
        installation.organizations().get_organization(by(ANN, get)).await.unwrap().into_inner().state(),
        organization::State::Active
    );
}

pub(crate) async fn a_purge_ends_what_hangs_on_an_organization_and_keeps_its_name(installation: &Installation) {
    anybody_joins(installation);
    for user in ["ann", "bob", "pat"] {
        installation.user(user).await;
    }
    installation.root("acme").await;
    installation.root("friend").await;
    const ACME: &str = "organizations/acme";
    let group = |id: &str| Group { display_name: id.into(), ..Group::default() };
    let request = CreateGroupRequest { parent: ACME.into(), group_id: "crew".into(), group: Some(group("crew")), ..Default::default() };
    let crew = installation.groups().create_group(by(ANN, request)).await.unwrap().into_inner().name;
    let own = bind(installation, "users/bob", BUYER, ACME, "").await.name;
    let request = AddGroupMemberRequest { group: crew.clone(), member: "users/bob".into(), ..Default::default() };
    installation.groups().add_group_member(by(ANN, request)).await.unwrap();
    let deal = Resource { name: format!("{ACME}/deals/d1"), ..Resource::default() };
    let resource = CreateResourceRequest { resource: Some(deal), ..Default::default() };
    let deal = installation.resources().create_resource(by(ANN, resource)).await.unwrap().into_inner().name;
    // An offer in either direction, with something held by each.
    let mut there = Vec::new();
    for (offering, partner, holder) in [("organizations/friend", ACME, crew.as_str()), (ACME, "organizations/friend", "users/pat")] {
        let partnership =
            Partnership { partner: partner.into(), node: offering.into(), roles: vec![BUYER.into()], ..Partnership::default() };
        let request = CreatePartnershipRequest { parent: offering.into(), partnership: Some(partnership), ..Default::default() };
        let offer = installation.partnerships().create_partnership(by(ANN, request)).await.unwrap().into_inner().name;
        let accept = AcceptPartnershipRequest { name: offer.clone(), ..Default::default() };
        installation.partnerships().accept_partnership(by(ANN, accept)).await.unwrap();
        let binding = bind(installation, holder, BUYER, offering, &offer).await.name;
        there.extend([offer, binding]);
    }

    let deleted = installation.organizations().delete_organization(by(ANN, delete(ACME))).await.unwrap().into_inner();
    let purge_time = chrono::DateTime::from_timestamp(deleted.purge_time.unwrap().seconds + 1, 0).unwrap();
    assert_eq!(installation.directory.purge_due(purge_time - TimeDelta::seconds(3)).await.unwrap(), 0);
    assert_eq!(installation.directory.purge_due(purge_time).await.unwrap(), 1);
    assert_eq!(installation.directory.purge_due(purge_time).await.unwrap(), 0);
    for gone in there.iter().chain([&own, &format!("{crew}#users/bob"), &"organizations/acme/members/bob".to_owned()]) {
        assert!(installation.record(gone).await.is_none(), "{gone}");
    }
    for table in ["role_binding", "partnership", "user_group", "group_member", "member", "participation", "node_purge"] {
        assert_eq!(count(installation, table).await, 0, "{table}");
    }
    for closed in [ACME, deal.as_str()] {
        assert_eq!(installation.lifecycle(closed).await, Lifecycle::Deleted);
    }
    let status = refused(undelete(installation, PLATFORM, ACME).await, "WRONG_STATE");
    assert!(status.message().contains("purged"), "{}", status.message());
    refused(installation.organizations().create_organization(by(PLATFORM, root("acme"))).await, "ALREADY_EXISTS");
}

pub(crate) async fn a_purged_workspace_takes_what_is_in_it_along_and_nothing_else(installation: &Installation) {
    anybody_joins(installation);
    installation.user("ann").await;
    installation.root("acme").await;
    let emea = installation.workspace("organizations/acme", "emea").await.name;
    let emea2 = installation.workspace("organizations/acme", "emea2").await.name;
    let inside = account(installation, "organizations/acme", "in", &emea).await.name;
    let outside = account(installation, "organizations/acme", "out", "").await.name;
    for node in [&emea, &inside] {
        bind(installation, ANN, BUYER, node, "").await;
    }
    let mut kept = Vec::new();
    for node in [&emea2, &outside] {
        kept.push(bind(installation, ANN, BUYER, node, "").await.name);
    }
    kept.sort();
    let request = DeleteWorkspaceRequest { name: emea.clone(), force: true, ..Default::default() };
    installation.workspaces().delete_workspace(by(ANN, request)).await.unwrap();
    assert_eq!(installation.directory.purge_due(Utc::now() + TimeDelta::days(31)).await.unwrap(), 1);
    assert_eq!(bindings(installation, "organizations/acme").await, kept);
    refused(undelete_workspace(installation, &emea).await, "WRONG_STATE");
    assert_eq!(count(installation, "member").await, 1);
}

pub(crate) async fn children_are_counted_before_anything_is_deleted(installation: &Installation) {
    installation.root("acme").await;
    let emea = installation.workspace("organizations/acme", "emea").await.name;
    account(installation, "organizations/acme", "a1", &emea).await;
    for validate_only in [true, false] {
        let request = DeleteWorkspaceRequest { name: emea.clone(), validate_only, ..Default::default() };
        let status = refused(installation.workspaces().delete_workspace(by(ANN, request)).await, "HAS_CHILDREN");
        assert_eq!(status.get_error_details().error_info().unwrap().metadata["accounts"], "1");
        let request = DeleteOrganizationRequest { name: "organizations/acme".into(), validate_only, ..Default::default() };
        let status = refused(installation.organizations().delete_organization(by(ANN, request)).await, "HAS_CHILDREN");
        let counted = &status.get_error_details().error_info().unwrap().metadata.clone();
        assert_eq!((counted["workspaces"].as_str(), counted["accounts"].as_str()), ("1", "1"));
    }
}

pub(crate) async fn the_kind_of_an_organization_is_decided_above_it(installation: &Installation) {
    let [north, _] = agencies(installation).await;
    let change = |name: &str, kind: Kind| ChangeOrganizationKindRequest { name: name.into(), kind: kind.into(), ..Default::default() };
    let mut organizations = installation.organizations();
    refused(organizations.change_organization_kind(by(ANN, change("organizations/one", Kind::Publisher))).await, "NOT_ALLOWED");
    organizations.change_organization_kind(by(PLATFORM, change("organizations/one", Kind::Publisher))).await.unwrap();
    assert_eq!(installation.node("organizations/one").await.kind, "publisher");
    asked(installation);
    let changed = organizations.change_organization_kind(by(ANN, change("organizations/client", Kind::Mixed))).await.unwrap().into_inner();
    assert_eq!((changed.kind(), installation.node("organizations/client").await.kind.as_str()), (Kind::Mixed, "mixed"));
    assert!(asked(installation).contains(&format!("organization.attach_customer {north}")));
    refused(organizations.change_organization_kind(by(ANN, change("organizations/client", Kind::Mixed))).await, "WRONG_STATE");
    refused(organizations.change_organization_kind(by(ANN, change("organizations/client", Kind::Unspecified))).await, "INVALID_FIELD");
    installation.authz.says().denied.insert(format!("organization.attach_customer {north}"));
    refused(organizations.change_organization_kind(by(ANN, change("organizations/client", Kind::Marketer))).await, "NOT_ALLOWED");
}
