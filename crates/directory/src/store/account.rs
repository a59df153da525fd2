//! Accounts in the database.

use std::collections::BTreeMap;

use decision::name::NodeName;
use ledger::StoreError;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter};
use service::filter::{Query, position};

use crate::{
    account::Account,
    store::{
        entity::{
            account::{ActiveModel, Column, Entity, Model},
            columns::Names,
        },
        listing, participation,
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
    let before = Entity::find_by_id(account.name.as_str()).one(db).await?.and_then(|row| row.workspace);
    Entity::update(row(account)).exec(db).await?;
    // Who participates in the account participates in the workspace that it is in.
    if before.as_deref() != account.workspace.as_ref().map(NodeName::as_str) {
        let participants = participation::at_node(db, account.name.as_str()).await?;
        participation::refresh(db, &account.name.organization(), &participants).await?;
    }
    Ok(())
}

/// Which accounts to list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AccountFilter {
    pub(crate) organization: NodeName,
    pub(crate) with_deleted: bool,
    /// In this workspace.
    pub(crate) workspace: Option<NodeName>,
    pub(crate) paused: Option<bool>,
    pub(crate) query: Query,
}

impl AccountFilter {
    /// Where an account stands in the list.
    pub(crate) fn position(&self, account: &Account) -> String {
        match self.query.order {
            "create_time" => position(&listing::time_text(account.create_time), account.name.as_str()),
            _ => account.name.to_string(),
        }
    }
}

/// The next so many of a list after a position.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    filter: &AccountFilter,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Account>, StoreError> {
    let mut query = Entity::find().filter(Column::Organization.eq(filter.organization.as_str()));
    if !filter.with_deleted {
        query = query.filter(Column::Deleted.eq(false));
    }
    if let Some(workspace) = &filter.workspace {
        query = query.filter(Column::Workspace.eq(workspace.as_str()));
    }
    if let Some(paused) = filter.paused {
        query = query.filter(Column::Paused.eq(paused));
    }
    let keys = [("create_time", Column::CreateTime)];
    let rows = listing::page(query, &filter.query, Column::Name, &keys, after, limit)?.all(db).await?;
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

/// The workspace of each of some accounts that is in one.
pub(crate) async fn workspaces_of(db: &impl ConnectionTrait, accounts: &[NodeName]) -> Result<BTreeMap<NodeName, NodeName>, StoreError> {
    let mut found = BTreeMap::new();
    for some in accounts.chunks(500) {
        let rows = Entity::find().filter(Column::Name.is_in(some.iter().map(NodeName::as_str))).all(db).await?;
        for row in rows {
            if let Some(workspace) = row.workspace {
                found.insert(stored(NodeName::parse(&row.name))?, stored(NodeName::parse(&workspace))?);
            }
        }
    }
    Ok(found)
}

pub(super) fn row(account: &Account) -> ActiveModel {
    let model = Model {
        name: account.name.to_string(),
        organization: account.name.organization().to_string(),
        workspace: account.workspace.as_ref().map(ToString::to_string),
        display_name: account.display_name.clone(),
        paused: account.paused,
        deleted: account.deleted,
        delete_time: account.delete_time,
        purge_time: account.purge_time,
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
        delete_time: row.delete_time,
        purge_time: row.purge_time,
        ceiling: row.ceiling.map(|Names(components)| components),
        create_time: row.create_time,
        update_time: row.update_time,
        version: row.version,
    })
}
