//! Deleted nodes that are still to be purged, and what hangs on them.

use chrono::{DateTime, Utc};
use decision::name::{NodeKind, NodeName};
use ledger::StoreError;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::{
    group::{Edge, Group},
    member::Member,
    partnership::Partnership,
    resource::Resource,
    role_binding::RoleBinding,
    store::{
        entity::{
            account, group_member, member, move_consent,
            node_purge::{ActiveModel, Column, Entity},
            partnership, resource, role_binding, user_group,
        },
        read::stored,
    },
};

/// A node is to be purged from then on.
pub(crate) async fn insert(db: &impl ConnectionTrait, node: &NodeName, purge_time: DateTime<Utc>) -> Result<(), StoreError> {
    let row = ActiveModel { node: Set(node.to_string()), purge_time: Set(purge_time), begun: Set(false) };
    Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// A node is not to be purged after all; false if that has begun.
pub(crate) async fn cancel(db: &impl ConnectionTrait, node: &NodeName) -> Result<bool, StoreError> {
    let unbegun = Column::Node.eq(node.as_str()).and(Column::Begun.eq(false));
    Ok(Entity::delete_many().filter(unbegun).exec(db).await?.rows_affected > 0)
}

/// Nothing of a due node comes back from now on; false if it is not due.
pub(crate) async fn begin(db: &impl ConnectionTrait, node: &NodeName, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let Some(row) = Entity::find_by_id(node.as_str()).one(db).await?.filter(|row| row.purge_time <= now) else { return Ok(false) };
    if !row.begun {
        ActiveModel { node: Set(row.node), begun: Set(true), ..Default::default() }.update(db).await?;
    }
    Ok(true)
}

/// Nothing hangs on it any more.
pub(crate) async fn finish(db: &impl ConnectionTrait, node: &NodeName) -> Result<(), StoreError> {
    Entity::delete_by_id(node.as_str()).exec(db).await?;
    move_consent::Entity::delete_many().filter(move_consent::Column::Organization.eq(node.as_str())).exec(db).await?;
    Ok(())
}

/// Some that are due, the longest due first.
pub(crate) async fn due(db: &impl ConnectionTrait, now: DateTime<Utc>, limit: u64) -> Result<Vec<NodeName>, StoreError> {
    let rows = Entity::find().filter(Column::PurgeTime.lte(now)).order_by_asc(Column::PurgeTime).order_by_asc(Column::Node).limit(limit);
    rows.all(db).await?.into_iter().map(|row| stored(NodeName::parse(&row.node)).map_err(Into::into)).collect()
}

/// The node, and of a workspace the accounts in it: what hangs on these ends with it. All that is in an organization has its name.
pub(crate) async fn scopes(db: &impl ConnectionTrait, node: &NodeName) -> Result<Vec<NodeName>, StoreError> {
    let mut scopes = vec![node.clone()];
    if node.kind() == NodeKind::Workspace {
        let accounts = account::Entity::find().select_only().column(account::Column::Name);
        let names: Vec<String> = accounts.filter(account::Column::Workspace.eq(node.as_str())).into_tuple().all(db).await?;
        for name in names {
            scopes.push(stored(NodeName::parse(&name))?);
        }
    }
    Ok(scopes)
}

/// A node and everything whose name begins with its name: up to, not with, `{name}0`, for `0` is what comes after `/`.
fn at_or_below(column: impl ColumnTrait, node: &NodeName) -> Condition {
    let below = Condition::all().add(column.gte(format!("{node}/"))).add(column.lt(format!("{node}0")));
    Condition::any().add(column.eq(node.as_str())).add(below)
}

/// Some of the bindings at a node and below it.
pub(crate) async fn bindings(db: &impl ConnectionTrait, scope: &NodeName, limit: u64) -> Result<Vec<RoleBinding>, StoreError> {
    let rows = role_binding::Entity::find().filter(at_or_below(role_binding::Column::Node, scope));
    super::role_binding::read_all(rows.order_by_asc(role_binding::Column::Name).limit(limit).all(db).await?)
}

/// An organization in which one that is no more still has something: a binding of its own or of its groups, or an offer.
pub(crate) async fn concerned_elsewhere(db: &impl ConnectionTrait, gone: &NodeName) -> Result<Option<NodeName>, StoreError> {
    let bindings = role_binding::Entity::find().filter(at_or_below(role_binding::Column::Principal, gone));
    let mut name = bindings.one(db).await?.map(|row| row.organization);
    if name.is_none() {
        let offers = partnership::Entity::find().filter(partnership::Column::Partner.eq(gone.as_str()));
        name = offers.one(db).await?.map(|row| row.organization);
    }
    name.map(|name| stored(NodeName::parse(&name)).map_err(Into::into)).transpose()
}

/// Some of the bindings of an organization and its groups in another one.
pub(crate) async fn bindings_of_in(
    db: &impl ConnectionTrait,
    gone: &NodeName,
    other: &NodeName,
    limit: u64,
) -> Result<Vec<RoleBinding>, StoreError> {
    let theirs = at_or_below(role_binding::Column::Principal, gone);
    let rows = role_binding::Entity::find().filter(theirs).filter(role_binding::Column::Organization.eq(other.as_str()));
    super::role_binding::read_all(rows.order_by_asc(role_binding::Column::Name).limit(limit).all(db).await?)
}

/// Some of the partnerships that an organization has offered to another one.
pub(crate) async fn offers_of(
    db: &impl ConnectionTrait,
    organization: &NodeName,
    partner: &NodeName,
    limit: u64,
) -> Result<Vec<Partnership>, StoreError> {
    let theirs = partnership::Column::Partner.eq(partner.as_str()).and(partnership::Column::Organization.eq(organization.as_str()));
    let rows = partnership::Entity::find().filter(theirs).order_by_asc(partnership::Column::Name).limit(limit).all(db).await?;
    super::partnership::read_all(rows)
}

/// Some of the partnerships for a node and below it.
pub(crate) async fn partnerships(db: &impl ConnectionTrait, scope: &NodeName, limit: u64) -> Result<Vec<Partnership>, StoreError> {
    let of_it = match scope.kind() {
        NodeKind::Organization => Condition::all().add(partnership::Column::Organization.eq(scope.as_str())),
        NodeKind::Workspace | NodeKind::Account | NodeKind::Leaf { .. } => Condition::all()
            .add(partnership::Column::Organization.eq(scope.organization().as_str()))
            .add(partnership::Column::Node.eq(scope.as_str())),
    };
    let rows = partnership::Entity::find().filter(of_it).order_by_asc(partnership::Column::Name).limit(limit).all(db).await?;
    super::partnership::read_all(rows)
}

/// Some of the registered resources at and below a node that have not ended.
pub(crate) async fn resources(db: &impl ConnectionTrait, scope: &NodeName, limit: u64) -> Result<Vec<Resource>, StoreError> {
    let of_it = match scope.kind() {
        NodeKind::Organization => resource::Column::Organization.eq(scope.as_str()),
        NodeKind::Workspace | NodeKind::Account | NodeKind::Leaf { .. } => resource::Column::Parent.eq(scope.as_str()),
    };
    let rows = resource::Entity::find().filter(of_it.and(resource::Column::Deleted.eq(false)));
    super::resource::read_all(rows.order_by_asc(resource::Column::Name).limit(limit).all(db).await?)
}

/// Some of the places in groups of an organization.
pub(crate) async fn edges(db: &impl ConnectionTrait, organization: &NodeName, limit: u64) -> Result<Vec<Edge>, StoreError> {
    let (first, after_last) = (format!("{organization}/groups/"), format!("{organization}/groups0"));
    let of_it = group_member::Column::Group.gte(first).and(group_member::Column::Group.lt(after_last));
    let rows = group_member::Entity::find().filter(of_it).order_by_asc(group_member::Column::Group).limit(limit);
    super::group::read_edges(rows.order_by_asc(group_member::Column::Member).all(db).await?)
}

/// Some of the groups of an organization.
pub(crate) async fn groups(db: &impl ConnectionTrait, organization: &NodeName, limit: u64) -> Result<Vec<Group>, StoreError> {
    let rows = user_group::Entity::find().filter(user_group::Column::Organization.eq(organization.as_str()));
    super::group::read_all(rows.order_by_asc(user_group::Column::Name).limit(limit).all(db).await?)
}

/// Some of the members of an organization.
pub(crate) async fn members(db: &impl ConnectionTrait, organization: &NodeName, limit: u64) -> Result<Vec<Member>, StoreError> {
    let rows = member::Entity::find().filter(member::Column::Organization.eq(organization.as_str()));
    super::member::read_all(rows.order_by_asc(member::Column::Name).limit(limit).all(db).await?)
}
