//! Workspaces, accounts, registered resources and ceilings.

use api::{
    directory::v1::{
        Account, Ceiling, CreateAccountRequest, CreateResourceRequest, CreateRoleBindingRequest, CreateWorkspaceRequest,
        DeleteOrganizationRequest, DeleteResourceRequest, DeleteWorkspaceRequest, GetAccountRequest, GetCeilingRequest, GetResourceRequest,
        ListAccountsRequest, ListResourcesRequest, ListWorkspacesRequest, PauseAccountRequest, Resource, ResumeAccountRequest, RoleBinding,
        SetCeilingRequest, UpdateAccountRequest, UpdateResourceRequest, UpdateWorkspaceRequest, Workspace, account, resource, workspace,
    },
    feed::v1::node_state::Lifecycle,
};
use prost_types::{FieldMask, Value, value::Kind};
use tonic::Code;
use tonic_types::StatusExt;

use crate::{
    authz::PLATFORM,
    installation::{Installation, by, reason},
};

const ACME: &str = "organizations/acme";
const ANN: &str = "users/ann";

fn text(value: &str) -> Value {
    Value { kind: Some(Kind::StringValue(value.to_owned())) }
}

fn campaign(status: &str) -> Resource {
    let attributes = [("status".to_owned(), text(status)), ("budget".to_owned(), Value { kind: Some(Kind::NumberValue(7.0)) })];
    Resource { name: "organizations/acme/workspaces/emea/campaigns/42".to_owned(), attributes: attributes.into(), ..Resource::default() }
}

pub(crate) async fn workspaces_are_created_changed_and_deleted(installation: &Installation) {
    installation.root("acme").await;
    let created = installation.workspace(ACME, "emea").await;
    assert_eq!((created.name.as_str(), created.state()), ("organizations/acme/workspaces/emea", workspace::State::Active));
    assert_eq!(installation.node(&created.name).await.parent, ACME);
    assert!(installation.authz.says().asked.contains(&"workspaces.create organizations/acme".to_owned()));

    let change = UpdateWorkspaceRequest {
        workspace: Some(Workspace { display_name: "Europe".into(), etag: created.etag.clone(), ..created.clone() }),
        update_mask: Some(FieldMask { paths: vec!["display_name".into()] }),
        ..Default::default()
    };
    let changed = installation.workspaces().update_workspace(by(ANN, change)).await.unwrap().into_inner();
    assert_eq!(changed.display_name, "Europe");
    assert!(changed.etag != created.etag && changed.revision != created.revision);

    let generated = CreateWorkspaceRequest { parent: ACME.into(), workspace: Some(created.clone()), ..Default::default() };
    let generated = installation.workspaces().create_workspace(by(ANN, generated)).await.unwrap().into_inner();
    assert!(generated.name.starts_with("organizations/acme/workspaces/") && generated.name != created.name);

    let end = DeleteWorkspaceRequest { name: created.name.clone(), ..Default::default() };
    let ended = installation.workspaces().delete_workspace(by(ANN, end)).await.unwrap().into_inner();
    assert_eq!(ended.state(), workspace::State::Deleted);
    assert_eq!(installation.lifecycle(&created.name).await, Lifecycle::Deleted);
    let again = CreateWorkspaceRequest { parent: ACME.into(), workspace_id: "emea".into(), workspace: Some(created), ..Default::default() };
    assert_eq!(reason(&installation.workspaces().create_workspace(by(ANN, again)).await.unwrap_err()), "ALREADY_EXISTS");
}

pub(crate) async fn an_etag_that_is_not_the_present_one_is_refused(installation: &Installation) {
    installation.root("acme").await;
    let created = installation.workspace(ACME, "emea").await;
    let change = |etag: &str| UpdateWorkspaceRequest {
        workspace: Some(Workspace { name: created.name.clone(), display_name: "Europe".into(), etag: etag.into(), ..Workspace::default() }),
        ..Default::default()
    };
    let changed = installation.workspaces().update_workspace(by(ANN, change(&created.etag))).await.unwrap().into_inner();
    let refused = installation.workspaces().update_workspace(by(ANN, change(&created.etag))).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    let end = |etag: &str| DeleteWorkspaceRequest { name: created.name.clone(), etag: etag.into(), ..Default::default() };
    assert_eq!(reason(&installation.workspaces().delete_workspace(by(ANN, end(&created.etag))).await.unwrap_err()), "ETAG_MISMATCH");
    installation.workspaces().delete_workspace(by(ANN, end(&changed.etag))).await.unwrap();
}

pub(crate) async fn workspaces_are_listed_where_the_actor_may_see_them_and_nothing_is_said_of_others(installation: &Installation) {
    installation.root("acme").await;
    installation.root("bare").await;
    for id in ["w1", "w2", "w3", "w4"] {
        installation.workspace(ACME, id).await;
    }
    let list = |parent: &str, page_token: &str| ListWorkspacesRequest {
        parent: parent.into(),
        page_size: 2,
        page_token: page_token.into(),
        ..Default::default()
    };
    let denied = |ids: &[&str]| {
        let mut says = installation.authz.says();
        says.denied = ids.iter().map(|id| format!("workspaces.get organizations/acme/workspaces/{id}")).collect();
        says.denied.insert("organization.get".into());
    };
    denied(&["w1", "w3"]);
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = installation.workspaces().list_workspaces(by(ANN, list(ACME, &token))).await.unwrap().into_inner();
        seen.extend(page.workspaces.into_iter().map(|row| row.name));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["organizations/acme/workspaces/w2", "organizations/acme/workspaces/w4"]);

    // Who may see none of them does not learn that the organization exists; who may see it gets an empty list.
    denied(&["w1", "w2", "w3", "w4"]);
    let foreign = installation.workspaces().list_workspaces(by(ANN, list(ACME, ""))).await.unwrap_err();
    let missing = installation.workspaces().list_workspaces(by(ANN, list("organizations/missing", ""))).await.unwrap_err();
    assert_eq!((foreign.code(), foreign.message(), foreign.details()), (missing.code(), missing.message(), missing.details()));
    assert_eq!(reason(&foreign), "NOT_ALLOWED");
    installation.authz.says().denied.remove("organization.get");
    let page = installation.workspaces().list_workspaces(by(ANN, list("organizations/bare", ""))).await.unwrap().into_inner();
    assert!(page.workspaces.is_empty() && page.next_page_token.is_empty());
}

pub(crate) async fn accounts_are_created_at_their_parent_paused_and_resumed(installation: &Installation) {
    installation.root("acme").await;
    installation.root("other").await;
    let emea = installation.workspace(ACME, "emea").await.name;
    let foreign = installation.workspace("organizations/other", "emea").await.name;
    let create = |id: &str, workspace: &str| CreateAccountRequest {
        parent: ACME.into(),
        account_id: id.into(),
        account: Some(Account { display_name: "One".into(), workspace: workspace.into(), ..Account::default() }),
        ..Default::default()
    };
    let inside = installation.accounts().create_account(by(ANN, create("inside", &emea))).await.unwrap().into_inner();
    let direct = installation.accounts().create_account(by(ANN, create("direct", ""))).await.unwrap().into_inner();
    assert_eq!(installation.node(&inside.name).await.parent, emea);
    assert_eq!(installation.node(&direct.name).await.parent, ACME);
    {
        let says = installation.authz.says();
        assert!(says.asked.contains(&format!("accounts.create {emea}")) && says.asked.contains(&format!("accounts.create {ACME}")));
    }
    let refused = installation.accounts().create_account(by(ANN, create("x", &foreign))).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_FIELD");
    let refused = installation.accounts().create_account(by(ANN, create("x", "organizations/acme/workspaces/none"))).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_FOUND");

    let pause = |name: &str| PauseAccountRequest { name: name.into(), ..Default::default() };
    let resume = |name: &str| ResumeAccountRequest { name: name.into(), ..Default::default() };
    assert_eq!(reason(&installation.accounts().resume_account(by(ANN, resume(&inside.name))).await.unwrap_err()), "WRONG_STATE");
    let paused = installation.accounts().pause_account(by(ANN, pause(&inside.name))).await.unwrap().into_inner();
    assert_eq!(paused.state(), account::State::Paused);
    assert!(installation.node(&inside.name).await.paused);
    assert_eq!(reason(&installation.accounts().pause_account(by(ANN, pause(&inside.name))).await.unwrap_err()), "WRONG_STATE");
    let change = UpdateAccountRequest {
        account: Some(Account { name: inside.name.clone(), display_name: "Two".into(), ..Account::default() }),
        ..Default::default()
    };
    let changed = installation.accounts().update_account(by(ANN, change)).await.unwrap().into_inner();
    assert_eq!(
        (changed.state(), changed.workspace.as_str(), changed.display_name.as_str()),
        (account::State::Paused, emea.as_str(), "Two")
    );
    installation.accounts().resume_account(by(ANN, resume(&inside.name))).await.unwrap();
    let get = GetAccountRequest { name: inside.name.clone() };
    assert_eq!(installation.accounts().get_account(by(ANN, get)).await.unwrap().into_inner().state(), account::State::Active);

    installation.authz.says().denied.insert(format!("accounts.pause {}", direct.name));
    assert_eq!(reason(&installation.accounts().pause_account(by(ANN, pause(&direct.name))).await.unwrap_err()), "NOT_ALLOWED");
    let list = ListAccountsRequest { parent: ACME.into(), ..Default::default() };
    let listed = installation.accounts().list_accounts(by(ANN, list)).await.unwrap().into_inner().accounts;
    assert_eq!(listed.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), [direct.name.as_str(), inside.name.as_str()]);
}

pub(crate) async fn resources_keep_their_attributes_and_take_their_bindings_with_them(installation: &Installation) {
    installation.root("acme").await;
    installation.workspace(ACME, "emea").await;
    installation.user("ann").await;
    let create = CreateResourceRequest { resource: Some(campaign("live")), ..Default::default() };
    let created = installation.resources().create_resource(by(ANN, create.clone())).await.unwrap().into_inner();
    assert_eq!(created.attributes, campaign("live").attributes);
    assert_eq!(installation.node(&created.name).await.attributes, created.attributes);
    // So authz can tell whether the collection and the attributes are declared.
    assert_eq!(installation.authz.says().given.last().unwrap().key, created.name);
    let get = GetResourceRequest { name: created.name.clone() };
    let read = installation.resources().get_resource(by(ANN, get)).await.unwrap().into_inner();
    assert_eq!(read, Resource { revision: read.revision.clone(), ..created.clone() });

    installation.authz.says().membership.grant_joins = true;
    let bind = CreateRoleBindingRequest {
        parent: ACME.into(),
        role_binding_id: "b1".into(),
        role_binding: Some(RoleBinding {
            principal: "users/ann".into(),
            role: "roleModels/ad-platform/roles/campaign-owner".into(),
            node: created.name.clone(),
            ..RoleBinding::default()
        }),
        ..Default::default()
    };
    installation.role_bindings().create_role_binding(by(ANN, bind.clone())).await.unwrap();
    let before = installation.revision().await;
    let end = DeleteResourceRequest { name: created.name.clone(), ..Default::default() };
    let ended = installation.resources().delete_resource(by(ANN, end)).await.unwrap().into_inner();
    assert_eq!(ended.removed_bindings, ["organizations/acme/roleBindings/b1"]);
    let resource = ended.resource.unwrap();
    assert_eq!(resource.state(), resource::State::Deleted);
    assert!(!resource.revision.is_empty());
    assert_eq!(installation.revision().await, before + 1);
    assert_eq!(installation.record("organizations/acme/roleBindings/b1").await, None);
    assert_eq!(installation.lifecycle(&created.name).await, Lifecycle::Deleted);
    // Neither name is used again.
    assert_eq!(reason(&installation.resources().create_resource(by(ANN, create)).await.unwrap_err()), "ALREADY_EXISTS");
    let node = ACME.to_owned();
    let again = CreateRoleBindingRequest { role_binding: Some(RoleBinding { node, ..bind.role_binding.clone().unwrap() }), ..bind };
    assert_eq!(reason(&installation.role_bindings().create_role_binding(by(ANN, again)).await.unwrap_err()), "ALREADY_EXISTS");

    let list = |collection: &str, show_deleted| ListResourcesRequest {
        parent: "organizations/acme/workspaces/emea".into(),
        collection: collection.into(),
        show_deleted,
        ..Default::default()
    };
    for (request, expected) in [(list("", false), 0), (list("campaigns", true), 1), (list("audiences", true), 0)] {
        let listed = installation.resources().list_resources(by(ANN, request)).await.unwrap().into_inner();
        assert_eq!(listed.resources.len(), expected);
    }
}

pub(crate) async fn an_update_of_a_resource_is_not_decided_by_the_attributes_that_it_brings(installation: &Installation) {
    installation.root("acme").await;
    installation.workspace(ACME, "emea").await;
    let create = CreateResourceRequest { resource: Some(campaign("live")), ..Default::default() };
    installation.resources().create_resource(by(ANN, create)).await.unwrap();
    installation.authz.says().given.clear();

    let change = UpdateResourceRequest { resource: Some(campaign("test")), ..Default::default() };
    installation.authz.says().denied.insert("resources.update".into());
    assert_eq!(reason(&installation.resources().update_resource(by(ANN, change.clone())).await.unwrap_err()), "NOT_ALLOWED");
    // Refused before authz saw them.
    assert!(installation.authz.says().given.is_empty());
    installation.authz.says().denied.clear();
    let changed = installation.resources().update_resource(by(ANN, change)).await.unwrap().into_inner();
    assert_eq!(changed.attributes["status"], text("test"));
    assert_eq!(installation.node(&changed.name).await.attributes["status"], text("test"));
}

pub(crate) async fn a_ceiling_is_set_by_the_parent_and_unset_again(installation: &Installation) {
    installation.root("agency").await;
    let north = installation.workspace("organizations/agency", "north").await.name;
    installation.customer("customer", &north).await;
    let set = |node: &str, components: Option<&[&str]>| SetCeilingRequest {
        ceiling: Some(Ceiling {
            node: node.into(),
            set: components.is_some(),
            components: components.unwrap_or_default().iter().map(|id| (*id).to_owned()).collect(),
            ..Ceiling::default()
        }),
        ..Default::default()
    };
    let refused = installation.ceilings().set_ceiling(by(ANN, set("organizations/agency", Some(&[])))).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_ALLOWED");
    installation.ceilings().set_ceiling(by(PLATFORM, set("organizations/agency", Some(&["reports"])))).await.unwrap();

    let ceiling = installation
        .ceilings()
        .set_ceiling(by(ANN, set("organizations/customer", Some(&["reports", "audiences"]))))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((ceiling.set, ceiling.components), (true, vec!["audiences".to_owned(), "reports".to_owned()]));
    assert_eq!(installation.node("organizations/customer").await.ceiling.unwrap().components, ["audiences", "reports"]);
    installation.ceilings().set_ceiling(by(ANN, set(&north, Some(&[])))).await.unwrap();
    assert_eq!(installation.node(&north).await.ceiling.unwrap().components, Vec::<String>::new());
    {
        let says = installation.authz.says();
        assert!(says.asked.contains(&format!("ceilings.set {north}")));
        assert!(says.asked.contains(&"ceilings.set organizations/agency".to_owned()));
    }

    let unset = installation.ceilings().set_ceiling(by(ANN, set("organizations/customer", None))).await.unwrap().into_inner();
    assert!(!unset.set && unset.components.is_empty());
    assert_eq!(installation.node("organizations/customer").await.ceiling, None);
    let get = GetCeilingRequest { node: north };
    assert!(installation.ceilings().get_ceiling(by(ANN, get)).await.unwrap().into_inner().set);
    let get = GetCeilingRequest { node: "organizations/customer".into() };
    assert!(!installation.ceilings().get_ceiling(by(ANN, get)).await.unwrap().into_inner().set);
}

pub(crate) async fn all_that_is_wrong_with_a_request_is_said_at_once(installation: &Installation) {
    let request = CreateWorkspaceRequest {
        parent: "acme".into(),
        workspace_id: "Not An Id".into(),
        workspace: Some(Workspace::default()),
        request_id: "7".into(),
        ..Default::default()
    };
    let refused = installation.workspaces().create_workspace(by(ANN, request)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
    let fields: Vec<_> =
        refused.get_error_details().bad_request().unwrap().field_violations.iter().map(|field| field.field.clone()).collect();
    assert_eq!(fields, ["request_id", "parent", "workspace_id", "workspace.display_name"]);
    let refused = installation.workspaces().create_workspace(tonic::Request::new(CreateWorkspaceRequest::default())).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "ACTOR_MISSING"));
}

pub(crate) async fn what_is_below_a_deleted_parent_cannot_be_created(installation: &Installation) {
    installation.root("acme").await;
    let emea = installation.workspace(ACME, "emea").await;
    let end = DeleteOrganizationRequest { name: ACME.into(), force: true, ..Default::default() };
    installation.organizations().delete_organization(by(ANN, end)).await.unwrap();
    let create = CreateWorkspaceRequest { parent: ACME.into(), workspace: Some(emea.clone()), ..Default::default() };
    assert_eq!(reason(&installation.workspaces().create_workspace(by(PLATFORM, create)).await.unwrap_err()), "NOT_FOUND");
    let create = CreateResourceRequest { resource: Some(campaign("live")), ..Default::default() };
    assert_eq!(reason(&installation.resources().create_resource(by(PLATFORM, create)).await.unwrap_err()), "NOT_FOUND");
}

pub(crate) async fn names_are_paged_as_bytes(installation: &Installation) {
    installation.root("acme").await;
    installation.workspace(ACME, "emea").await;
    // A collation of words would mix cases and skip over marks.
    for id in ["b", "B", "a.1", "a-1", "_", "a1"] {
        let name = format!("organizations/acme/workspaces/emea/campaigns/{id}");
        let create = CreateResourceRequest { resource: Some(Resource { name, ..Resource::default() }), ..Default::default() };
        installation.resources().create_resource(by(ANN, create)).await.unwrap();
    }
    let mut ids = Vec::new();
    let mut page_token = String::new();
    loop {
        let list =
            ListResourcesRequest { parent: "organizations/acme/workspaces/emea".into(), page_size: 1, page_token, ..Default::default() };
        let page = installation.resources().list_resources(by(ANN, list)).await.unwrap().into_inner();
        ids.extend(page.resources.iter().map(|row| row.name.rsplit('/').next().unwrap().to_owned()));
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token;
    }
    assert_eq!(ids, ["B", "_", "a-1", "a.1", "a1", "b"]);
}
