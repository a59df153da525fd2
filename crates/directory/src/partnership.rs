//! Partnerships: an organization's standing offer to another to hold bindings in it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use decision::{
    document::Level,
    name::{BindingName, InvitationName, NodeKind, NodeName, PartnershipName, RoleName, Sponsor, UserName},
};
use serde_json::{Value, json};
use service::{change::Change, fields::Etag};

use crate::{
    assign, feed, invitation,
    role_binding::{Assignment, ComponentMap, RoleBinding},
    status::Error,
    store,
};

/// What a partnership allows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Allowance {
    pub(crate) roles: BTreeSet<RoleName>,
    /// None: no bound.
    pub(crate) components: Option<ComponentMap>,
    /// None: every active member of the partner.
    pub(crate) users: Option<BTreeSet<UserName>>,
    pub(crate) expire_time: Option<DateTime<Utc>>,
}

/// A partnership.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Partnership {
    pub(crate) name: PartnershipName,
    pub(crate) partner: NodeName,
    pub(crate) node: NodeName,
    pub(crate) allows: Allowance,
    pub(crate) accepted: bool,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// Counts its changes, from 1.
    pub(crate) version: i64,
}

/// What to offer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PartnershipDraft {
    pub(crate) name: PartnershipName,
    pub(crate) partner: NodeName,
    pub(crate) node: NodeName,
    pub(crate) allows: Allowance,
}

/// What shall be otherwise; none = as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PartnershipChange {
    pub(crate) roles: Option<BTreeSet<RoleName>>,
    pub(crate) components: Option<Option<ComponentMap>>,
    pub(crate) users: Option<Option<BTreeSet<UserName>>>,
    pub(crate) expire_time: Option<Option<DateTime<Utc>>>,
}

/// The state of a partnership at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartnershipState {
    Pending,
    Active,
    Expired,
}

impl Partnership {
    /// An offer; the partner has still to accept.
    pub(crate) fn offered(draft: PartnershipDraft, now: DateTime<Utc>) -> Self {
        let PartnershipDraft { name, partner, node, allows } = draft;
        Self { name, partner, node, allows, accepted: false, create_time: now, update_time: now, version: 1 }
    }

    /// Its state; at exactly its expiry it has ended (DESIGN §3).
    pub(crate) fn state(&self, now: DateTime<Utc>) -> PartnershipState {
        match self.allows.expire_time {
            Some(end) if end <= now => PartnershipState::Expired,
            _ if self.accepted => PartnershipState::Active,
            _ => PartnershipState::Pending,
        }
    }

    /// The same, accepted.
    pub(crate) fn accepted(&self, now: DateTime<Utc>) -> Self {
        Self { accepted: true, ..self.touched(now) }
    }

    /// The same with the change made. Bindings that it no longer allows stop counting by the decision's own rules.
    pub(crate) fn changed(&self, change: &PartnershipChange, now: DateTime<Utc>) -> Self {
        let allows = &self.allows;
        let change = change.clone();
        let allows = Allowance {
            roles: change.roles.unwrap_or_else(|| allows.roles.clone()),
            components: change.components.unwrap_or_else(|| allows.components.clone()),
            users: change.users.unwrap_or_else(|| allows.users.clone()),
            expire_time: change.expire_time.unwrap_or(allows.expire_time),
        };
        Self { allows, ..self.touched(now) }
    }

    fn expired(&self) -> Error {
        Error::WrongState { name: self.name.to_string(), state: "expired", remedy: "offer another" }
    }

    /// For the audit trail.
    pub(crate) fn audited(&self) -> Value {
        let Allowance { roles, components, users, expire_time } = &self.allows;
        let levels = |map: &ComponentMap| map.iter().map(|(id, level)| (id.clone(), Value::from(level.as_str()))).collect::<Value>();
        json!({
            "partner": self.partner.as_str(),
            "node": self.node.as_str(),
            "roles": roles.iter().map(RoleName::as_str).collect::<Vec<_>>(),
            "components": components.as_ref().map(levels),
            "users": users.as_ref().map(|users| users.iter().map(UserName::as_str).collect::<Vec<_>>()),
            "expire_time": expire_time,
            "accepted": self.accepted,
        })
    }

    /// Whether the state is the one that the client has seen.
    pub(crate) fn expect(&self, etag: Etag) -> Result<(), Error> {
        if etag.accepts(self.version) { Ok(()) } else { Err(Error::EtagMismatch { name: self.name.to_string() }) }
    }

    fn touched(&self, now: DateTime<Utc>) -> Self {
        Self { update_time: now, version: self.version + 1, ..self.clone() }
    }
}

/// Whether bindings of a partnership of this organization may be there: the organization, or one of its accounts.
pub(crate) fn can_be_at(organization: &NodeName, node: &NodeName) -> bool {
    node.organization() == *organization && matches!(node.kind(), NodeKind::Organization | NodeKind::Account)
}

/// Offers a partnership. Whether the partner is there is not looked at: an offer must not tell which organizations exist.
pub(crate) async fn offer(change: &mut Change, draft: PartnershipDraft) -> Result<Partnership, Error> {
    assign::live_organization(change, &draft.name.organization()).await?;
    let db = change.connection();
    if !store::node::is_live(db, &draft.node).await? {
        return Err(Error::not_found(draft.node.as_str()));
    }
    if store::partnership::find(db, &draft.name).await?.is_some() || store::retired::is_retired(db, draft.name.as_str()).await? {
        return Err(Error::AlreadyExists { name: draft.name.to_string() });
    }
    let partnership = Partnership::offered(draft, change.now());
    has_time(&partnership, change.now())?;
    users_are_free(change, &partnership).await?;
    store::partnership::insert(change.connection(), &partnership).await?;
    change.put(feed::partnership(&partnership));
    change.audit_at(partnership.node.as_str(), "partners.create", partnership.name.as_str(), None, Some(partnership.audited()));
    Ok(partnership)
}

/// A partnership, and the bindings that it sponsors in the order of their names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sponsorship {
    pub(crate) partnership: Partnership,
    pub(crate) sponsored: Vec<RoleBinding>,
}

impl Sponsorship {
    /// The bindings that give more, to more people or for longer, under other limits: what is given anew by changing the partnership.
    pub(crate) fn reaching_further(&self, after: &Allowance, now: DateTime<Utc>) -> Vec<&RoleBinding> {
        let before = &self.partnership.allows;
        self.sponsored.iter().filter(|binding| reaches_further(&binding.assigned, before, after, now)).collect()
    }
}

fn reaches_further(assigned: &Assignment, before: &Allowance, after: &Allowance, now: DateTime<Utc>) -> bool {
    if assigned.has_ended(now) || !after.roles.contains(&assigned.role) {
        return false;
    }
    let new_role = !before.roles.contains(&assigned.role);
    let more = before.components.as_ref().is_some_and(|before| {
        let level = |component: &String| before.get(component).copied().unwrap_or(Level::None);
        after.components.as_ref().is_none_or(|after| after.iter().any(|(component, upto)| *upto > level(component)))
    });
    let concerns = |user: &UserName| assigned.user().is_none_or(|holder| holder == user);
    let to_more = before.users.as_ref().is_some_and(|before| match &after.users {
        Some(after) => after.difference(before).any(concerns),
        None => assigned.user().is_none_or(|holder| !before.contains(holder)),
    });
    let end = |allowance: &Allowance| [allowance.expire_time, assigned.expire_time].into_iter().flatten().min();
    let longer = end(before).is_some_and(|before| end(after).is_none_or(|after| after > before));
    new_role || more || to_more || longer
}

/// Changes what a partnership allows. None if it, or what it sponsors, is no longer what the permit was asked for.
pub(crate) async fn amend(
    change: &mut Change,
    wanted: &PartnershipChange,
    etag: Etag,
    seen: &Sponsorship,
) -> Result<Option<Partnership>, Error> {
    let name = &seen.partnership.name;
    let before = expected(change, name, etag).await?;
    if store::partnership::sponsorship(change.connection(), name).await?.as_ref() != Some(seen) {
        return Ok(None);
    }
    if before.state(change.now()) == PartnershipState::Expired {
        return Err(before.expired());
    }
    let after = before.changed(wanted, change.now());
    has_time(&after, change.now())?;
    users_are_free(change, &after).await?;
    write(change, "partners.update", &before, after).await.map(Some)
}

/// Accepts a pending partnership. Nothing comes to life by it: before, it sponsors nothing, nor was it ever accepted.
pub(crate) async fn accept(change: &mut Change, name: &PartnershipName, etag: Etag) -> Result<Partnership, Error> {
    let before = expected(change, name, etag).await?;
    // Who was offered this was not there: whoever took the name afterwards is another.
    let partner = store::organization::find(change.connection(), &before.partner).await?;
    if partner.is_none_or(|partner| partner.create_time > before.create_time) {
        return Err(Error::not_found(name.as_str()));
    }
    match before.state(change.now()) {
        PartnershipState::Pending => write(change, "partners.accept", &before, before.accepted(change.now())).await,
        PartnershipState::Active => {
            Err(Error::WrongState { name: name.to_string(), state: "active", remedy: "only a pending one can be accepted" })
        }
        PartnershipState::Expired => Err(before.expired()),
    }
}

/// A partnership that is no more, and what ended with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) partnership: Partnership,
    pub(crate) bindings: Vec<BindingName>,
    pub(crate) invitations: Vec<InvitationName>,
}

/// Ends a partnership, with every binding that it sponsors and every pending invitation to one. Sponsored holders never count for a required role, so none can be lost.
pub(crate) async fn end(change: &mut Change, name: &PartnershipName, etag: Etag) -> Result<Ended, Error> {
    let partnership = expected(change, name, etag).await?;
    let sponsor = Sponsor::Partnership(name.clone());
    let sponsored = store::role_binding::of_sponsor(change.connection(), &sponsor).await?;
    assign::take(change, &sponsored).await?;
    let invitations = invitation::end_of_sponsor(change, &sponsor).await?;
    store::partnership::delete(change.connection(), name).await?;
    change.delete(name.as_str());
    change.audit_at(partnership.node.as_str(), "partners.delete", name.as_str(), Some(partnership.audited()), None);
    Ok(Ended { partnership, bindings: sponsored.into_iter().map(|binding| binding.name).collect(), invitations })
}

async fn expected(change: &Change, name: &PartnershipName, etag: Etag) -> Result<Partnership, Error> {
    let partnership = store::partnership::find(change.connection(), name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    partnership.expect(etag)?;
    Ok(partnership)
}

async fn write(change: &mut Change, action: &str, before: &Partnership, after: Partnership) -> Result<Partnership, Error> {
    store::partnership::update(change.connection(), &after).await?;
    change.put(feed::partnership(&after));
    change.audit_at(after.node.as_str(), action, after.name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(after)
}

/// Its users can be used here: none of them is managed by an organization elsewhere.
async fn users_are_free(change: &Change, partnership: &Partnership) -> Result<(), Error> {
    let users: Vec<_> = partnership.allows.users.iter().flatten().cloned().collect();
    for user in store::user::managed_among(change.connection(), &users).await? {
        assign::not_confined_away(change, &user, &partnership.name.organization()).await?;
    }
    Ok(())
}

fn has_time(partnership: &Partnership, now: DateTime<Utc>) -> Result<(), Error> {
    match partnership.state(now) {
        PartnershipState::Expired => Err(Error::Field { path: "partnership.expire_time", description: "a time in the future".to_owned() }),
        PartnershipState::Pending | PartnershipState::Active => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use decision::name::Principal;

    use super::*;

    fn offer(end: Option<DateTime<Utc>>) -> Partnership {
        let draft = PartnershipDraft {
            name: PartnershipName::parse("organizations/acme/partnerships/p1").unwrap(),
            partner: NodeName::parse("organizations/agency").unwrap(),
            node: NodeName::parse("organizations/acme").unwrap(),
            allows: Allowance { roles: BTreeSet::new(), components: None, users: None, expire_time: end },
        };
        Partnership::offered(draft, Utc::now())
    }

    #[test]
    fn a_partnership_is_pending_then_active_and_expires_at_its_end() {
        let now = Utc::now();
        assert_eq!(offer(None).state(now), PartnershipState::Pending);
        assert_eq!(offer(None).accepted(now).state(now), PartnershipState::Active);
        assert_eq!(offer(Some(now)).accepted(now).state(now), PartnershipState::Expired);
    }

    #[test]
    fn it_is_at_the_organization_or_one_of_its_accounts() {
        let organization = NodeName::parse("organizations/acme").unwrap();
        let there = |node: &str| can_be_at(&organization, &NodeName::parse(node).unwrap());
        assert!(there("organizations/acme") && there("organizations/acme/accounts/a1"));
        assert!(!there("organizations/acme/workspaces/w") && !there("organizations/other") && !there("organizations/other/accounts/a1"));
    }

    #[test]
    fn a_binding_reaches_further_by_more_components_people_or_time_and_not_by_less() {
        let now = Utc::now();
        let [soon, later] = [1, 2].map(|hours| Some(now + chrono::Duration::hours(hours)));
        let users = |ids: &[&str]| Some(ids.iter().map(|id| UserName::parse(&format!("users/{id}")).unwrap()).collect::<BTreeSet<_>>());
        let levels = |level| Some(ComponentMap::from([("campaigns".to_owned(), level)]));
        let role = RoleName::parse("roleModels/m/roles/buyer").unwrap();
        let before =
            Allowance { roles: BTreeSet::from([role.clone()]), components: levels(Level::View), users: users(&["pia"]), expire_time: soon };
        let node = NodeName::parse("organizations/acme").unwrap();
        let by = |principal: &str| Assignment::plain(Principal::parse(principal).unwrap(), role.clone(), node.clone());
        let (pia, group) = (by("users/pia"), by("organizations/agency/groups/g"));
        let further = |assigned: &Assignment, after: &Allowance| reaches_further(assigned, &before, after, now);
        let (more, all) =
            (Allowance { components: levels(Level::Edit), ..before.clone() }, Allowance { components: None, ..before.clone() });
        let other = Allowance { components: Some([("billing".to_owned(), Level::View)].into()), ..before.clone() };
        let longer = Allowance { expire_time: later, ..before.clone() };
        let forever = Allowance { expire_time: None, ..before.clone() };
        for after in [&more, &all, &other, &longer, &forever] {
            assert!(further(&pia, after) && further(&group, after), "{after:?}");
        }
        for after in [Allowance { users: None, ..before.clone() }, Allowance { users: users(&["pia", "bob"]), ..before.clone() }] {
            assert!(further(&group, &after) && !further(&pia, &after) && further(&by("users/bob"), &after), "{after:?}");
        }
        for after in [
            before.clone(),
            Allowance { components: levels(Level::None), ..before.clone() },
            Allowance { users: users(&[]), ..before.clone() },
            Allowance { expire_time: Some(now), ..before.clone() },
            Allowance { roles: BTreeSet::new(), ..forever.clone() },
        ] {
            assert!(!further(&pia, &after) && !further(&group, &after), "{after:?}");
        }
        assert!(!further(&Assignment { expire_time: soon, ..pia.clone() }, &forever));
        assert!(!further(&Assignment { expire_time: Some(now), ..pia }, &all));
        let without = Allowance { roles: BTreeSet::new(), ..before.clone() };
        assert!(reaches_further(&group, &without, &before, now));
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let before = offer(None);
        let after = before.changed(&PartnershipChange { users: Some(Some(BTreeSet::new())), ..PartnershipChange::default() }, Utc::now());
        assert_eq!(after.allows, Allowance { users: Some(BTreeSet::new()), ..before.allows });
        assert_eq!(after.version, 2);
    }
}
