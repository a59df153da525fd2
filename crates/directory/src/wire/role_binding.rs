//! Role bindings: messages to values and back.

use std::collections::BTreeMap;

use api::{directory::v1 as proto, document, feed::v1::ComponentLevels, rolecatalog::v1::role_model_document::ConditionUse};
use decision::name::{BindingName, NodeName, Principal, RoleName, Sponsor, is_identifier};
use prost::Message;
use service::{
    Service,
    call::{Call, Page, WriteCall},
    fields::{Etag, Fields, etag, timestamp},
    filter::{Field, Kind, Offered, Way},
};
use tonic::{Request, Status};

use crate::{
    assignable::{Listed, Offer},
    feed,
    role_binding::{Assignment, ComponentMap, Condition, RoleBinding, RoleBindingChange, level_of},
    store::role_binding::BindingFilter,
};

const MOST_COMPONENTS: usize = 200;
const MOST_PARAMETERS: usize = 20;
const MOST_PARAMETER_BYTES: usize = 4096;

/// A binding to be.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) name: BindingName,
    pub(crate) assigned: Assignment,
}

pub(crate) fn read_create(request: &Request<proto::CreateRoleBindingRequest>) -> Result<(WriteCall, Draft), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.RoleBindingService/CreateRoleBinding", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    let id = fields.id("role_binding_id", &message.role_binding_id);
    let binding = fields.required("role_binding", message.role_binding.clone());
    let principal = fields.parse("role_binding.principal", &binding.principal, Principal::parse);
    let role = fields.parse("role_binding.role", &binding.role, RoleName::parse);
    let node = fields.parse("role_binding.node", &binding.node, NodeName::parse);
    if let (Some(organization), Some(node)) = (&organization, &node)
        && node.organization() != *organization
    {
        fields.wrong("role_binding.node", format!("`{organization}`, or something in it"));
    }
    let components = read_components(&mut fields, "role_binding.components", binding.components.as_ref());
    let condition = read_condition(&mut fields, "role_binding.condition", binding.condition.as_ref());
    let expire_time = fields.time("role_binding.expire_time", binding.expire_time.as_ref());
    let sponsor = match binding.sponsor.as_str() {
        "" => None,
        text => fields.parse("role_binding.sponsor", text, Sponsor::parse),
    };
    let name = organization.and_then(|organization| BindingName::parse(&format!("{organization}/roleBindings/{id}")).ok());
    let draft = || {
        let assigned = Assignment { principal: principal?, role: role?, node: node?, components, condition, expire_time, sponsor };
        Some(Draft { name: name?, assigned })
    };
    let draft = draft();
    Ok((call, fields.finish(draft)?))
}

pub(crate) fn read_get(request: &Request<proto::GetRoleBindingRequest>) -> Result<(Call, BindingName), Status> {
    let call = Call::reading(request, "directory.v1.RoleBindingService/GetRoleBinding")?;
    let mut fields = Fields::default();
    let name = fields.parse("name", &request.get_ref().name, BindingName::parse);
    Ok((call, fields.finish(name)?))
}

const LISTED: Offered = Offered {
    fields: &[
        Field { name: "node", kind: Kind::Name(|name| NodeName::parse(name).map(drop)) },
        Field { name: "principal", kind: Kind::Name(|name| Principal::parse(name).map(drop)) },
        Field { name: "role", kind: Kind::Name(|name| RoleName::parse(name).map(drop)) },
        Field { name: "create_time", kind: Kind::Time },
    ],
    ways: &[
        Way { order: "name", by: &[], bounded: false },
        Way { order: "name", by: &["node"], bounded: false },
        Way { order: "name", by: &["principal"], bounded: false },
        Way { order: "name", by: &["role"], bounded: false },
        Way { order: "name", by: &["node", "principal"], bounded: false },
        Way { order: "name", by: &["node", "role"], bounded: false },
        Way { order: "create_time", by: &[], bounded: true },
        Way { order: "create_time", by: &["node"], bounded: true },
    ],
};

pub(crate) fn read_list(
    service: &Service,
    request: &Request<proto::ListRoleBindingsRequest>,
) -> Result<(Call, Page, BindingFilter), Status> {
    let call = Call::reading(request, "directory.v1.RoleBindingService/ListRoleBindings")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let page = call.page(message, service, &mut fields)?;
    let organization = fields.organization("parent", &message.parent);
    // The two that have fields of their own are as if they stood in the filter.
    let mut filter = message.filter.clone();
    for (field, text) in [("node", &message.node), ("principal", &message.principal)] {
        if !text.is_empty() && !text.contains(['"', '\\']) {
            let and = if filter.trim().is_empty() { "" } else { " AND " };
            filter.push_str(&format!("{and}{field} = \"{text}\""));
        }
    }
    let node = match message.node.as_str() {
        "" => None,
        text => fields.parse("node", text, NodeName::parse),
    };
    let principal = match message.principal.as_str() {
        "" => None,
        text => fields.parse("principal", text, Principal::parse),
    };
    let malformed = (node.is_none() && !message.node.is_empty()) || (principal.is_none() && !message.principal.is_empty());
    let query = fields.query(&LISTED, if malformed { &message.filter } else { &filter }, &message.order_by);
    let node = query.is("node").and_then(|node| NodeName::parse(node).ok());
    if let (Some(organization), Some(node)) = (&organization, &node)
        && node.organization() != *organization
    {
        fields.wrong("node", format!("`{organization}`, or something in it"));
    }
    let principal = query.is("principal").and_then(|principal| Principal::parse(principal).ok());
    let role = query.is("role").and_then(|role| RoleName::parse(role).ok());
    let filter = organization.map(|organization| BindingFilter { organization, node, principal, role, query });
    Ok((call, page, fields.finish(filter)?))
}

pub(crate) fn read_update(
    request: &Request<proto::UpdateRoleBindingRequest>,
) -> Result<(WriteCall, BindingName, RoleBindingChange, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.RoleBindingService/UpdateRoleBinding", &mut fields)?;
    let message = request.get_ref();
    let binding = fields.required("role_binding", message.role_binding.clone());
    let name = fields.parse("role_binding.name", &binding.name, BindingName::parse);
    let changeable = [
        ("role", !binding.role.is_empty()),
        ("components", binding.components.is_some()),
        ("condition", binding.condition.is_some()),
        ("expire_time", binding.expire_time.is_some()),
    ];
    let chosen = fields.mask(message.update_mask.as_ref(), &changeable);
    let role = chosen.contains("role").then(|| fields.parse("role_binding.role", &binding.role, RoleName::parse)).flatten();
    let components =
        chosen.contains("components").then(|| read_components(&mut fields, "role_binding.components", binding.components.as_ref()));
    let condition = chosen.contains("condition").then(|| read_condition(&mut fields, "role_binding.condition", binding.condition.as_ref()));
    let expire_time = chosen.contains("expire_time").then(|| fields.time("role_binding.expire_time", binding.expire_time.as_ref()));
    let expected = fields.etag("role_binding.etag", &binding.etag);
    let name = fields.finish(name)?;
    Ok((call, name, RoleBindingChange { role, components, condition, expire_time }, expected))
}

pub(crate) fn read_delete(request: &Request<proto::DeleteRoleBindingRequest>) -> Result<(WriteCall, BindingName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.RoleBindingService/DeleteRoleBinding", &mut fields)?;
    let message = request.get_ref();
    let name = fields.parse("name", &message.name, BindingName::parse);
    let expected = fields.etag("etag", &message.etag);
    Ok((call, fields.finish(name)?, expected))
}

pub(crate) fn read_list_assignable(request: &Request<proto::ListAssignableRolesRequest>) -> Result<(Call, Offer), Status> {
    let call = Call::reading(request, "directory.v1.RoleBindingService/ListAssignableRoles")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    let node = fields.parse("node", &message.node, NodeName::parse);
    if let (Some(organization), Some(node)) = (&organization, &node)
        && node.organization() != *organization
    {
        fields.wrong("node", format!("`{organization}`, or something in it"));
    }
    let principal = match message.principal.as_str() {
        "" => None,
        text => fields.parse("principal", text, Principal::parse),
    };
    let sponsor = match message.sponsor.as_str() {
        "" => None,
        text => fields.parse("sponsor", text, Sponsor::parse),
    };
    let offer = node.map(|node| Offer { node, principal, sponsor, invite: message.invite });
    Ok((call, fields.finish(offer)?))
}

pub(crate) fn write_assignable(listed: Listed) -> proto::AssignableRole {
    let Listed { said, terms, seats_taken } = listed;
    proto::AssignableRole {
        role: terms.role,
        title: said.title,
        assignable: said.assignable,
        reason: said.reason,
        message: said.message,
        seats: terms.seats_most,
        seats_taken: u32::try_from(seats_taken).unwrap_or(u32::MAX),
        takes_components: said.takes_components,
        needs_components: said.needs_components,
        most_components: said.most_components,
    }
}

pub(crate) fn write(binding: &RoleBinding) -> proto::RoleBinding {
    let assigned = &binding.assigned;
    proto::RoleBinding {
        name: binding.name.to_string(),
        principal: assigned.principal.to_string(),
        role: assigned.role.to_string(),
        node: assigned.node.to_string(),
        components: assigned.components.as_ref().map(feed::levels),
        condition: assigned.condition.as_ref().map(feed::condition),
        expire_time: assigned.expire_time.and_then(timestamp),
        sponsor: assigned.sponsor.as_ref().map(ToString::to_string).unwrap_or_default(),
        create_time: timestamp(binding.create_time),
        update_time: timestamp(binding.update_time),
        etag: etag(binding.version),
        revision: String::new(),
    }
}

/// Reads a component map; absent: none.
pub(crate) fn read_components(fields: &mut Fields, path: &str, components: Option<&ComponentLevels>) -> Option<ComponentMap> {
    let levels = &components?.levels;
    if levels.len() > MOST_COMPONENTS {
        fields.wrong(path, format!("at most {MOST_COMPONENTS} components"));
        return None;
    }
    let mut map = ComponentMap::new();
    for (component, text) in levels {
        match level_of(text) {
            Some(level) if is_identifier(component) => {
                map.insert(component.clone(), level);
            }
            Some(_) => fields.wrong(path, "component ids as the role model declares them, for example `campaign_management`"),
            None => fields.wrong(format!("{path}.{component}"), "`none`, `view` or `edit`"),
        }
    }
    Some(map)
}

/// Reads the use of a condition; absent: none.
pub(crate) fn read_condition(fields: &mut Fields, path: &str, condition: Option<&ConditionUse>) -> Option<Condition> {
    let condition = condition?;
    if condition.id.is_empty() || condition.id.len() > 63 {
        fields.wrong(format!("{path}.id"), "a condition of the role model, for example `not-live`");
    }
    if condition.params.len() > MOST_PARAMETERS {
        fields.wrong(format!("{path}.params"), format!("at most {MOST_PARAMETERS} parameters"));
    }
    for (name, value) in &condition.params {
        if !is_identifier(name) || value.encoded_len() > MOST_PARAMETER_BYTES {
            fields.wrong(format!("{path}.params.{name}"), format!("a parameter of the condition, at most {MOST_PARAMETER_BYTES} bytes"));
        }
    }
    let params: BTreeMap<_, _> = condition.params.iter().map(|(name, value)| (name.clone(), document::to_json(value))).collect();
    Some(Condition { id: condition.id.clone(), params })
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    fn request<T>(message: T) -> Request<T> {
        let mut request = Request::new(message);
        let actor = Some(chassis::Actor { name: "users/ann".into() });
        request.extensions_mut().insert(chassis::Identity { caller: "services/console".into(), actor });
        request
    }

    fn wrong(status: &Status) -> Vec<String> {
        status.get_error_details().bad_request().unwrap().field_violations.iter().map(|field| field.field.clone()).collect()
    }

    #[test]
    fn everything_that_is_wrong_with_a_binding_is_said_at_once() {
        let binding = proto::RoleBinding {
            principal: "ann".into(),
            role: "owner".into(),
            node: "organizations/other".into(),
            components: Some(ComponentLevels { levels: [("campaigns".to_owned(), "all".to_owned())].into() }),
            sponsor: "organizations/acme".into(),
            ..proto::RoleBinding::default()
        };
        let message = proto::CreateRoleBindingRequest {
            parent: "organizations/acme".into(),
            role_binding: Some(binding),
            ..proto::CreateRoleBindingRequest::default()
        };
        let status = read_create(&request(message)).unwrap_err();
        assert_eq!(
            wrong(&status),
            [
                "role_binding.principal",
                "role_binding.role",
                "role_binding.node",
                "role_binding.components.campaigns",
                "role_binding.sponsor"
            ]
        );
    }

    #[test]
    fn principal_node_and_sponsor_cannot_be_changed() {
        for path in ["principal", "node", "sponsor", "name", "etag"] {
            let message = proto::UpdateRoleBindingRequest {
                role_binding: Some(proto::RoleBinding {
                    name: "organizations/acme/roleBindings/b1".into(),
                    ..proto::RoleBinding::default()
                }),
                update_mask: Some(prost_types::FieldMask { paths: vec![path.to_owned()] }),
                ..proto::UpdateRoleBindingRequest::default()
            };
            assert_eq!(wrong(&read_update(&request(message)).unwrap_err()), ["update_mask"], "{path}");
        }
    }

    #[test]
    fn a_masked_field_that_is_absent_is_cleared() {
        let message = proto::UpdateRoleBindingRequest {
            role_binding: Some(proto::RoleBinding { name: "organizations/acme/roleBindings/b1".into(), ..proto::RoleBinding::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["expire_time".to_owned()] }),
            ..proto::UpdateRoleBindingRequest::default()
        };
        let (_, _, change, _) = read_update(&request(message)).unwrap();
        assert_eq!(change, RoleBindingChange { expire_time: Some(None), ..RoleBindingChange::default() });
    }
}
