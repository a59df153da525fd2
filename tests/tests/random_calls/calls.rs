//! Random calls: over every write of the directory and the role catalog, and over reads; some make sense, some are hostile.

use std::fmt::Write as _;

use api::{directory::v1::*, rolecatalog::v1 as catalog};
use client::session::Session;
use decision::name::UserName;
use tonic::Status;

/// Random numbers (splitmix64), the same from the same seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides.max(1) as u64).unwrap_or_default()
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.roll(100) < chance
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { Some(&from[self.roll(from.len())]) }
    }
}

/// Declares the calls: those that write, and those that read.
macro_rules! calls {
    (write { $($write:ident($request:ty): $stub:ident.$method:ident;)+ } read { $($read:ident($reading:ty): $from:ident.$get:ident;)+ }) => {
        /// A call.
        #[derive(Clone, Debug)]
        pub enum Call {
            $(#[allow(missing_docs)] $write($request),)+
            $(#[allow(missing_docs)] $read($reading),)+
        }

        impl Call {
            /// Makes the call; what it answers, as text.
            pub async fn send(&self, session: &Session) -> Result<String, Status> {
                match self.clone() {
                    $(Self::$write(request) => session.$stub().$method(request).await.map(|answer| format!("{:?}", answer.into_inner())),)+
                    $(Self::$read(request) => session.$from().$get(request).await.map(|answer| format!("{:?}", answer.into_inner())),)+
                }
            }

            /// Only to be checked; none for one that only reads.
            pub fn validated(&self) -> Option<Self> {
                match self.clone() {
                    $(Self::$write(request) => Some(Self::$write({ let mut request = request; request.validate_only = true; request })),)+
                    $(Self::$read(_) => None,)+
                }
            }

            /// With a request id; none for one that only reads.
            pub fn repeatable(&self, id: &str) -> Option<Self> {
                match self.clone() {
                    $(Self::$write(request) => Some(Self::$write({ let mut request = request; request.request_id = id.to_owned(); request })),)+
                    $(Self::$read(_) => None,)+
                }
            }

            /// Its method.
            pub fn method(&self) -> &'static str {
                match self {
                    $(Self::$write(_) => stringify!($write),)+
                    $(Self::$read(_) => stringify!($read),)+
                }
            }
        }
    };
}

calls! {
    write {
        CreateOrganization(CreateOrganizationRequest): organizations.create_organization;
        UpdateOrganization(UpdateOrganizationRequest): organizations.update_organization;
        DeleteOrganization(DeleteOrganizationRequest): organizations.delete_organization;
        SuspendOrganization(SuspendOrganizationRequest): organizations.suspend_organization;
        ReactivateOrganization(ReactivateOrganizationRequest): organizations.reactivate_organization;
        UndeleteOrganization(UndeleteOrganizationRequest): organizations.undelete_organization;
        MoveOrganization(MoveOrganizationRequest): organizations.move_organization;
        ConsentToMove(ConsentToMoveRequest): organizations.consent_to_move;
        ChangeOrganizationKind(ChangeOrganizationKindRequest): organizations.change_organization_kind;
        CreateWorkspace(CreateWorkspaceRequest): workspaces.create_workspace;
        UpdateWorkspace(UpdateWorkspaceRequest): workspaces.update_workspace;
        DeleteWorkspace(DeleteWorkspaceRequest): workspaces.delete_workspace;
        UndeleteWorkspace(UndeleteWorkspaceRequest): workspaces.undelete_workspace;
        CreateAccount(CreateAccountRequest): accounts.create_account;
        UpdateAccount(UpdateAccountRequest): accounts.update_account;
        DeleteAccount(DeleteAccountRequest): accounts.delete_account;
        PauseAccount(PauseAccountRequest): accounts.pause_account;
        ResumeAccount(ResumeAccountRequest): accounts.resume_account;
        MoveAccount(MoveAccountRequest): accounts.move_account;
        UndeleteAccount(UndeleteAccountRequest): accounts.undelete_account;
        CreateResource(CreateResourceRequest): resources.create_resource;
        DeleteResource(DeleteResourceRequest): resources.delete_resource;
        SetCeiling(SetCeilingRequest): ceilings.set_ceiling;
        CreateUser(CreateUserRequest): users.create_user;
        UpdateUser(UpdateUserRequest): users.update_user;
        SuspendUser(SuspendUserRequest): users.suspend_user;
        ReactivateUser(ReactivateUserRequest): users.reactivate_user;
        CreateMember(CreateMemberRequest): members.create_member;
        UpdateMember(UpdateMemberRequest): members.update_member;
        DeleteMember(DeleteMemberRequest): members.delete_member;
        CreateGroup(CreateGroupRequest): groups.create_group;
        UpdateGroup(UpdateGroupRequest): groups.update_group;
        DeleteGroup(DeleteGroupRequest): groups.delete_group;
        AddGroupMember(AddGroupMemberRequest): groups.add_group_member;
        RemoveGroupMember(RemoveGroupMemberRequest): groups.remove_group_member;
        CreatePartnership(CreatePartnershipRequest): partnerships.create_partnership;
        UpdatePartnership(UpdatePartnershipRequest): partnerships.update_partnership;
        AcceptPartnership(AcceptPartnershipRequest): partnerships.accept_partnership;
        DeletePartnership(DeletePartnershipRequest): partnerships.delete_partnership;
        CreateRoleBinding(CreateRoleBindingRequest): role_bindings.create_role_binding;
        UpdateRoleBinding(UpdateRoleBindingRequest): role_bindings.update_role_binding;
        DeleteRoleBinding(DeleteRoleBindingRequest): role_bindings.delete_role_binding;
        CreateInvitation(CreateInvitationRequest): invitations.create_invitation;
        InviteCustomer(InviteCustomerRequest): invitations.invite_customer;
        ResendInvitation(ResendInvitationRequest): invitations.resend_invitation;
        RevokeInvitation(RevokeInvitationRequest): invitations.revoke_invitation;
        AcceptInvitation(AcceptInvitationRequest): invitations.accept_invitation;
        DeclineInvitation(DeclineInvitationRequest): invitations.decline_invitation;
        CreateRole(catalog::CreateRoleRequest): roles.create_role;
        UpdateRole(catalog::UpdateRoleRequest): roles.update_role;
        DeleteRole(catalog::DeleteRoleRequest): roles.delete_role;
    }
    read {
        GetOrganization(GetOrganizationRequest): organizations.get_organization;
        ListOrganizations(ListOrganizationsRequest): organizations.list_organizations;
        GetWorkspace(GetWorkspaceRequest): workspaces.get_workspace;
        ListWorkspaces(ListWorkspacesRequest): workspaces.list_workspaces;
        GetAccount(GetAccountRequest): accounts.get_account;
        ListAccounts(ListAccountsRequest): accounts.list_accounts;
        GetUser(GetUserRequest): users.get_user;
        GetMember(GetMemberRequest): members.get_member;
        ListMembers(ListMembersRequest): members.list_members;
        GetGroup(GetGroupRequest): groups.get_group;
        ListGroups(ListGroupsRequest): groups.list_groups;
        ListGroupMembers(ListGroupMembersRequest): groups.list_group_members;
        GetPartnership(GetPartnershipRequest): partnerships.get_partnership;
        ListPartnerships(ListPartnershipsRequest): partnerships.list_partnerships;
        GetRoleBinding(GetRoleBindingRequest): role_bindings.get_role_binding;
        ListRoleBindings(ListRoleBindingsRequest): role_bindings.list_role_bindings;
        GetRole(catalog::GetRoleRequest): roles.get_role;
        ListRoles(catalog::ListRolesRequest): roles.list_roles;
    }
}

/// Calls that name one thing, which may be there or not: two of them must look the same to whom it is none of their business.
pub fn about(name: &str, user: &UserName) -> Vec<Call> {
    let own = |text: &str| text.to_owned();
    let organization = name.split('/').take(2).collect::<Vec<_>>().join("/");
    let kind = name.split('/').nth(2).unwrap_or_default();
    match kind {
        "" => vec![
            Call::GetOrganization(GetOrganizationRequest { name: own(name) }),
            Call::DeleteOrganization(DeleteOrganizationRequest { name: own(name), ..Default::default() }),
            Call::SuspendOrganization(SuspendOrganizationRequest { name: own(name), ..Default::default() }),
            Call::UndeleteOrganization(UndeleteOrganizationRequest { name: own(name), ..Default::default() }),
            Call::ConsentToMove(ConsentToMoveRequest {
                name: own(name),
                parent: own("organizations/none/workspaces/w"),
                ..Default::default()
            }),
            Call::MoveOrganization(MoveOrganizationRequest {
                name: own(name),
                parent: own("organizations/none/workspaces/w"),
                ..Default::default()
            }),
            Call::ListMembers(ListMembersRequest { parent: own(name), ..Default::default() }),
            Call::ListAccounts(ListAccountsRequest { parent: own(name), ..Default::default() }),
            Call::ListPartnerships(ListPartnershipsRequest { parent: own(name), ..Default::default() }),
            Call::CreateMember(CreateMemberRequest { parent: own(name), user: user.to_string(), ..Default::default() }),
            Call::SetCeiling(SetCeilingRequest { ceiling: Some(Ceiling { node: own(name), ..Default::default() }), ..Default::default() }),
        ],
        "workspaces" => vec![
            Call::GetWorkspace(GetWorkspaceRequest { name: own(name) }),
            Call::DeleteWorkspace(DeleteWorkspaceRequest { name: own(name), ..Default::default() }),
            Call::UndeleteWorkspace(UndeleteWorkspaceRequest { name: own(name), ..Default::default() }),
            Call::ListOrganizations(ListOrganizationsRequest { parent: own(name), ..Default::default() }),
            Call::InviteCustomer(InviteCustomerRequest {
                parent: own(name),
                organization_id: own("never-made"),
                organization: Some(Organization::default()),
                email: own("anybody@none.example"),
                role: own("roleModels/agency/roles/advertiser-admin"),
                ..Default::default()
            }),
        ],
        "accounts" => vec![
            Call::GetAccount(GetAccountRequest { name: own(name) }),
            Call::PauseAccount(PauseAccountRequest { name: own(name), ..Default::default() }),
            Call::DeleteAccount(DeleteAccountRequest { name: own(name), ..Default::default() }),
            Call::UndeleteAccount(UndeleteAccountRequest { name: own(name), ..Default::default() }),
            Call::MoveAccount(MoveAccountRequest { name: own(name), ..Default::default() }),
            Call::CreateInvitation(CreateInvitationRequest {
                parent: organization.clone(),
                invitation: Some(Invitation {
                    email: own("anybody@none.example"),
                    role: own("roleModels/ad-platform/roles/account-admin"),
                    node: own(name),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            Call::SetCeiling(SetCeilingRequest { ceiling: Some(Ceiling { node: own(name), ..Default::default() }), ..Default::default() }),
            Call::CreateRoleBinding(CreateRoleBindingRequest {
                parent: organization,
                role_binding: Some(RoleBinding {
                    principal: user.to_string(),
                    role: "roleModels/ad-platform/roles/account-admin".into(),
                    node: own(name),
                    ..Default::default()
                }),
                ..Default::default()
            }),
        ],
        "members" => vec![
            Call::GetMember(GetMemberRequest { name: own(name), ..Default::default() }),
            Call::DeleteMember(DeleteMemberRequest { name: own(name), ..Default::default() }),
            Call::UpdateMember(UpdateMemberRequest {
                member: Some(Member { name: own(name), state: member::State::Suspended.into(), ..Default::default() }),
                ..Default::default()
            }),
            Call::UpdateMember(UpdateMemberRequest {
                member: Some(Member { name: own(name), ..Default::default() }),
                update_mask: Some(prost_types::FieldMask { paths: vec![own("roles")] }),
                ..Default::default()
            }),
            Call::UpdateMember(UpdateMemberRequest {
                member: Some(Member { name: own(name), ..Default::default() }),
                update_mask: Some(prost_types::FieldMask { paths: vec![own("roles")] }),
                allow_missing: true,
                ..Default::default()
            }),
        ],
        "partnerships" => vec![
            Call::GetPartnership(GetPartnershipRequest { name: own(name) }),
            Call::AcceptPartnership(AcceptPartnershipRequest { name: own(name), ..Default::default() }),
            Call::DeletePartnership(DeletePartnershipRequest { name: own(name), ..Default::default() }),
        ],
        "roleBindings" => vec![
            Call::GetRoleBinding(GetRoleBindingRequest { name: own(name) }),
            Call::DeleteRoleBinding(DeleteRoleBindingRequest { name: own(name), ..Default::default() }),
        ],
        "groups" => vec![
            Call::GetGroup(GetGroupRequest { name: own(name) }),
            Call::ListGroupMembers(ListGroupMembersRequest { group: own(name), ..Default::default() }),
            Call::DeleteGroup(DeleteGroupRequest { name: own(name), ..Default::default() }),
            Call::AddGroupMember(AddGroupMemberRequest { group: own(name), member: user.to_string(), ..Default::default() }),
        ],
        "roles" => vec![
            Call::GetRole(catalog::GetRoleRequest { name: own(name) }),
            Call::DeleteRole(catalog::DeleteRoleRequest { name: own(name), ..Default::default() }),
        ],
        _ => vec![Call::DeleteResource(DeleteResourceRequest { name: own(name), ..Default::default() })],
    }
}

/// An invitation that somebody was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub name: String,
    pub token: String,
    pub email: String,
}

impl Sent {
    /// From what a call that invites has answered.
    pub fn from_answer(answer: &str) -> Option<Self> {
        let invitation = &answer[answer.find("Invitation { name: ")?..];
        let field = |name: &str| {
            let from = invitation.find(&format!(" {name}: \""))? + name.len() + 4;
            let length = invitation[from..].find('"')?;
            Some(invitation[from..from + length].to_owned())
        };
        let sent = Self { name: field("name")?, token: field("token")?, email: field("email")? };
        (!sent.token.is_empty()).then_some(sent)
    }
}

/// What a refusal says to a reader: code, message and details.
pub fn told(status: &Status) -> String {
    let mut text = format!("{:?} {}", status.code(), status.message());
    let _ = write!(text, " {}", String::from_utf8_lossy(status.details()));
    text
}
