//! Groups and who is in them: messages to values and back.

use api::directory::v1 as proto;
use decision::{name::GroupName, record::GroupMember};
use service::{
    Service,
    call::{Call, Page, WriteCall},
    fields::{Etag, Fields, etag, timestamp},
    filter::{Field, Kind, Offered, Way},
};
use tonic::{Request, Status};

use crate::{
    group::{Edge, Group, parse_member},
    store::group::GroupFilter,
};

const LONGEST_NAME: usize = 200;

pub(crate) fn read_create(request: &Request<proto::CreateGroupRequest>) -> Result<(WriteCall, GroupName, String), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.GroupService/CreateGroup", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    let id = fields.id("group_id", &message.group_id);
    let group = fields.required("group", message.group.clone());
    let display_name = fields.text("group.display_name", &group.display_name, LONGEST_NAME, true);
    let name = organization.and_then(|organization| GroupName::parse(&format!("{organization}/groups/{id}")).ok());
    Ok((call, fields.finish(name)?, display_name))
}

pub(crate) fn read_get(request: &Request<proto::GetGroupRequest>) -> Result<(Call, GroupName), Status> {
    let call = Call::reading(request, "directory.v1.GroupService/GetGroup")?;
    let mut fields = Fields::default();
    let name = fields.parse("name", &request.get_ref().name, GroupName::parse);
    Ok((call, fields.finish(name)?))
}

const LISTED: Offered = Offered {
    fields: &[Field { name: "create_time", kind: Kind::Time }],
    ways: &[Way { order: "name", by: &[], bounded: false }, Way { order: "create_time", by: &[], bounded: true }],
};

pub(crate) fn read_list(service: &Service, request: &Request<proto::ListGroupsRequest>) -> Result<(Call, Page, GroupFilter), Status> {
    let call = Call::reading(request, "directory.v1.GroupService/ListGroups")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let page = call.page(message, service, &mut fields)?;
    let organization = fields.organization("parent", &message.parent);
    let query = fields.query(&LISTED, &message.filter, &message.order_by);
    Ok((call, page, fields.finish(organization.map(|organization| GroupFilter { organization, query }))?))
}

/// The new display name, if it shall change.
pub(crate) fn read_update(request: &Request<proto::UpdateGroupRequest>) -> Result<(WriteCall, GroupName, Option<String>, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.GroupService/UpdateGroup", &mut fields)?;
    let message = request.get_ref();
    let group = fields.required("group", message.group.clone());
    let name = fields.parse("group.name", &group.name, GroupName::parse);
    let chosen = fields.mask(message.update_mask.as_ref(), &[("display_name", !group.display_name.is_empty())]);
    let display_name = chosen.contains("display_name").then(|| fields.text("group.display_name", &group.display_name, LONGEST_NAME, true));
    let expected = fields.etag("group.etag", &group.etag);
    Ok((call, fields.finish(name)?, display_name, expected))
}

pub(crate) fn read_delete(request: &Request<proto::DeleteGroupRequest>) -> Result<(WriteCall, GroupName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.GroupService/DeleteGroup", &mut fields)?;
    let name = fields.parse("name", &request.get_ref().name, GroupName::parse);
    let expected = fields.etag("etag", &request.get_ref().etag);
    Ok((call, fields.finish(name)?, expected))
}

pub(crate) fn read_add(request: &Request<proto::AddGroupMemberRequest>) -> Result<(WriteCall, Edge), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.GroupService/AddGroupMember", &mut fields)?;
    let edge = read_edge(&mut fields, &request.get_ref().group, &request.get_ref().member);
    Ok((call, fields.finish(edge)?))
}

pub(crate) fn read_remove(request: &Request<proto::RemoveGroupMemberRequest>) -> Result<(WriteCall, Edge), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.GroupService/RemoveGroupMember", &mut fields)?;
    let edge = read_edge(&mut fields, &request.get_ref().group, &request.get_ref().member);
    Ok((call, fields.finish(edge)?))
}

pub(crate) fn read_list_members(
    service: &Service,
    request: &Request<proto::ListGroupMembersRequest>,
) -> Result<(Call, Page, GroupName), Status> {
    let call = Call::reading(request, "directory.v1.GroupService/ListGroupMembers")?;
    let mut fields = Fields::default();
    let page = call.page(request.get_ref(), service, &mut fields)?;
    let group = fields.parse("group", &request.get_ref().group, GroupName::parse);
    Ok((call, page, fields.finish(group)?))
}

pub(crate) fn write(group: &Group) -> proto::Group {
    proto::Group {
        name: group.name.to_string(),
        display_name: group.display_name.clone(),
        create_time: timestamp(group.create_time),
        update_time: timestamp(group.update_time),
        etag: etag(group.version),
        revision: String::new(),
    }
}

pub(crate) fn write_edge(edge: &Edge) -> proto::GroupMember {
    proto::GroupMember { group: edge.group.to_string(), member: edge.member_text(), revision: String::new() }
}

fn read_edge(fields: &mut Fields, group: &str, member: &str) -> Option<Edge> {
    let group = fields.parse("group", group, GroupName::parse);
    let member = fields.parse("member", member, parse_member);
    let (group, member) = (group?, member?);
    if let GroupMember::Group(inner) = &member
        && inner.organization() != group.organization()
    {
        fields.wrong("member", format!("a user, or a group of `{}`", group.organization()));
    }
    Some(Edge { group, member })
}
