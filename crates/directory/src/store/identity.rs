//! Identities and their issuers in the database.

use decision::name::{NodeName, UserName};
use ledger::StoreError;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    TryInsertResult,
};

use crate::{
    identity::{Identity, IdentityKey, Issuer, IssuerUri, Subject},
    store::{
        entity::{identity, issuer},
        read::{stored, unreadable},
    },
};

/// Whoever was first has it; the second, also at the same time, gets false.
pub(crate) async fn insert_issuer(db: &impl ConnectionTrait, issuer: &Issuer) -> Result<bool, StoreError> {
    let model = issuer::Model {
        uri: issuer.uri.as_str().to_owned(),
        organization: issuer.organization.to_string(),
        create_time: issuer.create_time,
    };
    let row = model.into_active_model().reset_all();
    let done = issuer::Entity::insert(row).on_conflict_do_nothing().exec_without_returning(db).await?;
    Ok(matches!(done, TryInsertResult::Inserted(rows) if rows > 0))
}

pub(crate) async fn issuer(db: &impl ConnectionTrait, uri: &IssuerUri) -> Result<Option<Issuer>, StoreError> {
    issuer::Entity::find_by_id(uri.as_str()).one(db).await?.map(read_issuer).transpose().map_err(Into::into)
}

pub(crate) async fn delete_issuer(db: &impl ConnectionTrait, uri: &IssuerUri) -> Result<(), StoreError> {
    issuer::Entity::delete_by_id(uri.as_str()).exec(db).await?;
    Ok(())
}

/// The next so many of a tree after one.
pub(crate) async fn issuer_page(
    db: &impl ConnectionTrait,
    organization: &NodeName,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Issuer>, StoreError> {
    let mut query = issuer::Entity::find().filter(issuer::Column::Organization.eq(organization.as_str()));
    if let Some(uri) = after {
        query = query.filter(issuer::Column::Uri.gt(uri));
    }
    let rows = query.order_by_asc(issuer::Column::Uri).limit(limit).all(db).await?;
    rows.into_iter().map(|row| read_issuer(row).map_err(Into::into)).collect()
}

/// Whoever was first has it; the second, also at the same time, gets false.
pub(crate) async fn insert(db: &impl ConnectionTrait, identity: &Identity) -> Result<bool, StoreError> {
    let model = identity::Model {
        issuer: identity.key.issuer.as_str().to_owned(),
        subject: identity.key.subject.as_str().to_owned(),
        user: identity.user.to_string(),
        create_time: identity.create_time,
    };
    let row = model.into_active_model().reset_all();
    let done = identity::Entity::insert(row).on_conflict_do_nothing().exec_without_returning(db).await?;
    Ok(matches!(done, TryInsertResult::Inserted(rows) if rows > 0))
}

pub(crate) async fn find(db: &impl ConnectionTrait, key: &IdentityKey) -> Result<Option<Identity>, StoreError> {
    identity::Entity::find_by_id(columns(key)).one(db).await?.map(read).transpose().map_err(Into::into)
}

pub(crate) async fn delete(db: &impl ConnectionTrait, key: &IdentityKey) -> Result<(), StoreError> {
    identity::Entity::delete_by_id(columns(key)).exec(db).await?;
    Ok(())
}

/// Those of a user, in the order of issuer and subject.
pub(crate) async fn of_user(db: &impl ConnectionTrait, user: &UserName) -> Result<Vec<Identity>, StoreError> {
    let theirs = identity::Entity::find().filter(identity::Column::User.eq(user.as_str()));
    let rows = theirs.order_by_asc(identity::Column::Issuer).order_by_asc(identity::Column::Subject).all(db).await?;
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

/// They end with the user.
pub(crate) async fn end_all(db: &impl ConnectionTrait, user: &UserName) -> Result<(), StoreError> {
    identity::Entity::delete_many().filter(identity::Column::User.eq(user.as_str())).exec(db).await?;
    Ok(())
}

fn columns(key: &IdentityKey) -> (String, String) {
    (key.issuer.as_str().to_owned(), key.subject.as_str().to_owned())
}

fn read_uri(text: &str) -> Result<IssuerUri, DbErr> {
    IssuerUri::parse(text).ok_or_else(|| unreadable("an issuer"))
}

fn read_issuer(row: issuer::Model) -> Result<Issuer, DbErr> {
    Ok(Issuer { uri: read_uri(&row.uri)?, organization: stored(NodeName::parse(&row.organization))?, create_time: row.create_time })
}

fn read(row: identity::Model) -> Result<Identity, DbErr> {
    let subject = Subject::parse(&row.subject).ok_or_else(|| unreadable("a subject"))?;
    Ok(Identity {
        key: IdentityKey { issuer: read_uri(&row.issuer)?, subject },
        user: stored(UserName::parse(&row.user))?,
        create_time: row.create_time,
    })
}
