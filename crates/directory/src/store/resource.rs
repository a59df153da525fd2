//! Registered resources in the database.

use decision::name::{NodeKind, NodeName};
use ledger::StoreError;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    resource::Resource,
    store::{
        entity::{
            columns::Attributes,
            resource::{ActiveModel, Column, Entity, Model},
        },
        read::{stored, unreadable},
    },
};

/// Which resources to list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResourceFilter {
    /// Directly in this container.
    pub(crate) container: NodeName,
    /// Of this collection only.
    pub(crate) collection: Option<String>,
    pub(crate) with_deleted: bool,
}

pub(crate) async fn find(db: &impl ConnectionTrait, name: &NodeName) -> Result<Option<Resource>, StoreError> {
    Entity::find_by_id(name.as_str()).one(db).await?.map(read).transpose().map_err(Into::into)
}

pub(crate) async fn insert(db: &impl ConnectionTrait, resource: &Resource) -> Result<(), StoreError> {
    Entity::insert(row(resource)?).exec_without_returning(db).await?;
    Ok(())
}

pub(crate) async fn update(db: &impl ConnectionTrait, resource: &Resource) -> Result<(), StoreError> {
    Entity::update(row(resource)?).exec(db).await?;
    Ok(())
}

/// The next so many of a list after a name.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    filter: &ResourceFilter,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Resource>, StoreError> {
    let mut query = Entity::find().filter(Column::Parent.eq(filter.container.as_str())).order_by_asc(Column::Name).limit(limit);
    if let Some(collection) = &filter.collection {
        query = query.filter(Column::Collection.eq(collection.as_str()));
    }
    if !filter.with_deleted {
        query = query.filter(Column::Deleted.eq(false));
    }
    if let Some(name) = after {
        query = query.filter(Column::Name.gt(name));
    }
    query.all(db).await?.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

/// Resources out of their rows.
pub(super) fn read_all(rows: Vec<Model>) -> Result<Vec<Resource>, StoreError> {
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

pub(super) fn row(resource: &Resource) -> Result<ActiveModel, DbErr> {
    let (NodeKind::Leaf { collection }, Some(parent)) = (resource.name.kind(), resource.name.leaf_parent()) else {
        return Err(unreadable("the name of a leaf"));
    };
    let model = Model {
        name: resource.name.to_string(),
        organization: resource.name.organization().to_string(),
        parent: parent.to_string(),
        collection: collection.to_owned(),
        attributes: Attributes(resource.attributes.clone()),
        deleted: resource.deleted,
        create_time: resource.create_time,
        update_time: resource.update_time,
        version: resource.version,
    };
    Ok(model.into_active_model().reset_all())
}

pub(super) fn read(row: Model) -> Result<Resource, DbErr> {
    Ok(Resource {
        name: stored(NodeName::parse(&row.name))?,
        attributes: row.attributes.0,
        deleted: row.deleted,
        create_time: row.create_time,
        update_time: row.update_time,
        version: row.version,
    })
}
