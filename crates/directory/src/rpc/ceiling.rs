//! The service of ceilings.

use api::{
    authz::v1::Requirement,
    directory::v1::{self as proto, GetCeilingRequest, SetCeilingRequest, ceiling_service_server::CeilingService},
    feed::v1::Record,
};
use client::guard::{Ask, permission};
use decision::name::{NodeKind, NodeName};
use ledger::StoreError;
use service::change::{Change, Opened};
use tonic::{Request, Response, Status, async_trait};

use super::{ATTEMPTS, organization::above, outrun};
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
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        for _ in 0..ATTEMPTS {
            let seen = self.place_seen(&draft).await.map_err(Error::from)?;
            let ask = Ask::writing(draft.node.as_str()).to(seen.requirement.clone());
            let ask = seen.to_be.iter().cloned().fold(ask, Ask::given);
            let mut change = match self.service.open(&call, ask).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            let set = match draft.node.kind() {
                NodeKind::Organization => set_of_organization(&mut change, &draft, &seen).await?,
                NodeKind::Workspace => Some(set_of_workspace(&mut change, &draft).await?),
                NodeKind::Account => set_of_account(&mut change, &draft, &seen).await?,
                NodeKind::Leaf { .. } => return Err(Error::not_found(draft.node.as_str()).into()),
            };
            if let Some(ceiling) = set {
                return change.answer(write(&ceiling)).await;
            }
        }
        Err(outrun())
    }
}

/// Where a node is, as of one reading, and what that means for its ceiling.
struct Place {
    /// None of a root, and of what is not there.
    parent: Option<NodeName>,
    /// `ceilings.set` on the node's parent; of a root to be the platform.
    requirement: Requirement,
    /// The node as it would be, so that authz sees whether its role model has the components.
    to_be: Option<Record>,
}

impl Directory {
    /// Looked up before the permit, because where to ask depends on it; it is compared under the lock. A node that does not exist is asked about where it
    /// would be, so that it looks like one that is none of the actor's business.
    async fn place_seen(&self, draft: &CeilingDraft) -> Result<Place, StoreError> {
        const NEEDED: &str = "ceilings.set";
        let CeilingDraft { node, components, .. } = draft;
        let (db, now) = (self.service.ledger().reader(), self.service.now());
        Ok(match node.kind() {
            NodeKind::Organization => {
                let found = store::organization::find(db, node).await?;
                let to_be = found.as_ref().map(|found| feed::organization(&found.with_ceiling(components.clone(), now)));
                let parent = found.and_then(|organization| organization.parent);
                Place { requirement: above(parent.as_ref(), NEEDED), parent, to_be }
            }
            NodeKind::Workspace => {
                let found = store::workspace::find(db, node).await?;
                let to_be = found.map(|found| feed::workspace(&found.with_ceiling(components.clone(), now)));
                Place { parent: None, requirement: permission(NEEDED, node.organization().as_str()), to_be }
            }
            NodeKind::Account => {
                let found = store::account::find(db, node).await?;
                let to_be = found.as_ref().map(|found| feed::account(&found.with_ceiling(components.clone(), now)));
                let parent = found.as_ref().map_or_else(|| node.organization(), Account::parent);
                Place { requirement: permission(NEEDED, parent.as_str()), parent: Some(parent), to_be }
            }
            NodeKind::Leaf { .. } => Place { parent: None, requirement: permission(NEEDED, node.organization().as_str()), to_be: None },
        })
    }
}

const ACTION: &str = "ceilings.set";

/// None if it is not where its permit was asked for.
async fn set_of_organization(change: &mut Change, draft: &CeilingDraft, seen: &Place) -> Result<Option<Ceiling>, Error> {
    let CeilingDraft { node: name, components, etag } = draft;
    let before = store::organization::find(change.connection(), name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    before.expect(*etag)?;
    if seen.to_be.is_none() || before.parent != seen.parent {
        return Ok(None);
    }
    let after = before.with_ceiling(components.clone(), change.now());
    store::organization::update(change.connection(), &after).await?;
    change.put(feed::organization(&after));
    change.audit(ACTION, name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(Some(of_organization(after)))
}

async fn set_of_workspace(change: &mut Change, draft: &CeilingDraft) -> Result<Ceiling, Error> {
    let CeilingDraft { node: name, components, etag } = draft;
    let before = store::workspace::find(change.connection(), name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    before.expect(*etag)?;
    let after = before.with_ceiling(components.clone(), change.now());
    store::workspace::update(change.connection(), &after).await?;
    change.put(feed::workspace(&after));
    change.audit(ACTION, name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(of_workspace(after))
}

/// None if it is not where its permit was asked for.
async fn set_of_account(change: &mut Change, draft: &CeilingDraft, seen: &Place) -> Result<Option<Ceiling>, Error> {
    let CeilingDraft { node: name, components, etag } = draft;
    let before = store::account::find(change.connection(), name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    before.expect(*etag)?;
    if seen.to_be.is_none() || Some(before.parent()) != seen.parent {
        return Ok(None);
    }
    let after = before.with_ceiling(components.clone(), change.now());
    store::account::update(change.connection(), &after).await?;
    change.put(feed::account(&after));
    change.audit(ACTION, name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(Some(of_account(after)))
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
