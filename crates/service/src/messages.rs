//! What all writes, all lists and all answers have in common. The implementations are here, and not in the services, since neither these
//! traits nor the messages are the services' own.

use api::{directory::v1 as directory, rolecatalog::v1 as rolecatalog};

use crate::{
    call::{ListMessage, WriteMessage},
    change::Answer,
};

/// Implements [`WriteMessage`] for messages with `request_id` and `validate_only`.
macro_rules! writes {
    ($($message:path),+ $(,)?) => {
        $(impl WriteMessage for $message {
            fn request_id(&self) -> &str {
                &self.request_id
            }

            fn without_request_id(&self) -> Self {
                Self { request_id: String::new(), ..self.clone() }
            }

            fn validate_only(&self) -> bool {
                self.validate_only
            }
        })+
    };
}

/// Implements [`ListMessage`] for messages with `page_size` and `page_token`.
macro_rules! lists {
    ($($message:path),+ $(,)?) => {
        $(impl ListMessage for $message {
            fn page_size(&self) -> i32 {
                self.page_size
            }

            fn page_token(&self) -> &str {
                &self.page_token
            }

            fn parameters(&self) -> Self {
                #[allow(clippy::needless_update, reason = "some lists have no parameters")]
                Self { page_size: 0, page_token: String::new(), ..self.clone() }
            }
        })+
    };
}

/// Implements [`Answer`] for messages with `revision`.
macro_rules! answers {
    ($($message:path),+ $(,)?) => {
        $(impl Answer for $message {
            fn stamp(&mut self, revision: &str) {
                revision.clone_into(&mut self.revision);
            }
        })+
    };
}

/// Implements [`Answer`] for messages with parts that have the `revision`.
macro_rules! answers_with {
    ($($message:path { $($part:ident),+ }),+ $(,)?) => {
        $(impl Answer for $message {
            fn stamp(&mut self, revision: &str) {
                $(if let Some(part) = &mut self.$part {
                    part.stamp(revision);
                })+
            }
        })+
    };
}

/// Implements [`Answer`] for messages with a list of parts that have the `revision`.
macro_rules! answers_with_each {
    ($($message:path { $parts:ident }),+ $(,)?) => {
        $(impl Answer for $message {
            fn stamp(&mut self, revision: &str) {
                self.$parts.iter_mut().for_each(|part| part.stamp(revision));
            }
        })+
    };
}

writes!(
    directory::CreateOrganizationRequest,
    directory::UpdateOrganizationRequest,
    directory::DeleteOrganizationRequest,
    directory::SuspendOrganizationRequest,
    directory::ReactivateOrganizationRequest,
    directory::UndeleteOrganizationRequest,
    directory::MoveOrganizationRequest,
    directory::ConsentToMoveRequest,
    directory::RevokeConsentToMoveRequest,
    directory::ChangeOrganizationKindRequest,
    directory::CreateWorkspaceRequest,
    directory::UpdateWorkspaceRequest,
    directory::DeleteWorkspaceRequest,
    directory::UndeleteWorkspaceRequest,
    directory::CreateAccountRequest,
    directory::UpdateAccountRequest,
    directory::DeleteAccountRequest,
    directory::PauseAccountRequest,
    directory::ResumeAccountRequest,
    directory::MoveAccountRequest,
    directory::UndeleteAccountRequest,
    directory::CreateResourceRequest,
    directory::UpdateResourceRequest,
    directory::DeleteResourceRequest,
    directory::SetCeilingRequest,
    directory::CreateUserRequest,
    directory::UpdateUserRequest,
    directory::DeleteUserRequest,
    directory::SuspendUserRequest,
    directory::ReactivateUserRequest,
    directory::RegisterIssuerRequest,
    directory::UnregisterIssuerRequest,
    directory::LinkIdentityRequest,
    directory::UnlinkIdentityRequest,
    directory::CreateMemberRequest,
    directory::BatchCreateMembersRequest,
    directory::UpdateMemberRequest,
    directory::BatchUpdateMembersRequest,
    directory::DeleteMemberRequest,
    directory::CreateGroupRequest,
    directory::UpdateGroupRequest,
    directory::DeleteGroupRequest,
    directory::AddGroupMemberRequest,
    directory::RemoveGroupMemberRequest,
    directory::CreatePartnershipRequest,
    directory::UpdatePartnershipRequest,
    directory::AcceptPartnershipRequest,
    directory::DeletePartnershipRequest,
    directory::CreateRoleBindingRequest,
    directory::UpdateRoleBindingRequest,
    directory::DeleteRoleBindingRequest,
    directory::BatchCreateRoleBindingsRequest,
    directory::BatchUpdateRoleBindingsRequest,
    directory::BatchDeleteRoleBindingsRequest,
    directory::CreateInvitationRequest,
    directory::BatchCreateInvitationsRequest,
    directory::InviteCustomerRequest,
    directory::ResendInvitationRequest,
    directory::RevokeInvitationRequest,
    directory::AcceptInvitationRequest,
    directory::DeclineInvitationRequest,
);

writes!(rolecatalog::PushRoleModelRequest, rolecatalog::CreateRoleRequest, rolecatalog::UpdateRoleRequest, rolecatalog::DeleteRoleRequest);

lists!(
    directory::ListOrganizationsRequest,
    directory::ListWorkspacesRequest,
    directory::ListAccountsRequest,
    directory::ListResourcesRequest,
    directory::ListUsersRequest,
    directory::ListIssuersRequest,
    directory::ListMembersRequest,
    directory::ListGroupsRequest,
    directory::ListGroupMembersRequest,
    directory::ListPartnershipsRequest,
    directory::ListRoleBindingsRequest,
    directory::ListInvitationsRequest,
    directory::ListAuditEntriesRequest,
    directory::AuditInvariantsRequest,
    directory::ListParticipantsRequest,
    directory::ListUserWorkspacesRequest,
    directory::ListUserCustomersRequest,
);

lists!(rolecatalog::ListRoleModelsRequest, rolecatalog::ListRolesRequest);

answers!(
    directory::Organization,
    directory::MoveConsent,
    directory::Workspace,
    directory::Account,
    directory::Resource,
    directory::Ceiling,
    directory::User,
    directory::Issuer,
    directory::Identity,
    directory::Member,
    directory::Group,
    directory::GroupMember,
    directory::Partnership,
    directory::RoleBinding,
    directory::Invitation,
);

answers_with!(
    directory::MoveOrganizationResponse { organization },
    directory::DeleteResourceResponse { resource },
    directory::SuspendUserResponse { user },
    directory::DeleteMemberResponse { member },
    directory::DeletePartnershipResponse { partnership },
    directory::AcceptInvitationResponse { invitation, role_binding },
    directory::InviteCustomerResponse { organization, invitation },
);

answers_with_each!(
    directory::BatchCreateMembersResponse { members },
    directory::BatchUpdateMembersResponse { members },
    directory::BatchCreateRoleBindingsResponse { role_bindings },
    directory::BatchUpdateRoleBindingsResponse { role_bindings },
    directory::BatchDeleteRoleBindingsResponse { role_bindings },
    directory::BatchCreateInvitationsResponse { invitations },
);

answers!(rolecatalog::RoleModel, rolecatalog::Role);
