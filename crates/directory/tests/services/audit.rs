//! The audit trail.

use api::directory::v1::{
    AuditEntry, CreateRoleBindingRequest, DeleteRoleBindingRequest, ListAuditEntriesRequest, RoleBinding, UpdateWorkspaceRequest, Workspace,
};
use tonic::Code;
use uuid::Uuid;

use crate::{
    authz::PLATFORM,
    installation::{Installation, by, reason},
};

const ACME: &str = "organizations/acme";
const EMEA: &str = "organizations/acme/workspaces/emea";
const ANN: &str = "users/ann";

fn of(parent: &str) -> ListAuditEntriesRequest {
    ListAuditEntriesRequest { parent: parent.to_owned(), page_size: 2, ..Default::default() }
}

async fn trail(installation: &Installation, request: ListAuditEntriesRequest) -> Vec<AuditEntry> {
    let (mut entries, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListAuditEntriesRequest { page_token, ..request.clone() };
        let page = installation.audit().list_audit_entries(by(PLATFORM, request)).await.unwrap().into_inner();
        entries.extend(page.audit_entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return entries;
        }
    }
}

fn actions(entries: &[AuditEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.action.as_str()).collect()
}

pub(crate) async fn a_node_has_the_trail_of_what_is_at_and_in_it_in_pages_that_stay(installation: &Installation) {
    installation.authz.says().membership.grant_joins = true;
    installation.root("acme").await;
    installation.root("other").await;
    installation.workspace(ACME, "emea").await;
    installation.workspace(ACME, "apac").await;
    installation.user("ann").await;
    let request_id = Uuid::new_v4().to_string();
    let rename = UpdateWorkspaceRequest {
        workspace: Some(Workspace { name: EMEA.into(), display_name: "Europe".into(), ..Workspace::default() }),
        request_id: request_id.clone(),
        ..Default::default()
    };
    installation.workspaces().update_workspace(by(ANN, rename)).await.unwrap();
    let binding = |node: &str| RoleBinding {
        principal: ANN.into(),
        role: "roleModels/ad-platform/roles/buyer".into(),
        node: node.into(),
        ..RoleBinding::default()
    };
    let assign =
        |node| CreateRoleBindingRequest { parent: ACME.into(), role_binding: Some(binding(node)), ..CreateRoleBindingRequest::default() };
    let given = installation.role_bindings().create_role_binding(by("users/bob", assign(EMEA))).await.unwrap().into_inner();
    installation.role_bindings().create_role_binding(by(ANN, assign(ACME))).await.unwrap();

    let emea = trail(installation, of(EMEA)).await;
    assert_eq!(actions(&emea), ["role_bindings.create", "workspaces.update", "workspaces.create"]);
    let text = |entry: &AuditEntry, field: &str| {
        let value = entry.after.as_ref().unwrap().fields[field].clone();
        api::document::to_json(&value)
    };
    assert_eq!((emea[0].resource.as_str(), emea[0].actor.as_str(), emea[0].node.as_str()), (given.name.as_str(), "users/bob", EMEA));
    assert_eq!(text(&emea[0], "principal"), ANN);
    assert!(emea[0].before.is_none() && emea[0].create_time.is_some() && !emea[0].caller.is_empty());
    assert_eq!(emea[1].request_id, request_id);
    assert_eq!(emea[1].method, "directory.v1.WorkspaceService/UpdateWorkspace");
    assert_eq!(api::document::to_json(&emea[1].before.as_ref().unwrap().fields["display_name"]), "emea");
    assert_eq!(text(&emea[1], "display_name"), "Europe");

    let acme = trail(installation, of(ACME)).await;
    assert_eq!(acme.len(), 7, "{:?}", actions(&acme));
    assert!(acme.iter().all(|entry| entry.resource.starts_with(ACME)));
    assert!(acme.windows(2).all(|pair| (pair[0].commit, pair[0].entry) > (pair[1].commit, pair[1].entry)));
    let by_bob = trail(installation, ListAuditEntriesRequest { actor: "users/bob".into(), ..of(ACME) }).await;
    assert_eq!(actions(&by_bob), ["role_bindings.create", "members.create"]);
    let bindings = trail(installation, ListAuditEntriesRequest { action: "role_bindings.".into(), ..of(ACME) }).await;
    assert_eq!(actions(&bindings), ["role_bindings.create"; 2]);
    let since = ListAuditEntriesRequest { start_time: emea[0].create_time, ..of(ACME) };
    assert_eq!(trail(installation, since).await.len(), 3);
    let user = trail(installation, of(ANN)).await;
    assert_eq!(actions(&user), ["users.create"]);
    assert!(!format!("{user:?}").contains("example.com"), "addresses are left out");

    // What is written between two pages does not move them.
    let first = installation.audit().list_audit_entries(by(ANN, of(ACME))).await.unwrap().into_inner();
    let end = DeleteRoleBindingRequest { name: given.name, ..Default::default() };
    installation.role_bindings().delete_role_binding(by(ANN, end)).await.unwrap();
    let next = ListAuditEntriesRequest { page_token: first.next_page_token, ..of(ACME) };
    let next = installation.audit().list_audit_entries(by(ANN, next)).await.unwrap().into_inner();
    assert_eq!(next.audit_entries, acme[2..4]);
}

pub(crate) async fn who_may_not_see_a_trail_does_not_learn_of_it(installation: &Installation) {
    installation.root("acme").await;
    installation.authz.says().denied.insert("audit.get".into());
    let list = async |parent: &str| installation.audit().list_audit_entries(by(ANN, of(parent))).await.unwrap_err();
    let (foreign, missing) = (list(ACME).await, list("organizations/missing").await);
    assert_eq!((foreign.code(), foreign.message(), foreign.details()), (missing.code(), missing.message(), missing.details()));
    for parent in ["", ANN, "roleModels/ad-platform"] {
        assert_eq!(reason(&list(parent).await), "NOT_ALLOWED", "{parent}");
    }
    assert_eq!(list("acme").await.code(), Code::InvalidArgument);
}
