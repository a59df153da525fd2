//! Names of what was deleted for real: never used again (DESIGN §3).

use ledger::StoreError;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};

use crate::store::entity::retired_name::{ActiveModel, Entity};

/// Whether the name was used once.
pub(crate) async fn is_retired(db: &impl ConnectionTrait, name: &str) -> Result<bool, StoreError> {
    Ok(Entity::find_by_id(name).one(db).await?.is_some())
}

/// These names are never to be used again.
pub(crate) async fn retire<'a>(db: &impl ConnectionTrait, names: impl IntoIterator<Item = &'a str>) -> Result<(), StoreError> {
    let rows: Vec<ActiveModel> = names.into_iter().map(|name| ActiveModel { name: Set(name.to_owned()) }).collect();
    if !rows.is_empty() {
        Entity::insert_many(rows).exec_without_returning(db).await?;
    }
    Ok(())
}
