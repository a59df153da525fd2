//! What all writes, all lists and all answers have in common.

use api::directory::v1 as proto;

use crate::{
    call::{ListMessage, WriteMessage},
    change::Answer,
};

macro_rules! writes {
    ($($message:ident),+ $(,)?) => {
        $(impl WriteMessage for proto::$message {
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

writes!(
    CreateOrganizationRequest,
    UpdateOrganizationRequest,
    DeleteOrganizationRequest,
    SuspendOrganizationRequest,
    ReactivateOrganizationRequest,
    CreateWorkspaceRequest,
    UpdateWorkspaceRequest,
    DeleteWorkspaceRequest,
    CreateAccountRequest,
    UpdateAccountRequest,
    DeleteAccountRequest,
    PauseAccountRequest,
    ResumeAccountRequest,
    CreateResourceRequest,
    UpdateResourceRequest,
    DeleteResourceRequest,
    SetCeilingRequest,
    CreateUserRequest,
    UpdateUserRequest,
    DeleteUserRequest,
    SuspendUserRequest,
    ReactivateUserRequest,
    CreateMemberRequest,
    UpdateMemberRequest,
    DeleteMemberRequest,
    CreateGroupRequest,
    UpdateGroupRequest,
    DeleteGroupRequest,
    AddGroupMemberRequest,
    RemoveGroupMemberRequest,
    CreatePartnershipRequest,
    UpdatePartnershipRequest,
    AcceptPartnershipRequest,
    DeletePartnershipRequest,
    CreateRoleBindingRequest,
    UpdateRoleBindingRequest,
    DeleteRoleBindingRequest,
);

macro_rules! lists {
    ($($message:ident),+ $(,)?) => {
        $(impl ListMessage for proto::$message {
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

lists!(
    ListOrganizationsRequest,
    ListWorkspacesRequest,
    ListAccountsRequest,
    ListResourcesRequest,
    ListUsersRequest,
    ListMembersRequest,
    ListGroupsRequest,
    ListGroupMembersRequest,
    ListPartnershipsRequest,
    ListRoleBindingsRequest,
);

macro_rules! answers {
    ($($message:ident),+ $(,)?) => {
        $(impl Answer for proto::$message {
            fn stamp(&mut self, revision: &str) {
                revision.clone_into(&mut self.revision);
            }
        })+
    };
}

answers!(Organization, Workspace, Account, Resource, Ceiling, User, Member, Group, GroupMember, Partnership, RoleBinding);

macro_rules! answers_with {
    ($($message:ident.$part:ident),+ $(,)?) => {
        $(impl Answer for proto::$message {
            fn stamp(&mut self, revision: &str) {
                if let Some(part) = &mut self.$part {
                    part.stamp(revision);
                }
            }
        })+
    };
}

answers_with!(
    DeleteResourceResponse.resource,
    SuspendUserResponse.user,
    DeleteMemberResponse.member,
    DeletePartnershipResponse.partnership
);
