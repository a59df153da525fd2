//! Which roles an actor may give at a node: what authz says of its authority, and what only the rows tell. The same checks as when the role
//! is given, in their order.

use std::collections::BTreeMap;

use api::authz::v1::{AssignableRole, MembershipTerms, RoleTerms};
use decision::name::{NodeName, Principal, RoleName, Sponsor};
use sea_orm::ConnectionTrait;
use tonic::Status;
use tonic_types::StatusExt;

use crate::{
    assign::{can_be_held, membership_of},
    invariants::{in_the_way, leaves_room},
    member::{Admission, Member, admission},
    organization::Organization,
    role_binding::{Assignment, RoleBinding},
    status::Error,
    store,
};

/// To whom something would be given, where and how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) node: NodeName,
    /// None: a user who is not known yet.
    pub(crate) principal: Option<Principal>,
    pub(crate) sponsor: Option<Sponsor>,
    pub(crate) invite: bool,
}

/// A role that can be held there, and the verdict of giving it.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) said: AssignableRole,
    pub(crate) terms: RoleTerms,
    /// Holders of a role with seats, pending invitations included.
    pub(crate) seats_taken: u64,
}

/// What an invitation cannot take the place of, and why: by the bindings' names.
pub(crate) type Kept = BTreeMap<String, Status>;

/// What the rows know of the place and of the principal.
struct Known {
    organization: Option<Organization>,
    node_is_live: bool,
    principal_is_there: bool,
    theirs: Vec<RoleBinding>,
    membership: Option<Member>,
}

impl Known {
    async fn of(db: &impl ConnectionTrait, offer: &Offer) -> Result<Self, Error> {
        let name = offer.node.organization();
        let mut known = Self {
            organization: store::organization::find(db, &name).await?,
            node_is_live: store::node::is_live(db, &offer.node).await?,
            principal_is_there: true,
            theirs: Vec::new(),
            membership: None,
        };
        let Some(principal) = &offer.principal else { return Ok(known) };
        known.theirs = store::role_binding::of_principal_at(db, principal, &offer.node).await?;
        match principal {
            Principal::User(user) => {
                known.principal_is_there = store::user::find(db, user).await?.is_some();
                known.membership = store::member::find(db, &membership_of(&name, user)?).await?;
            }
            Principal::Group(group) if group.organization() == name => {
                known.principal_is_there = store::group::find(db, group).await?.is_some();
            }
            // Of what is another's it is not told whether it is there.
            Principal::Group(_) | Principal::Organization(_) | Principal::Anyone => {}
        }
        Ok(known)
    }
}

/// The roles with the verdicts on them.
pub(crate) async fn judged(
    db: &impl ConnectionTrait,
    offer: &Offer,
    said: Vec<AssignableRole>,
    membership: &MembershipTerms,
    kept: &Kept,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Vec<Listed>, Error> {
    let known = Known::of(db, offer).await?;
    let mut listed = Vec::new();
    for said in said {
        let terms = said.role.clone().ok_or(Error::IncompletePermit("the terms of a role"))?;
        let seats_taken = match terms.seats_most {
            0 => 0,
            _ => {
                store::role_binding::count_holders(db, &offer.node, &terms.role, now).await?
                    + store::invitation::count_reserved(db, &offer.node, &terms.role, now).await?
            }
        };
        let mut listing = Listed { said, terms, seats_taken };
        if listing.said.assignable
            && let Err(status) = leaves_it(offer, &listing, &known, membership, kept, now)
        {
            refuse(&mut listing.said, &status);
        }
        listed.push(listing);
    }
    Ok(listed)
}

/// Whether the rows leave room for one more holder.
fn leaves_it(
    offer: &Offer,
    listed: &Listed,
    known: &Known,
    membership: &MembershipTerms,
    kept: &Kept,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), Status> {
    let terms = &listed.terms;
    let organization = known.organization.as_ref().filter(|_| known.node_is_live).ok_or_else(|| Error::not_found(offer.node.as_str()))?;
    let not_a_member = |user: String| Error::NotAMember { user, organization: organization.name.to_string() };
    match &offer.principal {
        None if offer.invite && offer.sponsor.is_none() && !membership.grant_joins => {
            return Err(not_a_member("whoever is not known yet".to_owned()).into());
        }
        None => {}
        Some(principal) => {
            let role = RoleName::parse(&terms.role).map_err(|_| Error::IncompletePermit("the name of a role"))?;
            let assigned = Assignment { sponsor: offer.sponsor.clone(), ..Assignment::plain(principal.clone(), role, offer.node.clone()) };
            can_be_held(organization, &assigned, terms)?;
            if !known.principal_is_there {
                return Err(Error::not_found(principal.to_string()).into());
            }
            // An invitation takes the place of what the invitee holds of an exclusive set.
            let replaced = in_the_way(terms, &assigned, &known.theirs, now).filter(|_| offer.invite);
            if let Some(status) = replaced.and_then(|binding| kept.get(binding.name.as_str())) {
                return Err(status.clone());
            }
            leaves_room(terms, &assigned, &known.theirs, replaced.map(|binding| &binding.name), now)?;
            if let Principal::User(user) = principal
                && admission(known.membership.as_ref(), offer.sponsor.is_some(), membership.grant_joins) == Admission::Refused
            {
                return Err(not_a_member(user.to_string()).into());
            }
        }
    }
    if terms.seats_most > 0 && listed.seats_taken >= u64::from(terms.seats_most) {
        let (role, node) = (terms.role.clone(), offer.node.to_string());
        return Err(Error::SeatsTaken { role, node, limit: terms.seats_most }.into());
    }
    Ok(())
}

/// In the words that the call itself would use.
fn refuse(said: &mut AssignableRole, status: &Status) {
    said.assignable = false;
    said.reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    said.message = status.message().to_owned();
}
