//! Users: persons and service accounts, global to the installation. Their rules that need no database.

use std::collections::{BTreeMap, BTreeSet};

use api::authz::v1::{self as authz, MembershipTerms, RoleTerms};
use chrono::{DateTime, Utc};
use decision::name::{NodeKind, NodeName, Principal, UserName};
use serde_json::{Value, json};
use service::{
    change::Change,
    fields::{Etag, is_control, is_invisible},
};

use crate::{
    assign, feed,
    invariants::{self, RequiredRoles, membership_terms},
    invitation, member,
    organization::Organization,
    role_binding::RoleBinding,
    status::Error,
    store,
};

/// What a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserKind {
    Person,
    ServiceAccount,
}

/// A user.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct User {
    pub(crate) name: UserName,
    pub(crate) kind: UserKind,
    pub(crate) email: Option<Email>,
    pub(crate) display_name: String,
    pub(crate) suspended: bool,
    pub(crate) deleted: bool,
    /// The organization that manages them, and that they are confined to; none: nobody does.
    pub(crate) managed_by: Option<NodeName>,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// Counts its changes, from 1.
    pub(crate) version: i64,
}

/// What to create.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UserDraft {
    pub(crate) name: UserName,
    pub(crate) kind: UserKind,
    pub(crate) email: Option<Email>,
    pub(crate) display_name: String,
    pub(crate) managed_by: Option<NodeName>,
}

/// What shall be otherwise; none = as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct UserChange {
    pub(crate) email: Option<Option<Email>>,
    pub(crate) display_name: Option<String>,
}

/// An e-mail address as it was given. Whether somebody reads it, a form cannot tell; this only keeps out what is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Email(String);

impl Email {
    /// The longest address (RFC 5321, with the erratum to RFC 3696), in bytes.
    pub(crate) const LONGEST: usize = 254;

    /// Something, one `@`, something with a dot or a single label; no spaces, nothing that controls or is not seen.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.split_once('@')?;
        let plain = |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || is_control(c) || is_invisible(c));
        let fits = text.len() <= Self::LONGEST && local.len() <= 64;
        let good = fits && plain(local) && plain(domain) && !domain.split('.').any(str::is_empty) && !domain.contains(['@', '<', '>', ',']);
        good.then(|| Self(text.to_owned()))
    }

    /// As it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// By which addresses are unique: without regard to case. What is small in ASCII only (the Kelvin sign is, as a k) stays as it is, for nobody is to be
    /// taken for who has the ASCII address.
    pub(crate) fn key(&self) -> String {
        let poses = |c: char| !c.is_ascii() && c.to_lowercase().any(|small| small.is_ascii());
        self.0.chars().map(|c| if poses(c) { c.to_string() } else { c.to_lowercase().to_string() }).collect()
    }
}

impl User {
    /// A new one.
    pub(crate) fn new(draft: UserDraft, now: DateTime<Utc>) -> Self {
        let UserDraft { name, kind, email, display_name, managed_by } = draft;
        let (suspended, deleted, version) = (false, false, 1);
        Self { name, kind, email, display_name, suspended, deleted, managed_by, create_time: now, update_time: now, version }
    }

    /// The address, if it proves who somebody is: whoever creates a user for the platform has seen it verified, who manages one has not.
    pub(crate) fn verified_email(&self) -> Option<&Email> {
        if self.managed_by.is_none() { self.email.as_ref() } else { None }
    }

    /// The same with the change made; none if that would take a person's address away.
    pub(crate) fn changed(&self, change: &UserChange, now: DateTime<Utc>) -> Option<Self> {
        let email = change.email.clone().unwrap_or_else(|| self.email.clone());
        if self.kind == UserKind::Person && email.is_none() {
            return None;
        }
        let display_name = change.display_name.clone().unwrap_or_else(|| self.display_name.clone());
        Some(Self { email, display_name, ..self.touched(now) })
    }

    /// The same, suspended or not.
    pub(crate) fn with_suspended(&self, suspended: bool, now: DateTime<Utc>) -> Self {
        Self { suspended, ..self.touched(now) }
    }

    /// The same, deleted: without the address, which somebody else may get now.
    pub(crate) fn as_deleted(&self, now: DateTime<Utc>) -> Self {
        Self { deleted: true, email: None, ..self.touched(now) }
    }

    /// For the audit trail: without the address, which outlives nobody's deletion there.
    pub(crate) fn audited(&self) -> Value {
        let kind = match self.kind {
            UserKind::Person => "person",
            UserKind::ServiceAccount => "service_account",
        };
        let managed_by = self.managed_by.as_ref().map(NodeName::as_str);
        json!({ "kind": kind, "suspended": self.suspended, "deleted": self.deleted, "managed_by": managed_by, "version": self.version })
    }

    /// The same, with which of the personal fields are other than they were. Not what they say: that goes when the user does, and the trail stays.
    fn audited_against(&self, before: &Self) -> Value {
        let changed = [("email", self.email != before.email), ("display_name", self.display_name != before.display_name)];
        let mut audited = self.audited();
        audited["changed"] = changed.into_iter().filter(|(_, is_other)| *is_other).map(|(field, _)| field).collect();
        audited
    }

    /// Whether the state is the one that the client has seen, and allows changes.
    pub(crate) fn expect(&self, etag: Etag) -> Result<(), Error> {
        if !etag.accepts(self.version) {
            return Err(Error::EtagMismatch { name: self.name.to_string() });
        }
        if self.deleted {
            return Err(Error::WrongState { name: self.name.to_string(), state: "deleted", remedy: "nothing can be done with it" });
        }
        Ok(())
    }

    fn touched(&self, now: DateTime<Utc>) -> Self {
        Self { update_time: now, version: self.version + 1, ..self.clone() }
    }
}

/// What the role model of a tree says, as of the revision that it had pinned when authz was asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TreeRules {
    pub(crate) role_model: String,
    pub(crate) role_model_revision: u32,
    pub(crate) membership: MembershipTerms,
    pub(crate) required_roles: Vec<RoleTerms>,
}

impl TreeRules {
    pub(crate) fn from_authz(said: authz::TreeRules) -> Result<Self, Error> {
        let authz::TreeRules { role_model, role_model_revision, membership, roles, .. } = said;
        let membership = membership.ok_or(Error::IncompletePermit("the terms of membership"))?;
        let required_roles = roles.into_iter().filter(|role| role.seats_least > 0).collect();
        Ok(Self { role_model, role_model_revision, membership, required_roles })
    }

    fn are_of(&self, organization: &Organization) -> bool {
        self.role_model == organization.pinned.role_model() && self.role_model_revision == organization.pinned.revision
    }
}

/// Creates a user whom an organization manages, and takes them in, with the default role.
pub(crate) async fn create_managed(change: &mut Change, draft: UserDraft, home: &NodeName) -> Result<User, Error> {
    assign::live_organization(change, home).await?;
    let membership = membership_terms(change)?;
    let user = create(change, draft).await?;
    assign::join(change, home, &user.name, &membership, true).await?;
    Ok(user)
}

/// Creates a user.
pub(crate) async fn create(change: &mut Change, draft: UserDraft) -> Result<User, Error> {
    if store::user::find(change.connection(), &draft.name).await?.is_some() {
        return Err(Error::AlreadyExists { name: draft.name.to_string() });
    }
    let user = User::new(draft, change.now());
    address_is_free(change, &user).await?;
    store::user::insert(change.connection(), &user).await?;
    change.put(feed::user(&user));
    change.audit("users.create", user.name.as_str(), None, Some(user.audited()));
    Ok(user)
}

/// Changes what a user is called, or their address. Decisions are made from neither, so there is no record.
pub(crate) async fn update(change: &mut Change, name: &UserName, wanted: &UserChange, etag: Etag) -> Result<User, Error> {
    let before = expected(change, name, etag).await?;
    let Some(after) = before.changed(wanted, change.now()) else {
        return Err(Error::Field { path: "user.email", description: "required for a person".to_owned() });
    };
    address_is_free(change, &after).await?;
    store::user::update(change.connection(), &after).await?;
    change.audit("users.update", name.as_str(), Some(before.audited()), Some(after.audited_against(&before)));
    Ok(after)
}

/// Suspends a user; denied everywhere from this commit on. Tells the organizations in which a required role now has too few lasting holders, by
/// the rules of their trees. None if a tree has another role model by now.
pub(crate) async fn suspend(
    change: &mut Change,
    name: &UserName,
    etag: Etag,
    rules: &BTreeMap<NodeName, TreeRules>,
) -> Result<Option<(User, BTreeSet<NodeName>)>, Error> {
    let before = expected(change, name, etag).await?;
    if before.suspended {
        return Err(Error::WrongState { name: name.to_string(), state: "suspended", remedy: "it need not be suspended again" });
    }
    // From here on no tree takes this user for a holder: whoever counts holders waits for the row, or has committed.
    let held = store::role_binding::of_principal(change.connection(), &Principal::User(name.clone())).await?;
    let mut watched = Vec::new();
    for organization in at_organizations(&held) {
        let Some(organization) = store::organization::find(change.connection(), &organization).await? else { continue };
        let Some(rules) = rules.get(&organization.root).filter(|rules| rules.are_of(&organization)) else { return Ok(None) };
        watched.push(RequiredRoles::of(change.connection(), &organization.name, &rules.required_roles, &held).await?);
    }
    let after = write(change, "users.suspend", &before, before.with_suspended(true, change.now())).await?;
    let mut lacking = BTreeSet::new();
    for required in &watched {
        if required.lost(change.connection()).await?.is_some() {
            lacking.insert(required.organization().clone());
            store::organization::set_needs_owner(change.connection(), required.organization(), true).await?;
            let marked = (Some(json!({ "needs_owner": false })), Some(json!({ "needs_owner": true })));
            change.audit("organization.needs_owner", required.organization().as_str(), marked.0, marked.1);
        }
    }
    Ok(Some((after, lacking)))
}

/// Ends a suspension. An organization that needed an owner may have one again. None if a tree has another role model by now.
pub(crate) async fn reactivate(
    change: &mut Change,
    name: &UserName,
    etag: Etag,
    rules: &BTreeMap<NodeName, TreeRules>,
) -> Result<Option<User>, Error> {
    let before = expected(change, name, etag).await?;
    if !before.suspended {
        return Err(Error::WrongState {
            name: name.to_string(),
            state: "not suspended",
            remedy: "only a suspended one can be reactivated",
        });
    }
    let held = store::role_binding::of_principal(change.connection(), &Principal::User(name.clone())).await?;
    let after = write(change, "users.reactivate", &before, before.with_suspended(false, change.now())).await?;
    for organization in at_organizations(&held) {
        let found = store::organization::find(change.connection(), &organization).await?;
        let Some(organization) = found.filter(|organization| organization.needs_owner) else { continue };
        let Some(rules) = rules.get(&organization.root).filter(|rules| rules.are_of(&organization)) else { return Ok(None) };
        if invariants::is_complete(change.connection(), &organization, &rules.required_roles).await? {
            assign::has_an_owner_again(change, &organization.name).await?;
        }
    }
    Ok(Some(after))
}

/// Deletes a user with everything that they have anywhere. None if they have something in other organizations than the permit was asked for,
/// or a tree has another role model by now.
pub(crate) async fn delete(
    change: &mut Change,
    name: &UserName,
    etag: Etag,
    seen: &BTreeSet<NodeName>,
    rules: &BTreeMap<NodeName, TreeRules>,
) -> Result<Option<User>, Error> {
    let before = expected(change, name, etag).await?;
    if store::user::organizations_of(change.connection(), name).await? != *seen {
        return Ok(None);
    }
    for organization in seen {
        let organization = store::organization::find(change.connection(), organization).await?;
        let organization = organization.ok_or_else(|| Error::not_found(name.as_str()))?;
        let Some(rules) = rules.get(&organization.root).filter(|rules| rules.are_of(&organization)) else { return Ok(None) };
        leave(change, name, &organization, rules).await?;
        if let Some(email) = before.verified_email() {
            invitation::end_of_email(change, &organization.name, email).await?;
        }
    }
    store::identity::end_all(change.connection(), name).await?;
    let after = before.as_deleted(change.now());
    store::user::update(change.connection(), &after).await?;
    change.delete(name.as_str());
    change.audit("users.delete", name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(Some(after))
}

/// Takes everything that a user has in one organization.
async fn leave(change: &mut Change, user: &UserName, organization: &Organization, rules: &TreeRules) -> Result<(), Error> {
    let organization = &organization.name;
    let bindings = store::role_binding::of_principal_in(change.connection(), &Principal::User(user.clone()), organization).await?;
    let required = RequiredRoles::of(change.connection(), organization, &rules.required_roles, &bindings).await?;
    match store::member::find(change.connection(), &assign::membership_of(organization, user)?).await? {
        Some(_) if rules.membership.permanent => return Err(Error::MembersStay { organization: organization.to_string() }),
        Some(member) => {
            member::expel(change, &member, &bindings).await?;
        }
        None => assign::take(change, &bindings).await?,
    }
    required.kept(change.connection()).await
}

async fn expected(change: &Change, name: &UserName, etag: Etag) -> Result<User, Error> {
    let user = store::user::find_for_update(change.connection(), name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    user.expect(etag)?;
    Ok(user)
}

async fn write(change: &mut Change, action: &str, before: &User, after: User) -> Result<User, Error> {
    store::user::update(change.connection(), &after).await?;
    change.put(feed::user(&after));
    change.audit(action, after.name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(after)
}

async fn address_is_free(change: &Change, user: &User) -> Result<(), Error> {
    // An address that nobody has verified is in nobody's way, and tells nothing of who else has it.
    let Some(email) = user.verified_email() else { return Ok(()) };
    match store::user::with_email(change.connection(), email).await? {
        Some(other) if other.name != user.name => Err(Error::EmailTaken),
        Some(_) | None => Ok(()),
    }
}

/// The organizations at which some of these bindings are.
pub(crate) fn at_organizations(bindings: &[RoleBinding]) -> BTreeSet<NodeName> {
    let nodes = bindings.iter().map(|binding| &binding.assigned.node);
    nodes.filter(|node| node.kind() == NodeKind::Organization).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> User {
        let email = Email::parse("Ann@Example.com");
        let name = UserName::parse("users/ann").unwrap();
        User::new(UserDraft { name, kind: UserKind::Person, email, display_name: "Ann".into(), managed_by: None }, Utc::now())
    }

    #[test]
    fn addresses_are_unique_without_regard_to_case_and_kept_as_given() {
        let email = Email::parse("Ann@Example.com").unwrap();
        assert_eq!((email.as_str(), email.key().as_str()), ("Ann@Example.com", "ann@example.com"));
        assert_eq!(Email::parse("Jürgen@Ä.example").unwrap().key(), Email::parse("JÜRGEN@ä.example").unwrap().key());
        assert_ne!(Email::parse("\u{212a}im@example.com").unwrap().key(), "kim@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "an n@example.com",
            "ann@example..com",
            "ann@.com",
            "ann@ex ample.com",
            "Ann <ann@example.com>",
        ] {
            assert_eq!(Email::parse(text), None, "{text}");
        }
        assert_eq!(Email::parse(&format!("{}@example.com", "a".repeat(65))), None);
        assert_eq!(Email::parse(&format!("a@{}", "b".repeat(260))), None);
    }

    #[test]
    fn the_trail_says_that_an_address_is_another_and_not_which() {
        let change = UserChange { email: Some(Email::parse("ann@elsewhere.example")), display_name: None };
        let (before, after) = (ann(), ann().changed(&change, Utc::now()).unwrap());
        let audited = after.audited_against(&before);
        assert_eq!(audited["changed"], json!(["email"]));
        assert!(!audited.to_string().contains('@'), "{audited}");
    }

    #[test]
    fn a_person_keeps_an_address_and_a_deleted_user_has_none() {
        let change = UserChange { email: Some(None), display_name: None };
        assert_eq!(ann().changed(&change, Utc::now()), None);
        let program = User { kind: UserKind::ServiceAccount, ..ann() };
        assert_eq!(program.changed(&change, Utc::now()).unwrap().email, None);
        let gone = ann().as_deleted(Utc::now());
        assert!(gone.deleted && gone.email.is_none() && gone.version == 2);
    }
}
