//! Organizations in the database.

use std::collections::BTreeMap;

use decision::{name::NodeName, record::OrganizationKind};
use ledger::StoreError;
use sea_orm::{ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter};
use service::filter::{Query, position};

use crate::{
    organization::{Organization, Pinned, Profile},
    store::{
        entity::{
            columns::Names,
            organization::{ActiveModel, Column, Entity, Model, OrganizationKind as StoredKind},
        },
        listing,
        read::{stored, unreadable},
    },
};

pub(crate) async fn find(db: &impl ConnectionTrait, name: &NodeName) -> Result<Option<Organization>, StoreError> {
    let Some(row) = Entity::find_by_id(name.as_str()).one(db).await? else { return Ok(None) };
    let pinned = match own_pinned(&row)? {
        Some(pinned) => pinned,
        None => pinned(db, &row.root).await?,
    };
    Ok(Some(read(row, pinned)?))
}

pub(crate) async fn insert(db: &impl ConnectionTrait, organization: &Organization) -> Result<(), StoreError> {
    Entity::insert(row(organization)).exec_without_returning(db).await?;
    Ok(())
}

pub(crate) async fn update(db: &impl ConnectionTrait, organization: &Organization) -> Result<(), StoreError> {
    // That it needs an owner is written apart: a suspension by the platform, which does not lock the tree, may be writing it now.
    let row = ActiveModel { needs_owner: ActiveValue::NotSet, ..row(organization) };
    Entity::update(row).exec(db).await?;
    Ok(())
}

/// Whether it needs an owner.
pub(crate) async fn set_needs_owner(db: &impl ConnectionTrait, name: &NodeName, needs_owner: bool) -> Result<(), StoreError> {
    let mark =
        ActiveModel { name: ActiveValue::Unchanged(name.to_string()), needs_owner: ActiveValue::Set(needs_owner), ..Default::default() };
    Entity::update(mark).exec(db).await?;
    Ok(())
}

/// Which organizations to list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OrganizationFilter {
    /// The customers of this workspace; none: roots.
    pub(crate) workspace: Option<NodeName>,
    pub(crate) with_deleted: bool,
    pub(crate) state: Option<ListedState>,
    pub(crate) query: Query,
}

/// The state of those to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListedState {
    Provisioning,
    Active,
    Suspended,
}

impl OrganizationFilter {
    /// Where an organization stands in the list.
    pub(crate) fn position(&self, organization: &Organization) -> String {
        match self.query.order {
            "create_time" => position(&listing::time_text(organization.create_time), organization.name.as_str()),
            _ => organization.name.to_string(),
        }
    }
}

/// The next so many after a position: the customers of a workspace, or roots.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    filter: &OrganizationFilter,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Organization>, StoreError> {
    let mut query = Entity::find();
    query = match &filter.workspace {
        Some(workspace) => query.filter(Column::Parent.eq(workspace.as_str())),
        None => query.filter(Column::Parent.is_null()),
    };
    if !filter.with_deleted {
        query = query.filter(Column::Deleted.eq(false));
    }
    query = match filter.state {
        None => query,
        Some(ListedState::Suspended) => query.filter(Column::Suspended.eq(true)),
        Some(state) => query.filter(Column::Suspended.eq(false)).filter(Column::Provisioning.eq(state == ListedState::Provisioning)),
    };
    let keys = [("create_time", Column::CreateTime)];
    let rows = listing::page(query, &filter.query, Column::Name, &keys, after, limit)?.all(db).await?;
    // The customers of one workspace are all of one tree.
    let mut of_tree = None;
    let mut organizations = Vec::with_capacity(rows.len());
    for row in rows {
        let pinned = match (own_pinned(&row)?, &of_tree) {
            (Some(own), _) => own,
            (None, Some(known)) => Pinned::clone(known),
            (None, None) => of_tree.insert(pinned(db, &row.root).await?).clone(),
        };
        organizations.push(read(row, pinned)?);
    }
    Ok(organizations)
}

/// What some organizations are called, and the workspace above each that is a customer.
pub(crate) async fn titles(
    db: &impl ConnectionTrait,
    names: &[NodeName],
) -> Result<BTreeMap<NodeName, (String, Option<NodeName>)>, StoreError> {
    let rows = Entity::find().filter(Column::Name.is_in(names.iter().map(NodeName::as_str))).all(db).await?;
    let mut found = BTreeMap::new();
    for row in rows {
        let parent = row.parent.map(|parent| stored(NodeName::parse(&parent))).transpose()?;
        found.insert(stored(NodeName::parse(&row.name))?, (row.display_name, parent));
    }
    Ok(found)
}

/// What a root has pinned.
async fn pinned(db: &impl ConnectionTrait, root: &str) -> Result<Pinned, StoreError> {
    let row = Entity::find_by_id(root).one(db).await?.ok_or_else(|| unreadable("the root of its tree"))?;
    Ok(own_pinned(&row)?.ok_or_else(|| unreadable("the role model of a root"))?)
}

pub(super) fn own_pinned(row: &Model) -> Result<Option<Pinned>, DbErr> {
    let (Some(model), Some(revision)) = (&row.role_model, row.role_model_revision) else { return Ok(None) };
    let revision = u32::try_from(revision).map_err(|_| unreadable("a revision"))?;
    Ok(Some(Pinned { model: model.clone(), revision }))
}

pub(super) fn row(organization: &Organization) -> ActiveModel {
    let own = organization.parent.is_none();
    let model = Model {
        name: organization.name.to_string(),
        kind: match organization.kind {
            OrganizationKind::Marketer => StoredKind::Marketer,
            OrganizationKind::Publisher => StoredKind::Publisher,
            OrganizationKind::Mixed => StoredKind::Mixed,
        },
        display_name: organization.profile.display_name.clone(),
        website: organization.profile.website.clone(),
        location: organization.profile.location.clone(),
        parent: organization.parent.as_ref().map(ToString::to_string),
        root: organization.root.to_string(),
        role_model: own.then(|| organization.pinned.model.clone()),
        role_model_revision: own.then(|| organization.pinned.revision.into()),
        provisioning: organization.provisioning,
        awaiting_acceptance: organization.awaiting_acceptance,
        needs_owner: organization.needs_owner,
        suspended: organization.suspended,
        deleted: organization.deleted,
        delete_time: organization.delete_time,
        purge_time: organization.purge_time,
        ceiling: organization.ceiling.clone().map(Names),
        create_time: organization.create_time,
        update_time: organization.update_time,
        version: organization.version,
    };
    model.into_active_model().reset_all()
}

pub(super) fn read(row: Model, pinned: Pinned) -> Result<Organization, DbErr> {
    Ok(Organization {
        name: stored(NodeName::parse(&row.name))?,
        kind: match row.kind {
            StoredKind::Marketer => OrganizationKind::Marketer,
            StoredKind::Publisher => OrganizationKind::Publisher,
            StoredKind::Mixed => OrganizationKind::Mixed,
        },
        profile: Profile { display_name: row.display_name, website: row.website, location: row.location },
        parent: row.parent.map(|parent| stored(NodeName::parse(&parent))).transpose()?,
        root: stored(NodeName::parse(&row.root))?,
        pinned,
        provisioning: row.provisioning,
        awaiting_acceptance: row.awaiting_acceptance,
        needs_owner: row.needs_owner,
        suspended: row.suspended,
        deleted: row.deleted,
        delete_time: row.delete_time,
        purge_time: row.purge_time,
        ceiling: row.ceiling.map(|Names(components)| components),
        create_time: row.create_time,
        update_time: row.update_time,
        version: row.version,
    })
}
