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

use super::{each_once, read_batch, read_parent};
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

/// What of which binding shall be otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Amendment {
    pub(crate) name: BindingName,
    pub(crate) change: RoleBindingChange,
    pub(crate) etag: Etag,
}

/// Which binding to take away.
#[derive(Clone, Debug)]
pub(crate) struct Revocation {
    pub(crate) name: BindingName,
    pub(crate) etag: Etag,
}

pub(crate) fn read_create(request: &Request<proto::CreateRoleBindingRequest>) -> Result<(WriteCall, Draft), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.RoleBindingService/CreateRoleBinding", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    let draft = read_draft(&mut fields, "", organization.as_ref(), message);
    Ok((call, fields.finish(draft)?))
}

pub(crate) fn read_batch_create(
    request: &Request<proto::BatchCreateRoleBindingsRequest>,
) -> Result<(WriteCall, NodeName, Vec<Draft>), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.RoleBindingService/BatchCreateRoleBindings", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    let drafts = read_batch(&mut fields, &message.requests, |fields, place, one| {
        read_parent(fields, place, &one.parent, &message.parent);
        read_draft(fields, &format!("{place}."), organization.as_ref(), one)
    });
    if drafts.len() == message.requests.len() {
        each_once(&mut fields, &drafts, |draft| draft.name.clone(), |at| format!("requests[{at}].role_binding_id"));
        let held = |draft: &Draft| (draft.assigned.principal.clone(), draft.assigned.role.clone(), draft.assigned.node.clone());
        each_once(&mut fields, &drafts, held, |at| format!("requests[{at}].role_binding"));
    }
    Ok((call, fields.finish(organization)?, drafts))
}

/// Reads what is to be given; `prefix` is what comes before the fields' paths.
fn read_draft(
    fields: &mut Fields,
    prefix: &str,
    organization: Option<&NodeName>,
    message: &proto::CreateRoleBindingRequest,
) -> Option<Draft> {
    let path = |field: &str| format!("{prefix}role_binding.{field}");
    let id = fields.id(&format!("{prefix}role_binding_id"), &message.role_binding_id);
    let binding = fields.required(&format!("{prefix}role_binding"), message.role_binding.clone());
    let principal = fields.parse(&path("principal"), &binding.principal, Principal::parse);
    let role = fields.parse(&path("role"), &binding.role, RoleName::parse);
    let node = fields.parse(&path("node"), &binding.node, NodeName::parse);
    if let (Some(organization), Some(node)) = (organization, &node)
        && node.organization() != *organization
    {
        fields.wrong(path("node"), format!("`{organization}`, or something in it"));
    }
    let components = read_components(fields, &path("components"), binding.components.as_ref());
    let condition = read_condition(fields, &path("condition"), binding.condition.as_ref());
    let expire_time = fields.time(&path("expire_time"), binding.expire_time.as_ref());
    let sponsor = match binding.sponsor.as_str() {
        "" => None,
        text => fields.parse(&path("sponsor"), text, Sponsor::parse),
    };
    let name = organization.and_then(|organization| BindingName::parse(&format!("{organization}/roleBindings/{id}")).ok());
    let assigned = Assignment { principal: principal?, role: role?, node: node?, components, condition, expire_time, sponsor };
    Some(Draft { name: name?, assigned })
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
    let filter = read_filter(&mut fields, organization, if malformed { &message.filter } else { &filter }, &message.order_by);
    Ok((call, page, fields.finish(filter)?))
}

/// Which of an organization, in which order.
pub(crate) fn read_filter(fields: &mut Fields, organization: Option<NodeName>, filter: &str, order_by: &str) -> Option<BindingFilter> {
    let query = fields.query(&LISTED, filter, order_by);
    let node = query.is("node").and_then(|node| NodeName::parse(node).ok());
    if let (Some(organization), Some(node)) = (&organization, &node)
        && node.organization() != *organization
    {
        fields.wrong("node", format!("`{organization}`, or something in it"));
    }
    let principal = query.is("principal").and_then(|principal| Principal::parse(principal).ok());
    let role = query.is("role").and_then(|role| RoleName::parse(role).ok());
    organization.map(|organization| BindingFilter { organization, node, principal, role, query })
}

pub(crate) fn read_update(request: &Request<proto::UpdateRoleBindingRequest>) -> Result<(WriteCall, Amendment), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.RoleBindingService/UpdateRoleBinding", &mut fields)?;
    let amendment = read_amendment(&mut fields, "", request.get_ref());
    Ok((call, fields.finish(amendment)?))
}

pub(crate) fn read_batch_update(
    request: &Request<proto::BatchUpdateRoleBindingsRequest>,
) -> Result<(WriteCall, NodeName, Vec<Amendment>), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.RoleBindingService/BatchUpdateRoleBindings", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    let amendments = read_batch(&mut fields, &message.requests, |fields, place, one| {
        let amendment = read_amendment(fields, &format!("{place}."), one)?;
        is_inside(fields, &format!("{place}.role_binding.name"), &amendment.name, organization.as_ref());
        Some(amendment)
    });
    if amendments.len() == message.requests.len() {
        each_once(&mut fields, &amendments, |one| one.name.clone(), |at| format!("requests[{at}].role_binding.name"));
    }
    Ok((call, fields.finish(organization)?, amendments))
}

/// Reads what shall be otherwise; `prefix` is what comes before the fields' paths.
fn read_amendment(fields: &mut Fields, prefix: &str, message: &proto::UpdateRoleBindingRequest) -> Option<Amendment> {
    let path = |field: &str| format!("{prefix}role_binding.{field}");
    let binding = fields.required(&format!("{prefix}role_binding"), message.role_binding.clone());
    let name = fields.parse(&path("name"), &binding.name, BindingName::parse);
    let changeable = [
        ("role", !binding.role.is_empty()),
        ("components", binding.components.is_some()),
        ("condition", binding.condition.is_some()),
        ("expire_time", binding.expire_time.is_some()),
    ];
    let chosen = fields.mask_at(&format!("{prefix}update_mask"), message.update_mask.as_ref(), &changeable);
    let role = chosen.contains("role").then(|| fields.parse(&path("role"), &binding.role, RoleName::parse)).flatten();
    let components = chosen.contains("components").then(|| read_components(fields, &path("components"), binding.components.as_ref()));
    let condition = chosen.contains("condition").then(|| read_condition(fields, &path("condition"), binding.condition.as_ref()));
    let expire_time = chosen.contains("expire_time").then(|| fields.time(&path("expire_time"), binding.expire_time.as_ref()));
    let etag = fields.etag(&path("etag"), &binding.etag);
    Some(Amendment { name: name?, change: RoleBindingChange { role, components, condition, expire_time }, etag })
}

/// Notes a binding of another organization.
fn is_inside(fields: &mut Fields, path: &str, name: &BindingName, organization: Option<&NodeName>) {
    if let Some(organization) = organization.filter(|organization| name.organization() != **organization) {
        fields.wrong(path, format!("a binding of `{organization}`"));
    }
}

pub(crate) fn read_delete(request: &Request<proto::DeleteRoleBindingRequest>) -> Result<(WriteCall, BindingName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.RoleBindingService/DeleteRoleBinding", &mut fields)?;
    let message = request.get_ref();
    let name = fields.parse("name", &message.name, BindingName::parse);
    let expected = fields.etag("etag", &message.etag);
    Ok((call, fields.finish(name)?, expected))
}

pub(crate) fn read_batch_delete(
    request: &Request<proto::BatchDeleteRoleBindingsRequest>,
) -> Result<(WriteCall, NodeName, Vec<Revocation>), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.RoleBindingService/BatchDeleteRoleBindings", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    let names = read_batch(&mut fields, &message.requests, |fields, place, one| {
        let path = format!("{place}.name");
        let name = fields.parse(&path, &one.name, BindingName::parse);
        let etag = fields.etag(&format!("{place}.etag"), &one.etag);
        is_inside(fields, &path, name.as_ref()?, organization.as_ref());
        Some(Revocation { name: name?, etag })
    });
    if names.len() == message.requests.len() {
        each_once(&mut fields, &names, |one| one.name.clone(), |at| format!("requests[{at}].name"));
    }
    Ok((call, fields.finish(organization)?, names))
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
        let (_, amendment) = read_update(&request(message)).unwrap();
        assert_eq!(amendment.change, RoleBindingChange { expire_time: Some(None), ..RoleBindingChange::default() });
    }
}
