//! Roles: messages to values and back.

use api::rolecatalog::v1::{self as proto, role::State, role_model_document::Grant as GrantMessage};
use decision::{
    document::Grant,
    name::{NodeName, RoleName, is_id, is_identifier},
};
use prost::Message;
use service::{
    Service,
    call::{Call, Page, WriteCall},
    fields::{Etag, Fields, etag, timestamp},
};
use tonic::{Request, Status};

use super::{Parent, read_grant, write_grants, write_system_role};
use crate::{
    document::text_fault,
    role::{CustomRole, CustomRoleName, Draft, MAX_GRANT_BYTES, MAX_GRANTS, Revised, Role, SystemRole},
    status::Error,
};

const LONGEST_TITLE: usize = 200;
const LONGEST_DESCRIPTION: usize = 2000;

/// What to list of a parent.
#[derive(Clone, Debug)]
pub(crate) struct RoleFilter {
    pub(crate) parent: Parent,
    /// Only those held at this type of node.
    pub(crate) held_at: Option<String>,
    pub(crate) with_deleted: bool,
}

pub(crate) fn read_create(request: &Request<proto::CreateRoleRequest>) -> Result<(WriteCall, Draft), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "rolecatalog.v1.RoleService/CreateRole", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    let id = fields.id("role_id", &message.role_id);
    let role = fields.required("role", message.role.clone());
    let title = read_title(&mut fields, &role.title);
    let description = read_description(&mut fields, &role.description);
    let grants = read_grants(&mut fields, &role.grants);
    node_type(&mut fields, "role.held_at", &role.held_at);
    let name = organization.and_then(|organization: NodeName| CustomRoleName::parse(&format!("{organization}/roles/{id}")).ok());
    let draft = name.map(|name| Draft { name, held_at: role.held_at, title, description, grants });
    Ok((call, fields.finish(draft)?))
}

pub(crate) fn read_get(request: &Request<proto::GetRoleRequest>) -> Result<(Call, RoleName), Status> {
    let call = Call::reading(request, "rolecatalog.v1.RoleService/GetRole")?;
    let mut fields = Fields::default();
    let name = fields.parse("name", &request.get_ref().name, RoleName::parse);
    Ok((call, fields.finish(name)?))
}

pub(crate) fn read_list(service: &Service, request: &Request<proto::ListRolesRequest>) -> Result<(Call, Page, RoleFilter), Status> {
    let call = Call::reading(request, "rolecatalog.v1.RoleService/ListRoles")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let page = call.page(message, service, &mut fields)?;
    let parent = fields.parse("parent", &message.parent, Parent::parse);
    let held_at = (!message.held_at.is_empty()).then(|| message.held_at.clone());
    if let Some(held_at) = &held_at {
        node_type(&mut fields, "held_at", held_at);
    }
    let filter = parent.map(|parent| RoleFilter { parent, held_at, with_deleted: message.show_deleted });
    Ok((call, page, fields.finish(filter)?))
}

pub(crate) fn read_update(request: &Request<proto::UpdateRoleRequest>) -> Result<(WriteCall, CustomRoleName, Revised, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "rolecatalog.v1.RoleService/UpdateRole", &mut fields)?;
    let message = request.get_ref();
    let role = fields.required("role", message.role.clone());
    let name = fields.parse("role.name", &role.name, CustomRoleName::parse);
    let changeable =
        [("title", !role.title.is_empty()), ("description", !role.description.is_empty()), ("grants", !role.grants.is_empty())];
    let chosen = fields.mask(message.update_mask.as_ref(), &changeable);
    let revised = Revised {
        title: chosen.contains("title").then(|| read_title(&mut fields, &role.title)),
        description: chosen.contains("description").then(|| read_description(&mut fields, &role.description)),
        grants: chosen.contains("grants").then(|| read_grants(&mut fields, &role.grants)),
    };
    let expected = fields.etag("role.etag", &role.etag);
    Ok((call, fields.finish(name)?, revised, expected))
}

pub(crate) fn read_delete(request: &Request<proto::DeleteRoleRequest>) -> Result<(WriteCall, CustomRoleName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "rolecatalog.v1.RoleService/DeleteRole", &mut fields)?;
    let name = fields.parse("name", &request.get_ref().name, CustomRoleName::parse);
    let expected = fields.etag("etag", &request.get_ref().etag);
    Ok((call, fields.finish(name)?, expected))
}

/// Not required, but if it is given it can be seen.
fn read_title(fields: &mut Fields, text: &str) -> String {
    if text.chars().count() > LONGEST_TITLE {
        fields.wrong("role.title", format!("at most {LONGEST_TITLE} characters"));
    } else if let Some(fault) = text_fault(text, false) {
        fields.wrong("role.title", fault);
    }
    text.to_owned()
}

/// Several lines, unlike a title.
fn read_description(fields: &mut Fields, text: &str) -> String {
    if text.chars().count() > LONGEST_DESCRIPTION {
        fields.wrong("role.description", format!("at most {LONGEST_DESCRIPTION} characters"));
    } else if let Some(fault) = text_fault(text, true) {
        fields.wrong("role.description", fault);
    }
    text.to_owned()
}

fn node_type(fields: &mut Fields, path: &str, text: &str) {
    if !is_id(text) && !is_identifier(text) {
        fields.wrong(path, "a type of node of the role model, for example `account`");
    }
}

fn read_grants(fields: &mut Fields, messages: &[GrantMessage]) -> Vec<Grant> {
    if !(1..=MAX_GRANTS).contains(&messages.len()) {
        fields.wrong("role.grants", format!("1 to {MAX_GRANTS} grants"));
        return Vec::new();
    }
    if messages.iter().map(Message::encoded_len).sum::<usize>() > MAX_GRANT_BYTES {
        fields.wrong("role.grants", "at most 64 KiB in all");
        return Vec::new();
    }
    let mut grants = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        match read_grant(message) {
            Ok(grant) => grants.push(grant),
            Err(error) => fields.wrong(format!("role.grants[{index}]"), error),
        }
    }
    grants
}

pub(crate) fn write(role: &Role) -> Result<proto::Role, Error> {
    match role {
        Role::System(role) => write_system(role),
        Role::Custom(role) => write_custom(role),
    }
}

pub(crate) fn write_custom(role: &CustomRole) -> Result<proto::Role, Error> {
    Ok(proto::Role {
        name: role.name.to_string(),
        title: role.title.clone(),
        description: role.description.clone(),
        held_at: role.held_at.clone(),
        grants: write_grants(&role.grants)?,
        custom: true,
        system: None,
        state: if role.deleted { State::Deleted } else { State::Active }.into(),
        create_time: timestamp(role.create_time),
        update_time: timestamp(role.update_time),
        etag: etag(role.version),
        revision: String::new(),
    })
}

/// A system role changes with its role model's revisions, so their number is its etag.
fn write_system(role: &SystemRole) -> Result<proto::Role, Error> {
    Ok(proto::Role {
        name: role.name.to_string(),
        title: role.rules.title.clone(),
        description: role.rules.description.clone(),
        held_at: role.rules.held_at.clone(),
        grants: write_grants(&role.rules.grants)?,
        custom: false,
        system: Some(write_system_role(&role.rules)?),
        state: State::Active.into(),
        create_time: timestamp(role.create_time),
        update_time: timestamp(role.create_time),
        etag: etag(role.model_revision.into()),
        revision: String::new(),
    })
}
