//! What concerns nodes of every kind: what is below one, and whether one can take something in.

use decision::name::{NodeKind, NodeName};
use ledger::StoreError;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter};

use crate::store::{
    entity::{account, organization, resource, workspace},
    moves::customers_of,
};

/// How many things that are not deleted are below a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Below {
    /// Customer organizations of its workspaces.
    pub(crate) customers: u64,
    /// Workspaces of an organization.
    pub(crate) workspaces: u64,
    /// Accounts in it.
    pub(crate) accounts: u64,
    /// Registered resources: of an organization all, of a workspace or account those directly in it.
    pub(crate) resources: u64,
}

/// Whether a container is there, and not deleted.
pub(crate) async fn is_live(db: &impl ConnectionTrait, container: &NodeName) -> Result<bool, StoreError> {
    let name = container.as_str();
    Ok(match container.kind() {
        NodeKind::Organization => organization::Entity::find_by_id(name).one(db).await?.is_some_and(|row| !row.deleted),
        NodeKind::Workspace => workspace::Entity::find_by_id(name).one(db).await?.is_some_and(|row| !row.deleted),
        NodeKind::Account => account::Entity::find_by_id(name).one(db).await?.is_some_and(|row| !row.deleted),
        NodeKind::Leaf { .. } => false,
    })
}

/// Counts what is below a container.
pub(crate) async fn below(db: &impl ConnectionTrait, container: &NodeName) -> Result<Below, StoreError> {
    let name = container.as_str();
    let mut below = Below::default();
    match container.kind() {
        NodeKind::Organization => {
            below.customers = count_customers(db, customers_of(container)).await?;
            let live = workspace::Column::Organization.eq(name).and(workspace::Column::Deleted.eq(false));
            below.workspaces = workspace::Entity::find().filter(live).count(db).await?;
            let live = account::Column::Organization.eq(name).and(account::Column::Deleted.eq(false));
            below.accounts = account::Entity::find().filter(live).count(db).await?;
            let live = resource::Column::Organization.eq(name).and(resource::Column::Deleted.eq(false));
            below.resources = resource::Entity::find().filter(live).count(db).await?;
        }
        NodeKind::Workspace => {
            below.customers = count_customers(db, Condition::all().add(organization::Column::Parent.eq(name))).await?;
            let live = account::Column::Workspace.eq(name).and(account::Column::Deleted.eq(false));
            below.accounts = account::Entity::find().filter(live).count(db).await?;
            below.resources = count_resources(db, name).await?;
        }
        NodeKind::Account => below.resources = count_resources(db, name).await?,
        NodeKind::Leaf { .. } => {}
    }
    Ok(below)
}

async fn count_customers(db: &impl ConnectionTrait, of: Condition) -> Result<u64, StoreError> {
    Ok(organization::Entity::find().filter(of.add(organization::Column::Deleted.eq(false))).count(db).await?)
}

async fn count_resources(db: &impl ConnectionTrait, container: &str) -> Result<u64, StoreError> {
    let live = resource::Column::Parent.eq(container).and(resource::Column::Deleted.eq(false));
    Ok(resource::Entity::find().filter(live).count(db).await?)
}
