//! Invitations in the database.

use chrono::{DateTime, Utc};
use decision::name::{BindingName, InvitationName, NodeKind, NodeName, RoleName, Sponsor, UserName};
use ledger::StoreError;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition as Where, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, Statement,
    sea_query::{Expr, Query},
};

use crate::{
    invitation::{Invitation, Offer, State, TokenHash},
    role_binding::Condition,
    store::{
        entity::{
            account, columns,
            invitation::{ActiveModel, Column, Entity, Model, State as StoredState},
        },
        participation,
        read::{stored, unreadable},
        retired,
        role_binding::{read_components, write_components},
    },
    user::Email,
};

/// Which invitations of an organization to list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InvitationFilter {
    pub(crate) organization: NodeName,
    pub(crate) node: Option<NodeName>,
    pub(crate) state: Option<State>,
    /// The beginning of the address, in lower case. With it the list is in the order of addresses.
    pub(crate) email_prefix: Option<String>,
}

/// An invitation and its place in a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    pub(crate) place: String,
    pub(crate) invitation: Invitation,
}

pub(crate) async fn find(db: &impl ConnectionTrait, name: &InvitationName) -> Result<Option<Invitation>, StoreError> {
    Entity::find_by_id(name.as_str()).one(db).await?.map(read).transpose().map_err(Into::into)
}

/// The invitation of a token.
pub(crate) async fn with_token(db: &impl ConnectionTrait, token: &TokenHash) -> Result<Option<Invitation>, StoreError> {
    Entity::find().filter(Column::TokenHash.eq(token.as_str())).one(db).await?.map(read).transpose().map_err(Into::into)
}

pub(crate) async fn insert(db: &impl ConnectionTrait, invitation: &Invitation) -> Result<(), StoreError> {
    Entity::insert(row(invitation)).exec_without_returning(db).await?;
    participation::grow(db, &invitation.name.organization(), &[invitation.name.to_string()]).await
}

pub(crate) async fn update(db: &impl ConnectionTrait, invitation: &Invitation) -> Result<(), StoreError> {
    Entity::update(row(invitation)).exec(db).await?;
    participation::refresh(db, &invitation.name.organization(), &[invitation.name.to_string()]).await
}

/// Forgets some, and retires their names.
pub(crate) async fn delete(db: &impl ConnectionTrait, names: &[InvitationName]) -> Result<(), StoreError> {
    for some in names.chunks(500) {
        Entity::delete_many().filter(Column::Name.is_in(some.iter().map(InvitationName::as_str))).exec(db).await?;
        retired::retire(db, some.iter().map(InvitationName::as_str)).await?;
    }
    Ok(())
}

/// The one of this address to this role at this node that is kept as pending: at most one is.
pub(crate) async fn pending_of_offer(db: &impl ConnectionTrait, offer: &Offer) -> Result<Option<Invitation>, StoreError> {
    let same = pending()
        .add(Column::EmailKey.eq(offer.email.key()))
        .add(Column::Node.eq(offer.node.as_str()))
        .add(Column::Role.eq(offer.role.as_str()));
    Ok(all(db, same).await?.into_iter().next())
}

/// Those of some that are kept as pending.
pub(crate) async fn pending_of(db: &impl ConnectionTrait, names: &[InvitationName]) -> Result<Vec<Invitation>, StoreError> {
    all(db, pending().add(Column::Name.is_in(names.iter().map(InvitationName::as_str)))).await
}

/// Those of an address in an organization that are kept as pending, in the order of their names.
pub(crate) async fn pending_of_email_in(
    db: &impl ConnectionTrait,
    organization: &NodeName,
    email: &Email,
) -> Result<Vec<Invitation>, StoreError> {
    all(db, pending().add(Column::EmailKey.eq(email.key())).add(Column::Organization.eq(organization.as_str()))).await
}

/// Those at a node or below it, not in customers, that are kept as pending.
pub(crate) async fn pending_at_or_below(db: &impl ConnectionTrait, node: &NodeName) -> Result<Vec<Invitation>, StoreError> {
    let of_organization = pending().add(Column::Organization.eq(node.organization().as_str()));
    if node.kind() == NodeKind::Organization {
        return all(db, of_organization).await;
    }
    // Leaves: `0` is what comes after `/`.
    let leaves = Where::all().add(Column::Node.gte(format!("{node}/"))).add(Column::Node.lt(format!("{node}0")));
    let mut there = Where::any().add(Column::Node.eq(node.as_str())).add(leaves);
    if node.kind() == NodeKind::Workspace {
        let in_account =
            "(invitation.node = account.name OR (invitation.node >= account.name || '/' AND invitation.node < account.name || '0'))";
        let accounts = Query::select()
            .expr(Expr::value(1))
            .from(account::Entity)
            .and_where(account::Column::Workspace.eq(node.as_str()))
            .and_where(Expr::cust(in_account))
            .take();
        there = there.add(Expr::exists(accounts));
    }
    all(db, of_organization.add(there)).await
}

/// Those to bindings that a sponsor would let somebody hold, kept as pending.
pub(crate) async fn pending_of_sponsor(db: &impl ConnectionTrait, sponsor: &Sponsor) -> Result<Vec<Invitation>, StoreError> {
    all(db, pending().add(Column::Sponsor.eq(sponsor.to_string()))).await
}

/// Of those, the ones in these organizations.
pub(crate) async fn pending_of_sponsor_in(
    db: &impl ConnectionTrait,
    sponsor: &Sponsor,
    organizations: &[NodeName],
) -> Result<Vec<Invitation>, StoreError> {
    let there = Column::Organization.is_in(organizations.iter().map(NodeName::as_str));
    all(db, pending().add(Column::Sponsor.eq(sponsor.to_string())).add(there)).await
}

#[derive(FromQueryResult)]
struct Count {
    n: i64,
}

// Whoever holds the role already counts as a holder, once.
const RESERVED: &str = "SELECT count(*) AS n FROM invitation i
    WHERE i.node = $1 AND i.role = $2 AND i.state = 'pending' AND i.expire_time > $3 AND NOT EXISTS (
      SELECT 1 FROM directory_user u JOIN role_binding b ON b.principal = u.name
      WHERE u.email_key = i.email_key AND b.node = i.node AND b.role = i.role AND (b.expire_time IS NULL OR b.expire_time > $3))";

/// How many seats of a role at a node pending invitations have taken.
pub(crate) async fn count_reserved(db: &impl ConnectionTrait, node: &NodeName, role: &str, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), RESERVED, [node.as_str().into(), role.into(), now.into()]);
    let count = Count::find_by_statement(statement).one(db).await?;
    Ok(count.map_or(0, |count| count.n.unsigned_abs()))
}

/// The next so many of a list after a place.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    filter: &InvitationFilter,
    now: DateTime<Utc>,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Placed>, StoreError> {
    let place = if filter.email_prefix.is_some() { Column::EmailPlace } else { Column::Name };
    let mut wanted = match &filter.node {
        Some(node) => Where::all().add(Column::Node.eq(node.as_str())),
        None => Where::all().add(Column::Organization.eq(filter.organization.as_str())),
    };
    if let Some(state) = filter.state {
        wanted = wanted.add(Column::State.eq(write_state(state)));
        if state == State::Pending {
            wanted = wanted.add(Column::ExpireTime.gt(now));
        }
    }
    if let Some(prefix) = &filter.email_prefix {
        wanted =
            wanted.add(Column::EmailPlace.gte(prefix.as_str())).add_option(after_all_with(prefix).map(|end| Column::EmailPlace.lt(end)));
    }
    wanted = wanted.add_option(after.map(|after| place.gt(after)));
    let rows = Entity::find().filter(wanted).order_by_asc(place).limit(limit).all(db).await?;
    let placed = |row: Model| {
        let place = if filter.email_prefix.is_some() { row.email_place.clone() } else { row.name.clone() };
        Ok(Placed { place, invitation: read(row)? })
    };
    rows.into_iter().map(|row| placed(row).map_err(|error: DbErr| error.into())).collect()
}

/// The first text, by bytes, after all that begin with this; none if there is none.
fn after_all_with(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // UTF-8 keeps the order of code points; the surrogates are none.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// Some that are kept as pending and have expired by now, the longest expired first.
pub(crate) async fn expired(db: &impl ConnectionTrait, now: DateTime<Utc>, limit: u64) -> Result<Vec<Invitation>, StoreError> {
    let query = Entity::find()
        .filter(pending().add(Column::ExpireTime.lte(now)))
        .order_by_asc(Column::ExpireTime)
        .order_by_asc(Column::Name)
        .limit(limit);
    query.all(db).await?.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

/// Of these, those that are still kept as pending and have expired by now.
pub(crate) async fn expired_of(
    db: &impl ConnectionTrait,
    names: &[InvitationName],
    now: DateTime<Utc>,
) -> Result<Vec<Invitation>, StoreError> {
    all(db, pending().add(Column::Name.is_in(names.iter().map(InvitationName::as_str))).add(Column::ExpireTime.lte(now))).await
}

/// Some that ended before a time.
pub(crate) async fn ended_before(db: &impl ConnectionTrait, time: DateTime<Utc>, limit: u64) -> Result<Vec<InvitationName>, StoreError> {
    let query = Entity::find().filter(has_ended()).filter(Column::UpdateTime.lt(time)).order_by_asc(Column::UpdateTime).limit(limit);
    query.all(db).await?.into_iter().map(|row| stored(InvitationName::parse(&row.name)).map_err(Into::into)).collect()
}

/// Of these, those that ended before a time: others may have been resent.
pub(crate) async fn ended_before_of(
    db: &impl ConnectionTrait,
    names: &[InvitationName],
    time: DateTime<Utc>,
) -> Result<Vec<InvitationName>, StoreError> {
    let wanted = has_ended().add(Column::Name.is_in(names.iter().map(InvitationName::as_str))).add(Column::UpdateTime.lt(time));
    Ok(all(db, wanted).await?.into_iter().map(|invitation| invitation.name).collect())
}

fn pending() -> Where {
    // As the partial indexes have it: with a parameter they could not be used.
    Where::all().add(Expr::cust("invitation.state = 'pending'"))
}

fn has_ended() -> Where {
    Where::all().add(Expr::cust("invitation.state <> 'pending'"))
}

async fn all(db: &impl ConnectionTrait, wanted: Where) -> Result<Vec<Invitation>, StoreError> {
    let rows = Entity::find().filter(wanted).order_by_asc(Column::Name).all(db).await?;
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

fn write_state(state: State) -> StoredState {
    match state {
        State::Pending => StoredState::Pending,
        State::Accepted => StoredState::Accepted,
        State::Declined => StoredState::Declined,
        State::Revoked => StoredState::Revoked,
        State::Expired => StoredState::Expired,
    }
}

pub(super) fn row(invitation: &Invitation) -> ActiveModel {
    let Offer { email, role, node, components, condition, binding_expire_time, sponsor } = &invitation.offer;
    let model = Model {
        name: invitation.name.to_string(),
        organization: invitation.name.organization().to_string(),
        email: email.as_str().to_owned(),
        email_key: email.key(),
        // Addresses have no spaces, and all that they have comes after one.
        email_place: format!("{} {}", email.key(), invitation.name),
        role: role.to_string(),
        node: node.to_string(),
        components: components.as_ref().map(write_components),
        condition: condition.clone().map(|Condition { id, params }| columns::Condition { id, params }),
        binding_expire_time: *binding_expire_time,
        sponsor: sponsor.as_ref().map(ToString::to_string),
        token_hash: invitation.token.as_str().to_owned(),
        expire_time: invitation.expire_time,
        state: write_state(invitation.kept_state),
        inviter: invitation.inviter.to_string(),
        accepted_by: invitation.accepted_by.as_ref().map(ToString::to_string),
        role_binding: invitation.role_binding.as_ref().map(ToString::to_string),
        create_time: invitation.create_time,
        update_time: invitation.update_time,
        version: invitation.version,
    };
    model.into_active_model().reset_all()
}

pub(super) fn read(row: Model) -> Result<Invitation, DbErr> {
    Ok(Invitation {
        name: stored(InvitationName::parse(&row.name))?,
        offer: Offer {
            email: Email::parse(&row.email).ok_or_else(|| unreadable("an e-mail address"))?,
            role: stored(RoleName::parse(&row.role))?,
            node: stored(NodeName::parse(&row.node))?,
            components: row.components.map(read_components).transpose()?,
            condition: row.condition.map(|columns::Condition { id, params }| Condition { id, params }),
            binding_expire_time: row.binding_expire_time,
            sponsor: row.sponsor.map(|sponsor| stored(Sponsor::parse(&sponsor))).transpose()?,
        },
        token: TokenHash::kept(row.token_hash),
        expire_time: row.expire_time,
        kept_state: match row.state {
            StoredState::Pending => State::Pending,
            StoredState::Accepted => State::Accepted,
            StoredState::Declined => State::Declined,
            StoredState::Revoked => State::Revoked,
            StoredState::Expired => State::Expired,
        },
        inviter: stored(UserName::parse(&row.inviter))?,
        accepted_by: row.accepted_by.map(|user| stored(UserName::parse(&user))).transpose()?,
        role_binding: row.role_binding.map(|binding| stored(BindingName::parse(&binding))).transpose()?,
        create_time: row.create_time,
        update_time: row.update_time,
        version: row.version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_a_prefix_ends_before_the_next_text() {
        assert_eq!(after_all_with("ann").as_deref(), Some("ano"));
        assert_eq!(after_all_with("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_all_with("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(after_all_with("\u{10ffff}"), None);
    }
}
