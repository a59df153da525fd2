//! Rows of an import: read as the single calls that they stand for, so that no field is judged in another way.

use api::directory::v1::{self as proto, import_row::Resource};
use chassis::{Deadline, Identity, hash::parts_hash};
use service::fields::Fields;
use tonic::{Request, Status};
use tonic_types::StatusExt;

use super::{account, group, member, organization, role_binding, user, workspace};
use crate::import::Draft;

/// The call that a row stands for.
#[derive(Clone, Debug)]
pub(crate) enum Single {
    Organization(proto::CreateOrganizationRequest),
    Workspace(proto::CreateWorkspaceRequest),
    Account(proto::CreateAccountRequest),
    User(proto::CreateUserRequest),
    Member(proto::CreateMemberRequest),
    Binding(proto::CreateRoleBindingRequest),
    Group(proto::CreateGroupRequest),
    GroupMember(proto::AddGroupMemberRequest),
}

/// Who imports; every row is read, and every single call is made, in their name.
#[derive(Clone, Debug)]
pub(crate) struct Importer(pub(crate) Identity);

impl Importer {
    /// A request of theirs.
    pub(crate) fn request<T>(&self, message: T, deadline: Deadline) -> Request<T> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(self.0.clone());
        request.extensions_mut().insert(deadline);
        request
    }
}

/// Reads a row: the call, and what it is to create.
pub(crate) fn read_row(importer: &Importer, row: proto::ImportRow, validate_only: bool) -> Result<(Single, Draft), Status> {
    let deadline = Deadline::after(std::time::Duration::from_secs(1));
    match row.resource {
        None => {
            let mut fields = Fields::default();
            fields.wrong("row", "one of `organization`, `workspace`, `account`, `user`, `member`, `role_binding`, `group`, `group_member`");
            fields.finish(None)
        }
        Some(Resource::User(user)) => {
            let (_, user_id) = split("user.name", &user.name, "users")?;
            let message = proto::CreateUserRequest { user_id, user: Some(user), validate_only, ..Default::default() };
            let (_, draft, _) = user::read_create(&importer.request(message.clone(), deadline))?;
            Ok((Single::User(message), Draft::User(draft)))
        }
        Some(Resource::Organization(organization)) => {
            let (_, organization_id) = split("organization.name", &organization.name, "organizations")?;
            let organization = Some(organization);
            let message = proto::CreateOrganizationRequest { organization_id, organization, validate_only, ..Default::default() };
            let (_, draft) = organization::read_create(&importer.request(message.clone(), deadline))?;
            Ok((Single::Organization(message), Draft::Organization(draft)))
        }
        Some(Resource::Workspace(workspace)) => {
            let (parent, workspace_id) = split("workspace.name", &workspace.name, "workspaces")?;
            let workspace = Some(workspace);
            let message = proto::CreateWorkspaceRequest { parent, workspace_id, workspace, validate_only, ..Default::default() };
            let (_, name, display_name) = workspace::read_create(&importer.request(message.clone(), deadline))?;
            Ok((Single::Workspace(message), Draft::Workspace { name, display_name }))
        }
        Some(Resource::Account(account)) => {
            let (parent, account_id) = split("account.name", &account.name, "accounts")?;
            let message = proto::CreateAccountRequest { parent, account_id, account: Some(account), validate_only, ..Default::default() };
            let (_, draft) = account::read_create(&importer.request(message.clone(), deadline))?;
            Ok((Single::Account(message), Draft::Account(draft)))
        }
        Some(Resource::Group(group)) => {
            let (parent, group_id) = split("group.name", &group.name, "groups")?;
            let message = proto::CreateGroupRequest { parent, group_id, group: Some(group), validate_only, ..Default::default() };
            let (_, name, display_name) = group::read_create(&importer.request(message.clone(), deadline))?;
            Ok((Single::Group(message), Draft::Group { name, display_name }))
        }
        Some(Resource::Member(member)) => {
            let (parent, id) = split("member.name", &member.name, "members")?;
            let mut fields = Fields::default();
            // What a row says and nobody does would be taken for done.
            if !matches!(member.state(), proto::member::State::Unspecified | proto::member::State::Active) {
                fields.wrong("member.state", "is imported as active only; suspend the member afterwards, or leave the row out");
            }
            if !member.roles.is_empty() {
                fields.wrong("member.roles", "a member's roles are rows of their own (`role_binding`)");
            }
            fields.finish(Some(()))?;
            let message = proto::CreateMemberRequest { parent, user: format!("users/{id}"), validate_only, ..Default::default() };
            let (_, draft) = member::read_create(&importer.request(message.clone(), deadline))?;
            Ok((Single::Member(message), Draft::Member(draft.name)))
        }
        Some(Resource::RoleBinding(binding)) => {
            let named = !binding.name.is_empty();
            let (parent, role_binding_id) = if named {
                split("role_binding.name", &binding.name, "roleBindings")?
            } else {
                (organization_of(&binding.node), derived_id(&binding))
            };
            let role_binding = Some(binding);
            let message = proto::CreateRoleBindingRequest { parent, role_binding_id, role_binding, validate_only, ..Default::default() };
            let (_, draft) = role_binding::read_create(&importer.request(message.clone(), deadline))?;
            Ok((Single::Binding(message), Draft::Binding { name: draft.name, assigned: draft.assigned, named }))
        }
        Some(Resource::GroupMember(edge)) => {
            let message = proto::AddGroupMemberRequest { group: edge.group, member: edge.member, validate_only, ..Default::default() };
            let (_, edge) = group::read_add(&importer.request(message.clone(), deadline))?;
            Ok((Single::GroupMember(message), Draft::GroupMember(edge)))
        }
    }
}

/// The parent of a name and the id in it. What is wrong with either otherwise is said by the single call.
fn split(path: &str, name: &str, collection: &str) -> Result<(String, String), Status> {
    let parts = name.rsplit_once('/').filter(|(_, id)| !id.is_empty()).and_then(|(rest, id)| Some((rest.strip_suffix(collection)?, id)));
    let parts = parts.map(|(parent, id)| (parent.trim_end_matches('/').to_owned(), id.to_owned()));
    let mut fields = Fields::default();
    if parts.is_none() {
        fields.wrong(path, format!("a name with `{collection}/` and an id; it is required here"));
    }
    fields.finish(parts)
}

/// `organizations/acme` of `organizations/acme/workspaces/emea`.
fn organization_of(node: &str) -> String {
    node.split('/').take(2).collect::<Vec<_>>().join("/")
}

/// The id of a binding that has none: the same for the same principal, role and node, so that it is imported once.
fn derived_id(binding: &proto::RoleBinding) -> String {
    let hash = parts_hash([binding.principal.as_bytes(), binding.role.as_bytes(), binding.node.as_bytes()]);
    let digits: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("i-{digits}")
}

/// What became of a row that is not refused.
pub(crate) fn write_outcome(number: u64, name: &str, outcome: proto::import_response::Outcome) -> proto::ImportResponse {
    proto::ImportResponse { number, outcome: outcome.into(), name: name.to_owned(), ..Default::default() }
}

/// Why a row is refused.
pub(crate) fn write_refusal(number: u64, name: &str, status: &Status) -> proto::ImportResponse {
    let details = status.get_error_details();
    let violation = details.bad_request().and_then(|bad| bad.field_violations.first());
    let message = match violation {
        Some(violation) => format!("{}: {}", status.message(), violation.description),
        None => status.message().to_owned(),
    };
    proto::ImportResponse {
        field: violation.map(|violation| violation.field.clone()).unwrap_or_default(),
        reason: details.error_info().map(|info| info.reason.clone()).unwrap_or_default(),
        message,
        ..write_outcome(number, name, proto::import_response::Outcome::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(resource: Resource) -> Result<Draft, Status> {
        let identity = Identity { caller: "services/console".into(), actor: Some(chassis::Actor { name: "users/ann".into() }) };
        read_row(&Importer(identity), proto::ImportRow { number: 1, resource: Some(resource) }, false).map(|(_, draft)| draft)
    }

    #[test]
    fn a_row_is_read_as_the_call_that_it_stands_for() {
        let user =
            |name: &str, email: &str| Resource::User(proto::User { name: name.into(), email: email.into(), ..proto::User::default() });
        assert_eq!(read(user("users/ann", "ann@example.com")).unwrap().name(), "users/ann");
        for (row, field) in [
            (user("", "ann@example.com"), "user.name"),
            (user("people/ann", "ann@example.com"), "user.name"),
            (user("users/Ann", "ann@example.com"), "user_id"),
            (user("users/ann", ""), "user.email"),
        ] {
            let status = read(row).unwrap_err();
            assert_eq!(write_refusal(7, "", &status).field, field);
        }
        let workspace = |name: &str| {
            Resource::Workspace(proto::Workspace { name: name.into(), display_name: "W".into(), ..proto::Workspace::default() })
        };
        assert_eq!(read(workspace("organizations/acme/workspaces/w")).unwrap().name(), "organizations/acme/workspaces/w");
        assert!(read(workspace("workspaces/w")).is_err());
    }

    #[test]
    fn a_binding_without_a_name_gets_the_same_one_each_time() {
        let binding = |principal: &str| {
            let role = "roleModels/m/roles/buyer".to_owned();
            let node = "organizations/acme/workspaces/emea".to_owned();
            Resource::RoleBinding(proto::RoleBinding { principal: principal.into(), role, node, ..proto::RoleBinding::default() })
        };
        let name = |principal: &str| read(binding(principal)).unwrap().name();
        assert_eq!(name("users/ann"), name("users/ann"));
        assert_ne!(name("users/ann"), name("users/bob"));
        assert!(name("users/ann").starts_with("organizations/acme/roleBindings/i-"));
    }
}
