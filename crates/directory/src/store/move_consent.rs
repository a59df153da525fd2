//! Consents to being moved, in the database.

use api::authz::v1::RoleTerms;
use chrono::{DateTime, Utc};
use decision::name::{NodeName, UserName};
use ledger::StoreError;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use crate::{
    consent::{Consent, Consenting},
    store::{
        entity::move_consent::{ActiveModel, Column, Entity, Model},
        holders::{self, Users},
        read::stored,
    },
};

pub(crate) async fn find(db: &impl ConnectionTrait, organization: &NodeName, workspace: &NodeName) -> Result<Option<Consent>, StoreError> {
    let key = (organization.to_string(), workspace.to_string());
    Entity::find_by_id(key).one(db).await?.map(read).transpose().map_err(Into::into)
}

/// All of an organization, in the order of their workspaces.
pub(crate) async fn of_organization(db: &impl ConnectionTrait, organization: &NodeName) -> Result<Vec<Consent>, StoreError> {
    let rows = Entity::find().filter(Column::Organization.eq(organization.as_str())).order_by_asc(Column::Workspace).all(db).await?;
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

pub(crate) async fn insert(db: &impl ConnectionTrait, consent: &Consent) -> Result<(), StoreError> {
    Entity::insert(row(consent)).exec_without_returning(db).await?;
    Ok(())
}

pub(crate) async fn delete(db: &impl ConnectionTrait, consent: &Consent) -> Result<(), StoreError> {
    Entity::delete_by_id((consent.organization.to_string(), consent.workspace.to_string())).exec(db).await?;
    Ok(())
}

/// Whether an organization with these required roles must consent to being moved to a workspace, and has.
pub(crate) async fn standing(
    db: &impl ConnectionTrait,
    users: Users,
    organization: &NodeName,
    required: &[&RoleTerms],
    workspace: &NodeName,
    now: DateTime<Utc>,
) -> Result<Consenting, StoreError> {
    let given = match find(db, organization, workspace).await?.filter(|consent| consent.expire_time > now) {
        Some(consent) => consent.by_platform || holders::is_owner(db, users, organization, required, &consent.user).await?,
        None => false,
    };
    Ok(Consenting { required: holders::is_owned(db, users, organization, required).await?, given })
}

fn row(consent: &Consent) -> ActiveModel {
    let model = Model {
        organization: consent.organization.to_string(),
        workspace: consent.workspace.to_string(),
        consenting_user: consent.user.to_string(),
        by_platform: consent.by_platform,
        expire_time: consent.expire_time,
        create_time: consent.create_time,
    };
    model.into_active_model().reset_all()
}

fn read(row: Model) -> Result<Consent, DbErr> {
    Ok(Consent {
        organization: stored(NodeName::parse(&row.organization))?,
        workspace: stored(NodeName::parse(&row.workspace))?,
        user: stored(UserName::parse(&row.consenting_user))?,
        by_platform: row.by_platform,
        expire_time: row.expire_time,
        create_time: row.create_time,
    })
}
