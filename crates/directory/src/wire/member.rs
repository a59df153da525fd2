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

use super::role_binding::{read_components, read_condition};
use crate::{
    feed,
    member::{MemberChange, Participant, Removed, member_name, user_of},
    role_binding::{Assignment, RoleBinding},
    store::member::MemberFilter,
};

/// A member has at most so many roles in one call.
const MOST_ROLES: usize = 200;

/// A member to be, and the roles that they get.
pub(crate) fn read_create(request: &Request<proto::CreateMemberRequest>) -> Result<(WriteCall, MemberName, Vec<Assignment>), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.MemberService/CreateMember", &mut fields)?;
    let (name, roles) = read_draft(&mut fields, "", request.get_ref());
    let name = fields.finish(name)?;
    Ok((call, name, roles))
}

fn read_draft(fields: &mut Fields, place: &str, message: &proto::CreateMemberRequest) -> (Option<MemberName>, Vec<Assignment>) {
    let organization = fields.organization(&format!("{place}parent"), &message.parent);
    let user = fields.parse(&format!("{place}user"), &message.user, UserName::parse);
    let name = organization.zip(user).and_then(|(organization, user)| member_name(&organization, &user));
    let roles = name.as_ref().map(|name| read_roles(fields, &format!("{place}roles"), name, &message.roles)).unwrap_or_default();
    (name, roles)
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

pub(crate) const LISTED: Offered = Offered {
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
    let query = fields.query(&LISTED, &message.filter, &message.order_by);
    let suspended = query.is("state").map(|state| state == State::Suspended.as_str_name());
    Ok((call, page, fields.finish(organization.map(|organization| MemberFilter { organization, suspended, query }))?))
}

/// What shall be otherwise; the last is whether somebody who is not a member becomes one.
pub(crate) fn read_update(
    request: &Request<proto::UpdateMemberRequest>,
) -> Result<(WriteCall, MemberName, MemberChange, Etag, bool), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.MemberService/UpdateMember", &mut fields)?;
    let message = request.get_ref();
    let member = fields.required("member", message.member.clone());
    let name = fields.parse("member.name", &member.name, MemberName::parse);
    let changeable = [("state", member.state() != State::Unspecified), ("roles", !member.roles.is_empty())];
    let chosen = fields.mask(message.update_mask.as_ref(), &changeable);
    let suspended = match member.state() {
        _ if !chosen.contains("state") => None,
        State::Active => Some(false),
        State::Suspended => Some(true),
        State::Unspecified => {
            fields.wrong("member.state", "`STATE_ACTIVE` or `STATE_SUSPENDED`");
            None
        }
    };
    let roles = name.as_ref().filter(|_| chosen.contains("roles"));
    let roles = roles.map(|name| read_roles(&mut fields, "member.roles", name, &member.roles));
    if chosen.is_empty() && !message.allow_missing {
        fields.wrong("update_mask", "`state` or `roles`: something to change");
    }
    if message.allow_missing && suspended == Some(true) {
        fields.wrong("member.state", "`STATE_ACTIVE` with `allow_missing`: nobody is taken in suspended");
    }
    let expected = fields.etag("member.etag", &member.etag);
    let name = fields.finish(name)?;
    Ok((call, name, MemberChange { suspended, roles }, expected, message.allow_missing))
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
