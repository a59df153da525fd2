//! Export: everything as rows, each after what it depends on.

use std::collections::{BTreeSet, VecDeque};

use api::directory::v1::{self as proto, ExportRequest, ExportResponse, ImportRow, import_row::Resource};
use chassis::Deadline;
use client::guard::{Ask, permission, platform};
use decision::name::{NodeName, Principal, RoleOwner, Sponsor};
use service::{call::Call, fields::Fields, filter::Query};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{
    Directory,
    organization::Organization,
    role_binding::RoleBinding,
    status::Error,
    store::{
        self, account::AccountFilter, group::GroupFilter, member::MemberFilter, organization::OrganizationFilter,
        role_binding::BindingFilter, user::UserFilter, workspace::WorkspaceFilter,
    },
    user::User,
    wire,
};

/// Rows that are read at once.
const PAGE: u64 = 500;
/// Rows that nobody has read yet.
const BUFFER: usize = 256;

/// What one needs on an organization to see all that is exported of it. Whoever may see who holds what in all of it knows the places.
const NEEDED: [&str; 4] = ["organization.get", "members.get", "groups.get", "access.get"];

/// Where the rows go.
struct Sink {
    sender: mpsc::Sender<Result<ExportResponse, Status>>,
    number: u64,
}

/// Why an export ended early.
enum Ended {
    /// Nobody reads any more.
    Gone,
    Failed(Status),
}

impl<E: Into<Error>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into().into())
    }
}

impl Sink {
    async fn send(&mut self, resource: Resource) -> Result<(), Ended> {
        self.number += 1;
        let row = ImportRow { number: self.number, resource: Some(resource) };
        self.sender.send(Ok(ExportResponse { row: Some(row) })).await.map_err(|_| Ended::Gone)
    }
}

/// Reads page after page until one is not full: `paged!(after => page, row => key, { … })`.
macro_rules! paged {
    ($after:ident => $page:expr, $row:ident => $key:expr, $each:block) => {{
        let mut $after: Option<String> = None;
        loop {
            let rows = $page.await?;
            let full = rows.len() as u64 == PAGE;
            for $row in rows {
                $after = Some($key);
                $each
            }
            if !full {
                break;
            }
        }
    }};
}

impl Directory {
    pub(super) async fn begin_export(
        &self,
        request: &Request<ExportRequest>,
    ) -> Result<Response<ReceiverStream<Result<ExportResponse, Status>>>, Status> {
        let call = Call::reading(request, "directory.v1.ImportService/Export")?;
        let mut fields = Fields::default();
        let organization = match request.get_ref().parent.as_str() {
            "" => Some(None),
            text => fields.organization("parent", text).map(Some),
        };
        let organization = fields.finish(organization)?;
        let ask = match &organization {
            None => Ask::writing(call.actor.as_str()).to(platform()),
            Some(name) => NEEDED.iter().fold(Ask::writing(name.as_str()), |ask, needed| ask.to(permission(*needed, name.as_str()))),
        };
        self.service.permit(&call, ask).await?;
        let (sender, receiver) = mpsc::channel(BUFFER);
        let directory = self.clone();
        tokio::spawn(async move {
            let mut sink = Sink { sender, number: 0 };
            let ended = match organization {
                None => directory.export_everything(&call, &mut sink).await,
                Some(name) => directory.export_one(&call, &name, &mut sink).await,
            };
            if let Err(Ended::Failed(status)) = ended {
                let _ = sink.sender.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn export_everything(&self, call: &Call, sink: &mut Sink) -> Result<(), Ended> {
        let db = self.service.ledger().reader();
        let users = UserFilter::default();
        paged!(after => store::user::page(db, &users, after.as_deref(), PAGE), user => user.name.to_string(), {
            if user.managed_by.is_none() {
                sink.send(Resource::User(user_row(&user))).await?;
            }
        });
        // Every organization after the workspace that it is a customer of; who is in it after all of them.
        let mut workspaces: VecDeque<Option<NodeName>> = VecDeque::from([None]);
        let mut organizations = Vec::new();
        while let Some(workspace) = workspaces.pop_front() {
            let mut found = Vec::new();
            let customers = OrganizationFilter { workspace, with_deleted: false, state: None, query: Query::default() };
            paged!(after => store::organization::page(db, &customers, after.as_deref(), PAGE), organization => organization.name.to_string(), {
                found.push(organization);
            });
            for organization in found {
                let nodes = self.export_nodes(&organization, sink).await?;
                workspaces.extend(nodes.iter().filter(|node| node.as_str().contains("/workspaces/")).cloned().map(Some));
                organizations.push((organization.name, nodes));
            }
        }
        // Whom an organization manages comes after it.
        paged!(after => store::user::page(db, &users, after.as_deref(), PAGE), user => user.name.to_string(), {
            if user.managed_by.is_some() {
                sink.send(Resource::User(user_row(&user))).await?;
            }
        });
        for (name, nodes) in &organizations {
            self.export_people(call, platform(), name, nodes, sink).await?;
        }
        Ok(())
    }

    async fn export_one(&self, call: &Call, name: &NodeName, sink: &mut Sink) -> Result<(), Ended> {
        let found = store::organization::find(self.service.ledger().reader(), name).await?;
        let organization = found.filter(|organization| !organization.deleted).ok_or_else(|| Error::not_found(name.as_str()))?;
        let nodes = self.export_nodes(&organization, sink).await?;
        self.export_people(call, permission("members.get", name.as_str()), name, &nodes, sink).await
    }

    /// An organization with its workspaces, accounts and groups. Tells the nodes.
    async fn export_nodes(&self, organization: &Organization, sink: &mut Sink) -> Result<BTreeSet<NodeName>, Ended> {
        let db = self.service.ledger().reader();
        let name = &organization.name;
        let mut nodes = BTreeSet::from([name.clone()]);
        let row = wire::organization::write(organization);
        // A customer's role model is its tree's.
        let role_model = if organization.parent.is_none() { row.role_model } else { String::new() };
        let row = proto::Organization {
            role_model,
            role_model_revision: 0,
            needs_owner: false,
            state: 0,
            create_time: None,
            update_time: None,
            ..row
        };
        sink.send(Resource::Organization(proto::Organization { etag: String::new(), ..row })).await?;
        let filter = WorkspaceFilter { organization: name.clone(), with_deleted: false, query: Query::default() };
        paged!(after => store::workspace::page(db, &filter, after.as_deref(), PAGE), workspace => workspace.name.to_string(), {
            nodes.insert(workspace.name.clone());
            let row = proto::Workspace { state: 0, create_time: None, update_time: None, ..wire::workspace::write(&workspace) };
            sink.send(Resource::Workspace(proto::Workspace { etag: String::new(), ..row })).await?;
        });
        let (organization, query) = (name.clone(), Query::default());
        let filter = AccountFilter { organization, with_deleted: false, workspace: None, paused: None, query };
        paged!(after => store::account::page(db, &filter, after.as_deref(), PAGE), account => account.name.to_string(), {
            nodes.insert(account.name.clone());
            let row = proto::Account { state: 0, create_time: None, update_time: None, ..wire::account::write(&account) };
            sink.send(Resource::Account(proto::Account { etag: String::new(), ..row })).await?;
        });
        let filter = GroupFilter { organization: name.clone(), query: Query::default() };
        paged!(after => store::group::page(db, &filter, after.as_deref(), PAGE), group => group.name.to_string(), {
            let row = proto::Group { create_time: None, update_time: None, etag: String::new(), ..wire::group::write(&group) };
            sink.send(Resource::Group(row)).await?;
        });
        Ok(nodes)
    }

    /// Who is in an organization: organization roles first, for members are taken in with them, then the other bindings, members, groups.
    async fn export_people(
        &self,
        call: &Call,
        needed: api::authz::v1::Requirement,
        organization: &NodeName,
        nodes: &BTreeSet<NodeName>,
        sink: &mut Sink,
    ) -> Result<(), Ended> {
        let db = self.service.ledger().reader();
        // A long stream asks again as it goes: who has lost the right meanwhile gets no more.
        let call = call.within(Deadline::after(std::time::Duration::from_secs(10)));
        let permit = self.service.permit(&call, Ask::writing(organization.as_str()).to(needed)).await?;
        let roles = permit.granted().membership.clone().unwrap_or_default().organization_roles;
        let now = self.service.now();
        let is_first = |binding: &RoleBinding| {
            let assigned = &binding.assigned;
            let is_plain = matches!(assigned.principal, Principal::User(_)) && assigned.sponsor.is_none();
            is_plain && assigned.node == *organization && roles.iter().any(|role| role == assigned.role.as_str())
        };
        for first in [true, false] {
            let node = first.then(|| organization.clone());
            let (organization, query) = (organization.clone(), Query::default());
            let filter = BindingFilter { organization, node, principal: None, role: None, query };
            paged!(after => store::role_binding::page(db, &filter, after.as_deref(), PAGE), binding => binding.name.to_string(), {
                if is_first(&binding) == first && stands_alone(&binding, nodes) && !binding.assigned.has_ended(now) {
                    let row = proto::RoleBinding { create_time: None, update_time: None, ..wire::role_binding::write(&binding) };
                    sink.send(Resource::RoleBinding(proto::RoleBinding { etag: String::new(), ..row })).await?;
                }
            });
        }
        let filter = MemberFilter { organization: organization.clone(), suspended: None, query: Query::default() };
        paged!(after => store::member::page(db, &filter, after.as_deref(), PAGE), member => member.1, {
            sink.send(Resource::Member(proto::Member { name: member.0.name.to_string(), ..proto::Member::default() })).await?;
        });
        let mut groups = Vec::new();
        let filter = GroupFilter { organization: organization.clone(), query: Query::default() };
        paged!(after => store::group::page(db, &filter, after.as_deref(), PAGE), group => group.name.to_string(), {
            groups.push(group.name);
        });
        for group in groups {
            paged!(after => store::group::edge_page(db, &group, after.as_deref(), PAGE), edge => edge.member_text(), {
                sink.send(Resource::GroupMember(wire::group::write_edge(&edge))).await?;
            });
        }
        Ok(())
    }
}

/// Whether a binding rests on nothing that is not exported.
fn stands_alone(binding: &RoleBinding, nodes: &BTreeSet<NodeName>) -> bool {
    let assigned = &binding.assigned;
    let is_system = matches!(assigned.role.owner(), RoleOwner::Model(_));
    is_system && nodes.contains(&assigned.node) && !matches!(assigned.sponsor, Some(Sponsor::Partnership(_)))
}

/// A user without what the directory says of them.
fn user_row(user: &User) -> proto::User {
    let row = wire::user::write(user);
    proto::User { state: 0, email_verified: false, create_time: None, update_time: None, etag: String::new(), ..row }
}
