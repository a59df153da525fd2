//! Rows as they are, whatever they hold, and what is around them: for looking at invariants, not for keeping them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use decision::name::{NodeKind, NodeName};
use ledger::StoreError;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition as Where, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, IntoActiveModel, NotSet,
    QueryFilter, QueryOrder, QueryResult, QuerySelect, Statement, Value,
};

use crate::{
    account::Account,
    group::{Edge, Group},
    invitation::Invitation,
    member::Member,
    organization::{Organization, Pinned},
    partnership::Partnership,
    resource::Resource,
    role_binding::RoleBinding,
    store::{self, entity, read::unreadable},
    user::User,
    workspace::Workspace,
};

/// How many names one statement has at most.
const SOME: usize = 500;

/// A row, and what it is of, if it can be read and says the same of itself in all its columns.
pub(crate) struct Sighting<T> {
    pub(crate) name: String,
    pub(crate) value: Option<T>,
}

/// Implements a function for the next so many rows of a table after a name. A row is itself again when it is written as it was read: columns
/// that are told by others cannot disagree then.
macro_rules! rows {
    ($($name:ident of $noun:ident: $value:ty;)+) => {
        $(pub(crate) async fn $name(db: &impl ConnectionTrait, after: &str, limit: u64) -> Result<Vec<Sighting<$value>>, StoreError> {
            use entity::$noun::{Column, Entity};
            let rows = Entity::find().filter(Column::Name.gt(after)).order_by_asc(Column::Name).limit(limit).all(db).await?;
            let sight = |row: entity::$noun::Model| {
                let value = store::$noun::read(row.clone()).ok();
                let same = |value: &$value| store::$noun::row(value) == row.clone().into_active_model().reset_all();
                Sighting { value: value.filter(same), name: row.name }
            };
            Ok(rows.into_iter().map(sight).collect())
        })+
    };
}

rows! {
    workspaces of workspace: Workspace;
    accounts of account: Account;
    users of user: User;
    partnerships of partnership: Partnership;
    role_bindings of role_binding: RoleBinding;
    invitations of invitation: Invitation;
}

/// Memberships, but for how their users stand in lists.
pub(crate) async fn members(db: &impl ConnectionTrait, after: &str, limit: u64) -> Result<Vec<Sighting<Member>>, StoreError> {
    use entity::member::{ActiveModel, Column, Entity, Model};
    let rows = Entity::find().filter(Column::Name.gt(after)).order_by_asc(Column::Name).limit(limit).all(db).await?;
    let sight = |row: Model| {
        let stored = ActiveModel { display_key: NotSet, email_key: NotSet, ..row.clone().into_active_model().reset_all() };
        let value = store::member::read(row.clone()).ok();
        Sighting { value: value.filter(|value| store::member::row(value) == stored), name: row.name }
    };
    Ok(rows.into_iter().map(sight).collect())
}

/// Organizations, customers without what their root has pinned.
pub(crate) async fn organizations(db: &impl ConnectionTrait, after: &str, limit: u64) -> Result<Vec<Sighting<Organization>>, StoreError> {
    use entity::organization::{Column, Entity, Model};
    let rows = Entity::find().filter(Column::Name.gt(after)).order_by_asc(Column::Name).limit(limit).all(db).await?;
    let sight = |row: Model| {
        let pinned = store::organization::own_pinned(&row).ok().flatten().unwrap_or(Pinned { model: String::new(), revision: 0 });
        let value = store::organization::read(row.clone(), pinned).ok();
        let same = |value: &Organization| store::organization::row(value) == row.clone().into_active_model().reset_all();
        Sighting { value: value.filter(same), name: row.name }
    };
    Ok(rows.into_iter().map(sight).collect())
}

/// Registered resources.
pub(crate) async fn resources(db: &impl ConnectionTrait, after: &str, limit: u64) -> Result<Vec<Sighting<Resource>>, StoreError> {
    use entity::resource::{Column, Entity, Model};
    let rows = Entity::find().filter(Column::Name.gt(after)).order_by_asc(Column::Name).limit(limit).all(db).await?;
    let sight = |row: Model| {
        let value = store::resource::read(row.clone()).ok();
        let same = |value: &Resource| store::resource::row(value).is_ok_and(|same| same == row.clone().into_active_model().reset_all());
        Sighting { value: value.filter(same), name: row.name }
    };
    Ok(rows.into_iter().map(sight).collect())
}

/// Groups.
pub(crate) async fn groups(db: &impl ConnectionTrait, after: &str, limit: u64) -> Result<Vec<Sighting<Group>>, StoreError> {
    use entity::user_group::{Column, Entity, Model};
    let rows = Entity::find().filter(Column::Name.gt(after)).order_by_asc(Column::Name).limit(limit).all(db).await?;
    let sight = |row: Model| {
        let value = store::group::read(row.clone()).ok();
        let same = |value: &Group| store::group::row(value) == row.clone().into_active_model().reset_all();
        Sighting { value: value.filter(same), name: row.name }
    };
    Ok(rows.into_iter().map(sight).collect())
}

/// Memberships in groups, by `{group}#{member}`.
pub(crate) async fn edges(db: &impl ConnectionTrait, after: &str, limit: u64) -> Result<Vec<Sighting<Edge>>, StoreError> {
    use entity::group_member::{Column, Entity, Model};
    let (group, member) = after.split_once('#').unwrap_or((after, ""));
    let later = Where::any().add(Column::Group.gt(group)).add(Where::all().add(Column::Group.eq(group)).add(Column::Member.gt(member)));
    let rows = Entity::find().filter(later).order_by_asc(Column::Group).order_by_asc(Column::Member).limit(limit).all(db).await?;
    let sight = |row: Model| {
        let name = format!("{}#{}", row.group, row.member);
        let organization = row.organization.clone();
        let value = store::group::read_edges(vec![row]).ok().and_then(|edges| edges.into_iter().next());
        Sighting { name, value: value.filter(|edge| edge.organization().as_str() == organization) }
    };
    Ok(rows.into_iter().map(sight).collect())
}

/// What there can be a row of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Noun {
    Organization,
    Workspace,
    Account,
    Resource,
    /// One who is not deleted.
    User,
    AnyUser,
    Member,
    Group,
    Partnership,
    RoleBinding,
}

impl Noun {
    /// Of a node.
    pub(crate) fn of(node: &NodeName) -> Self {
        match node.kind() {
            NodeKind::Organization => Self::Organization,
            NodeKind::Workspace => Self::Workspace,
            NodeKind::Account => Self::Account,
            NodeKind::Leaf { .. } => Self::Resource,
        }
    }

    // Rows of nodes stay when they are deleted, with what names them; those of users stay too, but nothing may name them any more.
    fn statement(self) -> &'static str {
        match self {
            Self::Organization => "SELECT name FROM organization WHERE name IN",
            Self::Workspace => "SELECT name FROM workspace WHERE name IN",
            Self::Account => "SELECT name FROM account WHERE name IN",
            Self::Resource => "SELECT name FROM resource WHERE name IN",
            Self::User => "SELECT name FROM directory_user WHERE NOT deleted AND name IN",
            Self::AnyUser => "SELECT name FROM directory_user WHERE name IN",
            Self::Member => "SELECT name FROM member WHERE name IN",
            Self::Group => "SELECT name FROM user_group WHERE name IN",
            Self::Partnership => "SELECT name FROM partnership WHERE name IN",
            Self::RoleBinding => "SELECT name FROM role_binding WHERE name IN",
        }
    }
}

/// Those of some names of which there is a row.
pub(crate) async fn present(db: &impl ConnectionTrait, wanted: &BTreeMap<Noun, BTreeSet<String>>) -> Result<BTreeSet<String>, StoreError> {
    let mut present = BTreeSet::new();
    for (noun, names) in wanted {
        for row in named(db, noun.statement(), names).await? {
            present.insert(row.try_get("", "name")?);
        }
    }
    Ok(present)
}

/// Of these memberships in groups, and of others of the same groups and members, those of which there is a row, as `{group}#{member}`.
pub(crate) async fn present_edges(db: &impl ConnectionTrait, keys: &BTreeSet<String>) -> Result<BTreeSet<String>, StoreError> {
    use entity::group_member::{Column, Entity};
    let (groups, members): (BTreeSet<&str>, BTreeSet<&str>) = keys.iter().filter_map(|key| key.split_once('#')).unzip();
    if groups.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = Entity::find().filter(Column::Group.is_in(groups)).filter(Column::Member.is_in(members)).all(db).await?;
    Ok(rows.into_iter().map(|row| format!("{}#{}", row.group, row.member)).collect())
}

/// Those of some names that were never to be used again.
pub(crate) async fn retired(db: &impl ConnectionTrait, names: &BTreeSet<String>) -> Result<BTreeSet<String>, StoreError> {
    let mut retired = BTreeSet::new();
    for row in named(db, "SELECT name FROM retired_name WHERE name IN", names).await? {
        retired.insert(row.try_get("", "name")?);
    }
    Ok(retired)
}

/// An organization, as far as its tree goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    pub(crate) parent: Option<String>,
    pub(crate) root: String,
    /// Of a root.
    pub(crate) pinned: Option<Pinned>,
}

/// Of some organizations, their trees.
pub(crate) async fn trees(db: &impl ConnectionTrait, names: &BTreeSet<String>) -> Result<BTreeMap<String, Tree>, StoreError> {
    let mut trees = BTreeMap::new();
    let statement = "SELECT name, parent, root, role_model, role_model_revision FROM organization WHERE name IN";
    for row in named(db, statement, names).await? {
        let (model, revision): (Option<String>, Option<i64>) = (row.try_get("", "role_model")?, row.try_get("", "role_model_revision")?);
        let revision = revision.map(u32::try_from).transpose().map_err(|_| unreadable("a revision"))?;
        let pinned = model.zip(revision).map(|(model, revision)| Pinned { model, revision });
        trees.insert(row.try_get("", "name")?, Tree { parent: row.try_get("", "parent")?, root: row.try_get("", "root")?, pinned });
    }
    Ok(trees)
}

/// What somebody holds somewhere.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Held {
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) principal: String,
    pub(crate) role: String,
}

/// What these principals hold at these nodes, unended.
pub(crate) async fn held(
    db: &impl ConnectionTrait,
    nodes: &BTreeSet<String>,
    principals: &BTreeSet<String>,
    now: DateTime<Utc>,
) -> Result<Vec<Held>, StoreError> {
    use entity::role_binding::{Column, Entity};
    let unended = Where::any().add(Column::ExpireTime.is_null()).add(Column::ExpireTime.gt(now));
    let wanted = Where::all().add(Column::Node.is_in(nodes)).add(Column::Principal.is_in(principals)).add(unended);
    Ok(Entity::find().filter(wanted).into_model::<Held>().all(db).await?)
}

/// The first binding of a role at a node that has not ended.
pub(crate) async fn first_of_role(
    db: &impl ConnectionTrait,
    node: &NodeName,
    role: &str,
    now: DateTime<Utc>,
) -> Result<Option<String>, StoreError> {
    use entity::role_binding::{Column, Entity};
    let unended = Where::any().add(Column::ExpireTime.is_null()).add(Column::ExpireTime.gt(now));
    let wanted = Where::all().add(Column::Node.eq(node.as_str())).add(Column::Role.eq(role)).add(unended);
    let first = Entity::find().filter(wanted).order_by_asc(Column::Name).one(db).await?;
    Ok(first.map(|row| row.name))
}

// As `holders::lasting`, without its lock: nothing is written here.
const LASTING: &str = "SELECT count(*) AS holders FROM (SELECT 1 FROM role_binding b
    JOIN directory_user u ON u.name = b.principal
    JOIN member m ON m.organization = b.organization AND m.member_user = b.principal
    WHERE b.node = $1 AND b.role = $2 AND b.expire_time IS NULL AND b.condition IS NULL AND b.sponsor IS NULL
    AND NOT u.suspended AND NOT u.deleted AND NOT m.suspended LIMIT $3) AS lasting";

/// How many hold a role directly at an organization for good, counted up to `most`.
pub(crate) async fn lasting(db: &impl ConnectionTrait, organization: &NodeName, role: &str, most: u32) -> Result<u32, StoreError> {
    let values = [organization.as_str().into(), role.into(), i64::from(most).into()];
    let row = db.query_one_raw(Statement::from_sql_and_values(db.get_database_backend(), LASTING, values)).await?;
    let holders: i64 = row.ok_or_else(|| unreadable("a count"))?.try_get("", "holders")?;
    Ok(u32::try_from(holders).unwrap_or(most))
}

async fn named(db: &impl ConnectionTrait, statement: &str, names: &BTreeSet<String>) -> Result<Vec<QueryResult>, DbErr> {
    let names: Vec<&String> = names.iter().collect();
    let mut rows = Vec::new();
    for some in names.chunks(SOME) {
        let places: Vec<String> = (1..=some.len()).map(|number| format!("${number}")).collect();
        let values = some.iter().map(|name| Value::from(name.as_str()));
        let sql = format!("{statement} ({})", places.join(", "));
        rows.extend(db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?);
    }
    Ok(rows)
}
