//! Accounts in the database.

use decision::name::NodeName;
use ledger::StoreError;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    account::Account,
    store::{
        entity::{
            account::{ActiveModel, Column, Entity, Model},
            columns::Names,
        },
        read::stored,
    },
};

pub(crate) async fn find(db: &impl ConnectionTrait, name: &NodeName) -> Result<Option<Account>, StoreError> {
    Entity::find_by_id(name.as_str()).one(db).await?.map(read).transpose().map_err(Into::into)
}

pub(crate) async fn insert(db: &impl ConnectionTrait, account: &Account) -> Result<(), StoreError> {
    Entity::insert(row(account)).exec_without_returning(db).await?;
    Ok(())
}

pub(crate) async fn update(db: &impl ConnectionTrait, account: &Account) -> Result<(), StoreError> {
    Entity::update(row(account)).exec(db).await?;
    Ok(())
}

/// The next so many of an organization after a name.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    organization: &NodeName,
    with_deleted: bool,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Account>, StoreError> {
    let mut query = Entity::find().filter(Column::Organization.eq(organization.as_str())).order_by_asc(Column::Name).limit(limit);
    if !with_deleted {
        query = query.filter(Column::Deleted.eq(false));
    }
    if let Some(name) = after {
        query = query.filter(Column::Name.gt(name));
    }
    query.all(db).await?.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

pub(super) fn row(account: &Account) -> ActiveModel {
    let model = Model {
        name: account.name.to_string(),
        organization: account.name.organization().to_string(),
        workspace: account.workspace.as_ref().map(ToString::to_string),
        display_name: account.display_name.clone(),
        paused: account.paused,
        deleted: account.deleted,
        ceiling: account.ceiling.clone().map(Names),
        create_time: account.create_time,
        update_time: account.update_time,
        version: account.version,
    };
    model.into_active_model().reset_all()
}

pub(super) fn read(row: Model) -> Result<Account, DbErr> {
    Ok(Account {
        name: stored(NodeName::parse(&row.name))?,
        workspace: row.workspace.map(|workspace| stored(NodeName::parse(&workspace))).transpose()?,
        display_name: row.display_name,
        paused: row.paused,
        deleted: row.deleted,
        ceiling: row.ceiling.map(|Names(components)| components),
        create_time: row.create_time,
        update_time: row.update_time,
        version: row.version,
    })
}
