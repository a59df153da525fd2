//! Workspaces in the database.

use decision::name::NodeName;
use ledger::StoreError;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter};
use service::filter::{Query, position};

use crate::{
    store::{
        entity::{
            columns::Names,
            workspace::{ActiveModel, Column, Entity, Model},
        },
        listing,
        read::stored,
    },
    workspace::Workspace,
};

pub(crate) async fn find(db: &impl ConnectionTrait, name: &NodeName) -> Result<Option<Workspace>, StoreError> {
    Entity::find_by_id(name.as_str()).one(db).await?.map(read).transpose().map_err(Into::into)
}

pub(crate) async fn insert(db: &impl ConnectionTrait, workspace: &Workspace) -> Result<(), StoreError> {
    Entity::insert(row(workspace)).exec_without_returning(db).await?;
    Ok(())
}

pub(crate) async fn update(db: &impl ConnectionTrait, workspace: &Workspace) -> Result<(), StoreError> {
    Entity::update(row(workspace)).exec(db).await?;
    Ok(())
}

/// Which workspaces to list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WorkspaceFilter {
    pub(crate) organization: NodeName,
    pub(crate) with_deleted: bool,
    pub(crate) query: Query,
}

impl WorkspaceFilter {
    /// Where a workspace stands in the list.
    pub(crate) fn position(&self, workspace: &Workspace) -> String {
        match self.query.order {
            "create_time" => position(&listing::time_text(workspace.create_time), workspace.name.as_str()),
            _ => workspace.name.to_string(),
        }
    }
}

/// The next so many of a list after a position.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    filter: &WorkspaceFilter,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Workspace>, StoreError> {
    let mut query = Entity::find().filter(Column::Organization.eq(filter.organization.as_str()));
    if !filter.with_deleted {
        query = query.filter(Column::Deleted.eq(false));
    }
    let keys = [("create_time", Column::CreateTime)];
    let rows = listing::page(query, &filter.query, Column::Name, &keys, after, limit)?.all(db).await?;
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

/// Those of some that there are, in no particular order.
pub(crate) async fn of(db: &impl ConnectionTrait, names: &[NodeName]) -> Result<Vec<Workspace>, StoreError> {
    let rows = Entity::find().filter(Column::Name.is_in(names.iter().map(NodeName::as_str))).all(db).await?;
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

pub(super) fn row(workspace: &Workspace) -> ActiveModel {
    let model = Model {
        name: workspace.name.to_string(),
        organization: workspace.name.organization().to_string(),
        display_name: workspace.display_name.clone(),
        deleted: workspace.deleted,
        delete_time: workspace.delete_time,
        purge_time: workspace.purge_time,
        ceiling: workspace.ceiling.clone().map(Names),
        create_time: workspace.create_time,
        update_time: workspace.update_time,
        version: workspace.version,
    };
    model.into_active_model().reset_all()
}

pub(super) fn read(row: Model) -> Result<Workspace, DbErr> {
    Ok(Workspace {
        name: stored(NodeName::parse(&row.name))?,
        display_name: row.display_name,
        deleted: row.deleted,
        delete_time: row.delete_time,
        purge_time: row.purge_time,
        ceiling: row.ceiling.map(|Names(components)| components),
        create_time: row.create_time,
        update_time: row.update_time,
        version: row.version,
    })
}
