//! Members: messages to values and back.

use api::directory::v1::{self as proto, MemberView, member::State};
use decision::name::{MemberName, NodeName, Principal, RoleName, UserName};
use service::{
    Service,
    call::{Call, Page, WriteCall},
    fields::{Etag, Fields, etag, timestamp},
    filter::{Field, Kind, Offered, Way},
};
use tonic::{Request, Status};

use super::{
    each_once, read_batch, read_parent,
    role_binding::{read_components, read_condition},
};
use crate::{
    feed,
    member::{MemberChange, Participant, Removed, Wanted, member_name, user_of},
    role_binding::{Assignment, RoleBinding},
    store::member::MemberFilter,
};

/// A member has at most so many roles in one call.
const MOST_ROLES: usize = 200;
/// And several together so many.
const MOST_ROLES_TOGETHER: usize = 1000;

/// A member to be, and the roles that they get.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) name: MemberName,
    pub(crate) roles: Vec<Assignment>,
}

pub(crate) fn read_create(request: &Request<proto::CreateMemberRequest>) -> Result<(WriteCall, Draft), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.MemberService/CreateMember", &mut fields)?;
    let organization = fields.organization("parent", &request.get_ref().parent);
    let draft = read_draft(&mut fields, "", organization.as_ref(), request.get_ref());
    Ok((call, fields.finish(draft)?))
}

pub(crate) fn read_batch_create(request: &Request<proto::BatchCreateMembersRequest>) -> Result<(WriteCall, NodeName, Vec<Draft>), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.MemberService/BatchCreateMembers", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    let drafts = read_batch(&mut fields, &message.requests, |fields, place, one| {
        read_parent(fields, place, &one.parent, &message.parent);
        read_draft(fields, &format!("{place}."), organization.as_ref(), one)
    });
    if drafts.len() == message.requests.len() {
        each_once(&mut fields, &drafts, |draft| draft.name.clone(), |at| format!("requests[{at}].user"));
    }
    few_enough(&mut fields, drafts.iter().map(|draft| draft.roles.len()).sum());
    Ok((call, fields.finish(organization)?, drafts))
}

/// Reads who is to be taken in; `prefix` is what comes before the fields' paths.
fn read_draft(fields: &mut Fields, prefix: &str, organization: Option<&NodeName>, message: &proto::CreateMemberRequest) -> Option<Draft> {
    let user = fields.parse(&format!("{prefix}user"), &message.user, UserName::parse);
    let name = member_name(organization?, &user?)?;
    let roles = read_roles(fields, &format!("{prefix}roles"), &name, &message.roles);
    Some(Draft { name, roles })
}

fn few_enough(fields: &mut Fields, roles: usize) {
    if roles > MOST_ROLES_TOGETHER {
        fields.wrong("requests", format!("at most {MOST_ROLES_TOGETHER} roles together"));
    }
}

/// Reads what a member shall hold.
fn read_roles(fields: &mut Fields, path: &str, member: &MemberName, roles: &[proto::MemberRole]) -> Vec<Assignment> {
    let organization = member.organization();
    let Some(user) = user_of(member) else { return Vec::new() };
    if roles.len() > MOST_ROLES {
        fields.wrong(path, format!("at most {MOST_ROLES} roles"));
        return Vec::new();
    }
    let mut read: Vec<Assignment> = Vec::new();
    for (at, given) in roles.iter().enumerate() {
        let place = |field: &str| format!("{path}[{at}].{field}");
        let role = fields.parse(&place("role"), &given.role, RoleName::parse);
        let node = match given.node.as_str() {
            "" => Some(organization.clone()),
            text => fields.parse(&place("node"), text, NodeName::parse),
        };
        if node.as_ref().is_some_and(|node| node.organization() != organization) {
            fields.wrong(place("node"), format!("`{organization}`, or something in it"));
        }
        let components = read_components(fields, &place("components"), given.components.as_ref());
        let condition = read_condition(fields, &place("condition"), given.condition.as_ref());
        let expire_time = fields.time(&place("expire_time"), given.expire_time.as_ref());
        let Some((role, node)) = role.zip(node) else { continue };
        if read.iter().any(|other| other.role == role && other.node == node) {
            fields.wrong(place("role"), "each role once at a node");
        }
        let plain = Assignment::plain(Principal::User(user.clone()), role, node);
        read.push(Assignment { components, condition, expire_time, ..plain });
    }
    read
}

/// The last is whether its roles are asked for.
pub(crate) fn read_get(request: &Request<proto::GetMemberRequest>) -> Result<(Call, MemberName, bool), Status> {
    let call = Call::reading(request, "directory.v1.MemberService/GetMember")?;
    let mut fields = Fields::default();
    let name = fields.parse("name", &request.get_ref().name, MemberName::parse);
    Ok((call, fields.finish(name)?, request.get_ref().view() == MemberView::Full))
}

const LISTED: Offered = Offered {
    fields: &[
        Field { name: "state", kind: Kind::Word(&["STATE_ACTIVE", "STATE_SUSPENDED"]) },
        Field { name: "email", kind: Kind::Text },
        Field { name: "display_name", kind: Kind::Text },
        Field { name: "create_time", kind: Kind::Time },
    ],
    ways: &[
        Way { order: "name", by: &[], bounded: false },
        Way { order: "name", by: &["state"], bounded: false },
        Way { order: "create_time", by: &[], bounded: true },
        Way { order: "display_name", by: &[], bounded: true },
        Way { order: "display_name", by: &["state"], bounded: true },
        Way { order: "email", by: &[], bounded: true },
        Way { order: "email", by: &["state"], bounded: true },
    ],
};

pub(crate) fn read_list(service: &Service, request: &Request<proto::ListMembersRequest>) -> Result<(Call, Page, MemberFilter), Status> {
    let call = Call::reading(request, "directory.v1.MemberService/ListMembers")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let page = call.page(message, service, &mut fields)?;
    let organization = fields.organization("parent", &message.parent);
    let filter = read_filter(&mut fields, organization, &message.filter, &message.order_by);
    Ok((call, page, fields.finish(filter)?))
}

/// Which of an organization, in which order.
pub(crate) fn read_filter(fields: &mut Fields, organization: Option<NodeName>, filter: &str, order_by: &str) -> Option<MemberFilter> {
    let query = fields.query(&LISTED, filter, order_by);
    let suspended = query.is("state").map(|state| state == State::Suspended.as_str_name());
    organization.map(|organization| MemberFilter { organization, suspended, query })
}

/// What shall be otherwise; the last is whether somebody who is not a member becomes one.
pub(crate) fn read_update(request: &Request<proto::UpdateMemberRequest>) -> Result<(WriteCall, Wanted, bool), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.MemberService/UpdateMember", &mut fields)?;
    let wanted = read_wanted(&mut fields, "", request.get_ref());
    Ok((call, fields.finish(wanted)?, request.get_ref().allow_missing))
}

pub(crate) fn read_batch_update(request: &Request<proto::BatchUpdateMembersRequest>) -> Result<(WriteCall, NodeName, Vec<Wanted>), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.MemberService/BatchUpdateMembers", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    let all = read_batch(&mut fields, &message.requests, |fields, place, one| {
        if one.allow_missing {
            fields.wrong(format!("{place}.allow_missing"), "false; take users in by BatchCreateMembers");
        }
        let wanted = read_wanted(fields, &format!("{place}."), one)?;
        if let Some(organization) = organization.as_ref().filter(|organization| wanted.name.organization() != **organization) {
            fields.wrong(format!("{place}.member.name"), format!("a member of `{organization}`"));
        }
        Some(wanted)
    });
    if all.len() == message.requests.len() {
        each_once(&mut fields, &all, |wanted| wanted.name.clone(), |at| format!("requests[{at}].member.name"));
    }
    few_enough(&mut fields, all.iter().filter_map(|wanted| wanted.change.roles.as_ref()).map(Vec::len).sum());
    Ok((call, fields.finish(organization)?, all))
}

/// Reads what shall be otherwise; `prefix` is what comes before the fields' paths.
fn read_wanted(fields: &mut Fields, prefix: &str, message: &proto::UpdateMemberRequest) -> Option<Wanted> {
    let path = |field: &str| format!("{prefix}member.{field}");
    let member = fields.required(&format!("{prefix}member"), message.member.clone());
    let name = fields.parse(&path("name"), &member.name, MemberName::parse);
    let changeable = [("state", member.state() != State::Unspecified), ("roles", !member.roles.is_empty())];
    let chosen = fields.mask_at(&format!("{prefix}update_mask"), message.update_mask.as_ref(), &changeable);
    let suspended = match member.state() {
        _ if !chosen.contains("state") => None,
        State::Active => Some(false),
        State::Suspended => Some(true),
        State::Unspecified => {
            fields.wrong(path("state"), "`STATE_ACTIVE` or `STATE_SUSPENDED`");
            None
        }
    };
    let roles = name.as_ref().filter(|_| chosen.contains("roles"));
    let roles = roles.map(|name| read_roles(fields, &path("roles"), name, &member.roles));
    if chosen.is_empty() && !message.allow_missing {
        fields.wrong(format!("{prefix}update_mask"), "`state` or `roles`: something to change");
    }
    if message.allow_missing && suspended == Some(true) {
        fields.wrong(path("state"), "`STATE_ACTIVE` with `allow_missing`: nobody is taken in suspended");
    }
    let etag = fields.etag(&path("etag"), &member.etag);
    Some(Wanted { name: name?, change: MemberChange { suspended, roles }, etag, place: prefix.trim_end_matches('.').to_owned() })
}

pub(crate) fn read_delete(request: &Request<proto::DeleteMemberRequest>) -> Result<(WriteCall, MemberName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.MemberService/DeleteMember", &mut fields)?;
    let name = fields.parse("name", &request.get_ref().name, MemberName::parse);
    let expected = fields.etag("etag", &request.get_ref().etag);
    Ok((call, fields.finish(name)?, expected))
}

pub(crate) fn write(participant: &Participant) -> proto::Member {
    let Participant { member, organization_role, roles } = participant;
    let state = if member.suspended { State::Suspended } else { State::Active };
    proto::Member {
        name: member.name.to_string(),
        user: member.user.to_string(),
        state: state.into(),
        organization_role: organization_role.as_ref().map(ToString::to_string).unwrap_or_default(),
        roles: roles.iter().map(write_role).collect(),
        create_time: timestamp(member.create_time),
        update_time: timestamp(member.update_time),
        etag: etag(member.version),
        revision: String::new(),
    }
}

fn write_role(binding: &RoleBinding) -> proto::MemberRole {
    let assigned = &binding.assigned;
    proto::MemberRole {
        role: assigned.role.to_string(),
        node: assigned.node.to_string(),
        components: assigned.components.as_ref().map(feed::levels),
        condition: assigned.condition.as_ref().map(feed::condition),
        expire_time: assigned.expire_time.and_then(timestamp),
        binding: binding.name.to_string(),
    }
}

pub(crate) fn write_removed(removed: &Removed) -> proto::DeleteMemberResponse {
    proto::DeleteMemberResponse {
        member: Some(write(&removed.participant)),
        removed_bindings: removed.bindings.iter().map(ToString::to_string).collect(),
        left_groups: removed.groups.iter().map(ToString::to_string).collect(),
        withdrawn_invitations: removed.invitations.iter().map(ToString::to_string).collect(),
    }
}
