//! What moving a node is about: what is above it, what is below it, and what rests on where it is.

use decision::name::{NodeName, Sponsor};
use ledger::StoreError;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};

use crate::{
    moves::{Obstacle, OrganizationMove},
    organization::Organization,
    role_binding::RoleBinding,
    store::{
        entity::organization::{Column, Entity},
        node, organization,
        read::stored,
        role_binding,
    },
};

/// How deep agencies' customers may be agencies themselves: far more than there are. Ends the climb also in rows that are not as they should be.
const DEEPEST: usize = 100;

/// An organization as it is, and what is in the way of its being moved to a workspace.
pub(crate) async fn of_organization(
    db: &impl ConnectionTrait,
    name: &NodeName,
    workspace: &NodeName,
) -> Result<Option<OrganizationMove>, StoreError> {
    let Some(before) = organization::find(db, name).await? else { return Ok(None) };
    let target = target(db, &before, workspace).await?;
    Ok(Some(OrganizationMove { before, target }))
}

async fn target(
    db: &impl ConnectionTrait,
    before: &Organization,
    workspace: &NodeName,
) -> Result<Result<Organization, Obstacle>, StoreError> {
    if before.parent.as_ref() == Some(workspace) {
        return Ok(Err(Obstacle::IsThere));
    }
    let agency = organization::find(db, &workspace.organization()).await?;
    let Some(agency) = agency.filter(|agency| !agency.deleted) else { return Ok(Err(Obstacle::Missing(workspace.organization()))) };
    if !node::is_live(db, workspace).await? {
        return Ok(Err(Obstacle::Missing(workspace.clone())));
    }
    if agency.name == before.name || organizations_above(db, &agency).await?.contains(&before.name) {
        return Ok(Err(Obstacle::IsBelow));
    }
    if agency.pinned != before.pinned {
        return Ok(Err(Obstacle::OtherModel));
    }
    Ok(Ok(agency))
}

async fn organizations_above(db: &impl ConnectionTrait, organization: &Organization) -> Result<Vec<NodeName>, StoreError> {
    Ok(workspaces_above(db, organization.parent.as_ref()).await?.iter().map(NodeName::organization).collect())
}

/// A workspace that has customers, and those that its organization and the ones above it are customers of.
async fn workspaces_above(db: &impl ConnectionTrait, lowest: Option<&NodeName>) -> Result<Vec<NodeName>, StoreError> {
    let mut above = Vec::new();
    let mut next = lowest.cloned();
    while let Some(workspace) = next.filter(|_| above.len() < DEEPEST) {
        next = organization::find(db, &workspace.organization()).await?.and_then(|organization| organization.parent);
        above.push(workspace);
    }
    Ok(above)
}

/// An organization and every one below it, deleted ones too, in no order.
pub(crate) async fn organizations_from(db: &impl ConnectionTrait, top: &NodeName) -> Result<Vec<NodeName>, StoreError> {
    let mut found = vec![top.clone()];
    let mut at = 0;
    while let Some(name) = found.get(at).cloned() {
        at += 1;
        let customers = Entity::find().select_only().column(Column::Name).filter(customers_of(&name));
        let names: Vec<String> = customers.into_tuple().all(db).await?;
        for name in names {
            found.push(stored(NodeName::parse(&name))?);
        }
    }
    Ok(found)
}

/// The customers of an organization's workspaces: those are named from `organizations/acme/workspaces/` up to, not with,
/// `organizations/acme/workspaces0`, for `0` is what comes after `/`.
pub(crate) fn customers_of(organization: &NodeName) -> Condition {
    Condition::all()
        .add(Column::Parent.gte(format!("{organization}/workspaces/")))
        .add(Column::Parent.lt(format!("{organization}/workspaces0")))
}

/// These organizations are of another tree from now on.
pub(crate) async fn set_root(db: &impl ConnectionTrait, organizations: &[NodeName], root: &NodeName) -> Result<(), StoreError> {
    for some in organizations.chunks(500) {
        Entity::update_many()
            .col_expr(Column::Root, Expr::value(root.as_str()))
            .filter(Column::Name.is_in(some.iter().map(NodeName::as_str)))
            .exec(db)
            .await?;
    }
    Ok(())
}

/// What sponsors below the first place and not below the second: the workspaces that are above that one only.
pub(crate) async fn sponsors_left(db: &impl ConnectionTrait, from: Option<&NodeName>, to: &NodeName) -> Result<Vec<Sponsor>, StoreError> {
    let kept = workspaces_above(db, Some(to)).await?;
    let left = workspaces_above(db, from).await?.into_iter().filter(|workspace| !kept.contains(workspace));
    Ok(left.map(Sponsor::Workspace).collect())
}

/// The bindings in these organizations that these sponsor, in the order of their names.
pub(crate) async fn sponsored_by(
    db: &impl ConnectionTrait,
    organizations: &[NodeName],
    sponsors: &[Sponsor],
) -> Result<Vec<RoleBinding>, StoreError> {
    let mut losing = Vec::new();
    for sponsor in sponsors {
        for some in organizations.chunks(500) {
            losing.extend(role_binding::of_sponsor_in(db, sponsor, some).await?);
        }
    }
    losing.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(losing)
}
