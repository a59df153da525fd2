//! Groups and who is in them, in the database.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use decision::{
    name::{GroupName, NodeName, Principal},
    record::GroupMember,
};
use ledger::StoreError;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use service::filter::{Query, position};

use crate::{
    group::{Edge, Group, Holdings, member_text, parse_member},
    store::{
        entity::{
            group_member,
            user_group::{ActiveModel, Column, Entity, Model},
        },
        listing, participation,
        read::stored,
        retired, role_binding,
    },
};

pub(crate) async fn find(db: &impl ConnectionTrait, name: &GroupName) -> Result<Option<Group>, StoreError> {
    Entity::find_by_id(name.as_str()).one(db).await?.map(read).transpose().map_err(Into::into)
}

pub(crate) async fn insert(db: &impl ConnectionTrait, group: &Group) -> Result<(), StoreError> {
    Entity::insert(row(group)).exec_without_returning(db).await?;
    Ok(())
}

pub(crate) async fn update(db: &impl ConnectionTrait, group: &Group) -> Result<(), StoreError> {
    Entity::update(row(group)).exec(db).await?;
    Ok(())
}

/// Deletes the group, which nothing may be in and which may be in nothing any more, and retires its name.
pub(crate) async fn delete(db: &impl ConnectionTrait, name: &GroupName) -> Result<(), StoreError> {
    Entity::delete_by_id(name.as_str()).exec(db).await?;
    retired::retire(db, [name.as_str()]).await
}

/// Which groups to list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupFilter {
    pub(crate) organization: NodeName,
    pub(crate) query: Query,
}

impl GroupFilter {
    /// Where a group stands in the list.
    pub(crate) fn position(&self, group: &Group) -> String {
        match self.query.order {
            "create_time" => position(&listing::time_text(group.create_time), group.name.as_str()),
            _ => group.name.to_string(),
        }
    }
}

/// The next so many of a list after a position.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    filter: &GroupFilter,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Group>, StoreError> {
    let rows = Entity::find().filter(Column::Organization.eq(filter.organization.as_str()));
    let rows = listing::page(rows, &filter.query, Column::Name, &[("create_time", Column::CreateTime)], after, limit)?.all(db).await?;
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

pub(crate) async fn has_edge(db: &impl ConnectionTrait, edge: &Edge) -> Result<bool, StoreError> {
    let key = (edge.group.to_string(), member_text(&edge.member).to_owned());
    Ok(group_member::Entity::find_by_id(key).one(db).await?.is_some())
}

pub(crate) async fn insert_edge(db: &impl ConnectionTrait, edge: &Edge, now: DateTime<Utc>) -> Result<(), StoreError> {
    let row = group_member::ActiveModel {
        group: Set(edge.group.to_string()),
        member: Set(member_text(&edge.member).to_owned()),
        organization: Set(edge.organization().to_string()),
        create_time: Set(now),
    };
    group_member::Entity::insert(row).exec_without_returning(db).await?;
    participation::grow(db, &edge.organization(), &concerned(db, edge).await?).await
}

/// Who gets or loses something when something gets into a group or out of it.
async fn concerned(db: &impl ConnectionTrait, edge: &Edge) -> Result<Vec<String>, StoreError> {
    match &edge.member {
        GroupMember::User(user) => Ok(vec![user.to_string()]),
        GroupMember::Group(group) => participation::users_in(db, group).await,
    }
}

pub(crate) async fn delete_edges(db: &impl ConnectionTrait, edges: &[Edge]) -> Result<(), StoreError> {
    for edge in edges {
        group_member::Entity::delete_by_id((edge.group.to_string(), member_text(&edge.member).to_owned())).exec(db).await?;
    }
    let mut participants: BTreeMap<NodeName, BTreeSet<String>> = BTreeMap::new();
    for edge in edges {
        participants.entry(edge.organization()).or_default().extend(concerned(db, edge).await?);
    }
    for (organization, participants) in participants {
        participation::refresh(db, &organization, &participants.into_iter().collect::<Vec<_>>()).await?;
    }
    Ok(())
}

/// Everybody who is directly in a group.
pub(crate) async fn edges_into(db: &impl ConnectionTrait, group: &GroupName) -> Result<Vec<Edge>, StoreError> {
    let rows = group_member::Entity::find().filter(group_member::Column::Group.eq(group.as_str()));
    read_edges(rows.order_by_asc(group_member::Column::Member).all(db).await?)
}

/// The groups of an organization that somebody is directly in.
pub(crate) async fn edges_of(db: &impl ConnectionTrait, member: &GroupMember, organization: &NodeName) -> Result<Vec<Edge>, StoreError> {
    let rows = group_member::Entity::find()
        .filter(group_member::Column::Member.eq(member_text(member)))
        .filter(group_member::Column::Organization.eq(organization.as_str()));
    read_edges(rows.order_by_asc(group_member::Column::Group).all(db).await?)
}

/// What a group holds, and the groups that it is in.
pub(crate) async fn holdings(db: &impl ConnectionTrait, group: &GroupName) -> Result<Holdings, StoreError> {
    let organization = group.organization();
    let bindings = role_binding::of_principal(db, &Principal::Group(group.clone())).await?;
    let containers = edges_of(db, &GroupMember::Group(group.clone()), &organization).await?;
    Ok(Holdings { bindings, containers })
}

/// The next so many members of a group after one.
pub(crate) async fn edge_page(
    db: &impl ConnectionTrait,
    group: &GroupName,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Edge>, StoreError> {
    let mut rows = group_member::Entity::find().filter(group_member::Column::Group.eq(group.as_str()));
    if let Some(member) = after {
        rows = rows.filter(group_member::Column::Member.gt(member));
    }
    read_edges(rows.order_by_asc(group_member::Column::Member).limit(limit).all(db).await?)
}

/// The names of a group and of all groups that it is in, however deep.
pub(crate) async fn containing(db: &impl ConnectionTrait, group: &GroupName) -> Result<BTreeSet<String>, StoreError> {
    let mut known = BTreeSet::from([group.to_string()]);
    let mut latest: Vec<String> = vec![group.to_string()];
    while !latest.is_empty() {
        let mut next = Vec::new();
        for some in latest.chunks(500) {
            let rows = group_member::Entity::find()
                .filter(group_member::Column::Member.is_in(some.iter().map(String::as_str)))
                .filter(group_member::Column::Organization.eq(group.organization().as_str()))
                .all(db)
                .await?;
            next.extend(rows.into_iter().map(|row| row.group).filter(|name| known.insert(name.clone())));
        }
        latest = next;
    }
    Ok(known)
}

pub(super) fn row(group: &Group) -> ActiveModel {
    let model = Model {
        name: group.name.to_string(),
        organization: group.name.organization().to_string(),
        display_name: group.display_name.clone(),
        create_time: group.create_time,
        update_time: group.update_time,
        version: group.version,
    };
    model.into_active_model().reset_all()
}

/// Groups out of their rows.
pub(super) fn read_all(rows: Vec<Model>) -> Result<Vec<Group>, StoreError> {
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

pub(super) fn read(row: Model) -> Result<Group, DbErr> {
    Ok(Group {
        name: stored(GroupName::parse(&row.name))?,
        display_name: row.display_name,
        create_time: row.create_time,
        update_time: row.update_time,
        version: row.version,
    })
}

/// Edges out of their rows.
pub(super) fn read_edges(rows: Vec<group_member::Model>) -> Result<Vec<Edge>, StoreError> {
    let edge = |row: group_member::Model| {
        Ok::<_, DbErr>(Edge { group: stored(GroupName::parse(&row.group))?, member: stored(parse_member(&row.member))? })
    };
    rows.into_iter().map(|row| edge(row).map_err(Into::into)).collect()
}
