//! Partnerships: messages to values and back.

use std::collections::BTreeSet;

use api::{
    directory::v1::{self as proto, partnership::State},
    feed::v1::UserSet,
};
use chrono::{DateTime, Utc};
use decision::name::{NodeName, PartnershipName, RoleName, RoleOwner, UserName};
use service::{
    Service,
    call::{Call, Page, WriteCall},
    fields::{Etag, Fields, etag, timestamp},
    filter::{Field, Kind, Offered, Way},
};
use tonic::{Request, Status};

use super::role_binding::read_components;
use crate::{
    feed,
    partnership::{Allowance, Partnership, PartnershipChange, PartnershipDraft, PartnershipState, can_be_at},
    store::partnership::{PartnershipFilter, Side},
};

const MOST_ROLES: usize = 50;
const MOST_USERS: usize = 1000;

pub(crate) fn read_create(request: &Request<proto::CreatePartnershipRequest>) -> Result<(WriteCall, PartnershipDraft), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.PartnershipService/CreatePartnership", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    let id = fields.id("partnership_id", &message.partnership_id);
    let offer = fields.required("partnership", message.partnership.clone());
    let partner = fields.organization("partnership.partner", &offer.partner);
    if partner.is_some() && partner == organization {
        fields.wrong("partnership.partner", "another organization than `parent`");
    }
    let node = fields.parse("partnership.node", &offer.node, NodeName::parse);
    if let (Some(organization), Some(node)) = (&organization, &node)
        && !can_be_at(organization, node)
    {
        fields.wrong("partnership.node", format!("`{organization}`, or one of its accounts"));
    }
    let roles = read_roles(&mut fields, &offer.roles, organization.as_ref());
    let components = read_components(&mut fields, "partnership.components", offer.components.as_ref());
    let users = read_users(&mut fields, offer.users.as_ref());
    let expire_time = fields.time("partnership.expire_time", offer.expire_time.as_ref());
    let name = organization.and_then(|organization| PartnershipName::parse(&format!("{organization}/partnerships/{id}")).ok());
    let allows = Allowance { roles, components, users, expire_time };
    let draft = || Some(PartnershipDraft { name: name?, partner: partner?, node: node?, allows });
    let draft = draft();
    Ok((call, fields.finish(draft)?))
}

pub(crate) fn read_get(request: &Request<proto::GetPartnershipRequest>) -> Result<(Call, PartnershipName), Status> {
    let call = Call::reading(request, "directory.v1.PartnershipService/GetPartnership")?;
    let mut fields = Fields::default();
    let name = fields.parse("name", &request.get_ref().name, PartnershipName::parse);
    Ok((call, fields.finish(name)?))
}

const LISTED: Offered = Offered {
    fields: &[
        Field { name: "partner", kind: Kind::Name(|name| NodeName::parse(name).map(drop)) },
        Field { name: "node", kind: Kind::Name(|name| NodeName::parse(name).map(drop)) },
        Field { name: "create_time", kind: Kind::Time },
    ],
    ways: &[
        Way { order: "name", by: &[], bounded: false },
        Way { order: "name", by: &["partner"], bounded: false },
        Way { order: "name", by: &["node"], bounded: false },
        Way { order: "create_time", by: &[], bounded: true },
    ],
};

pub(crate) fn read_list(
    service: &Service,
    request: &Request<proto::ListPartnershipsRequest>,
) -> Result<(Call, Page, NodeName, PartnershipFilter), Status> {
    let call = Call::reading(request, "directory.v1.PartnershipService/ListPartnerships")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let page = call.page(message, service, &mut fields)?;
    let organization = fields.organization("parent", &message.parent);
    let query = fields.query(&LISTED, &message.filter, &message.order_by);
    let organization = fields.finish(organization)?;
    let side = if message.as_partner { Side::Partner(organization.clone()) } else { Side::Offering(organization.clone()) };
    let named = |field| query.is(field).and_then(|name| NodeName::parse(name).ok());
    let (partner, node) = (named("partner"), named("node"));
    Ok((call, page, organization, PartnershipFilter { side, partner, node, query }))
}

pub(crate) fn read_update(
    request: &Request<proto::UpdatePartnershipRequest>,
) -> Result<(WriteCall, PartnershipName, PartnershipChange, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.PartnershipService/UpdatePartnership", &mut fields)?;
    let message = request.get_ref();
    let offer = fields.required("partnership", message.partnership.clone());
    let name = fields.parse("partnership.name", &offer.name, PartnershipName::parse);
    let changeable = [
        ("roles", !offer.roles.is_empty()),
        ("components", offer.components.is_some()),
        ("users", offer.users.is_some()),
        ("expire_time", offer.expire_time.is_some()),
    ];
    let chosen = fields.mask(message.update_mask.as_ref(), &changeable);
    let change = PartnershipChange {
        roles: chosen.contains("roles").then(|| {
            let organization = name.as_ref().map(PartnershipName::organization);
            read_roles(&mut fields, &offer.roles, organization.as_ref())
        }),
        components: chosen
            .contains("components")
            .then(|| read_components(&mut fields, "partnership.components", offer.components.as_ref())),
        users: chosen.contains("users").then(|| read_users(&mut fields, offer.users.as_ref())),
        expire_time: chosen.contains("expire_time").then(|| fields.time("partnership.expire_time", offer.expire_time.as_ref())),
    };
    let expected = fields.etag("partnership.etag", &offer.etag);
    let name = fields.finish(name)?;
    Ok((call, name, change, expected))
}

pub(crate) fn read_accept(request: &Request<proto::AcceptPartnershipRequest>) -> Result<(WriteCall, PartnershipName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.PartnershipService/AcceptPartnership", &mut fields)?;
    let message = request.get_ref();
    let name = fields.parse("name", &message.name, PartnershipName::parse);
    let expected = fields.etag("etag", &message.etag);
    Ok((call, fields.finish(name)?, expected))
}

pub(crate) fn read_delete(request: &Request<proto::DeletePartnershipRequest>) -> Result<(WriteCall, PartnershipName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.PartnershipService/DeletePartnership", &mut fields)?;
    let message = request.get_ref();
    let name = fields.parse("name", &message.name, PartnershipName::parse);
    let expected = fields.etag("etag", &message.etag);
    Ok((call, fields.finish(name)?, expected))
}

pub(crate) fn write(partnership: &Partnership, now: DateTime<Utc>) -> proto::Partnership {
    let allows = &partnership.allows;
    let state = match partnership.state(now) {
        PartnershipState::Pending => State::Pending,
        PartnershipState::Active => State::Active,
        PartnershipState::Expired => State::Expired,
    };
    proto::Partnership {
        name: partnership.name.to_string(),
        partner: partnership.partner.to_string(),
        node: partnership.node.to_string(),
        roles: allows.roles.iter().map(ToString::to_string).collect(),
        components: allows.components.as_ref().map(feed::levels),
        users: allows.users.as_ref().map(write_users),
        expire_time: allows.expire_time.and_then(timestamp),
        state: state.into(),
        create_time: timestamp(partnership.create_time),
        update_time: timestamp(partnership.update_time),
        etag: etag(partnership.version),
        revision: String::new(),
    }
}

/// Custom roles of another organization can be given nowhere in this one.
fn read_roles(fields: &mut Fields, roles: &[String], organization: Option<&NodeName>) -> BTreeSet<RoleName> {
    if roles.is_empty() || roles.len() > MOST_ROLES {
        fields.wrong("partnership.roles", format!("1 to {MOST_ROLES} names of roles"));
        return BTreeSet::new();
    }
    let mut read = BTreeSet::new();
    for (at, role) in roles.iter().enumerate() {
        let path = format!("partnership.roles[{at}]");
        let Some(role) = fields.parse(&path, role, RoleName::parse) else { continue };
        match (role.owner(), organization) {
            (RoleOwner::Organization(owner), Some(organization)) if owner != *organization => {
                fields.wrong(&path, format!("a role of a role model, or of `{organization}`"));
            }
            _ => drop(read.insert(role)),
        }
    }
    read
}

fn read_users(fields: &mut Fields, users: Option<&UserSet>) -> Option<BTreeSet<UserName>> {
    let users = &users?.users;
    if users.len() > MOST_USERS {
        fields.wrong("partnership.users", format!("at most {MOST_USERS} users"));
        return None;
    }
    let parse = |(at, user): (usize, &String)| fields.parse(&format!("partnership.users.users[{at}]"), user, UserName::parse);
    Some(users.iter().enumerate().filter_map(parse).collect())
}

fn write_users(users: &BTreeSet<UserName>) -> UserSet {
    UserSet { users: users.iter().map(ToString::to_string).collect() }
}
