//! Organizations: tenants, and the customers of agencies. Their rules that need no database.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use decision::{
    name::{NodeName, RoleName, UserName},
    record::OrganizationKind,
};
use serde_json::{Value, json};
use service::fields::Etag;

use crate::status::Error;

/// An organization.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Organization {
    pub(crate) name: NodeName,
    pub(crate) kind: OrganizationKind,
    pub(crate) profile: Profile,
    /// The workspace that it is a customer of; none for a root.
    pub(crate) parent: Option<NodeName>,
    /// The root of its tree; itself for a root.
    pub(crate) root: NodeName,
    /// What its tree has pinned.
    pub(crate) pinned: Pinned,
    /// A required role has not had a holder yet.
    pub(crate) provisioning: bool,
    /// It was created by an invitation, and nobody has accepted one yet.
    pub(crate) awaiting_acceptance: bool,
    /// The platform's suspension of a user has left a required role without a lasting holder.
    pub(crate) needs_owner: bool,
    pub(crate) suspended: bool,
    pub(crate) deleted: bool,
    /// When it was deleted, if it is.
    pub(crate) delete_time: Option<DateTime<Utc>>,
    /// From when on it cannot be undeleted any more, if it is deleted.
    pub(crate) purge_time: Option<DateTime<Utc>>,
    /// The components enabled by its parent; none if unset.
    pub(crate) ceiling: Option<BTreeSet<String>>,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// Counts its changes, from 1.
    pub(crate) version: i64,
}

/// What an organization says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Profile {
    pub(crate) display_name: String,
    /// Empty if not given.
    pub(crate) website: String,
    /// Empty if not given.
    pub(crate) location: String,
}

/// A revision of a role model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pinned {
    /// `ad-platform`.
    pub(crate) model: String,
    pub(crate) revision: u32,
}

impl Pinned {
    /// `roleModels/ad-platform`.
    pub(crate) fn role_model(&self) -> String {
        format!("roleModels/{}", self.model)
    }
}

/// What to create.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OrganizationDraft {
    pub(crate) name: NodeName,
    pub(crate) kind: OrganizationKind,
    pub(crate) profile: Profile,
    pub(crate) place: Place,
    pub(crate) holders: Vec<Holder>,
}

/// Where an organization is put.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// On top, with the latest revision of this role model (its id).
    Root {
        /// `ad-platform`.
        model: String,
    },
    /// Below a workspace of an agency.
    Customer {
        /// The workspace.
        workspace: NodeName,
    },
}

/// Somebody who is to hold a role from the start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Holder {
    pub(crate) user: UserName,
    pub(crate) role: RoleName,
}

/// What shall be otherwise; none = as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OrganizationChange {
    pub(crate) display_name: Option<String>,
    pub(crate) website: Option<String>,
    pub(crate) location: Option<String>,
}

impl Organization {
    /// Whether the state is the one that the client has seen.
    pub(crate) fn expect_seen(&self, etag: Etag) -> Result<(), Error> {
        if etag.accepts(self.version) { Ok(()) } else { Err(Error::EtagMismatch { name: self.name.to_string() }) }
    }

    /// The same, and it allows changes.
    pub(crate) fn expect(&self, etag: Etag) -> Result<(), Error> {
        self.expect_seen(etag)?;
        if self.deleted {
            return Err(self.wrong_state("deleted", "undelete it first"));
        }
        Ok(())
    }

    fn wrong_state(&self, state: &'static str, remedy: &'static str) -> Error {
        Error::WrongState { name: self.name.to_string(), state, remedy }
    }

    fn next(&self, now: DateTime<Utc>) -> Self {
        Self { update_time: now, version: self.version + 1, ..self.clone() }
    }

    /// With another profile.
    pub(crate) fn changed(&self, change: OrganizationChange, now: DateTime<Utc>) -> Self {
        let Profile { display_name, website, location } = self.profile.clone();
        let profile = Profile {
            display_name: change.display_name.unwrap_or(display_name),
            website: change.website.unwrap_or(website),
            location: change.location.unwrap_or(location),
        };
        Self { profile, ..self.next(now) }
    }

    /// Deleted, to be purged at that time.
    pub(crate) fn ended(&self, now: DateTime<Utc>, purge_time: DateTime<Utc>) -> Self {
        Self { deleted: true, delete_time: Some(now), purge_time: Some(purge_time), ..self.next(now) }
    }

    /// No longer deleted; otherwise as it was before.
    pub(crate) fn restored(&self, now: DateTime<Utc>) -> Self {
        Self { deleted: false, delete_time: None, purge_time: None, ..self.next(now) }
    }

    /// Closed for now; WRONG_STATE if it is already.
    pub(crate) fn suspended(&self, now: DateTime<Utc>) -> Result<Self, Error> {
        if self.suspended {
            return Err(self.wrong_state("suspended", "it need not be suspended again"));
        }
        Ok(Self { suspended: true, ..self.next(now) })
    }

    /// Open again; WRONG_STATE if it is not closed.
    pub(crate) fn reactivated(&self, now: DateTime<Utc>) -> Result<Self, Error> {
        if !self.suspended {
            return Err(self.wrong_state("not suspended", "only a suspended one can be reactivated"));
        }
        Ok(Self { suspended: false, ..self.next(now) })
    }

    /// Of another kind; WRONG_STATE if it is of this one already.
    pub(crate) fn of_kind(&self, kind: OrganizationKind, now: DateTime<Utc>) -> Result<Self, Error> {
        if self.kind == kind {
            return Err(self.wrong_state("of this kind already", "it need not be changed"));
        }
        Ok(Self { kind, ..self.next(now) })
    }

    /// A customer of this workspace of an agency, with everything below it.
    pub(crate) fn moved(&self, workspace: &NodeName, agency: &Organization, now: DateTime<Utc>) -> Self {
        let (root, pinned) = (agency.root.clone(), agency.pinned.clone());
        Self { parent: Some(workspace.clone()), root, pinned, ..self.next(now) }
    }

    /// With a holder of every required role: no longer provisioning.
    pub(crate) fn activated(&self, now: DateTime<Utc>) -> Self {
        Self { provisioning: false, ..self.next(now) }
    }

    /// Somebody has accepted an invitation.
    pub(crate) fn taken_up(&self, now: DateTime<Utc>) -> Self {
        Self { awaiting_acceptance: false, ..self.next(now) }
    }

    /// With another ceiling.
    pub(crate) fn with_ceiling(&self, ceiling: Option<BTreeSet<String>>, now: DateTime<Utc>) -> Self {
        Self { ceiling, ..self.next(now) }
    }

    /// For the audit trail.
    pub(crate) fn audited(&self) -> Value {
        json!({
            "kind": self.kind.as_str(),
            "display_name": self.profile.display_name,
            "website": self.profile.website,
            "location": self.profile.location,
            "parent": self.parent.as_ref().map(NodeName::as_str),
            "role_model": self.pinned.role_model(),
            "role_model_revision": self.pinned.revision,
            "provisioning": self.provisioning,
            "awaiting_acceptance": self.awaiting_acceptance,
            "suspended": self.suspended,
            "deleted": self.deleted,
            "ceiling": self.ceiling,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn acme() -> Organization {
        let name = NodeName::parse("organizations/acme").unwrap();
        let now = Utc::now();
        Organization {
            root: name.clone(),
            name,
            kind: OrganizationKind::Marketer,
            profile: Profile { display_name: "Acme".into(), ..Profile::default() },
            parent: None,
            pinned: Pinned { model: "ad-platform".into(), revision: 3 },
            provisioning: true,
            awaiting_acceptance: false,
            needs_owner: false,
            suspended: false,
            deleted: false,
            delete_time: None,
            purge_time: None,
            ceiling: None,
            create_time: now,
            update_time: now,
            version: 1,
        }
    }

    #[test]
    fn a_suspension_keeps_that_an_organization_is_provisioning() {
        let suspended = acme().suspended(Utc::now()).unwrap();
        assert!(suspended.suspended(Utc::now()).is_err());
        let open = suspended.reactivated(Utc::now()).unwrap();
        assert!(open.provisioning && !open.suspended);
        assert_eq!(open.version, 3);
        assert!(open.reactivated(Utc::now()).is_err());
    }

    #[test]
    fn nothing_can_be_done_with_a_deleted_one_nor_with_another_state_than_was_seen() {
        assert!(acme().expect(Etag::ANY).is_ok());
        assert!(matches!(acme().ended(Utc::now(), Utc::now()).expect(Etag::ANY), Err(Error::WrongState { .. })));
        let seen = service::fields::Fields::default().etag("etag", "7");
        assert!(matches!(acme().expect(seen), Err(Error::EtagMismatch { .. })));
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let change = OrganizationChange { location: Some("Lisbon".into()), ..OrganizationChange::default() };
        let changed = acme().changed(change, Utc::now());
        assert_eq!((changed.profile.display_name.as_str(), changed.profile.location.as_str()), ("Acme", "Lisbon"));
    }
}
