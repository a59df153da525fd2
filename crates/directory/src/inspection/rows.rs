//! What is looked at in the rows of each table.

use std::collections::{BTreeMap, BTreeSet};

use api::authz::v1::RoleTerms;
use decision::{
    name::{NodeName, Principal, RoleName, RoleOwner, Sponsor},
    record::GroupMember,
};
use sea_orm::ConnectionTrait;

use super::{Desk, Expected, Kind, ModelRoles};
use crate::{
    assign::membership_of,
    feed,
    group::{Edge, member_text},
    invariants,
    invitation::State,
    organization::Organization,
    role_binding::RoleBinding,
    status::Error,
    store::{
        self,
        inspection::{self as rows, Held, Noun, Tree},
    },
};

/// How far up an organization can be: what is deeper goes in a circle.
const DEEPEST: usize = 64;

type Wanted = BTreeMap<Noun, BTreeSet<String>>;

fn want(wanted: &mut Wanted, noun: Noun, name: impl ToString) {
    wanted.entry(noun).or_default().insert(name.to_string());
}

/// What bindings are looked at with.
struct Around {
    present: BTreeSet<String>,
    trees: BTreeMap<String, Tree>,
    custom_roles: BTreeSet<String>,
    /// By node and principal.
    held: BTreeMap<(String, String), Vec<Held>>,
}

impl<C: ConnectionTrait> Desk<'_, C> {
    pub(super) async fn organizations(&mut self, after: &str, limit: u64) -> Result<Vec<String>, Error> {
        let sightings = rows::organizations(self.db, after, limit).await?;
        let (keys, organizations) = self.sound(sightings);
        let above = self.trees_above(&organizations).await?;
        for organization in &organizations {
            if let Some(fault) = tree_fault(organization, &above) {
                self.note(Kind::Tree, &organization.name, fault);
                continue;
            }
            let pinned = above.get(organization.root.as_str()).and_then(|root| root.pinned.as_ref());
            if organization.parent.is_none() && matches!(self.models.get(organization.name.as_str()), Some(None)) {
                self.note(Kind::Tree, &organization.name, "authz does not know the role model that it has pinned");
            }
            let Some(model) = self.roles_of(organization.root.as_str(), pinned) else { continue };
            let required = model.roles.values().filter(|terms| invariants::is_required_of(terms, organization)).cloned();
            for terms in required.collect::<Vec<_>>() {
                self.required_role_is_held(organization, &terms).await?;
            }
        }
        self.none_is_retired(&keys).await?;
        let record = |organization: &Organization| (organization.name.to_string(), Some(feed::organization(organization)));
        self.the_feed_says(organizations.iter().map(record).collect()).await?;
        Ok(keys)
    }

    /// The trees of organizations and of all above them.
    async fn trees_above(&self, organizations: &[Organization]) -> Result<BTreeMap<String, Tree>, Error> {
        let mut known = BTreeMap::new();
        let mut wanted: BTreeSet<String> = organizations.iter().map(|organization| organization.name.to_string()).collect();
        wanted.extend(organizations.iter().map(|organization| organization.root.to_string()));
        for _ in 0..DEEPEST {
            if wanted.is_empty() {
                break;
            }
            let found = rows::trees(self.db, &wanted).await?;
            let above = found.values().filter_map(parent_organization);
            wanted = above.filter(|name| !known.contains_key(name) && !found.contains_key(name)).collect();
            known.extend(found);
        }
        // A parent is a workspace: it must be there as well.
        let mut parents = Wanted::new();
        known.values().filter_map(|tree: &Tree| tree.parent.clone()).for_each(|parent| want(&mut parents, Noun::Workspace, parent));
        let present = rows::present(self.db, &parents).await?;
        known.retain(|_, tree| tree.parent.as_ref().is_none_or(|parent| present.contains(parent)));
        Ok(known)
    }

    async fn required_role_is_held(&mut self, organization: &Organization, terms: &RoleTerms) -> Result<(), Error> {
        // An organization that is marked waits for an owner, since the platform has suspended the last.
        if organization.provisioning || organization.deleted || organization.needs_owner {
            return Ok(());
        }
        let holders = rows::lasting(self.db, &organization.name, &terms.role, terms.seats_least).await?;
        if holders < terms.seats_least {
            let description = format!("it must have {} lasting holders of `{}`, and has {holders}", terms.seats_least, terms.role);
            self.note(Kind::RequiredRole, &organization.name, description);
        }
        Ok(())
    }

    pub(super) async fn workspaces(&mut self, after: &str, limit: u64) -> Result<Vec<String>, Error> {
        let sightings = rows::workspaces(self.db, after, limit).await?;
        let (keys, workspaces) = self.sound(sightings);
        self.none_is_retired(&keys).await?;
        self.the_feed_says(workspaces.iter().map(|one| (one.name.to_string(), Some(feed::workspace(one)))).collect()).await?;
        Ok(keys)
    }

    pub(super) async fn accounts(&mut self, after: &str, limit: u64) -> Result<Vec<String>, Error> {
        let sightings = rows::accounts(self.db, after, limit).await?;
        let (keys, accounts) = self.sound(sightings);
        for account in &accounts {
            let elsewhere = |workspace: &NodeName| workspace.organization() != account.name.organization();
            if account.workspace.as_ref().is_some_and(elsewhere) {
                self.note(Kind::Row, &account.name, "it is in a workspace of another organization");
            }
        }
        self.none_is_retired(&keys).await?;
        self.the_feed_says(accounts.iter().map(|one| (one.name.to_string(), Some(feed::account(one)))).collect()).await?;
        Ok(keys)
    }

    pub(super) async fn resources(&mut self, after: &str, limit: u64) -> Result<Vec<String>, Error> {
        let sightings = rows::resources(self.db, after, limit).await?;
        let (keys, resources) = self.sound(sightings);
        let mut wanted = Wanted::new();
        let containers: Vec<_> = resources.iter().map(|resource| (resource, resource.name.leaf_parent())).collect();
        for container in containers.iter().filter_map(|(_, container)| container.as_ref()) {
            want(&mut wanted, Noun::of(container), container);
        }
        let present = rows::present(self.db, &wanted).await?;
        for (resource, container) in containers {
            if container.is_none_or(|container| !present.contains(container.as_str())) {
                self.note(Kind::Missing, &resource.name, "its container is not there");
            }
        }
        self.none_is_retired(&keys).await?;
        self.the_feed_says(resources.iter().map(|one| (one.name.to_string(), Some(feed::resource(one)))).collect()).await?;
        Ok(keys)
    }

    pub(super) async fn users(&mut self, after: &str, limit: u64) -> Result<Vec<String>, Error> {
        let sightings = rows::users(self.db, after, limit).await?;
        let (keys, users) = self.sound(sightings);
        self.the_feed_says(users.iter().map(|one| (one.name.to_string(), (!one.deleted).then(|| feed::user(one)))).collect()).await?;
        Ok(keys)
    }

    pub(super) async fn members(&mut self, after: &str, limit: u64) -> Result<Vec<String>, Error> {
        let sightings = rows::members(self.db, after, limit).await?;
        let (keys, members) = self.sound(sightings);
        let mut wanted = Wanted::new();
        members.iter().for_each(|member| want(&mut wanted, Noun::User, &member.user));
        let present = rows::present(self.db, &wanted).await?;
        for member in &members {
            if membership_of(&member.name.organization(), &member.user).ok().as_ref() != Some(&member.name) {
                self.note(Kind::Row, &member.name, "it is the membership of another user");
            } else if !present.contains(member.user.as_str()) {
                self.note(Kind::Missing, &member.name, "its user is deleted, or was never there");
            }
        }
        self.the_feed_says(members.iter().map(|one| (one.name.to_string(), Some(feed::member(one)))).collect()).await?;
        Ok(keys)
    }

    pub(super) async fn groups(&mut self, after: &str, limit: u64) -> Result<Vec<String>, Error> {
        let sightings = rows::groups(self.db, after, limit).await?;
        let (keys, _) = self.sound(sightings);
        self.none_is_retired(&keys).await?;
        Ok(keys)
    }

    pub(super) async fn edges(&mut self, after: &str, limit: u64) -> Result<Vec<String>, Error> {
        let sightings = rows::edges(self.db, after, limit).await?;
        let (keys, edges) = self.sound(sightings);
        let mut wanted = Wanted::new();
        for edge in &edges {
            match &edge.member {
                // Whoever is in a group is a member of its organization.
                GroupMember::User(user) => want(&mut wanted, Noun::Member, membership_of(&edge.organization(), user)?),
                GroupMember::Group(inner) => want(&mut wanted, Noun::Group, inner),
            }
        }
        let present = rows::present(self.db, &wanted).await?;
        for edge in &edges {
            self.edge_is_sound(edge, &present).await?;
        }
        self.the_feed_says(edges.iter().map(|one| (one.key(), Some(feed::group_edge(one)))).collect()).await?;
        Ok(keys)
    }

    async fn edge_is_sound(&mut self, edge: &Edge, present: &BTreeSet<String>) -> Result<(), Error> {
        match &edge.member {
            GroupMember::User(user) => {
                if !present.contains(membership_of(&edge.organization(), user)?.as_str()) {
                    self.note(Kind::NotAMember, edge.key(), "who is in the group is no member of its organization");
                }
            }
            GroupMember::Group(inner) => {
                if inner.organization() != edge.organization() {
                    self.note(Kind::Row, edge.key(), "a group of another organization is in it");
                } else if !present.contains(inner.as_str()) {
                    self.note(Kind::Missing, edge.key(), "the group that is in it is not there");
                } else if store::group::containing(self.db, &edge.group).await?.contains(member_text(&edge.member)) {
                    self.note(Kind::GroupCycle, edge.key(), "by this the group contains itself");
                }
            }
        }
        Ok(())
    }

    pub(super) async fn partnerships(&mut self, after: &str, limit: u64) -> Result<Vec<String>, Error> {
        let sightings = rows::partnerships(self.db, after, limit).await?;
        let (keys, partnerships) = self.sound(sightings);
        let mut wanted = Wanted::new();
        for partnership in &partnerships {
            want(&mut wanted, Noun::of(&partnership.partner), &partnership.partner);
            want(&mut wanted, Noun::of(&partnership.node), &partnership.node);
        }
        let present = rows::present(self.db, &wanted).await?;
        for partnership in &partnerships {
            if partnership.node.organization() != partnership.name.organization() {
                self.note(Kind::Row, &partnership.name, "its node is another organization's");
            // An offer does not tell whether there is such a partner, and so may name one that never was.
            } else if !present.contains(partnership.node.as_str())
                || (partnership.accepted && !present.contains(partnership.partner.as_str()))
            {
                self.note(Kind::Missing, &partnership.name, "its node or its partner is not there");
            }
        }
        self.none_is_retired(&keys).await?;
        self.the_feed_says(partnerships.iter().map(|one| (one.name.to_string(), Some(feed::partnership(one)))).collect()).await?;
        Ok(keys)
    }

    pub(super) async fn bindings(&mut self, after: &str, limit: u64) -> Result<Vec<String>, Error> {
        let sightings = rows::role_bindings(self.db, after, limit).await?;
        let (keys, bindings) = self.sound(sightings);
        let around = self.around(&bindings).await?;
        let mut counted = BTreeSet::new();
        for binding in &bindings {
            self.binding_is_sound(binding, &around);
            let Some(terms) = self.terms(binding, &around) else { continue };
            self.is_held_once(binding, &terms, &around);
            if terms.seats_most > 0 && counted.insert((binding.assigned.node.clone(), terms.role.clone())) {
                self.seats_are_enough(binding, &terms).await?;
            }
        }
        self.none_is_retired(&keys).await?;
        let records: Expected = bindings.iter().map(|one| (one.name.to_string(), Some(feed::role_binding(one)))).collect();
        self.the_feed_says(records).await?;
        Ok(keys)
    }

    /// Invitations that are pending: what they offer is there. Seats that they take are counted with those of bindings.
    pub(super) async fn invitations(&mut self, after: &str, limit: u64) -> Result<Vec<String>, Error> {
        let sightings = rows::invitations(self.db, after, limit).await?;
        let (keys, mut invitations) = self.sound(sightings);
        invitations.retain(|invitation| invitation.state(self.now) == State::Pending);
        let mut wanted = Wanted::new();
        for invitation in &invitations {
            want(&mut wanted, Noun::of(&invitation.offer.node), &invitation.offer.node);
        }
        let present = rows::present(self.db, &wanted).await?;
        for invitation in &invitations {
            if invitation.offer.node.organization() != invitation.name.organization() {
                self.note(Kind::Row, &invitation.name, "its node is another organization's");
            } else if !present.contains(invitation.offer.node.as_str()) {
                self.note(Kind::Missing, &invitation.name, "its node is not there");
            }
        }
        Ok(keys)
    }

    async fn around(&self, bindings: &[RoleBinding]) -> Result<Around, Error> {
        let mut wanted = Wanted::new();
        let (mut nodes, mut principals, mut custom) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for RoleBinding { name, assigned, .. } in bindings {
            let organization = name.organization();
            want(&mut wanted, Noun::Organization, &organization);
            want(&mut wanted, Noun::of(&assigned.node), &assigned.node);
            match &assigned.principal {
                Principal::User(user) => {
                    want(&mut wanted, Noun::User, user);
                    want(&mut wanted, Noun::Member, membership_of(&organization, user)?);
                }
                Principal::Group(group) => want(&mut wanted, Noun::Group, group),
                Principal::Organization(other) => want(&mut wanted, Noun::Organization, other),
                Principal::Anyone => {}
            }
            match &assigned.sponsor {
                Some(Sponsor::Partnership(partnership)) => want(&mut wanted, Noun::Partnership, partnership),
                Some(Sponsor::Workspace(workspace)) => want(&mut wanted, Noun::Workspace, workspace),
                None => {}
            }
            nodes.insert(assigned.node.to_string());
            principals.insert(assigned.principal.to_string());
            if let RoleOwner::Organization(_) = assigned.role.owner() {
                custom.insert(assigned.role.to_string());
            }
        }
        let mut trees = rows::trees(self.db, wanted.get(&Noun::Organization).unwrap_or(&BTreeSet::new())).await?;
        let roots: BTreeSet<String> = trees.values().map(|tree| tree.root.clone()).collect();
        trees.extend(rows::trees(self.db, &roots).await?);
        let mut held: BTreeMap<_, Vec<Held>> = BTreeMap::new();
        for one in rows::held(self.db, &nodes, &principals, self.now).await? {
            held.entry((one.node.clone(), one.principal.clone())).or_default().push(one);
        }
        // Custom roles are the role catalog's; what is live of them, the feed tells.
        let custom: Vec<String> = custom.into_iter().collect();
        let mut custom_roles = BTreeSet::new();
        for some in custom.chunks(500) {
            custom_roles.extend(ledger::feed::latest(self.db, some).await?.into_keys());
        }
        Ok(Around { present: rows::present(self.db, &wanted).await?, trees, custom_roles, held })
    }

    fn binding_is_sound(&mut self, binding: &RoleBinding, around: &Around) {
        let RoleBinding { name, assigned, .. } = binding;
        let organization = name.organization();
        if assigned.node.organization() != organization {
            self.note(Kind::Row, name, "its node is another organization's");
        } else if !around.present.contains(assigned.node.as_str()) {
            self.note(Kind::Missing, name, "its node is not there");
        }
        let principal = assigned.principal.to_string();
        if assigned.principal != Principal::Anyone && !around.present.contains(&principal) {
            self.note(Kind::Missing, name, "its principal is not there");
        } else if let (Some(user), None) = (assigned.user(), &assigned.sponsor) {
            let is_member = membership_of(&organization, user).is_ok_and(|member| around.present.contains(member.as_str()));
            if !is_member {
                self.note(Kind::NotAMember, name, "its user is no member, and has no sponsor");
            }
        }
        let sponsor_is_there = match &assigned.sponsor {
            Some(Sponsor::Partnership(partnership)) => {
                partnership.organization() == organization && around.present.contains(partnership.as_str())
            }
            Some(Sponsor::Workspace(workspace)) => around.present.contains(workspace.as_str()),
            None => true,
        };
        if !sponsor_is_there {
            self.note(Kind::Missing, name, "its sponsor is not there");
        }
    }

    /// The terms of a binding's role in its tree; none, with a violation noted, if it is no role there. A custom role has none that are counted.
    fn terms(&mut self, binding: &RoleBinding, around: &Around) -> Option<RoleTerms> {
        let role = &binding.assigned.role;
        let organization = binding.name.organization();
        let root = around.trees.get(organization.as_str()).map(|tree| tree.root.as_str())?;
        let pinned = around.trees.get(root).and_then(|root| root.pinned.as_ref());
        let terms = match role.owner() {
            RoleOwner::Organization(owner) => (owner == organization && around.custom_roles.contains(&role.to_string()))
                .then(|| RoleTerms { role: role.to_string(), ..RoleTerms::default() }),
            RoleOwner::Model(_) => self.roles_of(root, pinned)?.roles.get(&role.to_string()).cloned(),
        };
        if terms.is_none() {
            self.note(Kind::ForeignRole, &binding.name, foreign(role));
        }
        terms
    }

    /// What the tree's role model says; none, with the tree noted as unknown, if that is not known of the pinned revision.
    fn roles_of(&mut self, root: &str, pinned: Option<&crate::organization::Pinned>) -> Option<&ModelRoles> {
        let models = self.models;
        match models.get(root) {
            Some(Some(known)) if Some(&known.pinned) == pinned => Some(known),
            // What is known is of before or after.
            Some(Some(_)) | None => {
                self.unknown.insert(root.to_owned());
                None
            }
            Some(None) => None,
        }
    }

    /// By users, if it is counted; by each once at the node, and of an exclusive set one role.
    fn is_held_once(&mut self, binding: &RoleBinding, terms: &RoleTerms, around: &Around) {
        let RoleBinding { name, assigned, .. } = binding;
        if invariants::held_directly(terms, &assigned.principal).is_err() {
            self.note(Kind::HeldIndirectly, name, format!("`{}` is counted, so only users hold it", terms.role));
        }
        if assigned.has_ended(self.now) {
            return;
        }
        let there = (assigned.node.to_string(), assigned.principal.to_string());
        let before = || around.held.get(&there).into_iter().flatten().filter(|other| other.name.as_str() < name.as_str());
        if let Some(same) = before().find(|other| other.role == terms.role) {
            self.note(Kind::HeldTwice, name, format!("`{}` gives the same principal the same role there", same.name));
        }
        let excludes = |other: &&Held| other.role != terms.role && terms.exclusive_set.contains(&other.role);
        if let Some(other) = before().find(excludes) {
            self.note(Kind::ExclusiveRole, name, format!("`{}` gives the same user `{}` there", other.name, other.role));
        }
    }

    async fn seats_are_enough(&mut self, binding: &RoleBinding, terms: &RoleTerms) -> Result<(), Error> {
        let node = &binding.assigned.node;
        let holders = store::role_binding::count_holders(self.db, node, &terms.role, self.now).await?;
        let holders = holders + store::invitation::count_reserved(self.db, node, &terms.role, self.now).await?;
        if holders <= u64::from(terms.seats_most) {
            return Ok(());
        }
        // Of all of its bindings, which may be on many pages, one says so.
        let first = rows::first_of_role(self.db, node, &terms.role, self.now).await?;
        if first.as_deref() == Some(binding.name.as_str()) {
            self.note(
                Kind::Seats,
                &binding.name,
                format!("{holders} hold `{}` or are invited to it, and there are {} seats", terms.role, terms.seats_most),
            );
        }
        Ok(())
    }
}

fn foreign(role: &RoleName) -> &'static str {
    match role.owner() {
        RoleOwner::Organization(_) => "its role is another organization's, or none",
        RoleOwner::Model(_) => "its role is none of the tree's role model",
    }
}

/// The organization of the workspace above.
fn parent_organization(tree: &Tree) -> Option<String> {
    let parent = NodeName::parse(tree.parent.as_deref()?).ok()?;
    Some(parent.organization().to_string())
}

/// What is wrong with where an organization is.
fn tree_fault(organization: &Organization, above: &BTreeMap<String, Tree>) -> Option<&'static str> {
    let mut at = organization.name.to_string();
    for _ in 0..DEEPEST {
        let Some(tree) = above.get(&at) else { return Some("something above it is not there") };
        match parent_organization(tree) {
            None if tree.parent.is_some() => return Some("what is above it is no workspace"),
            None if at == organization.root.as_str() => return None,
            None => return Some("its root is another than its parents lead to"),
            Some(parent) => at = parent,
        }
    }
    Some("its parents lead in a circle")
}
