//! Custom roles in the database.

use decision::name::NodeName;
use ledger::StoreError;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::{
    role::{CustomRole, CustomRoleName},
    store::{
        entity::custom_role::{ActiveModel, Column, Entity, Model},
        unreadable,
    },
};

/// Which custom roles to list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter<'a> {
    pub(crate) organization: &'a NodeName,
    /// Only those held at this type of node.
    pub(crate) held_at: Option<&'a str>,
    pub(crate) with_deleted: bool,
}

pub(crate) async fn find(db: &impl ConnectionTrait, name: &CustomRoleName) -> Result<Option<CustomRole>, StoreError> {
    Entity::find_by_id(name.as_str()).one(db).await?.map(read).transpose().map_err(Into::into)
}

pub(crate) async fn insert(db: &impl ConnectionTrait, role: &CustomRole) -> Result<(), StoreError> {
    Entity::insert(row(role)?).exec_without_returning(db).await?;
    Ok(())
}

pub(crate) async fn update(db: &impl ConnectionTrait, role: &CustomRole) -> Result<(), StoreError> {
    Entity::update(row(role)?).exec(db).await?;
    Ok(())
}

/// How many custom roles an organization has that are not deleted.
pub(crate) async fn count(db: &impl ConnectionTrait, organization: &NodeName) -> Result<u64, StoreError> {
    let live = Entity::find().filter(Column::Organization.eq(organization.as_str())).filter(Column::Deleted.eq(false));
    Ok(live.count(db).await?)
}

/// The next so many after a name.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    filter: Filter<'_>,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<CustomRole>, StoreError> {
    let mut query = Entity::find().filter(Column::Organization.eq(filter.organization.as_str())).order_by_asc(Column::Name).limit(limit);
    if let Some(held_at) = filter.held_at {
        query = query.filter(Column::HeldAt.eq(held_at));
    }
    if !filter.with_deleted {
        query = query.filter(Column::Deleted.eq(false));
    }
    if let Some(name) = after {
        query = query.filter(Column::Name.gt(name));
    }
    query.all(db).await?.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

fn row(role: &CustomRole) -> Result<ActiveModel, DbErr> {
    let model = Model {
        name: role.name.to_string(),
        organization: role.name.organization().to_string(),
        held_at: role.held_at.clone(),
        title: role.title.clone(),
        description: role.description.clone(),
        grants: serde_json::to_string(&role.grants).map_err(|error| DbErr::Json(error.to_string()))?,
        deleted: role.deleted,
        create_time: role.create_time,
        update_time: role.update_time,
        version: role.version,
    };
    Ok(model.into_active_model().reset_all())
}

fn read(row: Model) -> Result<CustomRole, DbErr> {
    Ok(CustomRole {
        name: CustomRoleName::parse(&row.name).map_err(|error| unreadable("a role's name", error))?,
        held_at: row.held_at,
        title: row.title,
        description: row.description,
        grants: serde_json::from_str(&row.grants).map_err(|error| unreadable("grants", error))?,
        deleted: row.deleted,
        create_time: row.create_time,
        update_time: row.update_time,
        version: row.version,
    })
}
