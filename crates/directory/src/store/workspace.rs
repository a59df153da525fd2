//! Workspaces in the database.

use decision::name::NodeName;
use ledger::StoreError;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    store::{
        entity::{
            columns::Names,
            workspace::{ActiveModel, Column, Entity, Model},
        },
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

/// The next so many of an organization after a name.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    organization: &NodeName,
    with_deleted: bool,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Workspace>, StoreError> {
    let mut query = Entity::find().filter(Column::Organization.eq(organization.as_str())).order_by_asc(Column::Name).limit(limit);
    if !with_deleted {
        query = query.filter(Column::Deleted.eq(false));
    }
    if let Some(name) = after {
        query = query.filter(Column::Name.gt(name));
    }
    query.all(db).await?.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

pub(super) fn row(workspace: &Workspace) -> ActiveModel {
    let model = Model {
        name: workspace.name.to_string(),
        organization: workspace.name.organization().to_string(),
        display_name: workspace.display_name.clone(),
        deleted: workspace.deleted,
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
        ceiling: row.ceiling.map(|Names(components)| components),
        create_time: row.create_time,
        update_time: row.update_time,
        version: row.version,
    })
}
