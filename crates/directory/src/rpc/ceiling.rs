//! The service of ceilings.

use api::{
    authz::v1::Requirement,
    directory::v1::{self as proto, GetCeilingRequest, SetCeilingRequest, ceiling_service_server::CeilingService},
    feed::v1::Record,
};
use client::guard::{Ask, permission};
use decision::name::NodeKind;
use ledger::StoreError;
use service::change::{Change, Opened};
use tonic::{Request, Response, Status, async_trait};

use super::organization::above;
use crate::{
    Directory,
    account::Account,
    ceiling::{Ceiling, CeilingDraft},
    feed,
    organization::Organization,
    status::Error,
    store,
    wire::{self, ceiling::write},
    workspace::Workspace,
};

#[async_trait]
impl CeilingService for Directory {
    async fn get_ceiling(&self, request: Request<GetCeilingRequest>) -> Result<Response<proto::Ceiling>, Status> {
        let (call, node) = wire::ceiling::read_get(&request)?;
        self.service.permit(&call, Ask::writing(node.as_str()).to(permission("ceilings.get", node.as_str()))).await?;
        let db = self.service.ledger().reader();
        let ceiling = match node.kind() {
            NodeKind::Organization => store::organization::find(db, &node).await.map_err(Error::from)?.map(of_organization),
            NodeKind::Workspace => store::workspace::find(db, &node).await.map_err(Error::from)?.map(of_workspace),
            NodeKind::Account => store::account::find(db, &node).await.map_err(Error::from)?.map(of_account),
            NodeKind::Leaf { .. } => None,
        };
        let ceiling = ceiling.ok_or_else(|| Error::not_found(node.as_str()))?;
        Ok(Response::new(proto::Ceiling { revision: self.service.head().await?, ..write(&ceiling) }))
    }

    async fn set_ceiling(&self, request: Request<SetCeilingRequest>) -> Result<Response<proto::Ceiling>, Status> {
        let (call, draft) = wire::ceiling::read_set(&request)?;
        let name = draft.node.clone();
        let (requirement, to_be) = self.may_set_ceiling(&draft).await.map_err(Error::from)?;
        let ask = Ask::writing(name.as_str()).to(requirement);
        let ask = to_be.into_iter().fold(ask, Ask::given);
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let ceiling = match name.kind() {
            NodeKind::Organization => set_of_organization(&mut change, draft).await?,
            NodeKind::Workspace => set_of_workspace(&mut change, draft).await?,
            NodeKind::Account => set_of_account(&mut change, draft).await?,
            NodeKind::Leaf { .. } => return Err(Error::not_found(name.as_str()).into()),
        };
        change.answer(write(&ceiling)).await
    }
}

impl Directory {
    /// `ceilings.set` on the node's parent; of a root to be the platform. Looked up before the permit, because where to ask depends on it; a
    /// node that does not exist is asked about where it would be, so that it looks like one that is none of the actor's business. Also the node
    /// as it would be, so that authz sees whether its role model has the components.
    async fn may_set_ceiling(&self, draft: &CeilingDraft) -> Result<(Requirement, Option<Record>), StoreError> {
        const NEEDED: &str = "ceilings.set";
        let CeilingDraft { node, components, .. } = draft;
        let (db, now) = (self.service.ledger().reader(), self.service.now());
        Ok(match node.kind() {
            NodeKind::Organization => {
                let found = store::organization::find(db, node).await?;
                let parent = found.as_ref().and_then(|organization| organization.parent.as_ref());
                let to_be = found.as_ref().map(|found| feed::organization(&found.with_ceiling(components.clone(), now)));
                (above(parent, NEEDED), to_be)
            }
            NodeKind::Workspace => {
                let found = store::workspace::find(db, node).await?;
                let to_be = found.map(|found| feed::workspace(&found.with_ceiling(components.clone(), now)));
                (permission(NEEDED, node.organization().as_str()), to_be)
            }
            NodeKind::Account => {
                let found = store::account::find(db, node).await?;
                let parent = found.as_ref().map_or_else(|| node.organization(), Account::parent);
                let to_be = found.map(|found| feed::account(&found.with_ceiling(components.clone(), now)));
                (permission(NEEDED, parent.as_str()), to_be)
            }
            NodeKind::Leaf { .. } => (permission(NEEDED, node.organization().as_str()), None),
        })
    }
}

const ACTION: &str = "ceilings.set";

async fn set_of_organization(change: &mut Change, draft: CeilingDraft) -> Result<Ceiling, Error> {
    let CeilingDraft { node: name, components, etag } = draft;
    let before = store::organization::find(change.connection(), &name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    before.expect(etag)?;
    let after = before.with_ceiling(components, change.now());
    store::organization::update(change.connection(), &after).await?;
    change.put(feed::organization(&after));
    change.audit(ACTION, name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(of_organization(after))
}

async fn set_of_workspace(change: &mut Change, draft: CeilingDraft) -> Result<Ceiling, Error> {
    let CeilingDraft { node: name, components, etag } = draft;
    let before = store::workspace::find(change.connection(), &name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    before.expect(etag)?;
    let after = before.with_ceiling(components, change.now());
    store::workspace::update(change.connection(), &after).await?;
    change.put(feed::workspace(&after));
    change.audit(ACTION, name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(of_workspace(after))
}

async fn set_of_account(change: &mut Change, draft: CeilingDraft) -> Result<Ceiling, Error> {
    let CeilingDraft { node: name, components, etag } = draft;
    let before = store::account::find(change.connection(), &name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    before.expect(etag)?;
    let after = before.with_ceiling(components, change.now());
    store::account::update(change.connection(), &after).await?;
    change.put(feed::account(&after));
    change.audit(ACTION, name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(of_account(after))
}

fn of_organization(organization: Organization) -> Ceiling {
    Ceiling { node: organization.name, components: organization.ceiling, version: organization.version }
}

fn of_workspace(workspace: Workspace) -> Ceiling {
    Ceiling { node: workspace.name, components: workspace.ceiling, version: workspace.version }
}

fn of_account(account: Account) -> Ceiling {
    Ceiling { node: account.name, components: account.ceiling, version: account.version }
}
