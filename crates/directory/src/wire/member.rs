//! Members: messages to values and back.

use api::directory::v1::{self as proto, member::State};
use decision::name::{MemberName, UserName};
use service::{
    Service,
    call::{Call, Page, WriteCall},
    fields::{Etag, Fields, etag, timestamp},
    filter::{Field, Kind, Offered, Way},
};
use tonic::{Request, Status};

use crate::{
    member::{Participant, Removed, member_name},
    store::member::MemberFilter,
};

pub(crate) fn read_create(request: &Request<proto::CreateMemberRequest>) -> Result<(WriteCall, MemberName), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.MemberService/CreateMember", &mut fields)?;
    let organization = fields.organization("parent", &request.get_ref().parent);
    let user = fields.parse("user", &request.get_ref().user, UserName::parse);
    let name = organization.zip(user).and_then(|(organization, user)| member_name(&organization, &user));
    Ok((call, fields.finish(name)?))
}

pub(crate) fn read_get(request: &Request<proto::GetMemberRequest>) -> Result<(Call, MemberName), Status> {
    let call = Call::reading(request, "directory.v1.MemberService/GetMember")?;
    let mut fields = Fields::default();
    let name = fields.parse("name", &request.get_ref().name, MemberName::parse);
    Ok((call, fields.finish(name)?))
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

/// Whether the member shall be suspended.
pub(crate) fn read_update(request: &Request<proto::UpdateMemberRequest>) -> Result<(WriteCall, MemberName, bool, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.MemberService/UpdateMember", &mut fields)?;
    let message = request.get_ref();
    let member = fields.required("member", message.member.clone());
    let name = fields.parse("member.name", &member.name, MemberName::parse);
    let suspended = match member.state() {
        State::Active => false,
        State::Suspended => true,
        State::Unspecified => {
            fields.wrong("member.state", "`STATE_ACTIVE` or `STATE_SUSPENDED`");
            false
        }
    };
    let expected = fields.etag("etag", &message.etag);
    Ok((call, fields.finish(name)?, suspended, expected))
}

pub(crate) fn read_delete(request: &Request<proto::DeleteMemberRequest>) -> Result<(WriteCall, MemberName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.MemberService/DeleteMember", &mut fields)?;
    let name = fields.parse("name", &request.get_ref().name, MemberName::parse);
    let expected = fields.etag("etag", &request.get_ref().etag);
    Ok((call, fields.finish(name)?, expected))
}

pub(crate) fn write(participant: &Participant) -> proto::Member {
    let Participant { member, organization_role } = participant;
    let state = if member.suspended { State::Suspended } else { State::Active };
    proto::Member {
        name: member.name.to_string(),
        user: member.user.to_string(),
        state: state.into(),
        organization_role: organization_role.as_ref().map(ToString::to_string).unwrap_or_default(),
        create_time: timestamp(member.create_time),
        update_time: timestamp(member.update_time),
        etag: etag(member.version),
        revision: String::new(),
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
