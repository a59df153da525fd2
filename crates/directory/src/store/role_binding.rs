//! Role bindings in the database.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use decision::name::{BindingName, NodeName, Principal, RoleName, Sponsor, UserName};
use ledger::StoreError;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition as Where, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Select,
};
use service::filter::{Query, position};

use crate::{
    role_binding::{Assignment, ComponentMap, Condition, RoleBinding, level_of},
    store::{
        entity::{
            columns::{self, Levels},
            role_binding::{ActiveModel, Column, Entity, Model},
        },
        listing, participation,
        read::{stored, unreadable},
        retired,
    },
};

/// Which bindings of an organization to list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BindingFilter {
    pub(crate) organization: NodeName,
    pub(crate) node: Option<NodeName>,
    pub(crate) principal: Option<Principal>,
    pub(crate) role: Option<RoleName>,
    pub(crate) query: Query,
}

pub(crate) async fn find(db: &impl ConnectionTrait, name: &BindingName) -> Result<Option<RoleBinding>, StoreError> {
    Entity::find_by_id(name.as_str()).one(db).await?.map(read).transpose().map_err(Into::into)
}

pub(crate) async fn insert(db: &impl ConnectionTrait, binding: &RoleBinding) -> Result<(), StoreError> {
    Entity::insert(row(binding)).exec_without_returning(db).await?;
    participation::given(db, &binding.assigned, binding.update_time).await
}

pub(crate) async fn update(db: &impl ConnectionTrait, binding: &RoleBinding) -> Result<(), StoreError> {
    Entity::update(row(binding)).exec(db).await?;
    let organization = binding.name.organization();
    let concerned = participation::concerned(db, &organization, &binding.assigned.principal).await?;
    participation::refresh(db, &organization, &concerned).await
}

/// Deletes the rows and retires the names.
pub(crate) async fn delete(db: &impl ConnectionTrait, bindings: &[RoleBinding]) -> Result<(), StoreError> {
    // Far below what a statement may have of parameters (32,766 on SQLite, 65,535 on PostgreSQL).
    for some in bindings.chunks(500) {
        Entity::delete_many().filter(Column::Name.is_in(some.iter().map(|binding| binding.name.as_str()))).exec(db).await?;
        retired::retire(db, some.iter().map(|binding| binding.name.as_str())).await?;
    }
    let mut concerned: BTreeMap<NodeName, BTreeSet<String>> = BTreeMap::new();
    for binding in bindings {
        let organization = binding.name.organization();
        let theirs = participation::concerned(db, &organization, &binding.assigned.principal).await?;
        concerned.entry(organization).or_default().extend(theirs);
    }
    for (organization, participants) in concerned {
        participation::refresh(db, &organization, &participants.into_iter().collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// Those of one principal at one node.
pub(crate) async fn of_principal_at(
    db: &impl ConnectionTrait,
    principal: &Principal,
    node: &NodeName,
) -> Result<Vec<RoleBinding>, StoreError> {
    let here = Where::all().add(Column::Node.eq(node.as_str())).add(Column::Principal.eq(principal.to_string()));
    all(db, here).await
}

/// Those of one principal in one organization, in the order of their names.
pub(crate) async fn of_principal_in(
    db: &impl ConnectionTrait,
    principal: &Principal,
    organization: &NodeName,
) -> Result<Vec<RoleBinding>, StoreError> {
    let theirs = Where::all().add(Column::Principal.eq(principal.to_string())).add(Column::Organization.eq(organization.as_str()));
    all(db, theirs).await
}

/// Of these users, what each holds directly in an organization, without a sponsor and unended.
pub(crate) async fn direct_of(
    db: &impl ConnectionTrait,
    organization: &NodeName,
    users: &[UserName],
    now: DateTime<Utc>,
) -> Result<Vec<RoleBinding>, StoreError> {
    let mut held = Vec::new();
    for some in users.chunks(500) {
        let theirs = Where::all()
            .add(Column::Principal.is_in(some.iter().map(UserName::as_str)))
            .add(Column::Organization.eq(organization.as_str()))
            .add(Column::Sponsor.is_null())
            .add(unended(now));
        held.extend(all(db, theirs).await?);
    }
    Ok(held)
}

/// Those of one principal anywhere, in the order of their names.
pub(crate) async fn of_principal(db: &impl ConnectionTrait, principal: &Principal) -> Result<Vec<RoleBinding>, StoreError> {
    all(db, Where::all().add(Column::Principal.eq(principal.to_string()))).await
}

/// Those at a node, in the order of their names.
pub(crate) async fn at_node(db: &impl ConnectionTrait, node: &NodeName) -> Result<Vec<RoleBinding>, StoreError> {
    all(db, Where::all().add(Column::Node.eq(node.as_str()))).await
}

/// Those that a sponsor lets somebody hold.
pub(crate) async fn of_sponsor(db: &impl ConnectionTrait, sponsor: &Sponsor) -> Result<Vec<RoleBinding>, StoreError> {
    all(db, Where::all().add(Column::Sponsor.eq(sponsor.to_string()))).await
}

/// Those of a sponsor in some organizations.
pub(crate) async fn of_sponsor_in(
    db: &impl ConnectionTrait,
    sponsor: &Sponsor,
    organizations: &[NodeName],
) -> Result<Vec<RoleBinding>, StoreError> {
    let theirs = Where::all()
        .add(Column::Sponsor.eq(sponsor.to_string()))
        .add(Column::Organization.is_in(organizations.iter().map(NodeName::as_str)));
    all(db, theirs).await
}

/// Of these users, which of these roles each holds at a node, unended.
pub(crate) async fn held_by(
    db: &impl ConnectionTrait,
    node: &NodeName,
    users: &[UserName],
    roles: &[String],
    now: DateTime<Utc>,
) -> Result<Vec<(UserName, RoleName)>, StoreError> {
    if users.is_empty() || roles.is_empty() {
        return Ok(Vec::new());
    }
    let theirs = Where::all()
        .add(Column::Node.eq(node.as_str()))
        .add(Column::Principal.is_in(users.iter().map(UserName::as_str)))
        .add(Column::Role.is_in(roles.iter().map(String::as_str)))
        .add(unended(now));
    let bindings = all(db, theirs).await?;
    Ok(bindings.into_iter().filter_map(|binding| Some((binding.assigned.user()?.clone(), binding.assigned.role.clone()))).collect())
}

/// Those of some bindings that are there.
pub(crate) async fn find_all<'n>(
    db: &impl ConnectionTrait,
    names: impl Iterator<Item = &'n BindingName>,
) -> Result<Vec<RoleBinding>, StoreError> {
    all(db, Where::all().add(Column::Name.is_in(names.map(BindingName::as_str)))).await
}

/// How many hold a role directly at a node.
pub(crate) async fn count_holders(db: &impl ConnectionTrait, node: &NodeName, role: &str, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let holders = Where::all().add(Column::Node.eq(node.as_str())).add(Column::Role.eq(role)).add(unended(now));
    Ok(Entity::find().filter(holders).count(db).await?)
}

/// Those of some principals in one organization, in the order of their names.
pub(crate) async fn of_principals_in(
    db: &impl ConnectionTrait,
    principals: &[String],
    organization: &NodeName,
) -> Result<Vec<RoleBinding>, StoreError> {
    let mut found = Vec::new();
    for some in principals.chunks(500) {
        found.extend(all(db, theirs_in(some, organization)).await?);
    }
    Ok(found)
}

fn theirs_in(principals: &[String], organization: &NodeName) -> Where {
    let theirs = Column::Principal.is_in(principals.iter().map(String::as_str));
    Where::all().add(theirs).add(Column::Organization.eq(organization.as_str()))
}

fn rows(wanted: Where) -> Select<Entity> {
    Entity::find().filter(wanted).order_by_asc(Column::Name)
}

/// The next so many of a list after a position.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    filter: &BindingFilter,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<RoleBinding>, StoreError> {
    let rows = page_of(filter, after, limit)?.all(db).await?;
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

/// Their query.
pub(crate) fn page_of(filter: &BindingFilter, after: Option<&str>, limit: u64) -> Result<Select<Entity>, DbErr> {
    let wanted = Where::all()
        .add(Column::Organization.eq(filter.organization.as_str()))
        .add_option(filter.node.as_ref().map(|node| Column::Node.eq(node.as_str())))
        .add_option(filter.principal.as_ref().map(|principal| Column::Principal.eq(principal.to_string())))
        .add_option(filter.role.as_ref().map(|role| Column::Role.eq(role.as_str())));
    let rows = Entity::find().filter(wanted);
    listing::page(rows, &filter.query, Column::Name, &[("create_time", Column::CreateTime)], after, limit)
}

impl BindingFilter {
    /// Where a binding stands in the list.
    pub(crate) fn position(&self, binding: &RoleBinding) -> String {
        match self.query.order {
            "create_time" => position(&listing::time_text(binding.create_time), binding.name.as_str()),
            _ => binding.name.to_string(),
        }
    }
}

/// Some that have ended by now, the longest ended first.
pub(crate) async fn ended(db: &impl ConnectionTrait, now: DateTime<Utc>, limit: u64) -> Result<Vec<RoleBinding>, StoreError> {
    let query = Entity::find().filter(Column::ExpireTime.lte(now)).order_by_asc(Column::ExpireTime).order_by_asc(Column::Name).limit(limit);
    query.all(db).await?.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

/// Of these, those that are there and have ended by now.
pub(crate) async fn ended_of(db: &impl ConnectionTrait, names: &[BindingName], now: DateTime<Utc>) -> Result<Vec<RoleBinding>, StoreError> {
    let wanted = Where::all().add(Column::Name.is_in(names.iter().map(BindingName::as_str))).add(Column::ExpireTime.lte(now));
    all(db, wanted).await
}

async fn all(db: &impl ConnectionTrait, wanted: Where) -> Result<Vec<RoleBinding>, StoreError> {
    read_all(rows(wanted).all(db).await?)
}

/// Bindings out of their rows.
pub(super) fn read_all(rows: Vec<Model>) -> Result<Vec<RoleBinding>, StoreError> {
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

fn unended(now: DateTime<Utc>) -> Where {
    Where::any().add(Column::ExpireTime.is_null()).add(Column::ExpireTime.gt(now))
}

pub(super) fn row(binding: &RoleBinding) -> ActiveModel {
    let assigned = &binding.assigned;
    let model = Model {
        name: binding.name.to_string(),
        organization: binding.name.organization().to_string(),
        principal: assigned.principal.to_string(),
        role: assigned.role.to_string(),
        node: assigned.node.to_string(),
        components: assigned.components.as_ref().map(write_components),
        condition: assigned.condition.clone().map(|Condition { id, params }| columns::Condition { id, params }),
        expire_time: assigned.expire_time,
        sponsor: assigned.sponsor.as_ref().map(ToString::to_string),
        create_time: binding.create_time,
        update_time: binding.update_time,
        version: binding.version,
    };
    model.into_active_model().reset_all()
}

pub(super) fn read(row: Model) -> Result<RoleBinding, DbErr> {
    Ok(RoleBinding {
        name: stored(BindingName::parse(&row.name))?,
        assigned: Assignment {
            principal: stored(Principal::parse(&row.principal))?,
            role: stored(RoleName::parse(&row.role))?,
            node: stored(NodeName::parse(&row.node))?,
            components: row.components.map(read_components).transpose()?,
            condition: row.condition.map(|columns::Condition { id, params }| Condition { id, params }),
            expire_time: row.expire_time,
            sponsor: row.sponsor.map(|sponsor| stored(Sponsor::parse(&sponsor))).transpose()?,
        },
        create_time: row.create_time,
        update_time: row.update_time,
        version: row.version,
    })
}

/// A component map as it is kept.
pub(crate) fn write_components(components: &ComponentMap) -> Levels {
    Levels(components.iter().map(|(component, level)| (component.clone(), level.as_str().to_owned())).collect())
}

/// Reads what [`write_components`] wrote.
pub(crate) fn read_components(levels: Levels) -> Result<ComponentMap, DbErr> {
    let level = |text: &str| level_of(text).ok_or_else(|| unreadable("a level"));
    levels.0.into_iter().map(|(component, text)| Ok((component, level(&text)?))).collect()
}
