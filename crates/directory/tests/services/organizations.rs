//! Organizations, and what they begin with.

use api::{
    authz::v1::{MembershipTerms, RoleTerms},
    directory::v1::{
        Account, CreateAccountRequest, CreateOrganizationRequest, DeleteOrganizationRequest, DeleteWorkspaceRequest,
        GetOrganizationRequest, InitialHolder, ListMembersRequest, ListOrganizationsRequest, ListRoleBindingsRequest, Organization,
        ReactivateOrganizationRequest, SuspendOrganizationRequest, UpdateOrganizationRequest, organization::State,
    },
    feed::v1::{node_state::Lifecycle, record},
};
use tonic::Code;
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{
    authz::{MODEL_REVISION, PLATFORM},
    installation::{Installation, by, reason, root},
};

const OWNER: &str = "roleModels/ad-platform/roles/owner";
const DEFAULT: &str = "roleModels/ad-platform/roles/standard";

/// One owner at least, two at most; members are owners or, if nothing is said, standard.
fn owner_is_required(installation: &Installation) {
    let owner = RoleTerms {
        role: OWNER.into(),
        held_at: "organization".into(),
        organizations: "any".into(),
        seats_least: 1,
        seats_most: 2,
        exclusive_set: vec![OWNER.into(), DEFAULT.into()],
    };
    let mut says = installation.authz.says();
    says.roles.insert(OWNER.into(), owner.clone());
    says.required = vec![owner];
    says.membership = MembershipTerms {
        organization_roles: vec![OWNER.into(), DEFAULT.into()],
        default_role: DEFAULT.into(),
        grant_joins: true,
        ..MembershipTerms::default()
    };
}

fn holder(user: &str, role: &str) -> InitialHolder {
    InitialHolder { user: user.into(), role: role.into() }
}

fn delete(name: &str, force: bool) -> DeleteOrganizationRequest {
    DeleteOrganizationRequest { name: name.into(), force, ..Default::default() }
}

pub(crate) async fn a_root_pins_the_role_model_and_needs_no_holder_where_no_role_is_required(installation: &Installation) {
    let created = installation.root("acme").await;
    assert_eq!((created.name.as_str(), created.state()), ("organizations/acme", State::Active));
    assert_eq!((created.role_model.as_str(), created.role_model_revision), ("roleModels/ad-platform", MODEL_REVISION));
    assert!(!created.revision.is_empty() && !created.etag.is_empty());

    let get = GetOrganizationRequest { name: created.name.clone() };
    let read = installation.organizations().get_organization(by("users/ann", get)).await.unwrap().into_inner();
    assert_eq!(read, Organization { revision: read.revision.clone(), ..created });

    let node = installation.node("organizations/acme").await;
    assert_eq!((node.role_model.as_str(), node.role_model_revision, node.kind.as_str()), ("ad-platform", MODEL_REVISION, "marketer"));
    assert_eq!(node.lifecycle(), Lifecycle::Active);
    // What authz was asked about was not pinned to a revision yet.
    let asked = installation.authz.says().given[0].clone();
    let Some(record::State::Node(asked)) = asked.state else { panic!() };
    assert_eq!((asked.role_model.as_str(), asked.role_model_revision), ("ad-platform", 0));

    let denied = installation.organizations().create_organization(by("users/ann", root("other"))).await.unwrap_err();
    assert_eq!(reason(&denied), "NOT_ALLOWED");
}

pub(crate) async fn an_organization_with_a_required_role_is_provisioning_until_it_has_a_holder(installation: &Installation) {
    owner_is_required(installation);
    installation.user("ann").await;
    assert_eq!(installation.root("empty").await.state(), State::Provisioning);
    assert_eq!(installation.lifecycle("organizations/empty").await, Lifecycle::Active);

    let request = CreateOrganizationRequest { holders: vec![holder("users/ann", DEFAULT)], ..root("without") };
    let without = installation.organizations().create_organization(by(PLATFORM, request)).await.unwrap().into_inner();
    assert_eq!(without.state(), State::Provisioning);

    let request = CreateOrganizationRequest { holders: vec![holder("users/ann", OWNER)], ..root("with") };
    let with = installation.organizations().create_organization(by(PLATFORM, request)).await.unwrap().into_inner();
    assert_eq!(with.state(), State::Active);

    // A suspension keeps that it is provisioning.
    let suspend = SuspendOrganizationRequest { name: "organizations/empty".into(), ..Default::default() };
    assert_eq!(
        installation.organizations().suspend_organization(by(PLATFORM, suspend)).await.unwrap().into_inner().state(),
        State::Suspended
    );
    let reactivate = ReactivateOrganizationRequest { name: "organizations/empty".into(), ..Default::default() };
    let open = installation.organizations().reactivate_organization(by(PLATFORM, reactivate)).await.unwrap().into_inner();
    assert_eq!(open.state(), State::Provisioning);
}

pub(crate) async fn holders_become_members_and_get_their_roles_in_the_same_commit(installation: &Installation) {
    owner_is_required(installation);
    installation.user("ann").await;
    installation.user("bob").await;
    let before = installation.revision().await;
    let other = "roleModels/ad-platform/roles/auditor";
    let holders = vec![holder("users/ann", OWNER), holder("users/bob", other), holder("users/ann", other)];
    let request = CreateOrganizationRequest { holders, ..root("acme") };
    installation.organizations().create_organization(by(PLATFORM, request)).await.unwrap();
    assert_eq!(installation.revision().await, before + 1);

    let list = ListMembersRequest { parent: "organizations/acme".into(), ..Default::default() };
    let members = installation.members().list_members(by("users/ann", list)).await.unwrap().into_inner().members;
    let roles: Vec<_> = members.iter().map(|member| (member.user.as_str(), member.organization_role.as_str())).collect();
    // Who gets no organization role gets the default one too.
    assert_eq!(roles, [("users/ann", OWNER), ("users/bob", DEFAULT)]);
    let list = ListRoleBindingsRequest { parent: "organizations/acme".into(), ..Default::default() };
    let bindings = installation.role_bindings().list_role_bindings(by("users/ann", list)).await.unwrap().into_inner().role_bindings;
    assert_eq!(bindings.len(), 4);
    for binding in &bindings {
        assert!(installation.record(&binding.name).await.is_some());
    }
    assert!(installation.record("organizations/acme/members/bob").await.is_some());

    // Too many for the seats, or not there: nothing is created.
    installation.user("eve").await;
    let holders = ["ann", "bob", "eve"].map(|id| holder(&format!("users/{id}"), OWNER)).to_vec();
    let request = CreateOrganizationRequest { holders, ..root("crowded") };
    let refused = installation.organizations().create_organization(by(PLATFORM, request)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "SEATS_TAKEN"));
    let request = CreateOrganizationRequest { holders: vec![holder("users/nobody", OWNER)], ..root("crowded") };
    let refused = installation.organizations().create_organization(by(PLATFORM, request)).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_FOUND");
    assert!(installation.record("organizations/crowded").await.is_none());
    assert_eq!(installation.root("crowded").await.state(), State::Provisioning);
}

pub(crate) async fn a_customer_takes_the_tree_of_its_agency(installation: &Installation) {
    installation.root("agency").await;
    let north = installation.workspace("organizations/agency", "north").await;
    let customer = installation.customer("customer", &north.name).await;
    assert_eq!((customer.parent.as_str(), customer.role_model.as_str()), (north.name.as_str(), "roleModels/ad-platform"));
    assert_eq!(customer.role_model_revision, MODEL_REVISION);
    let node = installation.node("organizations/customer").await;
    assert_eq!((node.parent.as_str(), node.role_model.as_str(), node.role_model_revision), (north.name.as_str(), "", 0));
    assert!(installation.authz.says().asked.contains(&format!("organization.attach_customer {}", north.name)));

    // A customer of a customer is of the same tree.
    let below = installation.workspace("organizations/customer", "below").await;
    let third = installation.customer("third", &below.name).await;
    assert_eq!(third.role_model_revision, MODEL_REVISION);
    let root = ["organizations/agency".to_owned()];
    let stamps = installation.ledger.stamps(&root).await.unwrap();
    assert_eq!(stamps[0].revision, installation.revision().await);

    installation.authz.says().denied.insert(format!("organization.attach_customer {}", north.name));
    let organization = Organization { display_name: "Late".into(), parent: north.name, ..Organization::default() };
    let request = CreateOrganizationRequest { organization: Some(organization), ..Default::default() };
    let refused = installation.organizations().create_organization(by("users/ann", request)).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_ALLOWED");
}

pub(crate) async fn a_name_is_never_used_again(installation: &Installation) {
    installation.root("acme").await;
    let again = installation.organizations().create_organization(by(PLATFORM, root("acme"))).await.unwrap_err();
    assert_eq!((again.code(), reason(&again).as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    let deleted = installation.organizations().delete_organization(by("users/ann", delete("organizations/acme", false))).await.unwrap();
    assert_eq!(deleted.into_inner().state(), State::Deleted);
    assert_eq!(installation.lifecycle("organizations/acme").await, Lifecycle::Deleted);
    let again = installation.organizations().create_organization(by(PLATFORM, root("acme"))).await.unwrap_err();
    assert_eq!(reason(&again), "ALREADY_EXISTS");
    let change = UpdateOrganizationRequest {
        organization: Some(Organization { name: "organizations/acme".into(), location: "Lisbon".into(), ..Organization::default() }),
        ..Default::default()
    };
    let refused = installation.organizations().update_organization(by(PLATFORM, change)).await.unwrap_err();
    assert_eq!(reason(&refused), "WRONG_STATE");
}

pub(crate) async fn roots_are_listed_in_pages_whose_tokens_are_of_one_actor(installation: &Installation) {
    for id in ["c", "a", "b-1", "b"] {
        installation.root(id).await;
    }
    installation.organizations().delete_organization(by(PLATFORM, delete("organizations/b-1", false))).await.unwrap();
    let list = |page_token: &str, show_deleted| ListOrganizationsRequest {
        page_size: 2,
        page_token: page_token.into(),
        show_deleted,
        ..Default::default()
    };
    let names = |page: &api::directory::v1::ListOrganizationsResponse| -> Vec<String> {
        page.organizations.iter().map(|row| row.name.clone()).collect()
    };
    let first = installation.organizations().list_organizations(by(PLATFORM, list("", false))).await.unwrap().into_inner();
    assert_eq!(names(&first), ["organizations/a", "organizations/b"]);
    let second =
        installation.organizations().list_organizations(by(PLATFORM, list(&first.next_page_token, false))).await.unwrap().into_inner();
    assert_eq!((names(&second), second.next_page_token.as_str()), (vec!["organizations/c".to_owned()], ""));
    assert!(!second.revision.is_empty() && second.organizations.iter().all(|row| row.revision == second.revision));

    let all = installation.organizations().list_organizations(by(PLATFORM, list("", true))).await.unwrap().into_inner();
    assert_eq!(names(&all), ["organizations/a", "organizations/b"]);
    for wrong in [list(&first.next_page_token, true), list("x", false)] {
        let refused = installation.organizations().list_organizations(by(PLATFORM, wrong)).await.unwrap_err();
        assert_eq!(reason(&refused), "PAGE_TOKEN_INVALID");
    }
    let refused = installation.organizations().list_organizations(by("users/ann", list("", false))).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_ALLOWED");
}

pub(crate) async fn customers_are_listed_where_the_actor_may_see_them(installation: &Installation) {
    installation.root("agency").await;
    let north = installation.workspace("organizations/agency", "north").await.name;
    for id in ["c1", "c2", "c3"] {
        installation.customer(id, &north).await;
    }
    installation.authz.says().denied.insert("organization.get organizations/c2".into());
    let list = ListOrganizationsRequest { parent: north.clone(), ..Default::default() };
    let page = installation.organizations().list_organizations(by("users/ann", list.clone())).await.unwrap().into_inner();
    let names: Vec<_> = page.organizations.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["organizations/c1", "organizations/c3"]);
    installation.authz.says().denied.insert(format!("workspaces.get {north}"));
    let refused = installation.organizations().list_organizations(by("users/ann", list)).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_ALLOWED");
}

pub(crate) async fn suspending_is_decided_above_the_organization(installation: &Installation) {
    installation.root("agency").await;
    let north = installation.workspace("organizations/agency", "north").await.name;
    installation.customer("customer", &north).await;
    let suspend = |name: &str| SuspendOrganizationRequest { name: name.into(), ..Default::default() };

    let refused = installation.organizations().suspend_organization(by("users/ann", suspend("organizations/agency"))).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_ALLOWED");
    installation.organizations().suspend_organization(by("users/ann", suspend("organizations/customer"))).await.unwrap();
    assert!(installation.authz.says().asked.contains(&format!("organization.suspend {north}")));
    assert_eq!(installation.lifecycle("organizations/customer").await, Lifecycle::Suspended);
    let refused = installation.organizations().suspend_organization(by("users/ann", suspend("organizations/customer"))).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "WRONG_STATE"));
    let reactivate = ReactivateOrganizationRequest { name: "organizations/customer".into(), ..Default::default() };
    installation.organizations().reactivate_organization(by("users/ann", reactivate)).await.unwrap();
    assert_eq!(installation.lifecycle("organizations/customer").await, Lifecycle::Active);
}

pub(crate) async fn customers_are_never_deleted_by_force_and_other_children_only_by_it(installation: &Installation) {
    installation.root("agency").await;
    let north = installation.workspace("organizations/agency", "north").await.name;
    let account = CreateAccountRequest {
        parent: "organizations/agency".into(),
        account: Some(Account { display_name: "One".into(), ..Account::default() }),
        ..Default::default()
    };
    installation.accounts().create_account(by("users/ann", account)).await.unwrap();
    installation.customer("customer", &north).await;

    let refused =
        installation.organizations().delete_organization(by("users/ann", delete("organizations/agency", true))).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "HAS_CHILDREN"));
    let details = refused.get_error_details();
    let counted = &details.error_info().unwrap().metadata;
    assert_eq!((counted["customers"].as_str(), counted["workspaces"].as_str(), counted["accounts"].as_str()), ("1", "1", "1"));
    let workspace = DeleteWorkspaceRequest { name: north.clone(), force: true, ..Default::default() };
    assert_eq!(reason(&installation.workspaces().delete_workspace(by("users/ann", workspace)).await.unwrap_err()), "HAS_CHILDREN");

    installation.organizations().delete_organization(by("users/ann", delete("organizations/customer", false))).await.unwrap();
    let refused =
        installation.organizations().delete_organization(by("users/ann", delete("organizations/agency", false))).await.unwrap_err();
    assert_eq!(reason(&refused), "HAS_CHILDREN");
    installation.organizations().delete_organization(by("users/ann", delete("organizations/agency", true))).await.unwrap();
    // Closed by the organization's own record alone.
    assert_eq!(installation.lifecycle("organizations/agency").await, Lifecycle::Deleted);
    assert_eq!(installation.lifecycle(&north).await, Lifecycle::Active);
}

pub(crate) async fn a_foreign_name_and_a_missing_one_look_the_same(installation: &Installation) {
    installation.root("acme").await;
    installation.authz.says().denied.extend(["organization.get", "organization.update", "organization.delete"].map(String::from));
    let mut answers = Vec::new();
    for name in ["organizations/acme", "organizations/missing"] {
        let get = GetOrganizationRequest { name: name.into() };
        let suspend = SuspendOrganizationRequest { name: name.into(), ..Default::default() };
        let change = UpdateOrganizationRequest {
            organization: Some(Organization { name: name.into(), ..Organization::default() }),
            ..Default::default()
        };
        answers.push([
            installation.organizations().get_organization(by("users/eve", get)).await.unwrap_err(),
            installation.organizations().update_organization(by("users/eve", change)).await.unwrap_err(),
            installation.organizations().delete_organization(by("users/eve", delete(name, false))).await.unwrap_err(),
            installation.organizations().suspend_organization(by("users/eve", suspend)).await.unwrap_err(),
        ]);
    }
    for (foreign, missing) in answers[0].iter().zip(&answers[1]) {
        assert_eq!((foreign.code(), foreign.message(), foreign.details()), (missing.code(), missing.message(), missing.details()));
        assert_eq!(foreign.code(), Code::PermissionDenied);
    }
    // Whoever may gets to know.
    installation.authz.says().denied.clear();
    let get = GetOrganizationRequest { name: "organizations/missing".into() };
    assert_eq!(reason(&installation.organizations().get_organization(by("users/eve", get)).await.unwrap_err()), "NOT_FOUND");
}

pub(crate) async fn the_same_request_again_gets_the_first_answer_also_when_the_permit_is_gone(installation: &Installation) {
    let request = CreateOrganizationRequest { request_id: Uuid::new_v4().to_string(), organization_id: String::new(), ..root("acme") };
    let first = installation.organizations().create_organization(by(PLATFORM, request.clone())).await.unwrap().into_inner();
    let revision = installation.revision().await;
    let again = installation.organizations().create_organization(by(PLATFORM, request.clone())).await.unwrap().into_inner();
    assert_eq!((&again, installation.revision().await), (&first, revision));

    let id = Uuid::new_v4().to_string();
    let end = DeleteOrganizationRequest { request_id: id.clone(), ..delete(&first.name, false) };
    let deleted = installation.organizations().delete_organization(by("users/ann", end.clone())).await.unwrap().into_inner();
    installation.authz.says().denied.insert("organization.delete".into());
    let again = installation.organizations().delete_organization(by("users/ann", end.clone())).await.unwrap().into_inner();
    assert_eq!(again, deleted);
    let another = DeleteOrganizationRequest { request_id: id, ..delete("organizations/other", false) };
    let refused = installation.organizations().delete_organization(by("users/ann", another)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "REQUEST_ID_REUSED"));
    let refused = installation.organizations().delete_organization(by("users/bob", end)).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_ALLOWED");
}

pub(crate) async fn validating_changes_nothing(installation: &Installation) {
    let before = installation.revision().await;
    let request = CreateOrganizationRequest { validate_only: true, request_id: Uuid::new_v4().to_string(), ..root("acme") };
    let verdict = installation.organizations().create_organization(by(PLATFORM, request)).await.unwrap().into_inner();
    assert_eq!(verdict.state(), State::Active);
    assert_eq!(installation.revision().await, before);
    installation.root("acme").await;
    let request = CreateOrganizationRequest { validate_only: true, ..root("acme") };
    assert_eq!(reason(&installation.organizations().create_organization(by(PLATFORM, request)).await.unwrap_err()), "ALREADY_EXISTS");
}
