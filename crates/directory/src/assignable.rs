//! Which roles an actor may give at a node: what authz says of its authority, and what only the rows tell. The same checks as when the role
//! is given, in their order.

use api::authz::v1::{AssignableRole, MembershipTerms, RoleTerms};
use decision::name::{NodeName, Principal, RoleName, Sponsor};
use sea_orm::ConnectionTrait;
use tonic::Status;
use tonic_types::StatusExt;

use crate::{
    assign::membership_of,
    invariants::{held_directly, leaves_room},
    member::{Admission, Member, admission},
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

/// What the rows know of the principal.
struct Known {
    theirs: Vec<RoleBinding>,
    membership: Option<Member>,
}

/// The roles with the verdicts on them.
pub(crate) async fn judged(
    db: &impl ConnectionTrait,
    offer: &Offer,
    said: Vec<AssignableRole>,
    membership: &MembershipTerms,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Vec<Listed>, Error> {
    let known = match &offer.principal {
        None => Known { theirs: Vec::new(), membership: None },
        Some(principal) => Known {
            theirs: store::role_binding::of_principal_at(db, principal, &offer.node).await?,
            membership: match principal {
                Principal::User(user) => store::member::find(db, &membership_of(&offer.node.organization(), user)?).await?,
                Principal::Group(_) | Principal::Organization(_) | Principal::Anyone => None,
            },
        },
    };
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
            && let Err(error) = leaves_it(offer, &listing, &known, membership, now)
        {
            refuse(&mut listing.said, error);
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
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), Error> {
    let terms = &listed.terms;
    if let Some(principal) = &offer.principal {
        held_directly(terms, principal)?;
        let role = RoleName::parse(&terms.role).map_err(|_| Error::IncompletePermit("the name of a role"))?;
        let assigned = Assignment { sponsor: offer.sponsor.clone(), ..Assignment::plain(principal.clone(), role, offer.node.clone()) };
        leaves_room(terms, &assigned, &known.theirs, None, now)?;
        if let Principal::User(user) = principal
            && admission(known.membership.as_ref(), offer.sponsor.is_some(), membership.grant_joins || offer.invite) == Admission::Refused
        {
            return Err(Error::NotAMember { user: user.to_string(), organization: offer.node.organization().to_string() });
        }
    }
    if terms.seats_most > 0 && listed.seats_taken >= u64::from(terms.seats_most) {
        return Err(Error::SeatsTaken { role: terms.role.clone(), node: offer.node.to_string(), limit: terms.seats_most });
    }
    Ok(())
}

/// In the words that the call itself would use.
fn refuse(said: &mut AssignableRole, error: Error) {
    let status = Status::from(error);
    said.assignable = false;
    said.reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    said.message = status.message().to_owned();
}
