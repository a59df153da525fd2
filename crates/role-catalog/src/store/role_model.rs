//! Role models in the database.

use decision::document::Document;
use ledger::StoreError;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::OnConflict,
};

use crate::{
    role_model::{Heading, Revision, RoleModelName},
    store::{
        entity::{
            role_model,
            role_model_revision::{Column, Entity, Model},
        },
        unreadable,
    },
};

/// A revision, and how many bytes its document takes as it is stored.
pub(crate) async fn find(db: &impl ConnectionTrait, name: &RoleModelName, number: u32) -> Result<Option<(Revision, usize)>, StoreError> {
    let row = Entity::find_by_id((name.id().to_owned(), i64::from(number))).one(db).await?;
    let bytes = row.as_ref().map_or(0, |row| row.document.len());
    Ok(row.map(read).transpose()?.map(|revision| (revision, bytes)))
}

/// The number of the latest revision.
pub(crate) async fn latest_number(db: &impl ConnectionTrait, name: &RoleModelName) -> Result<Option<u32>, StoreError> {
    let row = role_model::Entity::find_by_id(name.id().to_owned()).one(db).await?;
    row.map(|row| number(row.latest)).transpose().map_err(Into::into)
}

/// The latest revision.
pub(crate) async fn latest(db: &impl ConnectionTrait, name: &RoleModelName) -> Result<Option<Revision>, StoreError> {
    let row = Entity::find().filter(Column::Model.eq(name.id())).order_by_desc(Column::Revision).limit(1).one(db).await?;
    row.map(read).transpose().map_err(Into::into)
}

/// Whether some revision of the document's model says the same.
pub(crate) async fn has(db: &impl ConnectionTrait, document: &Document) -> Result<bool, StoreError> {
    let rows = Entity::find().filter(Column::Model.eq(document.model.as_str())).order_by_desc(Column::Revision).all(db).await?;
    for row in rows {
        if read(row)?.document == *document {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Adds a revision, the latest from now on.
pub(crate) async fn insert(db: &impl ConnectionTrait, revision: &Revision) -> Result<(), StoreError> {
    let row = Model {
        model: revision.document.model.clone(),
        revision: i64::from(revision.number),
        document: serde_json::to_string(&revision.document).map_err(|error| DbErr::Json(error.to_string()))?,
        create_time: revision.create_time,
    };
    Entity::insert(row.into_active_model().reset_all()).exec_without_returning(db).await?;
    let heading = role_model::Model {
        model: revision.document.model.clone(),
        latest: i64::from(revision.number),
        title: revision.document.title.clone(),
        create_time: revision.create_time,
    };
    let replace = OnConflict::column(role_model::Column::Model)
        .update_columns([role_model::Column::Latest, role_model::Column::Title, role_model::Column::CreateTime])
        .to_owned();
    role_model::Entity::insert(heading.into_active_model().reset_all()).on_conflict(replace).exec_without_returning(db).await?;
    Ok(())
}

/// The next so many role models after a name.
pub(crate) async fn page(db: &impl ConnectionTrait, after: Option<&RoleModelName>, limit: u64) -> Result<Vec<Heading>, StoreError> {
    let mut query = role_model::Entity::find().order_by_asc(role_model::Column::Model).limit(limit);
    if let Some(name) = after {
        query = query.filter(role_model::Column::Model.gt(name.id()));
    }
    query.all(db).await?.into_iter().map(|row| read_heading(row).map_err(Into::into)).collect()
}

fn read(row: Model) -> Result<Revision, DbErr> {
    Ok(Revision {
        number: number(row.revision)?,
        document: serde_json::from_str(&row.document).map_err(|error| unreadable("a role model", error))?,
        create_time: row.create_time,
    })
}

fn read_heading(row: role_model::Model) -> Result<Heading, DbErr> {
    Ok(Heading { name: RoleModelName::of_id(&row.model), latest: number(row.latest)?, title: row.title, create_time: row.create_time })
}

fn number(stored: i64) -> Result<u32, DbErr> {
    u32::try_from(stored).map_err(|error| unreadable("a revision", error))
}
