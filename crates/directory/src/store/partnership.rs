//! Partnerships in the database.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use decision::name::{MalformedName, NodeName, PartnershipName, RoleName, Sponsor, UserName};
use ledger::StoreError;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use service::filter::{Query, position};

use crate::{
    partnership::{Allowance, Partnership, Sponsorship},
    store::{
        entity::{
            columns::Names,
            partnership::{ActiveModel, Column, Entity, Model},
        },
        listing,
        read::stored,
        retired,
        role_binding::{self, read_components, write_components},
    },
};

/// Whose partnerships to list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Side {
    /// Those that it offers.
    Offering(NodeName),
    /// Those that it has been offered.
    Partner(NodeName),
}

pub(crate) async fn find(db: &impl ConnectionTrait, name: &PartnershipName) -> Result<Option<Partnership>, StoreError> {
    Entity::find_by_id(name.as_str()).one(db).await?.map(read).transpose().map_err(Into::into)
}

/// With what it sponsors.
pub(crate) async fn sponsorship(db: &impl ConnectionTrait, name: &PartnershipName) -> Result<Option<Sponsorship>, StoreError> {
    let Some(partnership) = find(db, name).await? else { return Ok(None) };
    let sponsored = role_binding::of_sponsor(db, &Sponsor::Partnership(name.clone())).await?;
    Ok(Some(Sponsorship { partnership, sponsored }))
}

pub(crate) async fn insert(db: &impl ConnectionTrait, partnership: &Partnership) -> Result<(), StoreError> {
    Entity::insert(row(partnership)).exec_without_returning(db).await?;
    Ok(())
}

pub(crate) async fn update(db: &impl ConnectionTrait, partnership: &Partnership) -> Result<(), StoreError> {
    Entity::update(row(partnership)).exec(db).await?;
    Ok(())
}

/// Deletes the row and retires the name.
pub(crate) async fn delete(db: &impl ConnectionTrait, name: &PartnershipName) -> Result<(), StoreError> {
    Entity::delete_by_id(name.as_str()).exec(db).await?;
    retired::retire(db, [name.as_str()]).await
}

/// Which partnerships to list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PartnershipFilter {
    pub(crate) side: Side,
    pub(crate) partner: Option<NodeName>,
    pub(crate) node: Option<NodeName>,
    pub(crate) query: Query,
}

impl PartnershipFilter {
    /// Where a partnership stands in the list.
    pub(crate) fn position(&self, partnership: &Partnership) -> String {
        match self.query.order {
            "create_time" => position(&listing::time_text(partnership.create_time), partnership.name.as_str()),
            _ => partnership.name.to_string(),
        }
    }
}

/// The next so many of a list after a position.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    filter: &PartnershipFilter,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Partnership>, StoreError> {
    let theirs = match &filter.side {
        Side::Offering(organization) => Column::Organization.eq(organization.as_str()),
        Side::Partner(partner) => Column::Partner.eq(partner.as_str()),
    };
    let mut rows = Entity::find().filter(theirs);
    if let Some(partner) = &filter.partner {
        rows = rows.filter(Column::Partner.eq(partner.as_str()));
    }
    if let Some(node) = &filter.node {
        rows = rows.filter(Column::Node.eq(node.as_str()));
    }
    let rows = listing::page(rows, &filter.query, Column::Name, &[("create_time", Column::CreateTime)], after, limit)?.all(db).await?;
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

/// Some that have ended by now, the longest ended first.
pub(crate) async fn ended(db: &impl ConnectionTrait, now: DateTime<Utc>, limit: u64) -> Result<Vec<Partnership>, StoreError> {
    let query = Entity::find().filter(Column::ExpireTime.lte(now)).order_by_asc(Column::ExpireTime).order_by_asc(Column::Name).limit(limit);
    query.all(db).await?.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

/// Partnerships out of their rows.
pub(super) fn read_all(rows: Vec<Model>) -> Result<Vec<Partnership>, StoreError> {
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

pub(super) fn row(partnership: &Partnership) -> ActiveModel {
    let allows = &partnership.allows;
    let model = Model {
        name: partnership.name.to_string(),
        organization: partnership.name.organization().to_string(),
        partner: partnership.partner.to_string(),
        node: partnership.node.to_string(),
        roles: Names(allows.roles.iter().map(ToString::to_string).collect()),
        components: allows.components.as_ref().map(write_components),
        users: allows.users.as_ref().map(|users| Names(users.iter().map(ToString::to_string).collect())),
        expire_time: allows.expire_time,
        accepted: partnership.accepted,
        create_time: partnership.create_time,
        update_time: partnership.update_time,
        version: partnership.version,
    };
    model.into_active_model().reset_all()
}

pub(super) fn read(row: Model) -> Result<Partnership, DbErr> {
    Ok(Partnership {
        name: stored(PartnershipName::parse(&row.name))?,
        partner: stored(NodeName::parse(&row.partner))?,
        node: stored(NodeName::parse(&row.node))?,
        allows: Allowance {
            roles: read_names(&row.roles, RoleName::parse)?,
            components: row.components.map(read_components).transpose()?,
            users: row.users.as_ref().map(|users| read_names(users, UserName::parse)).transpose()?,
            expire_time: row.expire_time,
        },
        accepted: row.accepted,
        create_time: row.create_time,
        update_time: row.update_time,
        version: row.version,
    })
}

fn read_names<T: Ord>(names: &Names, parse: impl Fn(&str) -> Result<T, MalformedName>) -> Result<BTreeSet<T>, DbErr> {
    names.0.iter().map(|name| stored(parse(name))).collect()
}
