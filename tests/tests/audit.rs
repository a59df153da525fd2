//! Every write leaves its entry in the audit trail: who asks for a list of all writes gets it from the contracts, so that none is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use api::{
    directory::v1::*,
    rolecatalog::v1::{
        CreateRoleRequest, DeleteRoleRequest, PushRoleModelRequest, Role, UpdateRoleRequest, push_role_model_request::Source,
        role_model_document::Grant,
    },
};
use client::{session::Session, world::load};
use decision::world::World;
use prost::Message;
use prost_types::{FieldMask, FileDescriptorSet, field_descriptor_proto::Type};
use tests::installation::{Installation, Layout, Store};

const WORLD: &str = "
users: [ann, bob, cem, dee]
organizations:
  - id: market
    model: media-marketplace
    accounts: [{id: a1}]
    members: [ann, bob]
    bindings: [{principal: ann, role: owner}, {principal: bob, role: member}]
  - id: studio
    model: campaign-studio
    workspaces: [{id: w1}]
  - id: acme
    model: ad-platform
    accounts: [{id: a1}]
    members: [ann, bob]
    bindings: [{principal: ann, role: super-admin}]
  - id: desk
    model: ad-platform
    members: [dee]
    bindings: [{principal: dee, role: super-admin}]
  - id: agency
    model: agency
    workspaces: [{id: north}, {id: south}]
";

/// A role model of the test's own.
const MODEL: &str = include_str!("../../crates/role-catalog/models/ad-platform.yaml");

/// The writes that the contracts have: those whose request has a `request_id`.
fn writes() -> BTreeSet<String> {
    let files = FileDescriptorSet::decode(api::FILE_DESCRIPTOR_SET).unwrap().file;
    let mut messages = BTreeMap::new();
    for file in &files {
        for message in &file.message_type {
            let is_write = message.field.iter().any(|field| field.name() == "request_id" && field.r#type() == Type::String);
            messages.insert(format!(".{}.{}", file.package(), message.name()), is_write);
        }
    }
    let mut writes = BTreeSet::new();
    for file in &files {
        let package = file.package().trim_start_matches("tenantry.").to_owned();
        for (service, method) in file.service.iter().flat_map(|service| service.method.iter().map(move |method| (service, method))) {
            if messages.get(method.input_type()).copied().unwrap_or_default() {
                writes.insert(format!("{package}.{}/{}", service.name(), method.name()));
            }
        }
    }
    writes
}

fn mask(path: &str) -> Option<FieldMask> {
    Some(FieldMask { paths: vec![path.to_owned()] })
}

async fn organizations(platform: &Session) {
    let (mut organizations, mut ceilings) = (platform.organizations(), platform.ceilings());
    let name = "organizations/new".to_owned();
    let new = Organization { display_name: "New".into(), role_model: "roleModels/ad-platform".into(), ..Default::default() };
    let create = CreateOrganizationRequest { organization_id: "new".into(), organization: Some(new), ..Default::default() };
    organizations.create_organization(create).await.unwrap();
    let renamed = Organization { name: name.clone(), display_name: "Newer".into(), ..Default::default() };
    let update = UpdateOrganizationRequest { organization: Some(renamed), ..Default::default() };
    organizations.update_organization(update).await.unwrap();
    let ceiling = Ceiling { node: name.clone(), set: true, components: Vec::new(), ..Default::default() };
    ceilings.set_ceiling(SetCeilingRequest { ceiling: Some(ceiling), ..Default::default() }).await.unwrap();
    let suspend = SuspendOrganizationRequest { name: name.clone(), ..Default::default() };
    organizations.suspend_organization(suspend).await.unwrap();
    let reactivate = ReactivateOrganizationRequest { name: name.clone(), ..Default::default() };
    organizations.reactivate_organization(reactivate).await.unwrap();
    let mixed = ChangeOrganizationKindRequest { name: name.clone(), kind: organization::Kind::Mixed.into(), ..Default::default() };
    organizations.change_organization_kind(mixed).await.unwrap();
    organizations.delete_organization(DeleteOrganizationRequest { name: name.clone(), ..Default::default() }).await.unwrap();
    organizations.undelete_organization(UndeleteOrganizationRequest { name, ..Default::default() }).await.unwrap();
}

async fn customers(platform: &Session) {
    let mut organizations = platform.organizations();
    let [north, south] = ["north", "south"].map(|id| format!("organizations/agency/workspaces/{id}"));
    let customer = InviteCustomerRequest {
        parent: north.clone(),
        organization_id: "customer".into(),
        organization: Some(Organization { display_name: "Customer".into(), ..Default::default() }),
        email: "cem@example.com".into(),
        role: "roleModels/agency/roles/advertiser-admin".into(),
        ..Default::default()
    };
    platform.invitations().invite_customer(customer).await.unwrap();
    let name = "organizations/customer".to_owned();
    let consent = ConsentToMoveRequest { name: name.clone(), parent: south.clone(), ..Default::default() };
    organizations.consent_to_move(consent).await.unwrap();
    let revoke = RevokeConsentToMoveRequest { name: name.clone(), parent: south.clone(), ..Default::default() };
    organizations.revoke_consent_to_move(revoke).await.unwrap();
    let there = MoveOrganizationRequest { name, parent: south, ..Default::default() };
    organizations.move_organization(there).await.unwrap();
}

async fn nodes(platform: &Session) {
    let parent = "organizations/studio".to_owned();
    let (mut workspaces, mut accounts, mut resources) = (platform.workspaces(), platform.accounts(), platform.resources());
    let new = Workspace { display_name: "W".into(), ..Default::default() };
    let create = CreateWorkspaceRequest { parent, workspace_id: "new".into(), workspace: Some(new), ..Default::default() };
    let workspace = workspaces.create_workspace(create).await.unwrap().into_inner();
    let renamed = Workspace { name: workspace.name.clone(), display_name: "V".into(), ..Default::default() };
    workspaces.update_workspace(UpdateWorkspaceRequest { workspace: Some(renamed), ..Default::default() }).await.unwrap();
    let leaf = Resource { name: format!("{}/campaigns/1", workspace.name), ..Default::default() };
    resources.create_resource(CreateResourceRequest { resource: Some(leaf.clone()), ..Default::default() }).await.unwrap();
    let update = UpdateResourceRequest { resource: Some(leaf.clone()), ..Default::default() };
    resources.update_resource(update).await.unwrap();
    resources.delete_resource(DeleteResourceRequest { name: leaf.name, ..Default::default() }).await.unwrap();
    workspaces.delete_workspace(DeleteWorkspaceRequest { name: workspace.name.clone(), ..Default::default() }).await.unwrap();
    workspaces.undelete_workspace(UndeleteWorkspaceRequest { name: workspace.name, ..Default::default() }).await.unwrap();

    let new = Account { display_name: "A".into(), ..Default::default() };
    let parent = "organizations/acme".to_owned();
    let create = CreateAccountRequest { parent, account_id: "new".into(), account: Some(new), ..Default::default() };
    let name = accounts.create_account(create).await.unwrap().into_inner().name;
    let renamed = Account { name: name.clone(), display_name: "B".into(), ..Default::default() };
    accounts.update_account(UpdateAccountRequest { account: Some(renamed), ..Default::default() }).await.unwrap();
    accounts.pause_account(PauseAccountRequest { name: name.clone(), ..Default::default() }).await.unwrap();
    accounts.resume_account(ResumeAccountRequest { name: name.clone(), ..Default::default() }).await.unwrap();
    accounts.delete_account(DeleteAccountRequest { name: name.clone(), ..Default::default() }).await.unwrap();
    accounts.undelete_account(UndeleteAccountRequest { name: name.clone(), ..Default::default() }).await.unwrap();
    let inside = Workspace { display_name: "I".into(), ..Default::default() };
    let create = CreateWorkspaceRequest {
        parent: "organizations/acme".into(),
        workspace_id: "inside".into(),
        workspace: Some(inside),
        ..Default::default()
    };
    let workspace = workspaces.create_workspace(create).await.unwrap().into_inner().name;
    accounts.move_account(MoveAccountRequest { name, workspace, ..Default::default() }).await.unwrap();
}

async fn people(platform: &Session) {
    let (mut users, mut members, mut bindings) = (platform.users(), platform.members(), platform.role_bindings());
    let new = User { email: "new@example.com".into(), ..Default::default() };
    users.create_user(CreateUserRequest { user_id: "new".into(), user: Some(new), ..Default::default() }).await.unwrap();
    let name = "users/new".to_owned();
    let renamed = User { name: name.clone(), display_name: "New".into(), ..Default::default() };
    users.update_user(UpdateUserRequest { user: Some(renamed), ..Default::default() }).await.unwrap();
    users.suspend_user(SuspendUserRequest { name: name.clone(), ..Default::default() }).await.unwrap();
    users.reactivate_user(ReactivateUserRequest { name: name.clone(), ..Default::default() }).await.unwrap();

    let acme = "organizations/acme".to_owned();
    members.create_member(CreateMemberRequest { parent: acme.clone(), user: name.clone(), ..Default::default() }).await.unwrap();
    let member = "organizations/acme/members/new".to_owned();
    let suspended = Member { name: member.clone(), state: member::State::Suspended.into(), ..Default::default() };
    members.update_member(UpdateMemberRequest { member: Some(suspended), ..Default::default() }).await.unwrap();
    members.delete_member(DeleteMemberRequest { name: member, ..Default::default() }).await.unwrap();

    let role = |id: &str| format!("roleModels/ad-platform/roles/{id}");
    let given = RoleBinding { principal: name.clone(), role: role("org-admin"), node: acme.clone(), ..Default::default() };
    let create = CreateRoleBindingRequest { parent: acme, role_binding: Some(given), ..Default::default() };
    let binding = bindings.create_role_binding(create).await.unwrap().into_inner().name;
    let changed = RoleBinding { name: binding.clone(), role: role("super-admin"), ..Default::default() };
    bindings.update_role_binding(UpdateRoleBindingRequest { role_binding: Some(changed), ..Default::default() }).await.unwrap();
    bindings.delete_role_binding(DeleteRoleBindingRequest { name: binding, ..Default::default() }).await.unwrap();

    let parent = || "organizations/desk".to_owned();
    let one = CreateMemberRequest { user: name.clone(), ..Default::default() };
    members.batch_create_members(BatchCreateMembersRequest { parent: parent(), requests: vec![one], ..Default::default() }).await.unwrap();
    let suspended = Member { name: "organizations/desk/members/new".into(), state: member::State::Suspended.into(), ..Default::default() };
    let active = Member { state: member::State::Active.into(), ..suspended.clone() };
    for member in [suspended, active] {
        let one = UpdateMemberRequest { member: Some(member), ..Default::default() };
        members
            .batch_update_members(BatchUpdateMembersRequest { parent: parent(), requests: vec![one], ..Default::default() })
            .await
            .unwrap();
    }
    let given = RoleBinding { principal: name.clone(), role: role("org-admin"), node: parent(), ..Default::default() };
    let one = CreateRoleBindingRequest { role_binding: Some(given), ..Default::default() };
    let create = BatchCreateRoleBindingsRequest { parent: parent(), requests: vec![one], ..Default::default() };
    let given = bindings.batch_create_role_bindings(create).await.unwrap().into_inner().role_bindings.remove(0).name;
    let changed = RoleBinding { name: given.clone(), role: role("super-admin"), ..Default::default() };
    let one = UpdateRoleBindingRequest { role_binding: Some(changed), ..Default::default() };
    let update = BatchUpdateRoleBindingsRequest { parent: parent(), requests: vec![one], ..Default::default() };
    bindings.batch_update_role_bindings(update).await.unwrap();
    let one = DeleteRoleBindingRequest { name: given, ..Default::default() };
    let delete = BatchDeleteRoleBindingsRequest { parent: parent(), requests: vec![one], ..Default::default() };
    bindings.batch_delete_role_bindings(delete).await.unwrap();
    users.delete_user(DeleteUserRequest { name, ..Default::default() }).await.unwrap();
}

async fn identities(platform: &Session) {
    let mut identities = platform.identities();
    let uri = "https://login.example.com".to_owned();
    let issuer = Issuer { uri: uri.clone(), organization: "organizations/acme".into(), ..Default::default() };
    identities.register_issuer(RegisterIssuerRequest { issuer: Some(issuer), ..Default::default() }).await.unwrap();
    let user = "users/bob".to_owned();
    let identity = Some(Identity { issuer: uri.clone(), subject: "b-1".into(), ..Default::default() });
    let link = LinkIdentityRequest { user: user.clone(), identity: identity.clone(), ..Default::default() };
    identities.link_identity(link).await.unwrap();
    identities.unlink_identity(UnlinkIdentityRequest { user, identity, ..Default::default() }).await.unwrap();
    identities.unregister_issuer(UnregisterIssuerRequest { uri, ..Default::default() }).await.unwrap();
}

async fn groups_and_partners(platform: &Session) {
    let (mut groups, mut partnerships) = (platform.groups(), platform.partnerships());
    let acme = "organizations/acme".to_owned();
    let new = Group { display_name: "G".into(), ..Default::default() };
    let create = CreateGroupRequest { parent: acme.clone(), group_id: "new".into(), group: Some(new), ..Default::default() };
    let group = groups.create_group(create).await.unwrap().into_inner().name;
    let renamed = Group { name: group.clone(), display_name: "H".into(), ..Default::default() };
    groups.update_group(UpdateGroupRequest { group: Some(renamed), ..Default::default() }).await.unwrap();
    let member = "users/bob".to_owned();
    groups.add_group_member(AddGroupMemberRequest { group: group.clone(), member: member.clone(), ..Default::default() }).await.unwrap();
    groups.remove_group_member(RemoveGroupMemberRequest { group: group.clone(), member, ..Default::default() }).await.unwrap();
    groups.delete_group(DeleteGroupRequest { name: group, ..Default::default() }).await.unwrap();

    let offer = Partnership {
        partner: "organizations/desk".into(),
        node: acme.clone(),
        roles: vec!["roleModels/ad-platform/roles/org-partner".into()],
        ..Default::default()
    };
    let create = CreatePartnershipRequest { parent: acme, partnership: Some(offer), ..Default::default() };
    let offered = partnerships.create_partnership(create).await.unwrap().into_inner();
    let role = "roleModels/ad-platform/roles/account-partner".to_owned();
    let narrowed = Partnership { name: offered.name.clone(), roles: vec![role], ..Default::default() };
    let update = UpdatePartnershipRequest { partnership: Some(narrowed), update_mask: mask("roles"), ..Default::default() };
    partnerships.update_partnership(update).await.unwrap();
    let accept = AcceptPartnershipRequest { name: offered.name.clone(), ..Default::default() };
    partnerships.accept_partnership(accept).await.unwrap();
    partnerships.delete_partnership(DeletePartnershipRequest { name: offered.name, ..Default::default() }).await.unwrap();
}

async fn invitations(ann: &Session, cem: &Session) {
    let mut offers = ann.invitations();
    let several = ["one", "two"].map(|id| {
        let role = "roleModels/ad-platform/roles/account-admin".to_owned();
        let node = "organizations/acme/accounts/a1".to_owned();
        let invitation = Invitation { email: format!("{id}@example.com"), role, node, ..Default::default() };
        InvitationDraft { invitation: Some(invitation), ..Default::default() }
    });
    let batch = BatchCreateInvitationsRequest { parent: "organizations/acme".into(), drafts: several.into(), ..Default::default() };
    offers.batch_create_invitations(batch).await.unwrap();
    for end in ["accept", "decline", "revoke"] {
        let node = if end == "accept" { "organizations/acme" } else { "organizations/acme/accounts/a1" };
        let role = if end == "accept" { "org-admin" } else { "account-admin" };
        let role = format!("roleModels/ad-platform/roles/{role}");
        let offer = Invitation { email: "cem@example.com".into(), role, node: node.into(), ..Default::default() };
        let create = CreateInvitationRequest { parent: "organizations/acme".into(), invitation: Some(offer), ..Default::default() };
        let name = offers.create_invitation(create).await.unwrap().into_inner().name;
        let resend = ResendInvitationRequest { name: name.clone(), ..Default::default() };
        let token = offers.resend_invitation(resend).await.unwrap().into_inner().token;
        match end {
            "accept" => {
                let accept = AcceptInvitationRequest { token, ..Default::default() };
                cem.invitations().accept_invitation(accept).await.map(drop).unwrap();
            }
            "decline" => {
                let decline = DeclineInvitationRequest { token, ..Default::default() };
                cem.invitations().decline_invitation(decline).await.map(drop).unwrap();
            }
            _ => {
                let revoke = RevokeInvitationRequest { name, ..Default::default() };
                offers.revoke_invitation(revoke).await.map(drop).unwrap();
            }
        }
    }
}

async fn roles(platform: &Session) {
    let mut roles = platform.roles();
    let grants = vec![Grant { permissions: vec!["reporting.view_reports".into()], ..Default::default() }];
    let new = Role { title: "R".into(), held_at: "account".into(), grants, ..Default::default() };
    let parent = "organizations/market".to_owned();
    let create = CreateRoleRequest { parent, role_id: "new".into(), role: Some(new), ..Default::default() };
    let name = roles.create_role(create).await.unwrap().into_inner().name;
    let renamed = Role { name: name.clone(), title: "S".into(), ..Default::default() };
    roles.update_role(UpdateRoleRequest { role: Some(renamed), ..Default::default() }).await.unwrap();
    roles.delete_role(DeleteRoleRequest { name, ..Default::default() }).await.unwrap();
    let model = MODEL.replacen("ad-platform", "own-platform", 1);
    platform.role_models().push_role_model(PushRoleModelRequest { source: Some(Source::Yaml(model)), ..Default::default() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_of_the_contracts_leaves_what_was_or_what_became() {
    let installation = Installation::start(Layout::One, Store::Sqlite);
    let platform = installation.platform();
    let world: World = serde_saphyr::from_str(WORLD).unwrap();
    load(&platform, &world).await.unwrap();
    organizations(&platform).await;
    nodes(&platform).await;
    customers(&platform).await;
    people(&platform).await;
    identities(&platform).await;
    groups_and_partners(&platform).await;
    invitations(&installation.on_behalf_of("users/ann"), &installation.on_behalf_of("users/cem")).await;
    roles(&platform).await;

    let mut trail = Vec::new();
    let mut request = ListAuditEntriesRequest { page_size: 1000, ..Default::default() };
    loop {
        let page = platform.audit().list_audit_entries(request.clone()).await.unwrap().into_inner();
        trail.extend(page.audit_entries);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let with_a_change: BTreeSet<String> = trail
        .iter()
        .filter(|entry| (entry.before.is_some() || entry.after.is_some()) && !entry.resource.is_empty() && !entry.caller.is_empty())
        .map(|entry| entry.method.clone())
        .collect();
    let without: Vec<_> = writes().into_iter().filter(|write| !with_a_change.contains(write)).collect();
    assert_eq!(without, [""; 0], "these leave nothing in the audit trail, or this test does not call them: add the call");
    // The role catalog's are in the same trail.
    let of_models = trail.iter().filter(|entry| entry.action == "roleModels.push" && entry.resource == "roleModels/own-platform");
    assert_eq!(of_models.count(), 1);
    assert!(!format!("{trail:?}").contains("@example.com"), "no addresses");
}
