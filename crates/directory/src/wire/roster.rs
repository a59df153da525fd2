//! Rosters: messages to values and back.

use std::collections::BTreeSet;

use api::authz::v1::ReachingRole;
use api::directory::v1::{self as proto, held_role::Source as WireSource, participant::State};
use decision::name::{NodeKind, NodeName, RoleName, UserName};
use service::{
    Service,
    call::{Call, Page},
    fields::{Fields, timestamp},
    filter::{Field, Kind, Offered, Query, Way},
};
use tonic::{Request, Status};

use crate::{
    roster::{HeldRole, Participant, Place, Source},
    store::participation::{Facet, Key, Roster, Stream},
};

/// Whom to list.
#[derive(Clone, Debug)]
pub(crate) struct RosterFilter {
    /// The node whose roster it is.
    pub(crate) node: NodeName,
    /// Those who participate in this workspace of it.
    pub(crate) workspace: Option<NodeName>,
    pub(crate) role: Option<String>,
    pub(crate) state: Option<Facet>,
    pub(crate) key: Key,
    pub(crate) query: Query,
}

impl RosterFilter {
    /// The node whose participants are listed.
    pub(crate) fn listed(&self) -> &NodeName {
        self.workspace.as_ref().unwrap_or(&self.node)
    }

    /// The roster, where these roles reach the node from above.
    pub(crate) fn roster(&self, reaching: Vec<ReachingRole>) -> Roster {
        let facet = match (self.state, &self.role) {
            (Some(state), _) => Some(state.as_str().to_owned()),
            (None, role) => role.clone(),
        };
        let mut streams = BTreeSet::from([Stream { node: self.listed().to_string(), facet }]);
        if self.state.is_none() {
            let wanted =
                |reaching: &ReachingRole| self.role.as_ref().is_none_or(|role| reaching.role == *role || reaching.implied.contains(role));
            let reaching = reaching.into_iter().filter(wanted);
            streams.extend(reaching.map(|reaching| Stream { node: reaching.node, facet: Some(reaching.role) }));
        }
        let bounds = self.query.bounds().cloned().collect();
        Roster { streams: streams.into_iter().collect(), key: self.key, bounds, descending: self.query.descending }
    }
}

const LISTED: Offered = Offered {
    fields: &[
        Field { name: "display_name", kind: Kind::Text },
        Field { name: "email", kind: Kind::Text },
        Field { name: "role", kind: Kind::Name(|name| RoleName::parse(name).map(drop)) },
        Field { name: "state", kind: Kind::Word(&["STATE_ACTIVE", "STATE_SUSPENDED", "STATE_GUEST", "STATE_INVITED"]) },
        Field { name: "workspace", kind: Kind::Name(|name| NodeName::parse(name).map(drop)) },
    ],
    ways: &[
        Way { order: "display_name", by: &[], bounded: true },
        Way { order: "display_name", by: &["role"], bounded: true },
        Way { order: "display_name", by: &["state"], bounded: true },
        Way { order: "display_name", by: &["workspace"], bounded: true },
        Way { order: "display_name", by: &["workspace", "role"], bounded: true },
        Way { order: "display_name", by: &["workspace", "state"], bounded: true },
        Way { order: "email", by: &[], bounded: true },
        Way { order: "email", by: &["role"], bounded: true },
        Way { order: "email", by: &["state"], bounded: true },
        Way { order: "email", by: &["workspace"], bounded: true },
        Way { order: "email", by: &["workspace", "role"], bounded: true },
        Way { order: "email", by: &["workspace", "state"], bounded: true },
    ],
};

pub(crate) fn read_list(
    service: &Service,
    request: &Request<proto::ListParticipantsRequest>,
) -> Result<(Call, Page, RosterFilter), Status> {
    let call = Call::reading(request, "directory.v1.RosterService/ListParticipants")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let page = call.page(message, service, &mut fields)?;
    let filter = read_filter(&mut fields, &message.parent, &message.filter, &message.order_by);
    Ok((call, page, fields.finish(filter)?))
}

pub(crate) fn read_export(request: &Request<proto::ExportParticipantsRequest>) -> Result<(Call, RosterFilter), Status> {
    let call = Call::reading(request, "directory.v1.RosterService/ExportParticipants")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let filter = read_filter(&mut fields, &message.parent, &message.filter, &message.order_by);
    Ok((call, fields.finish(filter)?))
}

pub(crate) fn read_filter(fields: &mut Fields, parent: &str, filter: &str, order_by: &str) -> Option<RosterFilter> {
    let node = fields.container("parent", parent);
    let query = fields.query(&LISTED, filter, order_by);
    let workspace = query.is("workspace").and_then(|name| NodeName::parse(name).ok());
    if let (Some(node), Some(workspace)) = (&node, &workspace)
        && (workspace.kind() != NodeKind::Workspace || *node != workspace.organization())
    {
        fields.wrong("filter", "`workspace` is compared with a workspace of `parent`, which must be an organization");
    }
    let state = query.is("state").and_then(|state| Facet::parse(&state.trim_start_matches("STATE_").to_lowercase()));
    let role = query.is("role").map(ToOwned::to_owned);
    let key = if query.order == "email" { Key::Email } else { Key::DisplayName };
    node.map(|node| RosterFilter { node, workspace, role, state, key, query })
}

pub(crate) fn read_workspaces(
    service: &Service,
    request: &Request<proto::ListUserWorkspacesRequest>,
) -> Result<(Call, Page, UserName), Status> {
    let call = Call::reading(request, "directory.v1.RosterService/ListUserWorkspaces")?;
    let mut fields = Fields::default();
    let page = call.page(request.get_ref(), service, &mut fields)?;
    let user = fields.parse("user", &request.get_ref().user, UserName::parse);
    Ok((call, page, fields.finish(user)?))
}

pub(crate) fn read_export_workspaces(request: &Request<proto::ExportUserWorkspacesRequest>) -> Result<(Call, UserName), Status> {
    let call = Call::reading(request, "directory.v1.RosterService/ExportUserWorkspaces")?;
    let mut fields = Fields::default();
    let user = fields.parse("user", &request.get_ref().user, UserName::parse);
    Ok((call, fields.finish(user)?))
}

/// The fourth is the permission.
pub(crate) fn read_customers(
    service: &Service,
    request: &Request<proto::ListUserCustomersRequest>,
) -> Result<(Call, Page, UserName, String), Status> {
    let call = Call::reading(request, "directory.v1.RosterService/ListUserCustomers")?;
    let mut fields = Fields::default();
    let page = call.page(request.get_ref(), service, &mut fields)?;
    let user = fields.parse("user", &request.get_ref().user, UserName::parse);
    let permission = read_permission(&mut fields, &request.get_ref().permission);
    Ok((call, page, fields.finish(user)?, permission))
}

pub(crate) fn read_export_customers(request: &Request<proto::ExportUserCustomersRequest>) -> Result<(Call, UserName, String), Status> {
    let call = Call::reading(request, "directory.v1.RosterService/ExportUserCustomers")?;
    let mut fields = Fields::default();
    let user = fields.parse("user", &request.get_ref().user, UserName::parse);
    let permission = read_permission(&mut fields, &request.get_ref().permission);
    Ok((call, fields.finish(user)?, permission))
}

fn read_permission(fields: &mut Fields, text: &str) -> String {
    fields.text("permission", text, 200, true)
}

pub(crate) fn write(participant: &Participant) -> proto::Participant {
    let state = match participant.state {
        Facet::Active => State::Active,
        Facet::Suspended => State::Suspended,
        Facet::Guest => State::Guest,
        Facet::Invited => State::Invited,
    };
    proto::Participant {
        participant: participant.participant.clone(),
        display_name: participant.display_name.clone(),
        email: participant.email.clone(),
        state: state.into(),
        user_suspended: participant.user_suspended,
        organization_role: participant.organization_role.clone().unwrap_or_default(),
        roles: participant.roles.iter().map(write_role).collect(),
        update_time: participant.update_time.and_then(timestamp),
    }
}

pub(crate) fn write_place(place: &Place) -> proto::Place {
    proto::Place {
        node: place.node.to_string(),
        display_name: place.display_name.clone(),
        parent: place.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        organization_display_name: place.organization_display_name.clone(),
        roles: place.roles.iter().map(write_role).collect(),
    }
}

fn write_role(held: &HeldRole) -> proto::HeldRole {
    let source = match held.source() {
        Source::Direct => WireSource::Direct,
        Source::Group => WireSource::Group,
        Source::Sponsor => WireSource::Sponsor,
        Source::Above => WireSource::Above,
        Source::Implied => WireSource::Implied,
        Source::Invitation => WireSource::Invitation,
    };
    proto::HeldRole {
        role: held.role.clone(),
        node: held.node.clone(),
        role_binding: held.role_binding.clone(),
        source: source.into(),
        inherited: held.inherited,
        implied_by: held.implied_by.clone().unwrap_or_default(),
        held_at: held.held_at.clone(),
        group: held.group.clone().unwrap_or_default(),
        sponsor: held.sponsor.clone().unwrap_or_default(),
    }
}
