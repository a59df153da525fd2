//! The handlers of rosters and pages.

use std::collections::{BTreeMap, BTreeSet};

use api::directory::v1::{self as proto, roster_service_server::RosterService};
use chassis::internal;
use client::guard::{Ask, myself, permission};
use decision::name::{InvitationName, NodeKind, NodeName, UserName};
use service::{
    call::Call,
    filter::{position, read_position},
    status::ledger_status,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, async_trait};

use crate::{
    Directory,
    roster::{HeldRole, Known, PARTICIPANT_COLUMNS, PLACE_COLUMNS, Participant, Place, csv, is_within, participants_csv, places_csv},
    status::Error,
    store::{self, participation::Entry},
    wire::roster::{self as wire, RosterFilter},
};

/// How many rows an export reads at once.
const PART: usize = 500;
/// How many parts of an export wait for their reader.
const BUFFER: usize = 2;

type Parts<M> = ReceiverStream<Result<M, Status>>;

/// A part of a list, and where it goes on.
type Read<T> = (Vec<T>, Option<String>);

#[async_trait]
impl RosterService for Directory {
    async fn list_participants(
        &self,
        request: Request<proto::ListParticipantsRequest>,
    ) -> Result<Response<proto::ListParticipantsResponse>, Status> {
        let (call, page, filter) = wire::read_list(&self.service, &request)?;
        let organization_roles = self.may_see_roster(&call, &filter.node).await?;
        let (found, next) = self.participants_page(&call, &filter, &organization_roles, page.after.as_deref(), page.size).await?;
        let next_page_token = self.service.next_page(&page, next.as_deref());
        let revision = self.service.head().await?;
        Ok(Response::new(proto::ListParticipantsResponse {
            participants: found.iter().map(wire::write).collect(),
            next_page_token,
            revision,
        }))
    }

    type ExportParticipantsStream = Parts<proto::ExportParticipantsResponse>;

    async fn export_participants(
        &self,
        request: Request<proto::ExportParticipantsRequest>,
    ) -> Result<Response<Self::ExportParticipantsStream>, Status> {
        let (call, filter) = wire::read_export(&request)?;
        let organization_roles = self.may_see_roster(&call, &filter.node).await?;
        Ok(self.export(call, Export::Participants { filter, organization_roles }, |csv| proto::ExportParticipantsResponse { csv }))
    }

    async fn list_user_workspaces(
        &self,
        request: Request<proto::ListUserWorkspacesRequest>,
    ) -> Result<Response<proto::ListUserWorkspacesResponse>, Status> {
        let (call, page, user) = wire::read_workspaces(&self.service, &request)?;
        self.is_themselves(&call, &user).await?;
        let (found, next) = self.workspaces_page(&call, &user, page.after.as_deref(), page.size).await?;
        let next_page_token = self.service.next_page(&page, next.as_deref());
        let revision = self.service.head().await?;
        let workspaces = found.iter().map(wire::write_place).collect();
        Ok(Response::new(proto::ListUserWorkspacesResponse { workspaces, next_page_token, revision }))
    }

    type ExportUserWorkspacesStream = Parts<proto::ExportUserWorkspacesResponse>;

    async fn export_user_workspaces(
        &self,
        request: Request<proto::ExportUserWorkspacesRequest>,
    ) -> Result<Response<Self::ExportUserWorkspacesStream>, Status> {
        let (call, user) = wire::read_export_workspaces(&request)?;
        self.is_themselves(&call, &user).await?;
        Ok(self.export(call, Export::Workspaces { user }, |csv| proto::ExportUserWorkspacesResponse { csv }))
    }

    async fn list_user_customers(
        &self,
        request: Request<proto::ListUserCustomersRequest>,
    ) -> Result<Response<proto::ListUserCustomersResponse>, Status> {
        let (call, page, user, permission) = wire::read_customers(&self.service, &request)?;
        self.is_themselves(&call, &user).await?;
        let (found, next) = self.customers_page(&call, &user, &permission, page.after.as_deref(), page.size).await?;
        let next_page_token = self.service.next_page(&page, next.as_deref());
        let revision = self.service.head().await?;
        let customers = found.iter().map(wire::write_place).collect();
        Ok(Response::new(proto::ListUserCustomersResponse { customers, next_page_token, revision }))
    }

    type ExportUserCustomersStream = Parts<proto::ExportUserCustomersResponse>;

    async fn export_user_customers(
        &self,
        request: Request<proto::ExportUserCustomersRequest>,
    ) -> Result<Response<Self::ExportUserCustomersStream>, Status> {
        let (call, user, permission) = wire::read_export_customers(&request)?;
        self.is_themselves(&call, &user).await?;
        Ok(self.export(call, Export::Customers { user, permission }, |csv| proto::ExportUserCustomersResponse { csv }))
    }
}

/// A list that is exported.
enum Export {
    Participants { filter: RosterFilter, organization_roles: Vec<String> },
    Workspaces { user: UserName },
    Customers { user: UserName, permission: String },
}

impl Export {
    fn header(&self) -> Result<Vec<u8>, Status> {
        match self {
            Self::Participants { .. } => csv([PARTICIPANT_COLUMNS]),
            Self::Workspaces { .. } | Self::Customers { .. } => csv([PLACE_COLUMNS]),
        }
        .map_err(internal)
    }

    /// The next part after a position, and where it ends, if there is more.
    async fn part(&self, directory: &Directory, call: &Call, after: Option<&str>) -> Result<(Vec<u8>, Option<String>), Status> {
        let (part, next) = match self {
            Self::Participants { filter, organization_roles } => {
                let (found, next) = directory.participants_page(call, filter, organization_roles, after, PART).await?;
                (participants_csv(&found), next)
            }
            Self::Workspaces { user } => {
                let (found, next) = directory.workspaces_page(call, user, after, PART).await?;
                (places_csv(&found), next)
            }
            Self::Customers { user, permission } => {
                let (found, next) = directory.customers_page(call, user, permission, after, PART).await?;
                (places_csv(&found), next)
            }
        };
        Ok((part.map_err(internal)?, next))
    }
}

impl Directory {
    /// Sends the header, then part by part until there is no more or nobody reads.
    fn export<M: Send + 'static>(&self, call: Call, export: Export, write: fn(Vec<u8>) -> M) -> Response<Parts<M>> {
        let (parts, stream) = mpsc::channel(BUFFER);
        let directory = self.clone();
        tokio::spawn(async move {
            if parts.send(export.header().map(write)).await.is_err() {
                return;
            }
            let mut after: Option<String> = None;
            loop {
                let (part, next) = match export.part(&directory, &call, after.as_deref()).await {
                    Ok((part, next)) => (Ok(write(part)), next),
                    Err(status) => (Err(status), None),
                };
                if parts.send(part).await.is_err() || next.is_none() {
                    return;
                }
                after = next;
            }
        });
        Response::new(ReceiverStream::new(stream))
    }

    /// The names of the organization roles, for who may see the roster of a node.
    async fn may_see_roster(&self, call: &Call, node: &NodeName) -> Result<Vec<String>, Status> {
        let mut ask = Ask::writing(node.as_str()).to(permission("access.get", node.as_str()));
        if node.kind() == NodeKind::Organization {
            ask = ask.to(permission("members.get", node.as_str()));
        }
        let permit = self.service.permit(call, ask).await?;
        Ok(permit.granted().membership.clone().unwrap_or_default().organization_roles)
    }

    async fn is_themselves(&self, call: &Call, user: &UserName) -> Result<(), Status> {
        self.service.permit(call, Ask::writing(user.as_str()).to(myself(user.as_str()))).await.map(drop)
    }

    /// The next so many of a roster after a position, and the position of the last, if there are more.
    async fn participants_page(
        &self,
        call: &Call,
        filter: &RosterFilter,
        organization_roles: &[String],
        after: Option<&str>,
        size: usize,
    ) -> Result<Read<Participant>, Status> {
        let reader = self.service.ledger().reader();
        let head = self.service.ledger().head().await.map_err(ledger_status)?;
        let listed = filter.listed();
        let above = self.service.guard().list_standings(vec![listed.to_string()], Vec::new(), head, call.deadline.instant()).await?;
        let roster = filter.roster(above.reaching);
        let after = after.and_then(read_position);
        let mut entries = roster.page(reader, after, size as u64 + 1).await.map_err(Error::from)?;
        let more = entries.len() > size;
        entries.truncate(size);
        let next = entries.last().filter(|_| more).map(|entry| position(entry.key(filter.key), &entry.participant));

        let known = self.known(call, &filter.node, &entries, organization_roles).await?;
        Ok((entries.iter().filter_map(|entry| known.participant(entry, &filter.node)).collect(), next))
    }

    /// What is not in the entries of a page: asked for once for all of them. What users hold authz has in memory, so that nothing is read for each; others are few.
    async fn known(&self, call: &Call, node: &NodeName, entries: &[Entry], organization_roles: &[String]) -> Result<Known, Status> {
        let mut known = Known { organization_roles: organization_roles.to_vec(), ..Known::default() };
        let (users, others): (Vec<String>, Vec<String>) =
            entries.iter().map(|entry| entry.participant.clone()).partition(|name| UserName::parse(name).is_ok());
        if !users.is_empty() {
            let head = self.service.ledger().head().await.map_err(ledger_status)?;
            let said = self.service.guard().list_participations(node.to_string(), users, head, call.deadline.instant()).await?;
            (known.participations, known.standings) = (said.participations, said.standings);
        }
        if others.is_empty() {
            return Ok(known);
        }
        let reader = self.service.ledger().reader();
        let invitations: Vec<InvitationName> = others.iter().filter_map(|name| InvitationName::parse(name).ok()).collect();
        known.invitations = store::invitation::pending_of(reader, &invitations).await.map_err(Error::from)?;
        known.bindings = store::role_binding::of_principals_in(reader, &others, &node.organization()).await.map_err(Error::from)?;
        let mut workspaces = BTreeMap::new();
        if node.kind() == NodeKind::Workspace {
            let accounts = known.bindings.iter().filter_map(|binding| account_of(&binding.assigned.node)).collect::<BTreeSet<_>>();
            let accounts: Vec<NodeName> = accounts.into_iter().collect();
            workspaces = store::account::workspaces_of(reader, &accounts).await.map_err(Error::from)?;
        }
        let now = self.service.now();
        known.bindings.retain(|binding| !binding.assigned.has_ended(now) && is_within(&binding.assigned.node, node, &workspaces));
        Ok(known)
    }

    /// The next so many workspaces that a user can access.
    async fn workspaces_page(&self, call: &Call, user: &UserName, after: Option<&str>, size: usize) -> Result<Read<Place>, Status> {
        let (names, next) = self.permitted_to(call, user, "workspaces.get", "workspace", after, size).await?;
        let reader = self.service.ledger().reader();
        let workspaces = store::workspace::of(reader, &names).await.map_err(Error::from)?;
        let organizations: BTreeSet<NodeName> = names.iter().map(NodeName::organization).collect();
        let titles = store::organization::titles(reader, &organizations.into_iter().collect::<Vec<_>>()).await.map_err(Error::from)?;
        let mut roles = self.roles_of(call, user, &names).await?;
        let place = |name: &NodeName| {
            let workspace = workspaces.iter().find(|workspace| workspace.name == *name)?;
            let parent = name.organization();
            Some(Place {
                node: name.clone(),
                display_name: workspace.display_name.clone(),
                organization_display_name: titles.get(&parent).map(|(title, _)| title.clone()).unwrap_or_default(),
                parent: Some(parent),
                roles: roles.remove(name.as_str()).unwrap_or_default(),
            })
        };
        Ok((names.iter().filter_map(place).collect(), next))
    }

    /// The next so many customers in which a user has a permission.
    async fn customers_page(
        &self,
        call: &Call,
        user: &UserName,
        permission: &str,
        after: Option<&str>,
        size: usize,
    ) -> Result<Read<Place>, Status> {
        let (mut names, next) = self.permitted_to(call, user, permission, "organization", after, size).await?;
        let reader = self.service.ledger().reader();
        let titles = store::organization::titles(reader, &names).await.map_err(Error::from)?;
        // Roots are nobody's customers.
        names.retain(|name| titles.get(name).is_some_and(|(_, parent)| parent.is_some()));
        let agencies: BTreeSet<NodeName> = titles.values().filter_map(|(_, parent)| parent.as_ref()).map(NodeName::organization).collect();
        let agencies = store::organization::titles(reader, &agencies.into_iter().collect::<Vec<_>>()).await.map_err(Error::from)?;
        let mut roles = self.roles_of(call, user, &names).await?;
        let place = |name: &NodeName| {
            let (title, parent) = titles.get(name)?.clone();
            let agency = parent.as_ref().and_then(|parent| agencies.get(&parent.organization()));
            Some(Place {
                node: name.clone(),
                display_name: title,
                organization_display_name: agency.map(|(title, _)| title.clone()).unwrap_or_default(),
                parent,
                roles: roles.remove(name.as_str()).unwrap_or_default(),
            })
        };
        Ok((names.iter().filter_map(place).collect(), next))
    }

    async fn permitted_to(
        &self,
        call: &Call,
        user: &UserName,
        permission: &str,
        node_type: &str,
        after: Option<&str>,
        size: usize,
    ) -> Result<Read<NodeName>, Status> {
        let head = self.service.ledger().head().await.map_err(ledger_status)?;
        let guard = self.service.guard();
        let (names, more) =
            guard.list_permitted(user.as_str(), permission, node_type, None, after, size, head, call.deadline.instant()).await?;
        let next = names.last().filter(|_| more).cloned();
        let names = names.iter().map(|name| NodeName::parse(name)).collect::<Result<Vec<_>, _>>().map_err(internal)?;
        Ok((names, next))
    }

    /// What a user holds at nodes, by their names.
    async fn roles_of(&self, call: &Call, user: &UserName, nodes: &[NodeName]) -> Result<BTreeMap<String, Vec<HeldRole>>, Status> {
        if nodes.is_empty() {
            return Ok(BTreeMap::new());
        }
        let names = nodes.iter().map(ToString::to_string).collect();
        let head = self.service.ledger().head().await.map_err(ledger_status)?;
        let guard = self.service.guard();
        let answer = guard.list_standings(names, vec![user.to_string()], head, call.deadline.instant()).await?;
        let mut roles: BTreeMap<String, Vec<HeldRole>> = BTreeMap::new();
        for standing in &answer.standings {
            roles.entry(standing.node.clone()).or_default().push(HeldRole::standing(standing));
        }
        Ok(roles)
    }
}

fn account_of(node: &NodeName) -> Option<NodeName> {
    let account = if node.kind() == NodeKind::Account { Some(node.clone()) } else { node.leaf_parent() };
    account.filter(|node| node.kind() == NodeKind::Account)
}
